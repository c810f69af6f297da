"""A unit test starts no process and opens no connection: both are errors here. Such tests belong to tests/system."""

import os
import socket
import subprocess

import pytest
from hypothesis import HealthCheck, settings

from tests.support.scratch import inductor_cache  # noqa: F401  a fixture
from tests.support.tiny_made import tiny_exported, tiny_made  # noqa: F401  fixtures

# how many examples a test of any input tries: few each time, many with HYPOTHESIS_PROFILE=thorough, as .ci/run sets it
for name, examples in (("quick", 40), ("thorough", 400)):
    settings.register_profile(
        name, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def _refuse(*_args, **_kwargs):
    raise AssertionError("a unit test starts a process or opens a connection; move it to tests/system")


@pytest.fixture(autouse=True)
def nothing_outside_this_process(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", _refuse)
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
        monkeypatch.setattr(os, name, _refuse)
    monkeypatch.setattr(socket.socket, "connect", _refuse)
