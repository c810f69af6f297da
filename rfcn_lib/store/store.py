"""Artifacts built once and shown whole, kept by what they were made of.

    <root>/rfcn.onnx                          link to the build used last: the path people know
    <root>/kept/rfcn.onnx-<key>/rfcn.onnx     the artifact; an older build stays when a newer one is made
    <root>/kept/rfcn.onnx-<key>/.record.json  what it was made of, and the sizes of its files
    <root>/kept/dumps--torch-<key>/torch      an artifact named dumps/torch: the vendor's tools take no other characters

The key covers the content of the ingredients, the code that makes the artifact (the module of `make` and every module
of ours it imports) and the versions of the libraries under that code. A build happens in a scratch folder on the same
disk and becomes visible, record and all, by one rename: what lies under `kept` is finished. A lock per key lets
processes that share a store build each artifact once.
"""

import errno
import importlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from rfcn_lib.progress import say
from rfcn_lib.store.code import Part, code_behind, sources_at_start
from rfcn_lib.store.digests import Digests, StoreError, files_below, sha256_of

__all__ = ["Store", "StoreError"]

SLASH = "--"  # stands for "/" in the name of a build's folder
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
BUILDS_KEPT = 6  # per name; what was used within the last day stays in any case, as somebody may be at it
IN_USE_S = 24 * 3600
SAY_WAITING_AFTER_S = 3.0
DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
RECORD = ".record.json"
T = TypeVar("T")
NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Entry:
    """One artifact under one key: `home` holds it, `scratch` is where it is made, `link` is where people find it."""

    name: str
    key: str
    record: dict[str, Any]
    home: Path
    scratch: Path
    link: Path

    @property
    def artifact(self) -> Path:
        return self.home / self.link.name


