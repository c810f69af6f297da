"""The store: a folder of artifacts. It builds each artifact once, and builds it again if its ingredients or its code change.

    <root>/rfcn.onnx                          link to the build that was used last; people open this path
    <root>/kept/rfcn.onnx-<key>/rfcn.onnx     the artifact; the store keeps some older builds beside a new one
    <root>/kept/rfcn.onnx-<key>/.record.json  its ingredients, its code, and the sizes of its files
    <root>/kept/dumps--torch-<key>/torch      the artifact dumps/torch; `--` because the vendor's tools accept few characters

The key is a digest of the content of the ingredients, of the code that makes the artifact (see `rfcn_lib.store.code`), and of
the versions of the libraries that this code imports. `Store.build` works in a scratch folder on the same disk and renames it at
the end, so what lies in `kept` is finished; only the folders of `Store.open_folder` grow there. Processes that share a store
build each artifact once, because each key has a lock.
"""

import errno
import importlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from filelock import FileLock, Timeout

from rfcn_lib.progress import say
from rfcn_lib.store.build_folder import SLASH, Build, folder_name, last_used, remove, sizes
from rfcn_lib.store.code import Part, code_behind, sources_at_start
from rfcn_lib.store.digests import Digests, StoreError, sha256_of

__all__ = ["Store", "StoreError"]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
BUILDS_KEPT = 6  # builds per name
IN_USE_S = 24 * 3600  # a build that was used within this time also stays: another process may still read it
SAY_WAITING_AFTER_S = 3.0
NO_ARGUMENTS: Mapping[str, object] = MappingProxyType({})
Maker = Callable[..., object] | str  # a str: "rfcn_lib.room.module:function", imported when something is made


