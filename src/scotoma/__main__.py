"""What does `python -m scotoma` do? The same as the command `scotoma`."""

import sys

from scotoma.cli import main

if __name__ == "__main__":
    sys.exit(main())
