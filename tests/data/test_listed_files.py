import os
from pathlib import Path
from typing import Any

import pytest

from scotoma.data.listed_files import find_files, image_share

NAMES = (
    "a.jpg",
    "b/c d.PNG",
    "b/日本 'é\".webp",
    "b/e.jpeg",
    "..c/g.jpg",
    " f.jpg",
    "b/notes.txt",
    "b/.hidden.jpg",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in (*(f"root/{name}" for name in NAMES), "outside.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return root


def test_files_are_found_below_the_root(root: Path) -> None:
    (root / "link.jpg").symlink_to("../outside.jpg")
    (root / "folder").symlink_to("b")
    named = {
        "a.jpg": "a.jpg",
        "./a.jpg": "a.jpg",
        " a.jpg ": "a.jpg",
        "b/../a.jpg": "a.jpg",
        "nowhere/../a.jpg": "a.jpg",
        "../root/b//e.jpeg": None,
        "..c/g.jpg": "..c/g.jpg",
        "b/c d.PNG": "b/c d.PNG",
        "b/日本 'é\".webp": "b/日本 'é\".webp",
        " f.jpg": " f.jpg",
        "link.jpg": "link.jpg",
        "folder/e.jpeg": "folder/e.jpeg",
        f"{root}/a.jpg": "a.jpg",
        f"/{root}/b/./e.jpeg": "b/e.jpeg",
    }
    found = find_files(list(named), root)
    assert found.files == [name or "" for name in named.values()]
    assert found.problems == [
        (5, "files elsewhere", f"'../root/b//e.jpeg' leads out of {root}"),
    ]
    assert found.found == len(named) - 1 and not found.backslashes


def test_absolute_paths_may_go_by_links_or_not(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = root.with_name("link")
    link.symlink_to("root")
    assert find_files([f"{link}/a.jpg", f"{root}/a.jpg"], link).files == ["a.jpg", "a.jpg"]
    monkeypatch.chdir(root)
    assert find_files([f"{root}/a.jpg", "a.jpg"], Path(".")).files == ["a.jpg", "a.jpg"]
    assert find_files([f"{root}/a.jpg"], Path("/")).files == [f"{root}/a.jpg"[1:]]


def test_what_is_wrong_with_a_path_is_told(root: Path) -> None:
    (root / "round.jpg").symlink_to("round.jpg")
    (root / "folder.jpg").mkdir()
    reasons = {
        "": ("rows without a file", "no file is named"),
        "  ": ("rows without a file", "no file is named"),
        "x.jpg": ("missing files", "there is no file 'x.jpg'"),
        "A.jpg": ("missing files", "there is no file 'A.jpg'"),
        "f.jpg": ("missing files", "there is no file 'f.jpg'"),
        "a.jpg/b.jpg": ("missing files", "there is no file 'a.jpg/b.jpg'"),
        "x/y/z.jpg": ("missing files", "there is no file 'x/y/z.jpg'"),
        "round.jpg": ("missing files", "there is no file 'round.jpg'"),
        "folder.jpg": ("missing files", "there is no file 'folder.jpg'"),
        "\ud800/a.jpg": ("missing files", "there is no file '\\ud800/a.jpg'"),
        300 * "x" + "/a.jpg": (
            "missing files",
            f"{300 * 'x' + '/a.jpg'!r} cannot be looked for: File name too long",
        ),
        "b/notes.txt": ("names of no image", "'b/notes.txt' is no image by its extension"),
        "b/.hidden.jpg": ("names of no image", "'b/.hidden.jpg' is no image by its extension"),
        "a": ("names of no image", "'a' is no image by its extension"),
        "b": ("names of no image", "'b' is no image by its extension"),
        "../outside.jpg": ("files elsewhere", f"'../outside.jpg' leads out of {root}"),
        "..": ("files elsewhere", f"'..' leads out of {root}"),
        f"{root.parent}/outside.jpg": (
            "files elsewhere",
            f"'{root.parent}/outside.jpg' leads out of {root} (--root names another folder)",
        ),
        f"{root}2/a.jpg": (
            "files elsewhere",
            f"'{root}2/a.jpg' leads out of {root} (--root names another folder)",
        ),
    }
    found = find_files(list(reasons), root)
    assert found.problems == [(row, *each) for row, each in enumerate(reasons.values())]
    assert found.files == [""] * len(reasons) and found.found == 0


def test_backslashes_are_slashes_where_that_finds_more(root: Path) -> None:
    found = find_files(["a.jpg", "b\\e.jpeg", ".\\b\\c d.PNG"], root)
    assert (found.files, found.problems) == (["a.jpg", "b/e.jpeg", "b/c d.PNG"], [])
    assert found.backslashes
    # In the whole column: what is not there is told of as it was looked for.
    found = find_files(["b\\x.jpg", "b\\e.jpeg"], root)
    assert found.problems == [(0, "missing files", "there is no file 'b/x.jpg'")]
    # A file whose name has one.
    (root / "b\\e.jpeg").write_bytes(b"")
    found = find_files(["b\\e.jpeg", "a.jpg"], root)
    assert (found.files, found.backslashes) == (["b\\e.jpeg", "a.jpg"], False)
    found = find_files(["b\\e.jpeg", "b\\x.jpg"], root)
    assert found.problems == [(1, "missing files", "there is no file 'b\\\\x.jpg'")]


def test_each_folder_is_listed_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    scan = os.scandir

    def scandir(path: Path) -> Any:
        listed.append(str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    find_files([*NAMES, *NAMES, "x/y.jpg", "x/z.jpg"], root)
    assert listed == [f"{root}", f"{root}/b", f"{root}/..c", f"{root}/x"]


def test_the_share_of_names_of_images() -> None:
    assert image_share(["a.jpg", "b.PNG ", "", " ", "c.txt", "jpg"]) == 0.5
    assert image_share(["", ""]) == 0
