"""A unit test starts no process and opens no connection: both are errors here. Such tests belong to tests/system."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# these files still start processes; test_filling.py kills a forked copy of itself at every write, and mounts a small disk
NOT_YET = ("runs/test_npu.py", "runs/test_dask_members.py", "runs/test_plans.py", "runs/test_filling.py")
HERE = Path(__file__).parent

# how many examples a test of any input tries: few each time, many with --hypothesis-profile=thorough, as .ci/run asks
for name, examples in (("quick", 40), ("thorough", 400)):
    settings.register_profile(
        name, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
settings.load_profile("quick")


@pytest.fixture(scope="session")
def tiny_exported(tmp_path_factory):
    """The tiny network's ONNX file, not adapted."""
    from rfcn_lib.graph.export import onnx_from_network
    from tests.support import tiny

    path = tmp_path_factory.mktemp("tiny_exported") / "rfcn.onnx"
    onnx_from_network(path, tiny.network_of(), tiny.CANVAS_WH)
    return path


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
