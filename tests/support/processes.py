"""Other processes, as a test sees them."""

import time
from pathlib import Path

LONG_S = 60.0  # of a machine that has other work too; no test waits so long where all is well


def wait_until(condition) -> bool:
    """Whether `condition()` became true in time."""
    until = time.monotonic() + LONG_S
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def wait_for(path: Path) -> None:
    assert wait_until(path.exists), f"{path} did not appear"


def alive(pid: int) -> bool:
    """Whether `pid` runs; a zombie that nobody reaps in a container does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """The children of all its threads, and theirs."""
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in thread.read_text().split()]
        except OSError:  # ended meanwhile
            continue
        found += [one for child in children for one in (child, *descendants(child))]
    return found
