import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scotoma.errors import InputError
from scotoma.runs.run_folder import LOCK, MARKER, claim, held
from scotoma.runs.whole_files import clear_abandoned, read_json, write_json
from tests.runs.told import files, told


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `tmp_path / "run"` until it is killed."""
    (tmp_path / "run").mkdir()
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom scotoma.runs.run_folder import held\n"
        "with held(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_new_folder_is_made_and_marked(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert claim(folder, "training") is False
    assert read_json(folder / MARKER) == {"format": "scotoma-run", "version": 1, "kind": "training"}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert claim(tmp_path, "training", resume=True) is False
    assert (tmp_path / MARKER).is_file()


def test_a_run_is_continued_with_everything_in_it(tmp_path: Path) -> None:
    claim(tmp_path, "training")
    (tmp_path / "state").write_text("s")
    assert claim(tmp_path, "training", resume=True) is True
    assert (tmp_path / "state").read_text() == "s"


def test_a_run_is_emptied_when_it_is_to_be_overwritten(tmp_path: Path) -> None:
    claim(tmp_path, "training")
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "c.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path.parent)
    assert claim(tmp_path, "verification", overwrite=True, resume=True) is False
    assert files(tmp_path) == [LOCK, MARKER]
    assert read_json(tmp_path / MARKER)["kind"] == "verification"


def test_an_earlier_run_is_refused(tmp_path: Path) -> None:
    claim(tmp_path, "training")
    advice = "choose another --out, or give --overwrite to replace it."
    assert told(claim, tmp_path, "training") == f"{tmp_path} holds a training run already: {advice}"
    assert told(claim, tmp_path, "verification", resume=True) == (
        f"{tmp_path} holds a training run, not a verification run: {advice}"
    )


def test_a_folder_of_the_users_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("p")
    for overwrite, resume in ((False, False), (True, False), (False, True)):
        assert told(claim, tmp_path, "training", overwrite=overwrite, resume=resume) == (
            f"{tmp_path} is not empty and no run folder of Scotoma, it is left alone: choose another --out."
        )
    assert files(tmp_path) == ["photo.jpg"]


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("")
    assert told(claim, path, "training") == (
        f"{path} is a file, a folder for the run's files is needed: choose another --out."
    )
    assert told(claim, path / "b", "training") == f"The folder {path / 'b'} cannot be made: Not a directory."


def test_a_folder_is_held_by_one_process_and_the_other_is_named(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    folder = tmp_path / "run"
    message = f"{folder} is in use by process {holder.pid}: wait until it ends, or choose another --out."

    def hold() -> None:
        with held(folder):
            pass

    assert told(hold) == message
    assert told(claim, folder, "training") == message
    holder.kill()
    holder.wait()
    hold()


def test_a_folder_on_a_full_disk_cannot_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr(os, "pwrite", full)
        with pytest.raises(InputError) as caught, held(tmp_path):
            pass
    assert str(caught.value) == f"The folder {tmp_path} cannot be written to: No space left on device."
    with held(tmp_path):  # it was let go of
        pass


def test_a_run_in_use_is_not_overwritten(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    folder = tmp_path / "run"
    write_json(folder / MARKER, {"format": "scotoma-run", "version": 1, "kind": "training"})
    (folder / "state").write_text("s")
    assert f"in use by process {holder.pid}" in told(claim, folder, "training", overwrite=True)
    assert (folder / "state").read_text() == "s"


def test_what_a_killed_run_was_writing_is_removed_by_the_next_holder(tmp_path: Path) -> None:
    for name in (".encoder.safetensors.abc.tmp", "mine.tmp", ".other"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / ".a.json.x.tmp").write_bytes(b"")
    with held(tmp_path):
        assert files(tmp_path) == [LOCK, ".other", "cells", "mine.tmp"]
    assert files(tmp_path / "cells") == [".a.json.x.tmp"]  # whoever holds these clears them
    clear_abandoned(tmp_path / "cells")
    assert files(tmp_path / "cells") == []


def test_a_run_that_was_killed_before_it_had_a_marker_leaves_the_folder_free(tmp_path: Path) -> None:
    for name in (LOCK, f".{MARKER}.abc.tmp"):
        (tmp_path / name).write_bytes(b"")
    assert not claim(tmp_path, "training", resume=True)
    assert files(tmp_path) == [LOCK, MARKER]
    (tmp_path / MARKER).unlink()
    (tmp_path / ".mine.tmp").write_bytes(b"")
    with pytest.raises(InputError, match="is not empty and no run folder of Scotoma, it is left alone"):
        claim(tmp_path, "training", overwrite=True)


def test_the_lock_names_its_holder_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / LOCK).write_text("123456789012\n")
    contents = []
    truncate = os.ftruncate

    def cut(handle: int, length: int) -> None:
        contents.append((tmp_path / LOCK).read_text())
        truncate(handle, length)

    monkeypatch.setattr(os, "ftruncate", cut)
    with held(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
    assert [each.partition("\n")[0] for each in contents] == [str(os.getpid())]


def test_a_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="within"), held(tmp_path):
        raise ValueError("within")
    with held(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
