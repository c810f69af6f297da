"""Which ais_bench the python3 on PATH has: where it lies, what tells one release from another, and why it does not start.

Releases of 2022-11 to 2025-12 all call themselves 0.0.2 and have an empty `__init__.py`, so the files themselves are the
version: the whole package, and the module aclruntime that it runs models with.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib.ascend.ais_bench import ENVIRONMENT
from rfcn_lib.command import CommandError, CommandResult, run
from rfcn_lib.tool_output import last_lines

WORDS: Final = ("python3", "-m", "ais_bench")
FLAGS: Final = (
    "--model",
    "--output_dirname",
    "--outfmt",
)  # of the tool that runs om files; its namesake has none of them
LARGEST_FILE_BYTES: Final = 1 << 30
_WHERE: Final = """\
import importlib.util, json
try:
    from importlib.metadata import version
except ImportError:  # Python 3.7
    version = None
def place(name):
    found = importlib.util.find_spec(name)
    return found and (list(found.submodule_search_locations or [])[:1] or [found.origin])[0]
def release():
    for name in ("ais_bench", "ait-benchmark"):  # the second is msit's copy of 2024
        try:
            return version(name)
        except Exception:
            pass
    return "of no version"
print(json.dumps([place("ais_bench"), place("aclruntime"), release()]))
"""
_INSTALL: Final = (
    "pip install the vendor's aclruntime and ais_bench wheels (gitee.com/ascend/tools, ais-bench_workload)"
)


@dataclass(frozen=True, slots=True)
class AisBench:
    """An ais_bench that starts. `package` is its folder; `sha256` is of all its files and of aclruntime; `usage` its help."""

    package: Path
    release: str
    sha256: str
    size_bytes: int
    usage: str


def find_ais_bench(get_cann: str, timeout_s: float) -> AisBench | str:
    """The ais_bench of the python3 on PATH, or a sentence that says why there is none and what to do.

    get_cann   how to get the CANN runtime, for a tool that lacks it
    timeout_s  of each of two starts of Python
    """
    try:
        where = run(["python3", "-c", _WHERE], cwd=Path.cwd(), timeout_s=timeout_s, env=ENVIRONMENT)
        package, runtime, release = _places(where)
        if package is None:
            return f"the python3 on PATH has no module ais_bench; {_INSTALL}, or put an environment that has them first on PATH"
        done = run([*WORDS, "--help"], cwd=Path.cwd(), timeout_s=timeout_s, env=ENVIRONMENT)
    except CommandError as error:
        return f"ais_bench cannot be asked: {error}"
    if done.returncode != 0:
        return f"{_why_not_started(done, package, get_cann)}; by hand: {done.shell_line}"
    if not all(flag in done.stdout for flag in FLAGS):
        return f"{_namesake(package)}; by hand: {done.shell_line}"
    files = _files(package, runtime)
    return AisBench(package, release, _digest(files), sum(file.stat().st_size for file in files.values()), done.stdout)


def _places(where: CommandResult) -> tuple[Path | None, Path | None, str]:
    try:
        package, runtime, release = json.loads(where.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return None, None, ""
    return package and Path(package).absolute(), runtime and Path(runtime).absolute(), str(release)


def _why_not_started(done: CommandResult, package: Path, get_cann: str) -> str:
    said = last_lines(done.stdout, done.stderr)
    if "No module named ais_bench.__main__" in said:
        return _namesake(package)
    last = (said.splitlines() or ["no word"])[-1]
    if "aclruntime" in last and "No module named" in last:
        hint = "pip install the vendor's aclruntime wheel of this Python and processor (gitee.com/ascend/tools)"
    elif "Unicode" in last:
        hint = "its words are not ASCII: set a UTF-8 locale, for example LC_ALL=C.UTF-8"
    else:
        hint = get_cann
    return f"ais_bench ({package}) does not start: {last}; {hint}"


def _namesake(package: Path) -> str:
    return (
        f"ais_bench ({package}) is not the tool that runs om files (a benchmark of language models has the same name); "
        f"put an environment without it first on PATH, and {_INSTALL}"
    )


def _files(package: Path, runtime: Path | None) -> dict[str, Path]:
    """Every file of package and runtime by its name in the digest; what Python compiles of them is none."""
    found: dict[str, Path] = {}
    for root in filter(None, (package, runtime)):
        below = sorted(root.rglob("*")) if root.is_dir() else [root]
        found |= {
            f"{root.name}/{file.relative_to(root)}": file
            for file in below
            if file.is_file() and "__pycache__" not in file.parts and file.stat().st_size <= LARGEST_FILE_BYTES
        }
    return found


def _digest(files: dict[str, Path]) -> str:
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        try:
            content = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:  # to be run, not to be read
            content = "unreadable"
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
