"""Real processes: the command line, kills, the vendor chain, Dask. Each test passes under any parent process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.builds import log, root, source  # noqa: F401  fixtures of test_store.py
from tests.support.places import ROOT
from tests.support.signals import heed_ctrl_c
from tests.support.tiny_made import tiny_exported, tiny_made  # noqa: F401  fixtures
from tests.support.toolkit_host import host  # noqa: F401  a fixture of test_toolkit.py

FEW = "--limit=40"


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    heed_ctrl_c()


@pytest.fixture(scope="session")
def specimen_store(pytestconfig) -> Path:
    """The session's own store, after a run over the specimen's first pictures: graphs and both sides' dumps are there."""
    place = ROOT / pytestconfig.getoption("--store")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "accuracy", "tests/test_accuracy.py", FEW]
    done = subprocess.run(
        [*words, f"--store={place}"], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert "every picture judged" in done.stdout, done.stdout + done.stderr
    return place


def linked(existing, target):
    """Link where both lie on one disk."""
    try:
        os.link(existing, target)
    except OSError:
        shutil.copy2(existing, target)


def whole(store, name):
    """The folder that keeps the artifact; of dumps, the fullest: a run of another graph may have moved the link."""
    if not name.startswith("dumps/"):
        return (store / name).resolve().parent
    made = store.glob(f"kept/{name.replace('/', '--')}-*/{Path(name).name}")
    return max(made, key=lambda folder: len(list(folder.iterdir()))).parent


@pytest.fixture
def store_with(specimen_store, tmp_path):
    """store_with(*names): a new store that has these artifacts of the specimen, and nothing else."""

    def make(*names) -> Path:
        kept = tmp_path / "store" / "kept"
        kept.mkdir(parents=True)
        for name in names:
            home = whole(specimen_store, name)
            shutil.copytree(home, kept / home.name, copy_function=linked)
        return tmp_path / "store"

    return make