class Store:
    """The folder `root` with its artifacts. Several processes may share it.

    memo_believed  whether digests that an earlier process took are believed where a file has the same times and size

    Raises:
        StoreError: `root` is not a folder, or this user cannot write there.
    """

    def __init__(self, root: Path, *, memo_believed: bool = True) -> None:
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
        self.digests = Digests(self._kept / ".digests.sqlite", believed=memo_believed)
        sources_at_start()

    def build(
        self,
        name: str,
        make: Maker,
        /,
        *,
        unkeyed: Mapping[str, object] = NO_ARGUMENTS,
        **ingredients: object,
    ) -> Path:
        """Return the path of the file or folder `name`. Calls `make(target, **ingredients)` only if the store lacks it.

        make         writes a file or a folder at `target`. As a text, "rfcn_lib.room.module:function", the store imports it
                     only to build
        ingredients  paths (their content counts, not their place), plain values, and lists, mappings, dataclasses and
                     pydantic models of these. All of them are part of the key
        unkeyed      further arguments of `make` that do not change the artifact, such as a time limit

        The returned path stays valid while other processes build. The link `<root>/<name>` shows the build used last.

        Example: store.build("rfcn.onnx", "rfcn_lib.graph.export:onnx_from_checkpoint", weights=weights, port=port)

        Raises:
            StoreError: `name` is not a relative path, another file lies at the link's path, an ingredient is not readable or
                changed during the build, the disk is full, or `make` wrote nothing.
            TypeError: an ingredient or `make` is of a kind that cannot be part of a key.
            Any error of `make`; then the store keeps nothing.
        """
        build = self._build_of(name, [make], ingredients)
        with build.disk_full_is_a_store_error(), self._locked(build):
            if not self._is_whole(build):
                remove(build.scratch)
                if build.home.exists():
                    say(f"{build.home} is damaged; the store makes {name} again")
                    build.home.rename(build.scratch)
                    remove(build.scratch)
                self._make(build, _function(make), ingredients, unkeyed)
            build.set_link()
        self._remove_old_builds(name)
        return build.artifact

    @contextmanager
    def open_folder(self, name: str, code: Sequence[Part], /, **ingredients: object) -> Iterator[Path]:
        """Yield the folder `name`, which the caller fills with files. Files from earlier runs have the same ingredients and code.

        code  the functions and modules that make the files

        The caller writes a file under another name and then renames it, so a file with its final name is finished. Only one
        process at a time is inside; the next one waits, and finds the files. After an interruption the files stay.

        If an ingredient changes while the caller fills the folder, `open_folder` raises StoreError at the end; finished files
        stay. So the caller must load its ingredients with `Digests.load_unchanged`: then no file is made of a changed ingredient.

        Raises:
            StoreError, TypeError: as `build`.
        """
        build = self._build_of(name, code, ingredients)
        with build.disk_full_is_a_store_error(), self._locked(build):
            remove(build.scratch)
            if not build.artifact.is_dir():
                remove(build.home)
                (build.scratch / build.link.name).mkdir(parents=True)
                build.write_record(build.scratch, {})
                build.scratch.rename(build.home)
            elif build.read_record().get("key") != build.key:  # damaged; the folder's name still has the key
                build.write_record(build.home, {})
            build.set_link()
            yield build.artifact
            self._expect_unchanged(build, ingredients)
        self._remove_old_builds(name)

    def link(self, name: str, target: Path) -> None:
        """Let the path `<root>/<name>` lead to a folder of the store; what it led to before stays where it is.

        Raises:
            StoreError: something that this store did not make lies there.
        """
        link = self.root / name
        self._check_link(link)
        link.parent.mkdir(parents=True, exist_ok=True)
        aside = link.with_name(f".{link.name}.new")
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.replace(link)

    def _build_of(self, name: str, code: Sequence[Part], ingredients: Mapping[str, object]) -> Build:
        if not NAME.fullmatch(name) or SLASH in name or len(name) > 100 or name.split("/")[0] == "kept":
            raise StoreError(
                f"the artifact's name is {name!r}, but should be a relative path inside the store, without '..' and '--'"
            )
        self._check_link(self.root / name)
        files, libraries = code_behind(*code)
        sources = {"name": name, "ingredients": self._as_json(ingredients), "code": files, "libraries": libraries}
        key = sha256_of(sources)
        folder = f"{folder_name(name)}-{key[:16]}"
        record, home, scratch = {"key": key, **sources}, self._kept / folder, self._scratch / folder
        return Build(name, key, record, home, scratch, self.root / name)

    def _check_link(self, link: Path) -> None:
        """Raise StoreError, before any work, if something that this store did not make lies at the path of the link."""
        above = [path for path in link.parents if path != self.root and path.is_relative_to(self.root)]
        blocked = [path for path in above if path.is_symlink() or (path.exists() and not path.is_dir())]
        ours = link.is_symlink() and link.resolve().is_relative_to(self._kept.resolve())
        if blocked or (os.path.lexists(link) and not ours):
            raise StoreError(f"{(*blocked, link)[0]} is in the way of the artifact {link}; move it elsewhere")

    def _as_json(self, ingredients: Mapping[str, object]) -> dict[str, object]:
        return {name: self.digests.as_json(value, name) for name, value in ingredients.items()}

    def _expect_unchanged(self, build: Build, ingredients: Mapping[str, object]) -> None:
        """Raise StoreError if an ingredient changed since the key was computed: the artifact may be made of both versions."""
        now, then = self._as_json(ingredients), build.record["ingredients"]
        changed = [name for name in then if now[name] != then[name]]
        if changed:
            raise StoreError(f"{', '.join(changed)} changed while the suite made {build.name} of it; start again")

    def _make(
        self,
        build: Build,
        make: Callable[..., object],
        ingredients: Mapping[str, object],
        unkeyed: Mapping[str, object],
    ) -> None:
        target, started = build.scratch / build.link.name, time.monotonic()
        try:
            build.scratch.mkdir(parents=True)
            make(target, **ingredients, **unkeyed)
            if not target.exists():
                raise StoreError(f"{make.__qualname__} should have written {build.name} to {target}, but wrote nothing")
            taken_s = round(time.monotonic() - started, 3)
            build.write_record(build.scratch, sizes(target), sha256=self.digests.of(target), seconds=taken_s)
            self._expect_unchanged(build, ingredients)
            build.scratch.rename(build.home)
        except BaseException:  # KeyboardInterrupt too
            shutil.rmtree(build.scratch, ignore_errors=True)
            raise

    def _is_whole(self, build: Build) -> bool:
        """Whether the artifact has the bytes that were built. This is quick, because `Digests` remembers the files."""
        record = build.read_record()
        sound = (
            record.get("key") == build.key and build.artifact.exists() and record.get("files") == sizes(build.artifact)
        )
        return sound and record.get("sha256") == self.digests.of(build.artifact)

    @contextmanager
    def _locked(self, build: Build) -> Iterator[None]:
        lock = FileLock(self._locks / f"{build.home.name}.lock")
        try:
            lock.acquire(timeout=SAY_WAITING_AFTER_S)
        except Timeout:
            say(f"waiting for another process that makes {build.name} (lock file {lock.lock_file})")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _remove_old_builds(self, name: str) -> None:
        """Remove builds that no run used for long, and scratch folders of killed processes. Locked folders stay."""
        start = f"{folder_name(name)}-"
        builds = [home for home in self._kept.glob(f"{start}*") if len(home.name) == len(start) + 16]
        by_use = sorted(builds, key=last_used, reverse=True)
        old = [home for home in by_use[BUILDS_KEPT:] if time.time() - last_used(home) > IN_USE_S]
        for folder in (*old, *self._scratch.glob("*")):
            with suppress(Timeout, OSError), FileLock(self._locks / f"{folder.name}.lock", timeout=0):
                # rename it into scratch first: a kill during the removal must not leave half a build in `kept`
                remove(folder.rename(self._scratch / folder.name))


def _function(make: Maker) -> Callable[..., object]:
    if callable(make):
        return make
    module, _, function = make.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), function)
    return found
