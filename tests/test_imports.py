"""Holds the table of imports: they go down only, and `scotoma --help` waits for nothing heavy."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import scotoma

ROOT = Path(scotoma.__file__).parent

# Each part may import from itself and from what stands here. Parts are what lies right below scotoma/.
BASE = {"errors", "allocation"}
RUNS = BASE | {"runs"}
MIDDLE = RUNS | {"data", "networks", "objectives"}
ARTEFACT = MIDDLE | {"encoder_file", "metrics"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "allocation": set(),
    "runs": BASE,
    "objectives": set(),
    "networks": RUNS,
    "data": RUNS,
    "encoder_file": MIDDLE,
    "metrics": MIDDLE,
    "training": ARTEFACT,
    "verification": ARTEFACT,
    "audit": ARTEFACT | {"verification"},
    "reports": RUNS,
    "presets": ARTEFACT | {"training", "verification", "reports"},
}
ALLOWED["experiments"] = set(ALLOWED)
ALLOWED["cli"] = set(ALLOWED)
# The public names may come from everywhere.
ALLOWED |= {"__init__": set(ALLOWED), "__main__": set(ALLOWED)}

HEAVY = {
    "torch",
    "numpy",
    "scipy",
    "sklearn",
    "matplotlib",
    "PIL",
    "simplejpeg",
    "safetensors",
    "jinja2",
    "onnx",
    "onnxruntime",
}

MODULES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Full names of what the import statements among `nodes` name, `from a import b` as both a and a.b."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {str(node.module)} | {f"{node.module}.{each.name}" for each in node.names}
    return found


def at_start(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: nothing in functions, nothing for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from at_start(child)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down_only(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert part in ALLOWED, f"give {part} a place in the table above"
    names = {name.split(".")[1] for name in imported(ast.walk(parsed(path))) if name.startswith("scotoma.")}
    parts = {name for name in names if (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()}
    assert parts - {part} <= ALLOWED[part]


def test_objectives_know_torch_only() -> None:
    names = {name.split(".")[0] for name in imported(ast.walk(parsed(ROOT / "objectives.py")))}
    assert names <= {"torch", "typing", "collections", "math"}


def test_the_command_line_starts_without_anything_heavy() -> None:
    sources = {name_of(path): path for path in MODULES}
    waiting, reached = ["scotoma.cli.app", "scotoma.__main__"], set[str]()
    while waiting:
        name = waiting.pop()
        # Importing a.b.c runs a and a.b as well.
        packages = {name.rsplit(".", depth)[0] for depth in range(name.count(".") + 1)}
        for each in (packages & set(sources)) - reached:
            reached.add(each)
            names = imported(at_start(parsed(sources[each])))
            heavy = {found for found in names if found.split(".")[0] in HEAVY}
            assert not heavy, f"{each} imports {heavy} at start-up"
            waiting += [found for found in names if found in sources]
    assert {"scotoma", "scotoma.errors", "scotoma.runs.settings", "scotoma.cli.train"} <= reached
