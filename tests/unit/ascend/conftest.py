import shutil

import pytest

from rfcn_lib.ascend import tool_run
from tests.support.standin_here import make_tiny, run_here


@pytest.fixture(scope="session")
def tiny_made(tiny_exported, tmp_path_factory):
    """A folder with the tiny port's graphs, its om, and the bins of seven pictures."""
    folder = tmp_path_factory.mktemp("tiny_made")
    make_tiny(folder, tiny_exported)
    return folder


@pytest.fixture
def laid_out(tiny_made, tmp_path, monkeypatch):
    """tmp_path with rfcn.om, and work/ with a batch's bins and info file. The tools are the stand-in's, in this process."""
    monkeypatch.setattr(tool_run, "run", run_here)
    monkeypatch.setenv("STANDIN_DEVICES", "310x4")
    shutil.copy(tiny_made / "rfcn.om", tmp_path / "rfcn.om")
    (tmp_path / "work").mkdir(mode=0o750)
    shutil.copytree(tiny_made / "bin", tmp_path / "work" / "bin")
    shutil.copy(tiny_made / "demo.info", tmp_path / "work" / "demo.info")
    return tmp_path
