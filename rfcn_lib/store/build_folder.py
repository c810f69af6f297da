"""One build of an artifact on the disk: its folder, its record, its link.

<root>/kept/rfcn.onnx-<key>/rfcn.onnx     the artifact
<root>/kept/rfcn.onnx-<key>/.record.json  its ingredients, its code, and the sizes of its files
<root>/rfcn.onnx                          link to the build that was used last
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rfcn_lib.store.digests import StoreError, files_below

SLASH = "--"  # replaces "/" in the name of a build's folder
RECORD = ".record.json"
DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True)
class Build:
    """One build of an artifact.

    name     the artifact's name, such as dumps/torch
    record   key, ingredients, code and libraries, as JSON
    home     its folder in `kept`
    scratch  the folder in which the store makes it
    link     the path that people open
    """

    name: str
    key: str
    record: dict[str, Any]
    home: Path
    scratch: Path
    link: Path

    @property
    def artifact(self) -> Path:
        """The artifact itself: a file or a folder in `home`."""
        return self.home / self.link.name

    def write_record(self, folder: Path, files: Mapping[str, int], **more: object) -> None:
        """Write the record into `folder`, with the files' sizes in bytes and further facts."""
        made = datetime.now(timezone.utc).isoformat(timespec="seconds")
        (folder / RECORD).write_text(json.dumps({**self.record, "made": made, **more, "files": files}, indent=1))

    def read_record(self) -> dict[str, Any]:
        """The record in `home`; {} if it is missing or damaged."""
        return record_in(self.home)

    def set_link(self) -> None:
        """Set the time of the last use, and point the link at this build. The caller holds the lock."""
        os.utime(self.home / RECORD)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(self.artifact, self.link.parent)
        if not self.link.is_symlink() or self.link.readlink() != Path(target):
            self.scratch.mkdir(parents=True)
            (self.scratch / "link").symlink_to(target)
            (self.scratch / "link").replace(self.link)
            self.scratch.rmdir()

    @contextmanager
    def disk_full_is_a_store_error(self) -> Iterator[None]:
        """Raise StoreError instead of the OSError of a full disk."""
        try:
            yield
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            raise StoreError(
                f"cannot write {self.name} below {self.home.parent}: {error.strerror}; "
                "free some space, or pass --store=DIR on another disk; finished files stay in the store"
            ) from error


def record_in(home: Path) -> dict[str, Any]:
    """The record of a build's folder; {} if it is missing or damaged."""
    try:
        record = json.loads((home / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def folder_name(name: str) -> str:
    """`dumps/torch` -> `dumps--torch`. No name contains "--", so two names never give the same folder."""
    return name.replace("/", SLASH)


def sizes(artifact: Path) -> dict[str, int]:
    """Size in bytes of every file of an artifact, by its path relative to the artifact ("." for a single file)."""
    files = files_below(artifact) if artifact.is_dir() else [(".", artifact)]
    return {name: file.stat().st_size for name, file in files}


def last_used(home: Path) -> float:
    """Time of the last use of the build in `home`, seconds since the epoch; 0.0 without a record."""
    try:
        return (home / RECORD).stat().st_mtime
    except OSError:
        return 0.0


def remove(folder: Path) -> None:
    """Remove a folder, if it exists."""
    if folder.exists():
        shutil.rmtree(folder)
