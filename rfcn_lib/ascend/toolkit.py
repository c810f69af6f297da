"""Find the vendor's programs and devices on this host: the compiler (atc), an inference tool, the NPUs.

Each function returns a frozen value, or a `Missing`. A `Missing` is false; its text says what is missing and how to get it.
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
from rfcn_lib.ascend.ais_bench_probe import COMMAND, find_ais_bench
from rfcn_lib.ascend.npu_smi import Npu
from rfcn_lib.errors import SuiteError
from rfcn_lib.socs import KNOWN_SOCS

RunnerName = Literal["benchmark", "ais_bench"]
RUNNERS: tuple[RunnerName, ...] = get_args(RunnerName)  # the published one first
# where the installer puts a toolkit: for root, for a user, for the vendor's own user
INSTALL_FOLDERS = ("/usr/local/Ascend", "~/Ascend", "/home/HwHiAiUser/Ascend")
# CANN up to 8.3 installs ascend-toolkit/; from 8.5 on it installs cann-<version>/ and a link cann. nnrt runs models, without atc
ENVIRONMENT_FILES = ("ascend-toolkit/set_env.sh", "cann/set_env.sh", "cann-*/set_env.sh", "nnrt/set_env.sh")
VERSION_FILES = ("ascend_toolkit_install.info", "ascend_ops_install.info")  # `version=8.1.RC1`, one key a line
DEV = Path("/dev")  # the driver makes davinci0, davinci1 ... here, one for each device
MARK = "SIMULATED"  # a file with this name lies beside every simulated tool; what the tool makes has this word at its start
HELP_TIMEOUT_S = 120.0  # the first import of a runtime from a network disk is slow


class ToolkitError(SuiteError):
    """An unknown soc or runner. The message lists the valid names."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that this host does not have. It is false; its text says what is missing and how to get it."""

    sentence: str

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class Atc:
    """The compiler. `version` identifies the toolkit; `home` is the toolkit's folder, None if unknown."""

    path: Path
    version: str
    home: Path | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class Runner:
    """An inference tool.

    command  the words that start it, such as ("python3", "-m", "ais_bench")
    path     the program's file, or the folder of the Python package
    sha256   of the file, or over all files of the package and of the module aclruntime
    usage    the text of its --help, "" if it has none
    """

    name: RunnerName
    command: tuple[str, ...]
    path: Path
    version: str
    sha256: str
    size_bytes: int
    usage: str
    simulated: bool


def atc() -> Atc | Missing:
    """The compiler on PATH, and the version of its toolkit."""
    found = shutil.which("atc")
    if found is None:
        return Missing(f"atc is not on PATH; {_how_to_get('the CANN toolkit')}")
    path = Path(found).absolute()
    from_environment = [
        os.environ[name] for name in ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH") if os.environ.get(name)
    ]
    # atc lies in <home>/bin, <home>/compiler/bin or <home>/<arch>-linux/bin; this is surer than the environment variables
    homes = [*list(path.resolve().parents)[1:4], *map(Path, from_environment)]
    home = next((home for home in homes if _installed_version(home)), None)
    version = _installed_version(home) if home else f"unknown, atc {_digest(path)[:12]}"
    is_simulated = simulated([path])
    return Atc(path, f"{MARK} {version}" if is_simulated else version, home, is_simulated)


def runner(wanted: str | None = None) -> Runner | Missing:
    """The inference tool `wanted`; with None the first of RUNNERS that this host has.

    Raises:
        ToolkitError: `wanted` is not in RUNNERS.
    """
    if wanted is not None and wanted not in RUNNERS:
        raise ToolkitError(f"--runner={wanted} should be {' or '.join(RUNNERS)}")
    probes = {"benchmark": _benchmark, "ais_bench": _ais_bench}
    found = [probes[name]() for name in RUNNERS if wanted in (None, name)]
    first = next((tool for tool in found if tool), None)
    return first or Missing("; and ".join(str(tool) for tool in found))


