"""sha256 of files, folders and plain values.

`Digests` reads a file once, not at every start: it keeps the digest in a small database, with the file's inode, size, mtime
and ctime. It does not keep the digest of a file that changed within the last two seconds, because the file could change again
and keep the same times (git calls such a file "racily clean").
"""

import hashlib
import json
import math
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from rfcn_lib.errors import SuiteError

T = TypeVar("T")
SETTLED_AFTER_NS = 2_000_000_000


class StoreError(SuiteError):
    """The store cannot build or use an artifact. The message says which artifact, where, and what to do."""


def sha256_of(value: object) -> str:
    """Hex digest of a JSON value (numbers, texts, lists, mappings); the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


class Digests:
    """Digests of files and folders. The sqlite file `memo` keeps them for later processes.

    The memo only saves time. If it is damaged, locked, or the disk is full, this class reads the files again.
    """

    def __init__(self, memo: Path, *, believed: bool = True) -> None:
        """`believed=False` reads every file anew, once in this process: who can write the memo can name any digest in it."""
        self._memo = memo
        self._known: dict[str, tuple[str, str]] = {}
        try:
            with self._open() as db:
                if not believed:
                    return
                self._known = {path: (stamp, sha) for path, stamp, sha in db.execute("select * from digests")}
        except sqlite3.OperationalError:  # locked or not writable: work without it
            pass
        except sqlite3.DatabaseError:  # damaged: begin a new one
            with suppress(OSError):
                memo.unlink()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._memo, timeout=10)) as db, db:
            db.execute("create table if not exists digests (path text primary key, stamp text, sha256 text)")
            yield db

    def of(self, path: Path) -> str:
        """sha256 of a file's bytes, or of a folder's sorted file names and the files' digests.

        Raises:
            StoreError: nothing exists at `path`, it is neither a file nor a folder, or a link in it leads to a folder above.
        """
        fresh: dict[str, tuple[str, str]] = {}
        try:
            if path.is_dir():
                sha = sha256_of([[name, self._file_digest(file, fresh)] for name, file in sorted(files_below(path))])
            else:
                sha = self._file_digest(path, fresh)
        except OSError as error:
            raise StoreError(f"cannot read {error.filename or path}: {error.strerror}; is the path right?") from error
        self._remember(fresh)
        return sha

    def of_each(self, files: Iterable[Path]) -> list[str]:
        """sha256 of each file's bytes, in the order of `files`. Any thread may call it.

        Raises:
            StoreError: as `of`.
        """
        fresh: dict[str, tuple[str, str]] = {}
        try:
            found = [self._file_digest(file, fresh) for file in files]
        except OSError as error:
            raise StoreError(f"cannot read {error.filename}: {error.strerror}; is the path right?") from error
        self._remember(fresh)
        return found

    def load_unchanged(self, path: Path, load: Callable[[], T], sha256: str) -> T:
        """Return load(), which reads `path`. Then check that the file still has the digest `sha256`.

        Raises:
            StoreError: the file changed since its digest was taken, so nothing may be made of the loaded value.
        """
        try:
            loaded = load()
        except SuiteError as error:  # what cannot be read may be a file that somebody writes just now
            self._expect_digest(path, sha256, error)
            raise
        self._expect_digest(path, sha256)
        return loaded

    def _expect_digest(self, path: Path, sha256: str, cause: Exception | None = None) -> None:
        if self.of(path) != sha256:
            raise StoreError(f"{path} changed after this run began, so nothing is made of it; start again") from cause

    def as_json(self, value: object, where: str) -> object:
        """A value as plain JSON, for a key of the store. 1, 1.0, True and "1" stay different.

        A path becomes the digest of its content, so the file's place does not matter: {"sha256": "5e88..."}.

        where  the ingredient's name, for the message

        Raises:
            TypeError: the value is of a kind that cannot be part of a key.
            StoreError: a path is not readable.
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

    def _file_digest(self, file: Path, fresh: dict[str, tuple[str, str]]) -> str:
        name, before = str(file.absolute()), file.stat()
        if not stat.S_ISREG(before.st_mode):
            raise StoreError(f"{file} is neither a file nor a folder, so no artifact can be made of it")
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
    """(name relative to `folder`, path) of every file below `folder`. Follows links to folders, as a devkit may have them."""
    for base, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        here = Path(base)
        for link in (here / name for name in folders):
            if link.is_symlink() and here.resolve().is_relative_to(link.resolve()):
                raise StoreError(f"{link} leads back to a folder above it; remove that link")
        for name in files:
            yield (here / name).relative_to(folder).as_posix(), here / name


def _raise(error: OSError) -> None:
    raise error
