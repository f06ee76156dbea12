import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scotoma.audit.input_shape import ShapeFlags
from scotoma.audit.python_function import open_function
from scotoma.errors import InputError

Write = Callable[[str], str]
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 2, 5), np.uint8)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the text of a module into the current folder, and gives its name: another for every text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made: list[str] = []

    def make(text: str) -> str:
        name = f"scotoma_tested_{tmp_path.name}_{len(made)}"
        made.append(name)
        Path(f"{name}.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return make


def refusal(named: str, shape: ShapeFlags | None = None) -> str:
    with pytest.raises(InputError) as error:
        open_function(named, shape or ShapeFlags())[0](PIXELS)
    return str(error.value)


def test_a_function_is_found_in_the_current_folder(write: Write) -> None:
    name, before = write("def double(images):\n    return images * 2.0\n"), list(sys.path)
    encode, digest = open_function(f"{name}:double", ShapeFlags())
    assert np.array_equal(encode(PIXELS), PIXELS * 2.0)  # type: ignore[arg-type]
    assert len(digest) == 32 and sys.path == before


def test_what_a_module_sets_for_all_of_torch_holds_for_its_own_code_only(write: Write) -> None:
    text = "import torch\ntorch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n"
    text += (
        "def ones(images):\n    torch.set_default_dtype(torch.float64)\n    torch.set_grad_enabled(False)\n"
    )
    encode, _ = open_function(f"{write(text + '    return torch.ones(len(images), 2)')}:ones", ShapeFlags())
    for _ in range(2):
        assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)
        assert getattr(encode(PIXELS), "dtype", None) == torch.float64


def test_a_function_may_import_when_it_is_called(write: Write) -> None:
    helper = write("def double(images):\n    return images * 2.0\n")
    name = write(f"def late(images):\n    import {helper}\n    return {helper}.double(images)\n")
    encode, _ = open_function(f"{name}:late", ShapeFlags())
    assert np.array_equal(encode(PIXELS), PIXELS * 2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (ShapeFlags(), PIXELS),
        (ShapeFlags(scaling="bytes", layout="nchw"), PIXELS),
        (ShapeFlags(scaling="unit"), (PIXELS / 255).astype(np.float32)),
        (ShapeFlags(scaling="signed"), (PIXELS / 127.5 - 1).astype(np.float32)),
        (ShapeFlags(layout="nhwc"), np.moveaxis(PIXELS, 1, 3)),
        (ShapeFlags(scaling="unit", layout="nhwc"), (np.moveaxis(PIXELS, 1, 3) / 255).astype(np.float32)),
    ],
)
def test_images_come_as_they_are_asked_for(write: Write, shape: ShapeFlags, expected: np.ndarray) -> None:
    encode, _ = open_function(f"{write('def same(images): return images')}:same", shape)
    given = encode(PIXELS)
    assert isinstance(given, np.ndarray)
    assert (given.dtype, given.shape) == (expected.dtype, expected.shape)
    assert given == pytest.approx(expected, abs=1e-6)
    # Its own array: what the function does with it touches nobody else's.
    assert given.flags.c_contiguous and given.flags.writeable and not np.shares_memory(given, PIXELS)


def test_the_digest_follows_the_source(write: Write) -> None:
    text = "def one(images): return images\ndef two(images): return images\n"
    first, second = write(text), write(text + "WEIGHT = 2\n")
    digests = {
        open_function(each, ShapeFlags())[1] for each in (f"{first}:one", f"{first}:two", f"{second}:one")
    }
    assert len(digests) == 3
    assert open_function(f"{first}:one", ShapeFlags())[1] in digests
    # The same text is another encoder where it gets images in another form.
    assert open_function(f"{first}:one", ShapeFlags(scaling="unit"))[1] not in digests
    # What has no source still has a name.
    assert len(open_function("math:sqrt", ShapeFlags())[1]) == 32


def test_what_cannot_be_imported_says_why(write: Write) -> None:
    assert refusal("scotoma_nowhere:encode") == (
        f"There is no module 'scotoma_nowhere' in {Path.cwd()} or among the installed packages. Name it as "
        "it would be imported in this folder: module:function."
    )
    name = write("x = 1\nraise ValueError('no weights here')\n")
    assert refusal(f"{name}:encode") == (
        f"The module {name} cannot be imported: ValueError: no weights here (line 2 of {name}.py)"
    )
    name = write("import scotoma_nowhere\n")
    assert refusal(f"{name}:encode") == (
        f"The module {name} cannot be imported: ModuleNotFoundError: No module named 'scotoma_nowhere' "
        f"(line 1 of {name}.py)"
    )
    name = write("def encode(:\n")
    assert refusal(f"{name}:encode") == (
        f"The module {name} cannot be imported: SyntaxError: invalid syntax ({name}.py, line 1)"
    )
    name = write("raise SystemExit(3)\n")
    assert refusal(f"{name}:encode") == (
        f"The module {name} cannot be imported: SystemExit: 3 (line 1 of {name}.py)"
    )


def test_what_is_no_function_is_told(write: Write) -> None:
    name = write("def encode(images): return images\ndef _own(): pass\nSIZE = 3\n")
    assert refusal(f"{name}:encod") == (
        f"There is no 'encod' in the module {name}: did you mean 'encode'? (allowed: encode)."
    )
    assert refusal(f"{name}:SIZE") == f"{name}:SIZE is no function but int, which cannot be called."


def test_an_error_in_the_function_keeps_its_message(write: Write) -> None:
    name = write(
        "def encode(images):\n    return images.reshape(1, 7)\ndef none(): pass\nclass E(Exception): pass\n"
    )
    assert refusal(f"{name}:encode") == (
        f"{name}:encode failed on images (uint8 of shape (4, 3, 2, 5)): ValueError: cannot reshape array of "
        f"size 120 into shape (1,7) (line 2 of {name}.py)"
    )
    assert refusal(f"{name}:none", ShapeFlags(scaling="unit")) == (
        f"{name}:none failed on images (float32 of shape (4, 3, 2, 5)): TypeError: none() takes 0 positional "
        "arguments but 1 was given"
    )
