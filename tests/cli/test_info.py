import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from scotoma.cli import main
from scotoma.runs.run_folder import claim, write_json


def facts(out: str) -> dict[str, str]:
    """The two columns that `info` prints."""
    return {name: value for name, value in (line.split("  ", 1) for line in out.splitlines())}


def test_the_machine_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    shown = {name.strip(): value.strip() for name, value in facts(capsys.readouterr().out).items()}
    assert list(shown) == ["scotoma", "python", "torch", "device", "threads", "allocator"]
    assert shown["torch"] == torch.__version__
    assert shown["threads"].startswith(f"{torch.get_num_threads()} of ")


def test_a_tensor_file_is_described_with_its_metadata(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "encoder.safetensors"
    metadata = {"format": "f", "settings": json.dumps({"size": 32, "widths": [8, 16], "inner": {"kept": []}})}
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros(1000, np.float32)}, path, metadata)
    assert main(["info", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"file                 {path.stat().st_size:,} bytes",
        "numbers              1,006 in 2 tensors",
        "format               f",
        "settings.size        32",
        "settings.widths      8, 16",
        "settings.inner.kept  none",
    ]


def test_a_run_folder_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim(tmp_path, "training")
    write_json(tmp_path / "history.json", [])
    assert main(["info", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "run    training",
        "files  history.json, scotoma-run.json",
    ]


def test_what_is_no_file_of_ours_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path} is no run folder of Scotoma: it has no scotoma-run.json.\n"
    path = tmp_path / "a.safetensors"
    assert main(["info", str(path)]) == 2
    assert capsys.readouterr().err == f"There is no file or folder {path}.\n"
    path.write_bytes(b"not tensors")
    assert main(["info", str(path)]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"{path} is no encoder file: it is not safetensors (")
    assert told.count("\n") == 1
