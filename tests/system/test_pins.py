"""constraints.txt resolves for every Python that is supported, and pins every package that is installed.

uv resolves; nothing is installed. uv reads a package's metadata from the index that pip is configured for. pip itself
cannot do it: it judges `python_version < "3.11"` by the Python that runs pip, not by the one that is asked for.
"""

import re
import shutil
import subprocess
import sys

import pytest

from tests.support.places import ROOT

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
NO_INDEX = ("error sending request", "dns error", "failed to fetch", "operation timed out", "connection refused")
NOT_PINNED = re.compile(r"(nvidia-|cuda-).*|triton|setuptools")  # torch for CUDA and for CPU differ in these


def name_of(line: str) -> str:
    return re.sub(r"[-_.]+", "-", line.split("==")[0].strip()).lower()


@pytest.fixture(scope="module")
def index() -> list[str]:
    """The package index that pip uses here, as an option of uv; nothing where pip uses its default."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\S+\.index-url='(.+)'$", said, re.MULTILINE)
    return ["--default-index", found[0]] if found else []


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uv")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_resolve_and_name_every_package(python, index, cache):
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-config", "--no-python-downloads"]
    command += [*index, "--cache-dir", str(cache), "--python", sys.executable, "--python-version", python]
    command += ["--only-binary", ":all:", "--no-header", "--no-annotate"]
    command += ["--constraint", "constraints.txt", "--extra", "dev", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    if done.returncode and any(cause in done.stderr.lower() for cause in NO_INDEX):
        pytest.skip(f"no package index can be reached, so the pins were not resolved: {done.stderr.splitlines()[0]}")

    assert done.returncode == 0, done.stderr
    resolved = {name_of(line) for line in done.stdout.splitlines() if "==" in line}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {name_of(line) for line in pins if "==" in line and not line.startswith("#")}
    assert {"torch", "numpy", "pytest", "onnxruntime"} <= resolved
    assert sorted(name for name in resolved - pinned if not NOT_PINNED.fullmatch(name)) == []


def test_the_supported_pythons_are_the_same_in_pyproject_and_readme():
    oldest, newest = PYTHONS[0], PYTHONS[-1]

    assert f'requires-python = ">={oldest}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"Python {oldest} to {newest}" in (ROOT / "README.md").read_text(encoding="utf-8")
