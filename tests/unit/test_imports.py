"""Which way imports point, and that judging needs no deep-learning framework."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

LIBRARY = ROOT / "rfcn_lib"

# From the ground up; a module may import from rooms of lower rows and from its own room.
ROWS = (
    {"spec", "files", "socs", "tool_words"},
    {"records", "boxes", "port", "digests", "store", "progress", "command"},
    {"pictures", "score"},
    {"source"},
    {"graph", "devices"},
)
FRAMEWORKS = {"torch", "onnx", "onnx_ir", "onnxruntime"}
MODULES = sorted(path.relative_to(LIBRARY) for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")


def room(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def row(name: str) -> int:
    return next(index for index, rooms in enumerate(ROWS) if name in rooms)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; write the full name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_down(module):
    ours = {name.split(".")[1] for name in imported(LIBRARY / module) if name.startswith("rfcn_lib.")}
    here = room(module)
    sideways = {name for name in ours if row(name) == row(here) and name != here and row(here) != 1}
    upwards = {name for name in ours if row(name) > row(here)}

    assert not sideways, f"{module} imports {sideways} of its own row"
    assert not upwards, f"{module} imports {upwards} from above"


def test_nothing_imports_tests_tools_or_conftest():
    outside = {
        "conftest",
        "given",
        "passes",
        "reporting",
        "option_checks",
        "trial",
        "reference",
        "ascend",
        "ascend_host",
        "gpu",
        "tests",
        "tools",
        "benchmarks",
    }
    for module in MODULES:
        assert not {name.split(".")[0] for name in imported(LIBRARY / module)} & outside, module


def test_judging_needs_no_deep_learning_framework():
    names = [f"rfcn_lib.{'.'.join(module.with_suffix('').parts)}" for module in MODULES if row(room(module)) <= 2]
    code = f"import sys; import {', '.join(names)}; print(sorted({FRAMEWORKS!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
