"""What is installed from the wheel is what is in the tree: modules, settings, schemas, templates, images."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "scotoma"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Without isolation nothing is fetched: the build backend is among the requirements for development.
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        folder,
        ROOT,
    ]
    subprocess.run([str(each) for each in command], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    in_tree = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert in_wheel == in_tree


def test_the_wheel_carries_licence_and_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        by_name = {name.partition(".dist-info/")[2]: archive.read(name) for name in archive.namelist()}
    assert by_name["licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert by_name["entry_points.txt"].decode().split("\n")[:2] == [
        "[console_scripts]",
        "scotoma = scotoma.cli:main",
    ]


def test_the_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport scotoma.cli\n"
        "print(scotoma.cli.__file__, flush=True)\nsys.exit(scotoma.cli.main(['--help']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout.splitlines()[0] == str(tmp_path / "scotoma" / "cli" / "__init__.py")
    assert "Usage: scotoma COMMAND" in done.stdout
