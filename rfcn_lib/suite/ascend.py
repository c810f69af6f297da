"""An Ascend host: which tools and devices it has, asked level by level, and every picture through the compiled model.

Compiler (atc), inference tool, devices: where one is missing, the test is skipped with a sentence that says how to get it.
"""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from rfcn_lib.ascend import atc as compiler
from rfcn_lib.ascend import npu_choice, npu_smi, toolkit
from rfcn_lib.ascend.health import health_problems, health_problems_now
from rfcn_lib.command import export_lines, run
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.bin_set import BinSet
from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.records import Scope
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.runs.npu import NpuEngine
from rfcn_lib.runs.npu_batch import Tool
from rfcn_lib.runs.npu_folder import NpuRunFolder, models_of
from rfcn_lib.speed.throughput import Rate, rates_of
from rfcn_lib.speed.timings import Timing
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.commands import probes
from rfcn_lib.suite.options import Options

T = TypeVar("T")
MASK = "ASCEND_RT_VISIBLE_DEVICES"
CODE_OF_DUMPS = (
    tuple(  # what shapes an NPU's dumps on the host: pictures, bins, the tool's command line, the files it writes
        f"rfcn_lib.{name}"
        for name in (
            "pictures.preprocess",
            "pictures.bin_files",
            "ascend.benchmark",
            "ascend.ais_bench",
            "ascend.outputs",
            "speed.timings",
        )
    )
)


class HostError(SuiteError):
    """The host is not in a state in which its numbers may be accepted."""


@dataclass(frozen=True)
class NpuHost:
    """What runs the compiled model: an inference tool, and the devices that share the pictures."""

    tool: toolkit.Runner
    npus: tuple[npu_smi.Npu, ...]
    chips_on_card: int

    @property
    def device_ids(self) -> tuple[int, ...]:
        return tuple(npu.device_id for npu in self.npus)

    @property
    def names(self) -> Mapping[int, str]:
        """Device id -> `device 1 (NPU 0 chip 1)`."""
        return {npu.device_id: f"device {npu.device_id} (NPU {npu.npu_id} chip {npu.chip})" for npu in self.npus}

    @property
    def program(self) -> Tool:
        word = str(self.tool.path) if self.tool.name == "benchmark" else self.tool.command[0]
        return Tool(self.tool.name, word)


@dataclass(frozen=True)
class NpuRun:
    """What the devices made of every picture.

    dumps      the folder of dumps
    timings    what the tool said of its speed, covering each picture once
    health     reasons not to trust a measurement on these devices, of earlier runs of this folder too
    simulated  whether a stand-in took the place of a vendor's tool
    commands   external commands that make the same outputs, ready to paste
    """

    dumps: Path
    timings: tuple[Timing, ...]
    host: NpuHost
    health: tuple[str, ...]
    simulated: bool
    commands: tuple[str, ...]

    def __str__(self) -> str:
        """What ran, for header and verdict; says that a stand-in is one, and what is wrong with a device."""
        ran = sorted({timing.perf.device_id for timing in self.timings})
        devices = ", ".join(self.host.names.get(id, f"device {id}") for id in ran)
        words = f"{self.host.npus[0].name} {devices}, {self.host.tool.name}"
        words += f"; troubles: {'; '.join(self.health)}" if self.health else ""
        return f"SIMULATED {words}: a stand-in for the vendor's tools, no NPU" if self.simulated else words


def pytest_report_header() -> list[str]:
    tools = toolkit.simulated_tools()
    return (
        [f"SIMULATED: {', '.join(map(str, tools))} stand in for the vendor's tools; nothing here is evidence"]
        if tools
        else []
    )


def found_here(found: T | toolkit.Missing, more: str = "") -> T:
    """What a probe found; where it is missing, skip the test with the probe's sentence."""
    if isinstance(found, toolkit.Missing):
        pytest.skip(f"{found}{more}")
    return found


@pytest.fixture(scope="session")
def atc() -> toolkit.Atc:
    """The compiler."""
    return found_here(toolkit.atc())


@pytest.fixture(scope="session")
def soc(options: Options, atc: toolkit.Atc) -> str:
    """The chip to compile for: --soc, or else the chosen device's."""
    if options.soc:
        return toolkit.checked_soc(options.soc, atc.home)
    there = found_here(toolkit.npus(), "; or pass --soc=NAME, such as --soc=Ascend310, to compile without a device")
    return npu_choice.soc_of(npu_choice.chosen_npus(there, options.devices)[0])


