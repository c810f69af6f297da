"""A store of a test, things to build in it, and what was built."""

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    path.write_text("weights")
    return path


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Where each build writes a line. Text, so writing to it changes no key."""
    return str(tmp_path / "log")


def copied(target: Path, source: Path, log: str, times: int = 1) -> None:
    """Make an artifact. At module level, as in the project."""
    with Path(log).open("a") as file:
        file.write("made\n")
    target.write_text(source.read_text() * times)


def made(log: str) -> int:
    return len(Path(log).read_text().splitlines())


def left_over(root: Path) -> list[str]:
    """What lies in the store besides locks and the memo of digests."""
    return sorted(
        p.name for folder in (root / "kept", root / "kept" / ".scratch") for p in folder.iterdir() if p.name[0] != "."
    )
