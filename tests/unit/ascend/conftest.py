import shutil

import pytest

from rfcn_lib.ascend import tool_run
from tests.support.standin_here import run_here
from tests.support.toolkit_host import host  # noqa: F401  a fixture of test_toolkit.py


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
