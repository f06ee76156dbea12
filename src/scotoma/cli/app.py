"""Which verbs are there, and what does each way of ending mean to the shell?

0: done. 1: it went wrong. 2: a user's mistake, told in a message. 130: stopped by Ctrl-C.
Nothing heavy is imported here: `scotoma --help` answers at once, verbs import what they need when they run.
"""

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from cyclopts import App, CycloptsError

from scotoma.allocation import tune_allocator
from scotoma.cli.check import check
from scotoma.cli.compare import compare
from scotoma.cli.demo import demo
from scotoma.cli.encode import encode
from scotoma.cli.flowing import flowing, with_flowing_help
from scotoma.cli.info import info
from scotoma.cli.labels import LabelsFlags
from scotoma.cli.report import report
from scotoma.cli.reproduce import reproduce
from scotoma.cli.sweep import sweep
from scotoma.cli.train import train
from scotoma.cli.verify import verify
from scotoma.cli.verify_options import TargetFlags
from scotoma.errors import InputError, ScotomaError

_HELP = """Train image encoders with a deliberate blind spot, and test it by attack.

Name what encoded images must hide and what they must still show; then, in this order:
check the images, train an encoder, verify it by attacks, read the report, encode images.
Try it first on the images that come with Scotoma: scotoma demo --out runs/demo"""

_EPILOGUE = "What a verb does and takes: scotoma VERB --help. DATA is a folder with one folder of images per \
category, a table of attributes (.csv, .tsv), a folder with IDX files, or the word fashion-mnist (the images \
that come with Scotoma)."


def make_app() -> App:
    """The command line: every verb, in the order of the job."""
    app = App(
        name="scotoma",
        help=flowing(_HELP),
        help_epilogue=_EPILOGUE,
        help_format="plaintext",
        version=lambda: version("scotoma"),
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
    )
    verbs: tuple[Callable[..., None], ...] = (
        *(check, train, verify, report, compare, encode, info),
        *(demo, sweep, reproduce),
    )
    for shared in (LabelsFlags, TargetFlags):
        with_flowing_help(shared)
    for place, verb in enumerate(verbs):
        app.command(with_flowing_help(verb), sort_key=place)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: what the user typed after `scotoma`; None for the process's own.

    Returns:
        The exit code.
    """
    tune_allocator()
    # Pillow's words on an image of too many pixels, which is refused in our own.
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")
    # A name in letters that no font here has is a box in a picture; tables have it.
    warnings.filterwarnings("ignore", "Glyph .* missing from font")
    before = _stop_at_once_the_second_time()
    try:
        app = make_app()
        app(arguments if arguments is None else list(arguments))
        sys.stdout.flush()
    except CycloptsError as error:
        chain = " ".join(["scotoma", *(error.command_chain or ())])
        return _fail(f"{error}\nSee {chain} --help.", 2)
    except InputError as error:
        return _fail(str(error), 2)
    except ScotomaError as error:
        return _fail(str(error), 1)
    except MemoryError as error:
        what = f" ({error})" if str(error) else ""
        return _fail(f"There was not enough memory{what}. What was written is whole.", 1)
    except KeyboardInterrupt as stop:
        return _fail(f"Stopped. {stop}".strip(), 130)
    except BrokenPipeError:
        # The reader (`| head`) has enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    finally:
        # The process's own verb leaves it to the end: Python, too, takes a while to end.
        if before is not None and arguments is not None:
            signal.signal(signal.SIGINT, before)
    return 0


def _stop_at_once_the_second_time() -> Any:
    """Let the first Ctrl-C stop the verb, which may take it a while, and the second one end the process.

    Returns:
        What Ctrl-C did before; None where it is left as it is, as it was ignored or is somebody else's.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        return None

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGINT, end)
        raise KeyboardInterrupt

    def end(*_: object) -> NoReturn:
        # Nothing is lost by that: files are written whole or not at all.
        os.write(2, b"Stopped at once. What was written is whole: the same command goes on.\n")
        os._exit(130)

    signal.signal(signal.SIGINT, stop)
    return before


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
