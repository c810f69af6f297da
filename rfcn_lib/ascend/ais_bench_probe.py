"""Find the ais_bench of the python3 on PATH: its folder, its version, or why it does not start.

All releases from 2022-11 to 2025-12 have the version 0.0.2 and an empty `__init__.py`. So this module uses a digest as the
version: sha256 over all files of the package and of the module aclruntime, which runs the models.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib.ascend.ais_bench import ENVIRONMENT
from rfcn_lib.command import CommandError, CommandResult, run
from rfcn_lib.tool_output import last_lines

COMMAND: Final = ("python3", "-m", "ais_bench")
# flags of the tool that runs om files; another tool with the name ais_bench has none of them
FLAGS: Final = ("--model", "--output_dirname", "--outfmt")
LARGEST_FILE_BYTES: Final = 1 << 30  # larger files are not part of the digest
_PROBE: Final = """\
import importlib.util, json
try:
    from importlib.metadata import version
except ImportError:  # Python 3.7
    version = None
def place(name):
    found = importlib.util.find_spec(name)
    return found and (list(found.submodule_search_locations or [])[:1] or [found.origin])[0]
def release():
    for name in ("ais_bench", "ait-benchmark"):  # msit published the second one in 2024
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
    """An ais_bench that starts.

    package     its folder
    sha256      over all its files and those of aclruntime; size_bytes: of the same files
    usage       the text of its --help
    """

    package: Path
    release: str
    sha256: str
    size_bytes: int
    usage: str


def find_ais_bench(get_cann: str, timeout_s: float) -> AisBench | str:
    """The ais_bench of the python3 on PATH, or a sentence: why there is none, and what to do.

    get_cann   sentence for the user: how to get the CANN runtime; for an ais_bench that does not start without it
    timeout_s  limit for each of the two starts of Python
    """
    try:
        probe = run(["python3", "-c", _PROBE], cwd=Path.cwd(), timeout_s=timeout_s, env=ENVIRONMENT)
        package, runtime, release = _places(probe)
        if package is None:
            return f"the python3 on PATH has no module ais_bench; {_INSTALL}, or put an environment that has them first on PATH"
        result = run([*COMMAND, "--help"], cwd=Path.cwd(), timeout_s=timeout_s, env=ENVIRONMENT)
    except CommandError as error:
        return f"cannot start ais_bench: {error}"
    if result.returncode != 0:
        return f"{_why_not_started(result, package, get_cann)}; by hand: {result.shell_line}"
    if not all(flag in result.stdout for flag in FLAGS):
        return f"{_other_tool(package)}; by hand: {result.shell_line}"
    files = _files(package, runtime)
    return AisBench(
        package, release, _digest(files), sum(file.stat().st_size for file in files.values()), result.stdout
    )


def _places(probe: CommandResult) -> tuple[Path | None, Path | None, str]:
    try:
        package, runtime, release = json.loads(probe.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return None, None, ""
    return package and Path(package).absolute(), runtime and Path(runtime).absolute(), str(release)


def _why_not_started(result: CommandResult, package: Path, get_cann: str) -> str:
    text = last_lines(result.stdout, result.stderr)
    if "No module named ais_bench.__main__" in text:
        return _other_tool(package)
    last = (text.splitlines() or ["it printed nothing"])[-1]
    if "aclruntime" in last and "No module named" in last:
        hint = "pip install the vendor's aclruntime wheel of this Python and processor (gitee.com/ascend/tools)"
    elif "Unicode" in last:
        hint = "it prints text that is not ASCII: set a UTF-8 locale, for example LC_ALL=C.UTF-8"
    else:
        hint = get_cann
    return f"ais_bench ({package}) does not start: {last}; {hint}"


def _other_tool(package: Path) -> str:
    return (
        f"ais_bench ({package}) is not the tool that runs om files (a benchmark of language models has the same name); "
        f"put an environment without that package first on PATH, and {_INSTALL}"
    )


def _files(package: Path, runtime: Path | None) -> dict[str, Path]:
    """Every file of package and runtime by its name in the digest, without the files in __pycache__."""
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
        except OSError:  # this user may run the file, but not read it
            content = "unreadable"
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
