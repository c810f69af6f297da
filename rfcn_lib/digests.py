"""What a file, a folder or a piece of this project's code holds, as sha256.

Files are read once, not at every start: their digests are remembered in a small database beside the store, together
with inode, size, mtime and ctime. A file touched in the last two seconds is not remembered, because it could change
once more without its times showing it (git calls this "racily clean").
"""

import ast
import functools
import hashlib
import inspect
import json
import math
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import fields, is_dataclass
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType

from pydantic import BaseModel

SETTLED_AFTER_NS = 2_000_000_000
PACKAGE = Path(__file__).resolve().parent
KEEPING = {  # they move bytes or say words, and make nothing
    PACKAGE / "store.py", PACKAGE / "digests.py", PACKAGE / "progress.py", PACKAGE / "tool_words.py",
    PACKAGE / "devices" / "plans.py",
}  # fmt: skip
LIBRARIES = {  # imported name: the distributions that may provide it (asking the installation itself fails on 3.10)
    "torch": ["torch"],
    "torchvision": ["torchvision"],
    "onnx": ["onnx"],
    "onnx_ir": ["onnx-ir"],
    "onnxscript": ["onnxscript"],
    "onnxruntime": ["onnxruntime", "onnxruntime-gpu"],
    "numpy": ["numpy"],
    "cv2": ["opencv-python-headless", "opencv-python"],
    "PIL": ["pillow"],
}


class StoreError(RuntimeError):
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

    def told(self, value: object, where: str) -> object:
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
                return [self.told(item, f"{where}[{index}]") for index, item in enumerate(value)]
            case Mapping() if all(isinstance(key, str) for key in value):
                return {key: self.told(item, f"{where}.{key}") for key, item in value.items()}
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
            **{name: self.told(getattr(value, name), f"{where}.{name}") for name in names},
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


Part = Callable[..., object] | ModuleType | str  # a str: "rfcn_lib.room.module", or "rfcn_lib.room.module:function"


def code_behind(part: Part, *, with_docstrings: bool = False) -> tuple[dict[str, str], dict[str, str]]:
    """The code that `part` runs: digest per file of ours within reach of its imports, version per library they import.

    Found by reading, not by running: the module `part` lives in and, step by step, every `rfcn_lib` module that is
    imported anywhere in it. Docstrings, comments and layout do not count. Not seen: modules imported by a computed name.
    `with_docstrings`: as keys were made before 2026-11, to find what is kept under such a key.

    Raises:
        TypeError: `part` is neither a module nor a plain function, or carries values that no key would show.
        StoreError: a file of rfcn_lib was changed while this process runs, so what runs is not what the file says.
    """
    waiting = [_file_of(part).resolve()]
    files: dict[str, str] = {}
    libraries: dict[str, str] = {}
    while waiting:
        file = waiting.pop()
        name = file.relative_to(PACKAGE.parent).as_posix() if file.is_relative_to(PACKAGE) else file.name
        if name in files or file in KEEPING:
            continue
        without, with_them, imported = _read(_text_of(file), file)
        files[name] = with_them if with_docstrings else without
        waiting += [found for module in imported for found in _files_of(module)]
        for library in {module.partition(".")[0] for module in imported} & LIBRARIES.keys():
            libraries[library] = _version(library)
    return dict(sorted(files.items())), dict(sorted(libraries.items()))


def _file_of(part: Part) -> Path:
    if isinstance(part, str):
        file = PACKAGE.parent.joinpath(*part.partition(":")[0].split(".")).with_suffix(".py")
        if not file.is_relative_to(PACKAGE) or not file.is_file():
            raise TypeError(f"{part!r} should name a module of {PACKAGE.name}, but there is no {file}")
        return file
    target = part if isinstance(part, ModuleType) else inspect.unwrap(part)
    if not isinstance(target, ModuleType | FunctionType) or (isinstance(target, FunctionType) and target.__closure__):
        raise TypeError(
            f"{part!r} should be a module or a function defined at module level: the values that a closure, a partial "
            "or a method carries would not be part of the artifact's key; pass them as ingredients"
        )
    source = inspect.getsourcefile(target)
    if source is None or not Path(source).is_file():
        raise TypeError(f"{part!r} should live in a file, so that its text can be part of the artifact's key")
    return Path(source)


@functools.cache
def sources_at_start() -> dict[Path, bytes]:
    """The text of every module of this package, as it was when first asked for: a store asks when it is opened."""
    return {file: file.read_bytes() for file in PACKAGE.rglob("*.py")}


def _text_of(file: Path) -> bytes:
    text = file.read_bytes()
    if sources_at_start().get(file, text) != text:
        raise StoreError(
            f"{file} was changed while this process runs, which may still run the older text; start it again"
        )
    return text


@functools.cache
def _read(text: bytes, file: Path) -> tuple[str, str, frozenset[str]]:
    """(sha256 of a module's syntax tree without docstrings, and with them, full names it imports)."""
    tree = ast.parse(text, file)
    with_them = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    tree = _without_docstrings(tree)
    package = file.parent.relative_to(PACKAGE.parent).parts if file.is_relative_to(PACKAGE) else ()
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            imported |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), with_them, frozenset(imported)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """The same tree, changed in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(ast.Constant(str())), *rest]:
                    node.body = rest or [ast.Pass()]
    return tree


def _files_of(module: str) -> Iterator[Path]:
    """Files that importing `module` runs, if it is ours: each package's __init__ on the way, and the module itself."""
    steps = module.split(".")
    if steps[0] == PACKAGE.name:
        for depth in range(1, len(steps) + 1):
            place = PACKAGE.parent.joinpath(*steps[:depth])
            yield from (file for file in (place / "__init__.py", place.with_name(f"{place.name}.py")) if file.is_file())


@functools.cache
def _version(library: str) -> str:
    found = []
    for name in LIBRARIES[library]:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found) or "not installed"