@pytest.fixture(scope="session")
def npus(options: Options) -> tuple[npu_smi.Npu, ...]:
    """The devices that share the pictures. Under --accept a busy or unhealthy one is an error; else the verdict names it."""
    there = found_here(toolkit.npus())
    masked = os.environ.get(MASK)
    if masked is not None:
        raise HostError(
            f"{MASK}={masked} gives the devices other numbers for the tools than npu-smi gives them, so this suite "
            f"would check the health of other devices than it runs on; unset {MASK}, and choose with --devices="
        )
    chosen = npu_choice.chosen_npus(there, options.devices)
    wrong = health_problems(there, chosen)
    if wrong and options.accept:
        raise HostError("; ".join(wrong) + "; --accept needs idle, healthy devices")
    npu_choice.expect_alike(there, chosen, options.soc)
    return chosen


@pytest.fixture(scope="session")
def npu_ready(npus: tuple[npu_smi.Npu, ...], options: Options) -> NpuHost:
    """Devices and inference tool. Asked for before anything is built: where one is missing, nothing is."""
    tool = found_here(toolkit.runner(options.runner))
    return NpuHost(tool, npus, npu_smi.chips_on_card(found_here(toolkit.npus()), npus[0]))


def atc_ingredients(options: Options, atc: toolkit.Atc) -> dict[str, object]:
    """What the compiled model depends on besides the graph, as arguments of `om_from_adapted`.

    Raises:
        AtcError: a flag of --atc-arg that this atc does not know.
    """
    words, files = compiler.atc_arguments(options.atc_args, options.here)
    if words:
        help_text = run([atc.path, "--help"], cwd=Path.cwd(), timeout_s=toolkit.HELP_TIMEOUT_S).stdout
        compiler.expect_known_flags(words, help_text)
    return {
        "toolkit_version": atc.version,
        "precision_mode": options.precision_mode,
        "extra": words,
        "extra_files": files,
    }


def unpublished_flags(options: Options) -> tuple[str, ...]:
    """Flags that the compiler gets besides the published ones."""
    mode = options.precision_mode
    return (*([f"--precision_mode={mode}"] if mode else []), *options.atc_args)


def run_on_npus(
    store: Store,
    host: NpuHost,
    om: PerCanvas,
    compiled_by: tuple[str, ...],
    bins: BinSet,
    canvases: Canvases,
    options: Options,
) -> NpuRun:
    """Every picture through the compiled model of its canvas; the devices share the pictures batch by batch.

    Raises:
        HostError: under --accept, a device was unhealthy or busy, in this run or in an earlier one of the same folder.
        OmRunError, RefusedError, PictureError: see `rfcn_lib.runs.npu`.
    """
    pictures = bins.pictures
    made_of = {
        "oms": {name_of(canvas): path for canvas, path in om.items()},
        "pictures": pictures.port.pictures,
        "tool": f"{host.tool.name} {host.tool.version}",
        "chip": host.npus[0].name,
        "chips_on_card": host.chips_on_card,
        "host": platform.node(),
        "npu_smi": host.npus[0].version,
    }
    simulated = host.tool.simulated or toolkit.simulated([*om.values(), *toolkit.simulated_tools()])
    name = canvases.artifact_name("dumps/npu")
    with store.open_folder(canvases.artifact_name("npu"), CODE_OF_DUMPS, **made_of) as root:
        folder = NpuRunFolder(root, pictures.port, models_of(om, pictures))
        simulated = simulated or toolkit.simulated([root])  # by an earlier run
        if simulated:
            toolkit.mark_simulated(root, folder.path)
        _expect_healthy(folder.problems(), root, options)  # refuse now, not after hours: of an earlier run
        folder.note_canvases(list(canvases))
        engine = NpuEngine(
            host.program,
            host.names,
            bins.batches(len(host.npus)),
            options.tool_timeout_s,
            lambda: health_problems_now(host.device_ids),
        )
        run_missing(folder, pictures, engine, f"SIMULATED {name}" if simulated else name)
        health, timings = folder.problems(), folder.timings(pictures)
    _expect_healthy(health, root, options)
    store.link(name, folder.path)
    batches = [
        f"{bins.shell_line(folder.work_of(timing.perf.device_id), timing.ids)} && {timing.shell_line}"
        for timing in timings
    ]
    return NpuRun(folder.path, timings, host, health, simulated, (*export_lines(), *probes(), *compiled_by, *batches))


def _expect_healthy(health: tuple[str, ...], folder: Path, options: Options) -> None:
    if health and options.accept:
        raise HostError(
            f"these outputs and timings were made on troubled devices: {'; '.join(health)}; --accept needs idle, healthy "
            f"devices to the end: remove {folder}, and the next run makes them again"
        )


@pytest.fixture(scope="session")
def rates(npu_run: NpuRun, om: PerCanvas, canvases: Canvases, store: Store) -> Mapping[Scope, Rate]:
    """Pictures per second by scope, over each picture once on the very om of its canvas."""
    om_sha256 = {id: store.digests.of(om[canvas]) for id, canvas in canvases.canvas_of.items()}
    return rates_of(npu_run.timings, om_sha256, npu_run.host.chips_on_card)
