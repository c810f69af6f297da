"""What this host can do for an Ascend port, asked level by level: convert (atc), run (an inference tool), a device.

Each probe returns a frozen value, or a `Missing` that is false and whose text says what is missing and how to get it.
"""

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rfcn_lib.ascend import npu_smi
from rfcn_lib.ascend.ais_bench_probe import WORDS, find_ais_bench
from rfcn_lib.ascend.npu_smi import Npu
from rfcn_lib.errors import SuiteError
from rfcn_lib.socs import KNOWN_SOCS

RunnerName = Literal["benchmark", "ais_bench"]
RUNNERS: tuple[RunnerName, ...] = get_args(RunnerName)  # the published one first
ROOTS = ("/usr/local/Ascend", "~/Ascend", "/home/HwHiAiUser/Ascend")  # root's default, a user's, the vendor's own user
# CANN up to 8.3 installs ascend-toolkit/, from 8.5 cann-<version>/ and a link cann; nnrt runs models but has no atc
ENVIRONMENTS = ("ascend-toolkit/set_env.sh", "cann/set_env.sh", "cann-*/set_env.sh", "nnrt/set_env.sh")
INSTALLED = ("ascend_toolkit_install.info", "ascend_ops_install.info")  # `version=8.1.RC1`, one key a line
DEV = Path("/dev")  # the driver puts davinci0, davinci1 ... here, one for each device
MARK = "SIMULATED"  # a file of this name lies beside every stand-in, and the word is in the head of what it makes
HELP_TIMEOUT_S = 120.0  # the first import of a runtime from a network disk takes its time


class ToolkitError(SuiteError):
    """A soc or a runner that nobody knows; the message names the valid ones."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Not on this host; false, and its text says what is missing and how to get it."""

    sentence: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class Atc:
    """The compiler. `version` names the toolkit and tells two apart; `home` is where it is installed, if known."""

    path: Path
    version: str
    home: Path | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class Runner:
    """An inference tool: `words` starts it, `usage` is its help where it prints one.

    path    the file that is run, or the folder of the Python package
    sha256  of the file; or of all files of the package and of the module aclruntime
    """

    name: RunnerName
    words: tuple[str, ...]
    path: Path
    version: str
    sha256: str
    size_bytes: int
    usage: str
    simulated: bool


def atc() -> Atc | Missing:
    """The compiler on PATH, and the version of the toolkit it belongs to."""
    found = shutil.which("atc")
    if found is None:
        return Missing(f"atc is not on PATH; {_how_to_get('the CANN toolkit')}")
    path = Path(found).absolute()
    told = [os.environ[name] for name in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH") if os.environ.get(name)]
    # <home>/bin, <home>/compiler/bin, <home>/<arch>-linux/bin: where this atc lies says more than what was sourced
    homes = [*list(path.resolve().parents)[1:4], *map(Path, told)]
    home = next((home for home in homes if _installed(home)), None)
    version = _installed(home) if home else f"unknown, atc {_digest(path)[:12]}"
    is_simulated = simulated([path])
    return Atc(path, f"{MARK} {version}" if is_simulated else version, home, is_simulated)


def runner(wanted: str | None = None) -> Runner | Missing:
    """The inference tool called `wanted`, or without a wish the one that is there, the published one first.

    Raises:
        ToolkitError: nobody knows a runner of this name.
    """
    if wanted is not None and wanted not in RUNNERS:
        raise ToolkitError(f"--runner={wanted} should be {' or '.join(RUNNERS)}")
    probes = {"benchmark": _benchmark, "ais_bench": _ais_bench}
    found = [probes[name]() for name in RUNNERS if wanted in (None, name)]
    there = next((tool for tool in found if tool), None)
    return there or Missing("; and ".join(str(tool) for tool in found))


def npus() -> tuple[Npu, ...] | Missing:
    """The devices of this host.

    Raises:
        NpuSmiError: npu-smi fails although the driver offers a device, hangs, or says what nobody here knows.
    """
    tool = shutil.which("npu-smi")
    if tool is None:
        return Missing(
            "npu-smi is not on PATH, so this host has no Ascend driver; run this on a host with an Ascend card and its "
            "driver (in a container: with /usr/local/bin/npu-smi, the driver's folder and /dev/davinci* mounted)"
        )
    try:
        return npu_smi.devices(Path(tool).absolute())
    except npu_smi.NoAnswerError as error:
        if any(DEV.glob("davinci[0-9]*")) or any(DEV.glob("vdavinci[0-9]*")):
            raise
        return Missing(f"this host has no NPU: there is no {DEV}/davinci0, and {error}")


def simulated(paths: Iterable[Path]) -> bool:
    """Whether any of these tools or artifacts is a stand-in's: its mark lies beside it, above it, or in its head."""
    return any(_is_marked(Path(path)) for path in paths)


def mark_simulated(*folders: Path) -> None:
    """Put the mark of a stand-in into folders of results, since dumps may be copied out of them."""
    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / MARK).write_text("made by a stand-in for the vendor's tools; no evidence of anything\n")


