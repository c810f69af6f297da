"""The README's commands are understood, its options exist, and its paths are there."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.support.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTEST = re.findall(r"^    \.venv/bin/(pytest [^#\n]*)", README, re.MULTILINE)
MAKE = re.findall(r"^    (make \w+)", README, re.MULTILINE)


@pytest.mark.parametrize("command", PYTEST)
def test_a_pytest_command_is_understood(command, tmp_path):
    """Files are replaced by ones that are here; what is tried is that options and markers exist."""
    here = {"--weights": "specimen/rfcn_specimen.pth", "--devkit": "specimen/VOCdevkit", "--dumps": "specimen"}
    words = [
        f"{word.split('=')[0]}={here[word.split('=')[0]]}" if word.split("=")[0] in here else word
        for word in shlex.split(command)
    ]
    words = [word.replace("verdict.json", str(tmp_path / "verdict.json")) for word in words]
    done = subprocess.run(
        [sys.executable, "-m", *words, "--collect-only", "-q", "tests/test_accuracy.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", MAKE)
def test_a_make_target_exists(command):
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_every_option_is_in_the_readme_and_no_other(pytestconfig):
    group = next(group for group in pytestconfig._parser._groups if group.name == "acceptance")
    options = {name for option in group.options for name in option.names()}

    assert set(re.findall(r"^\| `(--[a-z-]+)", README, re.MULTILINE)) == options


def test_every_marker_of_the_readme_is_registered(pytestconfig):
    registered = {line.split(":")[0] for line in pytestconfig.getini("markers")}

    assert set(re.findall(r"pytest -m (\w+)", README)) <= registered


def test_every_folder_of_the_map_is_there():
    block = README.split("## The map")[1].split("Imports point down")[0]
    for name in re.findall(r"(?:^|\s)((?:rfcn_lib/)?\w+(?:/|\.py))(?:\s|$)", block):
        assert (ROOT / name).exists() or (ROOT / "rfcn_lib" / name).exists(), name


def test_the_setup_plan_asks_for_an_npu_before_anything_is_made_and_looks_at_the_reference_before_the_npu_s_hours():
    words = [sys.executable, "-m", "pytest", "-m", "npu", "tests/test_accuracy.py", "--setup-plan"]
    built = re.findall(r"SETUP +S (\w+)", subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout)

    chain = ["npus", "runner", "atc", "onnx_paths", "om_paths", "torch_first_look", "npu_run", "torch_dumps", "trial"]
    assert [name for name in built if name in chain] == chain


def test_the_setup_plan_shows_the_build_graph():
    words = [sys.executable, "-m", "pytest", "-m", "accuracy", "tests/test_accuracy.py", "--setup-plan"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    built = re.findall(r"SETUP +S (\w+)", done.stdout)

    chain = [
        "weights",
        "onnx_paths",
        "adapted_paths",
        "twin_paths",
        "onnxruntime_first_look",
        "torch_first_look",
        "onnxruntime_dumps",
        "torch_dumps",
        "candidate",
        "trial",
    ]
    assert [name for name in built if name in chain] == chain
