import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from scotoma.cli import main
from scotoma.cli.options import resumable
from scotoma.errors import InputError, ScotomaError, TrainingStopped

VERBS = ["check", "train", "verify", "report", "compare", "encode", "info", "demo", "sweep", "reproduce"]


@pytest.fixture
def app() -> ModuleType:
    # `from scotoma.cli import app` would do as well today, but not if the package named its App so.
    return sys.modules["scotoma.cli.app"]


def ends(error: BaseException) -> Callable[[], Callable[[object], None]]:
    """Instead of the app: one that ends with `error`, whatever was typed."""

    def run(arguments: object) -> None:
        raise error

    return lambda: run


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError("a mistake"), 2, "a mistake\n"),
        (ScotomaError("disk full"), 1, "disk full\n"),
        (TrainingStopped("not finite"), 1, "not finite\n"),
        (MemoryError(), 1, "There was not enough memory. What was written is whole.\n"),
        (MemoryError("9 GiB"), 1, "There was not enough memory (9 GiB). What was written is whole.\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (KeyboardInterrupt("The same command goes on."), 130, "Stopped. The same command goes on.\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_each_way_of_ending_has_its_exit_code_and_message(
    error: BaseException,
    code: int,
    told: str,
    app: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(app, "make_app", ends(error))
    assert main([]) == code
    assert capsys.readouterr() == ("", told)


def test_an_error_of_ours_is_not_hidden(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "make_app", ends(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main([])


def test_ctrl_c_in_a_verb_says_how_to_go_on(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(data: str) -> None:
        with resumable("The same command goes on from iteration 400."):
            raise KeyboardInterrupt

    monkeypatch.setattr(app, "check", check)
    assert main(["check", "photos"]) == 130
    assert capsys.readouterr().err == "Stopped. The same command goes on from iteration 400.\n"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            ["tran"],
            'Unknown command "tran". Did you mean "train"? '
            "Available commands: check, train, verify, report, compare, encode, info, demo, ...\n"
            "See scotoma --help.\n",
        ),
        (
            ["train", "photos", "--hid", "a"],
            "Unknown option: --hid. Did you mean --hide?\nSee scotoma train --help.\n",
        ),
        (
            ["train", "photos", "--seed", "x"],
            "Invalid value for --seed: 'x' is no whole number from 0 on\nSee scotoma train --help.\n",
        ),
        (
            ["train", "photos", "--hide", "a,,b"],
            "--hide 'a,,b' has an empty name: give names separated by single commas, as in a,b.\n",
        ),
        (["report"], "the command line: 1 problem.\n  - run: missing, it must be a path\n"),
        (["report", "x", "--config", "no.toml"], "There is no settings file no.toml.\n"),
    ],
    ids=["verb", "flag", "value", "names", "missing", "config"],
)
def test_a_mistake_in_what_was_typed_is_told(
    typed: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    assert capsys.readouterr() == ("", told)


def test_help_lists_every_verb_in_the_order_of_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(f"│ {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert main([]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_of_every_verb_is_explained(
    verb: str, app: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    assert f"scotoma {verb}" in capsys.readouterr().out
    collection = app.make_app()[verb].assemble_argument_collection(parse_docstring=True)
    arguments = [each for each in collection if each.show]
    assert arguments
    assert [each.name for each in arguments if not each.parameter.help] == []


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == version("scotoma") + "\n"


def test_the_command_starts_without_torch() -> None:
    code = (
        "import sys\nfrom scotoma.cli import main\nmain(['--help'])\n"
        "sys.exit(str(sorted({'torch', 'numpy', 'matplotlib', 'sklearn'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"


def test_a_reader_that_has_enough_is_no_error_to_tell(tmp_path: Path) -> None:
    (tmp_path / "scotoma-run.json").write_text('{"format": "scotoma-run", "version": 1, "kind": "training"}')
    command = [sys.executable, "-m", "scotoma", "info", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


SLOW_TO_STOP = """
import signal, sys, time
from scotoma.cli import main

def check(data: str) -> None:
    try:
        print("begun", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("stopping", flush=True)
        time.sleep(60)

sys.modules["scotoma.cli.app"].check = check
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["check", "photos"]))
"""


def test_a_second_ctrl_c_ends_a_verb_that_takes_its_time_to_stop() -> None:
    command = [sys.executable, "-c", SLOW_TO_STOP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        for said in ("begun\n", "stopping\n"):
            assert process.stdout.readline() == said
            process.send_signal(signal.SIGINT)
        assert process.stderr.read() == (
            "Stopped at once. What was written is whole: the same command goes on.\n"
        )
    assert process.returncode == 130


def test_ctrl_c_means_afterwards_what_it_meant_before(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(data: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(app, "check", check)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["check", "photos"]) == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert main(["check", "photos"]) == 0  # as in a shell's background
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
