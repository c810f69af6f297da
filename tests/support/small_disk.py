"""A disk of its own for a test, of a size in the words of mount; needs the right to mount."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    place.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    words = [mount, "-t", "tmpfs", "-o", f"size={size}", "rfcn-test", place]
    if not mount or os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("a small disk needs the right to mount; run as root in a container that allows it")
    yield place
    subprocess.run([unmount, place], check=True)
