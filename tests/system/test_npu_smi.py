"""npu-smi is asked as a process: by one process at a time, and its failures are told."""

import os
from pathlib import Path

import pytest

from rfcn_lib.ascend import npu_smi
from rfcn_lib.ascend.npu_smi import (
    NpuSmiError,
    devices,
    parse,
)
from tests.support.npu_tables import A3, ONE_310


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """tool(text): npu-smi on PATH is a script with this text."""

    def put(text: str) -> Path:
        path = tmp_path / "npu-smi"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return path

    return put


def test_devices_are_asked_for(tool, tmp_path):
    (tmp_path / "table").write_text(A3)
    path = tool(f'[ "$*" = info ] && cat {tmp_path}/table')

    assert devices() == parse(A3)
    assert devices(path) == parse(A3)


def test_two_never_ask_at_once(tool, tmp_path):
    """The vendor forbids it: a second npu-smi that starts while the first runs says so and fails."""
    (tmp_path / "table").write_text(ONE_310)
    tool(f"mkdir {tmp_path}/busy || exit 9; sleep 0.05; cat {tmp_path}/table; rmdir {tmp_path}/busy")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: devices(), range(4)))

    assert found == [parse(ONE_310)] * 4


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'dcmi module initialize failed. ret is -8005'; exit 1", "ended with 1, but should end with 0"),
        ("echo 'dcmi module initialize failed. ret is -8005'; exit 1", "is the driver loaded (ls /dev/davinci*)"),
        ("echo hello", "should print a table, but its first line is 'hello'"),
        ("sleep 30", "did not end within 0.3 s"),
    ],
)
def test_a_failure_of_npu_smi_is_told(script, says, tool, monkeypatch):
    monkeypatch.setattr(npu_smi, "TIMEOUT_S", 0.3)
    tool(script)
    with pytest.raises(NpuSmiError) as caught:
        devices()

    assert says in str(caught.value)
    assert "npu-smi info" in str(caught.value)


def test_without_npu_smi_the_error_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NpuSmiError, match="npu-smi is not on PATH"):
        devices()
