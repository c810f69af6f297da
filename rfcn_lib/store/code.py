"""Digests of the code that makes an artifact. They are part of the artifact's key in the store.

The caller of the store names the code: a function, a module, or several modules. `code_behind` adds all modules of rfcn_lib
that this code imports, directly or through others, and the versions of the libraries. Docstrings, comments and layout do not
change a digest. `code_behind` does not see an import of a computed name (`import_module(name)`): name such a module yourself.
"""

import ast
import functools
import hashlib
import inspect
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType

from rfcn_lib.store.digests import StoreError

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = {  # imported name: packages that may provide it (importlib.metadata cannot say it reliably on Python 3.10)
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
    """The code of the parts: a digest for each file of rfcn_lib, a version for each library.

    Example: ({"rfcn_lib/boxes.py": "5e88...", "rfcn_lib/records.py": "0c1f..."}, {"numpy": "numpy 2.2.6"}).

    Raises:
        TypeError: a part is neither a module nor a plain function, or it carries values that would not be in the key.
        StoreError: a file of rfcn_lib changed while this process runs, so the process runs other code than the file has.
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
            f"{part!r} should be a module or a function defined at module level: the artifact's key would not contain the "
            "values that a closure, a partial or a method carries; pass these values as ingredients"
        )
    source = inspect.getsourcefile(target)
    if source is None or not Path(source).is_file():
        raise TypeError(f"{part!r} should be defined in a file, so that its text can be part of the artifact's key")
    return Path(source)


@functools.cache
def sources_at_start() -> dict[Path, bytes]:
    """The text of every module of this package at the time of the first call. `Store()` makes the first call."""
    return {file: file.read_bytes() for file in PACKAGE.rglob("*.py")}


def _text_of(file: Path) -> bytes:
    text = file.read_bytes()
    if sources_at_start().get(file, text) != text:
        raise StoreError(
            f"{file} changed while this process runs, so the process may run the older text; start it again"
        )
    return text


@functools.cache
def _read(text: bytes, file: Path) -> tuple[str, frozenset[str]]:
    """(sha256 of a module's syntax tree without docstrings, full names of its imports)."""
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
    return hashlib.sha256(_as_text(tree).encode()).hexdigest(), frozenset(imported)


def _as_text(node: object) -> str:
    """A syntax tree as text, the same from Python 3.10 to 3.13.

    `ast.dump` shows or hides empty fields as each version likes, and 3.12 puts empty texts into the formats of f-strings.
    """
    if isinstance(node, ast.JoinedStr):
        node.values = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    if isinstance(node, ast.AST):
        fields = (
            f"{name}={_as_text(value)}" for name, value in ast.iter_fields(node) if value is not None and value != []
        )
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_as_text, node))}]"
    return repr(node)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Remove the docstrings from `tree` and return it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(ast.Constant(str())), *rest]:
                    node.body = rest or [ast.Pass()]
    return tree


@functools.cache
def _files_of(module: str) -> tuple[Path, ...]:
    """Files that run at `import module`, for a module of rfcn_lib: the __init__ of each package above, and the module."""
    steps = module.split(".")
    if steps[0] != PACKAGE.name:
        return ()
    paths = [PACKAGE.parent.joinpath(*steps[:depth]) for depth in range(1, len(steps) + 1)]
    files = (file for path in paths for file in (path / "__init__.py", path.with_name(f"{path.name}.py")))
    return tuple(file for file in files if file in sources_at_start())


@functools.cache
def _version(library: str) -> str:
    found = []
    for name in LIBRARIES[library]:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return ", ".join(found) or "not installed"
