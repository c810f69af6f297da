"""Where a unit test starts a process or opens a connection, it fails."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from rfcn_lib.command import run


def connect():
    with socket.socket() as opened:
        opened.connect(("127.0.0.1", 9))


@pytest.mark.parametrize(
    "go_outside",
    [
        lambda: subprocess.run(["true"]),
        lambda: os.system("true"),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        lambda: run(["true"], cwd=Path("/"), timeout_s=5),
        connect,
    ],
    ids=["subprocess", "system", "posix_spawn", "the suite's own run", "socket"],
)
def test_what_goes_outside_this_process_is_refused(go_outside):
    with pytest.raises(AssertionError, match="move it to tests/system"):
        go_outside()