class Store:
    """A folder of artifacts. Any number of processes may share it.

    Raises:
        StoreError: `root` is not a folder, or nothing can be written there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._kept = self.root / "kept"
        self._scratch = self._kept / ".scratch"
        self._locks = self._kept / ".locks"
        try:
            for folder in (self._scratch, self._locks):
                folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self._kept, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            raise StoreError(
                f"{root} cannot keep artifacts: {error.strerror}; pass --store=DIR, a folder to write in"
            ) from error
        self.digests = Digests(self._kept / ".digests.sqlite")
        sources_at_start()

    def build(
        self,
        name: str,
        make: Callable[..., object] | str,
        /,
        *,
        unkeyed: Mapping[str, object] = NOTHING,
        **ingredients: object,
    ) -> Path:
        """Return the file or folder `name`, calling `make(target, **ingredients)` only if it is not kept already.

        `make` writes a file or a folder at `target`; given as "rfcn_lib.room.module:function", it is imported only when
        something is made. Ingredients are paths (their content counts, not their place),
        plain values, lists, mappings, dataclasses and pydantic models of such. `aside`: further arguments of `make` that
        do not shape the artifact, such as a time limit, and are not part of its key. The path returned stays valid
        whatever other processes build; the link `<root>/<name>` shows what was used last.

        Raises:
            StoreError: `name` is not a relative path, something else lies there, a source cannot be read or changed
                meanwhile, the disk is full, or `make` wrote nothing.
            TypeError: an ingredient or `make` is of a kind whose content cannot be part of a key.
            Whatever `make` raises; then nothing is kept.
        """
        entry = self._entry(name, [make], ingredients)
        with _disk_trouble(entry), self._locked(entry):
            if not self._whole(entry):
                _remove(entry.scratch)
                if entry.home.exists():
                    say(f"{entry.home} is damaged; {name} is made again")
                    entry.home.rename(entry.scratch)
                    _remove(entry.scratch)
                self._make(entry, _function(make), ingredients, unkeyed)
            self._show(entry)
        self._tidy(name)
        return entry.artifact

    @contextmanager
    def open_folder(self, name: str, code: Sequence[Part], /, **ingredients: object) -> Iterator[Path]:
        """Hand out the folder `name`, to be filled piece by piece; what it holds already was made of the same things.

        `code`: the functions and modules that make the pieces. A piece is finished when it has its final name: write it
        aside and rename it. Only one process is inside at a time; the next one waits, and finds the pieces. An
        interruption keeps them. So does an ingredient that changes meanwhile, which is an error: whoever makes the pieces
        sees to it that they are of what was keyed (`load_unchanged`).

        Raises: as `build`.
        """
        entry = self._entry(name, code, ingredients)
        with _disk_trouble(entry), self._locked(entry):
            _remove(entry.scratch)
            if not entry.artifact.is_dir():
                _remove(entry.home)
                (entry.scratch / entry.link.name).mkdir(parents=True)
                _write_record(entry, entry.scratch, {})
                entry.scratch.rename(entry.home)
            elif _record(entry.home).get("key") != entry.key:  # damaged; the folder's own name still holds the key
                _write_record(entry, entry.home, {})
            self._show(entry)
            yield entry.artifact
            self._unchanged(entry, ingredients)
        self._tidy(name)

    def load_unchanged(self, path: Path, load: Callable[[], T], sha256: str) -> T:
        """load() something from `path`, whose content should have been, and still be, what `sha256` says.

        Raises:
            StoreError: the file changed after it was keyed; nothing may be made of what was loaded.
        """
        loaded = load()
        if self.digests.of(path) != sha256:
            raise StoreError(f"{path} changed after this run began, so nothing is made of it; start again")
        return loaded

    def _entry(self, name: str, code: Sequence[Part], ingredients: Mapping[str, object]) -> _Entry:
        if not NAME.fullmatch(name) or SLASH in name or len(name) > 100 or name.split("/")[0] == "kept":
            raise StoreError(
                f"an artifact is named {name!r}, but should be a relative path inside the store, without '..' and '--'"
            )
        self._check_link(self.root / name)
        files, libraries = code_behind(*code)
        made_of = {"name": name, "ingredients": self._as_json(ingredients), "code": files, "libraries": libraries}
        key = sha256_of(made_of)
        folder = f"{_flat(name)}-{key[:16]}"
        record, home, scratch = {"key": key, **made_of}, self._kept / folder, self._scratch / folder
        return _Entry(name, key, record, home, scratch, self.root / name)

    def _check_link(self, link: Path) -> None:
        """Refuse, before any work, to put a link where something lies that this store did not make."""
        above = [place for place in link.parents if place != self.root and place.is_relative_to(self.root)]
        blocked = [place for place in above if place.is_symlink() or (place.exists() and not place.is_dir())]
        ours = link.is_symlink() and link.resolve().is_relative_to(self._kept.resolve())
        if blocked or (os.path.lexists(link) and not ours):
            raise StoreError(f"{(*blocked, link)[0]} is in the way of the artifact {link}; move it elsewhere")

    def _as_json(self, ingredients: Mapping[str, object]) -> dict[str, object]:
        return {name: self.digests.as_json(value, name) for name, value in ingredients.items()}

    def _unchanged(self, entry: _Entry, ingredients: Mapping[str, object]) -> None:
        """What was read may be newer than what was keyed; then the result belongs to neither."""
        now, then = self._as_json(ingredients), entry.record["ingredients"]
        changed = [name for name in then if now[name] != then[name]]
        if changed:
            raise StoreError(f"{', '.join(changed)} changed while {entry.name} was being made of it; start again")

    def _make(
        self,
        entry: _Entry,
        make: Callable[..., object],
        ingredients: Mapping[str, object],
        unkeyed: Mapping[str, object],
    ) -> None:
        target, started = entry.scratch / entry.link.name, time.monotonic()
        try:
            entry.scratch.mkdir(parents=True)
            make(target, **ingredients, **unkeyed)
            if not target.exists():
                raise StoreError(f"{make.__qualname__} should have written {entry.name} to {target}, but wrote nothing")
            taken_s = round(time.monotonic() - started, 3)
            _write_record(entry, entry.scratch, _sizes(target), sha256=self.digests.of(target), seconds=taken_s)
            self._unchanged(entry, ingredients)
            entry.scratch.rename(entry.home)
        except BaseException:  # KeyboardInterrupt too
            shutil.rmtree(entry.scratch, ignore_errors=True)
            raise

    def _whole(self, entry: _Entry) -> bool:
        """Whether the artifact is, to the byte, what was built. Digests are remembered by the file's times, so it is quick."""
        record = _record(entry.home)
        sound = (
            record.get("key") == entry.key and entry.artifact.exists() and record.get("files") == _sizes(entry.artifact)
        )
        return sound and record.get("sha256") == self.digests.of(entry.artifact)

    def _show(self, entry: _Entry) -> None:
        """Note the use, and point the link at it. Called with the lock held."""
        os.utime(entry.home / RECORD)
        entry.link.parent.mkdir(parents=True, exist_ok=True)
        words = os.path.relpath(entry.artifact, entry.link.parent)
        if not entry.link.is_symlink() or entry.link.readlink() != Path(words):
            entry.scratch.mkdir(parents=True)
            (entry.scratch / "link").symlink_to(words)
            (entry.scratch / "link").replace(entry.link)
            entry.scratch.rmdir()

    @contextmanager
    def _locked(self, entry: _Entry) -> Iterator[None]:
        lock = FileLock(self._locks / f"{entry.home.name}.lock")
        try:
            lock.acquire(timeout=SAY_WAITING_AFTER_S)
        except Timeout:
            say(f"waiting for another process that makes {entry.name} (lock file {lock.lock_file})")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _tidy(self, name: str) -> None:
        """Remove builds that nobody used for long, and what killed processes left half made; never what is locked."""
        start = f"{_flat(name)}-"
        builds = [home for home in self._kept.glob(f"{start}*") if len(home.name) == len(start) + 16]
        by_use = sorted(builds, key=_last_used, reverse=True)
        old = [home for home in by_use[BUILDS_KEPT:] if time.time() - _last_used(home) > IN_USE_S]
        for folder in (*old, *self._scratch.glob("*")):
            with suppress(Timeout, OSError), FileLock(self._locks / f"{folder.name}.lock", timeout=0):
                # away from the place of finished builds first: a removal can be interrupted too
                _remove(folder.rename(self._scratch / folder.name))


def _function(make: Callable[..., object] | str) -> Callable[..., object]:
    if callable(make):
        return make
    module, _, function = make.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), function)
    return found


def _flat(name: str) -> str:
    return name.replace("/", SLASH)  # a name has no "--", so no two names become one


def _sizes(artifact: Path) -> dict[str, int]:
    """Size in bytes of every file of an artifact, by its path relative to the artifact ("." for a single file)."""
    files = files_below(artifact) if artifact.is_dir() else [(".", artifact)]
    return {name: file.stat().st_size for name, file in files}


def _record(home: Path) -> dict[str, Any]:
    """The record of a build, or an empty one if it is missing or damaged."""
    try:
        record = json.loads((home / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _write_record(entry: _Entry, folder: Path, files: Mapping[str, int], **more: object) -> None:
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    (folder / RECORD).write_text(json.dumps({**entry.record, "made": made, **more, "files": files}, indent=1))


def _last_used(home: Path) -> float:
    try:
        return (home / RECORD).stat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def _disk_trouble(entry: _Entry) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        raise StoreError(
            f"{entry.name} could not be written below {entry.home.parent}: {error.strerror}; "
            "free some space, or pass --store=DIR on another disk; what was finished is kept"
        ) from error
