"""A unit test starts no process and opens no connection: both are errors here. Such tests belong to tests/system."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

# these files still start processes; test_filling.py kills a forked copy of itself at every write, and mounts a small disk
NOT_YET = ("runs/test_npu.py", "runs/test_dask_members.py", "runs/test_plans.py", "runs/test_filling.py")
HERE = Path(__file__).parent


def _refuse(*_args, **_kwargs):
    raise AssertionError("a unit test starts a process or opens a connection; move it to tests/system")


@pytest.fixture(autouse=True)
def nothing_outside_this_process(request, monkeypatch):
    if request.path.relative_to(HERE).as_posix() in NOT_YET:
        return
    monkeypatch.setattr(subprocess, "Popen", _refuse)
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
        monkeypatch.setattr(os, name, _refuse)
    monkeypatch.setattr(socket.socket, "connect", _refuse)
