"""How is Scotoma used from a terminal? One module per verb; `main` is the console script."""

from scotoma.cli.app import main

__all__ = ["main"]
