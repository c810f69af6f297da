"""What a file, a folder or a plain value holds, as sha256.

Files are read once, not at every start: their digests are remembered in a small database beside the store, together
with inode, size, mtime and ctime. A file touched in the last two seconds is not remembered, because it could change
once more without its times showing it (git calls this "racily clean").
"""

import hashlib
import json
import math
import os
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path

from pydantic import BaseModel

from rfcn_lib.errors import SuiteError

SETTLED_AFTER_NS = 2_000_000_000


class StoreError(SuiteError):
    """An artifact could not be built, shown or trusted; the message says which, where, and what to do."""


def sha256_of(value: object) -> str:
    """Digest of plain JSON values, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


class Digests:
    """Digests of files and folders, remembered across processes in the sqlite file `memo`.

    The memo only saves time: if it is damaged, locked or on a disk that is full, files are simply read again.
    """

    def __init__(self, memo: Path) -> None:
        self._memo = memo
        self._known: dict[str, tuple[str, str]] = {}
        try:
            with self._open() as db:
                self._known = {path: (stamp, sha) for path, stamp, sha in db.execute("select * from digests")}
        except sqlite3.OperationalError:  # locked, not writable: somebody else's trouble
            pass
        except sqlite3.DatabaseError:  # damaged: start a new one
            with suppress(OSError):
                memo.unlink()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._memo, timeout=10)) as db, db:
            db.execute("create table if not exists digests (path text primary key, stamp text, sha256 text)")
            yield db

    def of(self, path: Path) -> str:
        """sha256 of a file's bytes, or of a folder's sorted names and their files' digests.

        Raises:
            StoreError: there is nothing at `path`, it is neither file nor folder, or a folder contains itself.
        """
        fresh: dict[str, tuple[str, str]] = {}
        try:
            if path.is_dir():
                sha = sha256_of([[name, self._of_file(file, fresh)] for name, file in sorted(files_below(path))])
            else:
                sha = self._of_file(path, fresh)
        except OSError as error:
            raise StoreError(f"cannot read {error.filename or path}: {error.strerror}; is the path right?") from error
        self._remember(fresh)
        return sha

    def of_each(self, files: Iterable[Path]) -> list[str]:
        """sha256 of each file's bytes, in the order given; may be called from any thread.

        Raises: as `of`.
        """
        fresh: dict[str, tuple[str, str]] = {}
        try:
            found = [self._of_file(file, fresh) for file in files]
        except OSError as error:
            raise StoreError(f"cannot read {error.filename}: {error.strerror}; is the path right?") from error
        self._remember(fresh)
        return found

    def as_json(self, value: object, where: str) -> object:
        """A value as JSON that tells its content: 1, 1.0, True and "1" differ; paths differ by content, not by place.

        Raises:
            TypeError: a value of another kind; `where` says which one.
            StoreError: a path that cannot be read.
        """
        match value:
            case None | bool() | int() | str():
                return value
            case float() if math.isfinite(value):
                return value
            case Path():
                return {"sha256": self.of(value)}
            case list() | tuple():
                return [self.as_json(item, f"{where}[{index}]") for index, item in enumerate(value)]
            case Mapping() if all(isinstance(key, str) for key in value):
                return {key: self.as_json(item, f"{where}.{key}") for key, item in value.items()}
            case BaseModel():
                names = list(type(value).model_fields)
            case _ if is_dataclass(value) and not isinstance(value, type):
                names = [field.name for field in fields(value)]
            case _:
                raise TypeError(
                    f"ingredient {where} is {value!r:.200}, but should be a path, a finite number, a text, None, a "
                    "list, a mapping with text keys, a dataclass or a pydantic model: nothing else can be part of a key"
                )
        return {
            "type": type(value).__qualname__,
            **{name: self.as_json(getattr(value, name), f"{where}.{name}") for name in names},
        }

    def _remember(self, fresh: dict[str, tuple[str, str]]) -> None:
        self._known |= fresh
        if fresh:
            rows = [(name, stamp, sha256) for name, (stamp, sha256) in fresh.items()]
            with suppress(sqlite3.Error), self._open() as db:
                db.executemany("insert or replace into digests values (?, ?, ?)", rows)

    def _of_file(self, file: Path, fresh: dict[str, tuple[str, str]]) -> str:
        name, before = str(file.absolute()), file.stat()
        if not stat.S_ISREG(before.st_mode):
            raise StoreError(f"{file} is neither a file nor a folder, and cannot be a source of an artifact")
        known_stamp, known_sha = self._known.get(name, ("", ""))
        if known_stamp == _stamp(before):
            return known_sha
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
            after = os.fstat(stream.fileno())
        settled = time.time_ns() - max(after.st_mtime_ns, after.st_ctime_ns) > SETTLED_AFTER_NS
        if settled and _stamp(before) == _stamp(after):
            fresh[name] = (_stamp(after), digest.hexdigest())
        return digest.hexdigest()


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below `folder`, with its name relative to it. Links to folders are followed: devkits are linked."""
    for base, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        here = Path(base)
        for link in (here / name for name in folders):
            if link.is_symlink() and here.resolve().is_relative_to(link.resolve()):
                raise StoreError(f"{link} leads back to a folder it lies in; remove that link")
        for name in files:
            yield (here / name).relative_to(folder).as_posix(), here / name


def _raise(error: OSError) -> None:
    raise error
