"""Which edition of this suite judges: its commit, a digest of its code, and where the one differs from the other.

The files that count decide a verdict: conftest.py, pytest.ini, the criteria in tests/, and rfcn_lib/. A digest that is compared
with another copy's says whether a criterion or a ruler was edited. git's own status would not: its index can hide a change.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
TIMEOUT_S: Final = 20.0
HASHES: Final = {40: "sha1", 64: "sha256"}  # length of an object's name in git -> what it is


@dataclass(frozen=True, slots=True)
class OwnCode:
    """The suite's own code.

    sha256   over the lines `sha256 name` of the files, sorted by name
    files    how many they are
    commit   the commit that is checked out; None where there is no git, or no checkout
    differs  names of files that are not as in the commit, are not in it, or are lacking
    """

    sha256: str
    files: int
    commit: str | None
    differs: tuple[str, ...]

    def __str__(self) -> str:
        code = f"code {self.sha256[:12]} ({self.files} files)"
        if self.commit is None:
            return f"{code}; no commit is known, as this is no git checkout"
        names = f"{' '.join(self.differs[:5])}{' ...' if len(self.differs) > 5 else ''}"
        state = f"DIFFERS from it in {len(self.differs)} files: {names}" if self.differs else "as committed"
        return f"commit {self.commit[:12]}, {code}, {state}"


def own_code(root: Path = ROOT) -> OwnCode:
    """The code of the suite in the folder `root`, as it lies there now. Runs git, where there is one, for a moment."""
    found = {name: (root / name).read_bytes() for name in sorted(_names(root))}
    lines = "".join(f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in found.items())
    commit, committed = _committed(root)
    differs = sorted(name for name in found.keys() | committed if _blob(found, name, committed) != committed.get(name))
    return OwnCode(hashlib.sha256(lines.encode()).hexdigest(), len(found), commit, tuple(differs) if commit else ())


def _counts(name: str) -> bool:
    """Whether a file decides a verdict."""
    folder, _, base = name.rpartition("/")
    if folder in ("", "tests"):
        return base in ("conftest.py", "pytest.ini") or (
            folder == "tests" and base.startswith("test_") and base.endswith(".py")
        )
    return name.startswith("rfcn_lib/") and "__pycache__" not in name and not base.startswith(".")


def _names(root: Path) -> Iterator[str]:
    places = (root.glob("*"), (root / "tests").glob("*"), (root / "rfcn_lib").rglob("*"))
    for paths in places:
        yield from (name for path in paths if _counts(name := path.relative_to(root).as_posix()) and path.is_file())


def _blob(found: Mapping[str, bytes], name: str, committed: Mapping[str, str]) -> str | None:
    """The name that git gives to a file's content."""
    if name not in found:
        return None
    data = found[name]
    algorithm = HASHES.get(len(next(iter(committed.values()), "")), "sha1")
    return hashlib.new(algorithm, f"blob {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def _committed(root: Path) -> tuple[str | None, dict[str, str]]:
    """The commit, and name -> git's name of the content, of the files that count; (None, {}) where git does not know them."""
    commit, listed = _git(root, "rev-parse", "HEAD"), _git(root, "ls-tree", "-r", "-z", "HEAD")
    if not commit or not listed:
        return None, {}
    entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
    blobs = {name: facts.split()[2] for facts, _, name in entries if _counts(name)}
    return (commit.strip(), blobs) if "conftest.py" in blobs else (None, {})


def _git(root: Path, *words: str) -> str:
    """What git prints; "" where there is no git, or it refuses."""
    git = shutil.which("git")
    if git is None:
        return ""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603  a fixed command
            [git, "-C", str(root), *words], capture_output=True, env=environment, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""
