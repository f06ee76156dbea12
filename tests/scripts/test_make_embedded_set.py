import subprocess
import sys
from pathlib import Path

import pytest

from scotoma.data import fashion

ROOT = Path(__file__).parents[2]
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts/make_embedded_set.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason=f"the Debian package dataset-fashion-mnist is not in {DEBIAN}"
)
def test_the_script_makes_the_shipped_file_bit_by_bit(tmp_path: Path) -> None:
    out = tmp_path / "made"
    done = run(str(DEBIAN), str(out))
    assert (done.returncode, done.stdout) == (0, f"{out}: 7,533,785 bytes\n")
    assert out.read_bytes() == (ROOT / "src/scotoma/data/fashion_mnist" / fashion.EMBEDDED).read_bytes()


def test_a_folder_without_the_files_is_a_users_mistake(tmp_path: Path) -> None:
    done = run(str(tmp_path))
    message = f"There is no train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) in {tmp_path}.\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_without_arguments_it_says_what_it_does() -> None:
    done = run()
    assert done.returncode == 2
    assert "make_embedded_set.py IDX_FOLDER [OUT]" in done.stderr
