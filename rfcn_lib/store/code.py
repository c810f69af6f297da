"""Which code makes an artifact, as digests: a part of the artifact's key in the store.

Whoever makes an artifact names its code: a function, a module, or several modules. To these belong, step by step, all
modules of rfcn_lib that they import, and the versions of the libraries that they import. Docstrings, comments and layout
do not count. A module that is imported by a computed name is not seen: name it.
"""

import ast
import functools
import hashlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType

from rfcn_lib.store.digests import StoreError

PACKAGE = Path(__file__).resolve().parents[1]
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

Part = Callable[..., object] | ModuleType | str  # a str: "rfcn_lib.room.module", or "rfcn_lib.room.module:function"


def code_behind(*parts: Part) -> tuple[dict[str, str], dict[str, str]]:
    """The code that the parts run: digest per file of rfcn_lib, version per library.

    Example: ({"rfcn_lib/boxes.py": "5e88...", "rfcn_lib/records.py": "0c1f..."}, {"numpy": "numpy 2.2.6"}).

    Raises:
        TypeError: a part is neither a module nor a plain function, or carries values that no key would show.
        StoreError: a file of rfcn_lib was changed while this process runs, so what runs is not what the file says.
    """
    waiting = [_file_of(part).resolve() for part in parts]
    files: dict[str, str] = {}
    libraries: dict[str, str] = {}
    while waiting:
        file = waiting.pop()
        name = file.relative_to(PACKAGE.parent).as_posix() if file.is_relative_to(PACKAGE) else file.name
        if name in files:
            continue
        files[name], imported = _read(_text_of(file), file)
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
    """The text of every module of this package, as it was at the first call. A store makes that call when it is opened."""
    return {file: file.read_bytes() for file in PACKAGE.rglob("*.py")}


def _text_of(file: Path) -> bytes:
    text = file.read_bytes()
    if sources_at_start().get(file, text) != text:
        raise StoreError(
            f"{file} was changed while this process runs, which may still run the older text; start it again"
        )
    return text


@functools.cache
def _read(text: bytes, file: Path) -> tuple[str, frozenset[str]]:
    """(sha256 of a module's syntax tree without docstrings, full names that it imports)."""
    tree = _without_docstrings(ast.parse(text, file))
    package = file.parent.relative_to(PACKAGE.parent).parts if file.is_relative_to(PACKAGE) else ()
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            imported |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(imported)


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