def npus() -> tuple[Npu, ...] | Missing:
    """The NPUs of this host, from `npu-smi info`.

    Raises:
        NpuSmiError: npu-smi hangs, fails although the driver shows a device, or prints text of an unknown form.
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
    """Whether a simulated tool is, or made, any of these files: MARK is beside it, one or two folders above, or at its start."""
    return any(_is_marked(Path(path)) for path in paths)


def mark_simulated(*folders: Path) -> None:
    """Put the mark of a stand-in into folders of results, since dumps may be copied out of them."""
    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / MARK).write_text("made by a stand-in for the vendor's tools; no evidence of anything\n")


def simulated_tools() -> tuple[Path, ...]:
    """The simulated ones among the vendor's tools on PATH and the module ais_bench on PYTHONPATH."""
    names = ("atc", f"benchmark.{platform.machine()}", "npu-smi")
    modules = [Path(place) / "ais_bench" for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    found = [*map(Path, filter(None, map(shutil.which, names))), *(module for module in modules if module.is_dir())]
    return tuple(path for path in found if _is_marked(path))


def checked_soc(soc: str, home: Path | None = None) -> str:
    """Return `soc` if CANN 8.1 or the toolkit installed at `home` supports it.

    Raises:
        ToolkitError: neither supports it. The message lists the supported names.
    """
    folders = ("data/platform_config", "*-linux/data/platform_config", "compiler/data/platform_config")
    files = [file for folder in folders for file in home.glob(f"{folder}/Ascend*.ini")] if home else []
    known = sorted({*KNOWN_SOCS, *(file.stem for file in files)})
    if soc not in known:
        old = "; Ascend710 is the old name of Ascend310P3" if soc == "Ascend710" else ""
        raise ToolkitError(f"--soc={soc} should be one of {', '.join(known)}{old}")
    return soc


def environment_file() -> Path | None:
    """The set_env.sh of a toolkit in one of INSTALL_FOLDERS, None without one. A shell must source it to use the tools."""
    folders = [folder for folder in map(_expanded, INSTALL_FOLDERS) if folder]
    found = [
        file for name in ENVIRONMENT_FILES for folder in folders for file in sorted(folder.glob(name), reverse=True)
    ]
    return next(iter(found), None)


def _expanded(root: str) -> Path | None:
    try:
        return Path(root).expanduser()
    except RuntimeError:  # a user without a home
        return None


def _how_to_get(what: str) -> str:
    file = environment_file()
    if file is None:
        return f"install {what} (hiascend.com; looked in {', '.join(INSTALL_FOLDERS)}), then source its set_env.sh in this shell"
    if os.environ.get("ASCEND_HOME_PATH") or os.environ.get("ASCEND_TOOLKIT_HOME"):
        return f"this shell has sourced a set_env.sh, but lacks it: is {what} installed there? (found: {file})"
    return f"this shell has not sourced the environment: source {file}"


def _installed_version(home: Path) -> str:
    """`8.1.RC1 (V100R001C21SPC001B238), operators 8.1.RC1`; "" if `home` has no version file."""
    versions = []
    for name in VERSION_FILES:
        files = [home / name, *sorted(home.glob(f"*-linux/{name}"))]
        texts = (_head(file).decode("utf-8", "replace") for file in files)
        keys = dict(re.findall(r"^\s*(\w+)\s*=\s*(\S+)", next(filter(None, texts), ""), flags=re.MULTILINE))
        inner = f" ({keys['innerversion']})" if "innerversion" in keys else ""
        if "version" in keys:
            versions.append(f"{keys['version']}{inner}")
    return ", operators ".join(versions)


def _digest(path: Path) -> str:
    """The version of a tool that prints none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:  # this user may run the file, but not read it
        return "unreadable"


def _head(file: Path) -> bytes:
    """The first 4096 bytes of a file; b"" if the file is absent, not a file, or not readable for this user."""
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
    version = f"sha256 {sha256[:12]}"  # the tool prints no version
    return Runner("benchmark", (name,), path, version, sha256, path.stat().st_size, "", simulated([path]))


def _ais_bench() -> Runner | Missing:
    found = find_ais_bench(_how_to_get("the CANN runtime"), HELP_TIMEOUT_S)
    if isinstance(found, str):
        return Missing(found)
    version = f"{found.release}, sha256 {found.sha256[:12]}"
    marked = simulated([found.package])
    return Runner("ais_bench", COMMAND, found.package, version, found.sha256, found.size_bytes, found.usage, marked)


def _is_marked(path: Path) -> bool:
    real = path.resolve()
    near = {folder for start in (path.absolute(), real) for folder in (start, *list(start.parents)[:2])}
    return any(os.path.lexists(folder / MARK) for folder in near) or MARK.encode() in _head(real)