def simulated_tools() -> tuple[Path, ...]:
    """Of the vendor's tools on PATH, and its module on PYTHONPATH, those that are a stand-in."""
    names = ("atc", f"benchmark.{platform.machine()}", "npu-smi")
    modules = [Path(place) / "ais_bench" for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    found = [*map(Path, filter(None, map(shutil.which, names))), *(module for module in modules if module.is_dir())]
    return tuple(path for path in found if _is_marked(path))


def checked_soc(soc: str, home: Path | None = None) -> str:
    """`soc`, if the vendor's toolkit knows it: the list of CANN 8.1, and what the one installed at `home` brings along.

    Raises:
        ToolkitError: it does not; names those it knows.
    """
    folders = ("data/platform_config", "*-linux/data/platform_config", "compiler/data/platform_config")
    files = [file for folder in folders for file in home.glob(f"{folder}/Ascend*.ini")] if home else []
    known = sorted({*KNOWN_SOCS, *(file.stem for file in files)})
    if soc not in known:
        old = "; Ascend710 is an old name of Ascend310P3" if soc == "Ascend710" else ""
        raise ToolkitError(f"--soc={soc} should be one of {', '.join(known)}{old}")
    return soc


def environment_file() -> Path | None:
    """The file that a shell must source for the vendor's tools to work, of a toolkit installed where toolkits are installed."""
    folders = [folder for folder in map(_expanded, ROOTS) if folder]
    found = [file for name in ENVIRONMENTS for folder in folders for file in sorted(folder.glob(name), reverse=True)]
    return next(iter(found), None)


def _expanded(root: str) -> Path | None:
    try:
        return Path(root).expanduser()
    except RuntimeError:  # a user without a home
        return None


def _how_to_get(what: str) -> str:
    file = environment_file()
    if file is None:
        return f"install {what} (hiascend.com; looked in {', '.join(ROOTS)}), then source its set_env.sh in this shell"
    if os.environ.get("ASCEND_HOME_PATH") or os.environ.get("ASCEND_TOOLKIT_HOME"):
        return f"the environment is sourced and lacks it: is {what} installed there? (found: {file})"
    return f"the environment is not sourced: source {file}"


def _installed(home: Path) -> str:
    """`8.1.RC1 (V100R001C21SPC001B238)`, and the same of the operators' package; empty where nothing is installed."""
    said = []
    for name in INSTALLED:
        files = [home / name, *sorted(home.glob(f"*-linux/{name}"))]
        texts = (_head(file).decode("utf-8", "replace") for file in files)
        keys = dict(re.findall(r"^\s*(\w+)\s*=\s*(\S+)", next(filter(None, texts), ""), flags=re.MULTILINE))
        inner = f" ({keys['innerversion']})" if "innerversion" in keys else ""
        if "version" in keys:
            said.append(f"{keys['version']}{inner}")
    return ", operators ".join(said)


def _digest(path: Path) -> str:
    """What tells two builds of a tool apart that print no version."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # to be run, not to be read
        return "unreadable"


def _head(file: Path) -> bytes:
    """The first 4096 bytes of a file; none of what is absent, no file, or not for this user to read."""
    try:
        with file.open("rb") as stream:
            return stream.read(4096)
    except OSError:
        return b""


def _benchmark() -> Runner | Missing:
    name = f"benchmark.{platform.machine()}"
    found = shutil.which(name)
    if found is None:
        return Missing(f"{name} is not on PATH; put the folder of the vendor's download on PATH, and chmod +x it")
    path = Path(found).absolute()
    sha256 = _digest(path)
    version = f"sha256 {sha256[:12]}"  # it prints none
    return Runner("benchmark", (name,), path, version, sha256, path.stat().st_size, "", simulated([path]))


def _ais_bench() -> Runner | Missing:
    found = find_ais_bench(_how_to_get("the CANN runtime"), HELP_TIMEOUT_S)
    if isinstance(found, str):
        return Missing(found)
    version = f"{found.release}, sha256 {found.sha256[:12]}"
    marked = simulated([found.package])
    return Runner("ais_bench", WORDS, found.package, version, found.sha256, found.size_bytes, found.usage, marked)


def _is_marked(path: Path) -> bool:
    real = path.resolve()
    near = {folder for start in (path.absolute(), real) for folder in (start, *list(start.parents)[:2])}
    return any(os.path.lexists(folder / MARK) for folder in near) or MARK.encode() in _head(real)
