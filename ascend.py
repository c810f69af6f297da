"""The build graph, continued on an Ascend host: the vendor's compiler, its inference tool, dumps and timings.

Three levels are probed apart: convert (atc), run (an inference tool), a device. What is missing skips with a sentence.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib.devices import atc as compiler
from rfcn_lib.devices import npu_smi, om_runner, toolkit
from rfcn_lib.devices.om_runner import Filled, Tool, fill_by_tool
from rfcn_lib.pictures.canvases import Canvases, Wh, name_of, note_canvases
from rfcn_lib.pictures.voc import Devkit
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.records import Floats, Picture
from rfcn_lib.score.throughput import Rate, Scope, ScopeError, Timing, end_to_end, interface_rate, per_card, together
from rfcn_lib.store import Store

PICTURES_PER_RUN = 32  # bins on the disk at a time, per device: 0.7 GB at the published canvas


class HostError(RuntimeError):
    """The host is not in a state in which its numbers may be accepted."""


@dataclass(frozen=True)
class NpuRun:
    """What the devices made: dumps, timings, and by which tool."""

    dumps: Path
    filled: Filled
    chips_on_card: int
    tool: toolkit.Runner
    chip: str
    troubles: tuple[str, ...]
    simulated: bool

    def describe(self) -> str:
        """What ran, for header and verdict; a stand-in says that it is one, a troubled device what troubled it."""
        ran = sorted({timing.perf.device_id for timing in self.filled.timings})
        name = f"{self.chip} device {', '.join(map(str, ran))}, {self.tool.name}"
        said = f"; troubles: {'; '.join(self.troubles)}" if self.troubles else ""
        return (
            f"SIMULATED {name}: a stand-in for the vendor's tools, no NPU{said}" if self.simulated else f"{name}{said}"
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("acceptance")
    add = group.addoption
    add("--soc", metavar="NAME", help="chip to compile for, such as Ascend310; default: the device's")
    add("--runner", metavar="benchmark|ais_bench", help="the vendor's inference tool; default: the one that is there")
    add("--devices", metavar="0,1,...", help="device ids that share the pictures; default: the first")
    add("--precision-mode", metavar="MODE", help="handed to atc; default: atc's own, force_fp16")
    add(
        "--tool-timeout",
        metavar="SECONDS",
        help="longest run of a vendor's tool; default: an hour for atc, 30 s per picture",
    )
    add("--atc-arg", metavar="--FLAG=VALUE", action="append", default=[], help="one more flag for atc; may be repeated")


def pytest_configure(config: pytest.Config) -> None:
    option = config.getoption
    try:
        if option("--runner") is not None and option("--runner") not in toolkit.RUNNERS:
            raise toolkit.ToolkitError(f"--runner={option('--runner')} should be {' or '.join(toolkit.RUNNERS)}")
        if option("--soc") is not None:
            found = toolkit.atc()
            toolkit.checked_soc(option("--soc"), found.home if isinstance(found, toolkit.Atc) else None)
        mode = option("--precision-mode")
        if mode is not None and mode not in compiler.PRECISION_MODES:
            raise compiler.AtcError(f"--precision-mode={mode} should be one of {', '.join(compiler.PRECISION_MODES)}")
        compiler.atc_arguments(option("--atc-arg"), Path.cwd())
    except (toolkit.ToolkitError, compiler.AtcError) as error:
        raise pytest.UsageError(str(error)) from error
    limit_s = option("--tool-timeout")
    if limit_s is not None and not (limit_s.isascii() and limit_s.isdigit() and 0 < int(limit_s[:9]) < 10**7):
        raise pytest.UsageError(f"--tool-timeout={limit_s} should be a whole number of seconds, 1 or more")
    devices = option("--devices")
    if devices is not None and not all(part.isascii() and part.isdigit() for part in devices.split(",")):
        raise pytest.UsageError(f"--devices={devices} should be device ids of `npu-smi info`, such as 0 or 0,1,2,3")


def pytest_report_header() -> list[str]:
    tools = toolkit.simulated_tools()
    return (
        [f"SIMULATED: {', '.join(map(str, tools))} stand in for the vendor's tools; nothing here is evidence"]
        if tools
        else []
    )


@pytest.fixture(scope="session")
def atc(need: Any) -> toolkit.Atc:
    found = toolkit.atc()
    return need(found, str(found))  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def npus(pytestconfig: pytest.Config, need: Any) -> tuple[npu_smi.Npu, ...]:
    """The devices that share the pictures. Busy or unhealthy ones are refused under --accept, and else said in the verdict."""
    found = toolkit.npus()
    chosen = npu_smi.chosen(need(found, str(found)), pytestconfig.getoption("--devices"))
    troubles = [sentence for npu in chosen for sentence in npu_smi.troubles(npu)]
    if troubles and pytestconfig.getoption("--accept"):
        raise HostError("; ".join(troubles) + "; --accept needs idle, healthy devices")
    return chosen


@pytest.fixture(scope="session")
def runner(pytestconfig: pytest.Config, need: Any) -> toolkit.Runner:
    found = toolkit.runner(pytestconfig.getoption("--runner"))
    return need(found, str(found))  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def soc(pytestconfig: pytest.Config, need: Any, atc: toolkit.Atc) -> str:
    asked = pytestconfig.getoption("--soc")
    if asked:
        return toolkit.checked_soc(asked, atc.home)
    found = toolkit.npus()
    there = need(found, f"{found}; or pass --soc=NAME, such as --soc=Ascend310, to compile without a device")
    return npu_smi.soc_of(npu_smi.chosen(there, pytestconfig.getoption("--devices"))[0])


@pytest.fixture(scope="session")
def om_paths(
    pytestconfig: pytest.Config,
    store: Store,
    adapted_paths: Mapping[Wh, Path],
    atc: toolkit.Atc,
    soc: str,
    aloud: Callable[[], AbstractContextManager[object]],
    kept_as: Callable[..., str],
) -> Mapping[Wh, Path]:
    """The compiled model of each canvas; beside it lie atc.log and command.txt."""
    limit_s = pytestconfig.getoption("--tool-timeout")
    words, files = compiler.atc_arguments(pytestconfig.getoption("--atc-arg"), pytestconfig.invocation_params.dir)
    with aloud():
        made = {
            canvas: store.build(
                kept_as("rfcn_om", canvas),
                compiler.om_from_adapted,
                adapted=adapted,
                canvas_wh=canvas,
                soc=soc,
                toolkit_version=atc.version,
                precision_mode=pytestconfig.getoption("--precision-mode"),
                extra=words,
                extra_files=files,
                aside={"timeout_s": float(limit_s)} if limit_s else {},
            )
            for canvas, adapted in adapted_paths.items()
        }
    return {canvas: folder / "rfcn.om" for canvas, folder in made.items()}


@pytest.fixture(scope="session")
def npu_run(
    store: Store,
    npus: tuple[npu_smi.Npu, ...],
    runner: toolkit.Runner,
    om_paths: Mapping[Wh, Path],
    port: Port,
    devkit: Devkit,
    canvases: Canvases,
    shown: Callable[[str], tuple[Floats, Picture]],
    aloud: Callable[[], AbstractContextManager[object]],
    need: Any,
    pytestconfig: pytest.Config,
    kept_as: Callable[..., str],
) -> NpuRun:
    """Every picture through the compiled model of its canvas: dumps and timings, shared by the devices, batch by batch."""
    need(
        not pytestconfig.getoption("--dumps"), "--dumps judges what was made elsewhere, so this host's NPU is not asked"
    )
    program = str(runner.path) if runner.name == "benchmark" else runner.words[0]
    jpegs = devkit.jpegs_folder
    chips = npu_smi.chips_on_card(need(toolkit.npus(), "no NPU any more"), npus[0])
    oms = {name_of(canvas): om for canvas, om in om_paths.items()}
    made_of = {"oms": oms, "pictures": port.pictures, "jpegs": jpegs, "tool": f"{runner.name} {runner.version}"}
    made_of |= {"chip": npus[0].name, "chips_on_card": chips}
    simulated = runner.simulated or toolkit.simulated([*om_paths.values(), *toolkit.simulated_tools()])
    limit_s = pytestconfig.getoption("--tool-timeout")
    timings: list[Timing] = []
    lost: dict[int, str] = {}
    with aloud(), store.growing(kept_as("npu"), om_runner, **made_of) as folder:
        if simulated:
            (folder / toolkit.MARK).write_text("made by a stand-in for the vendor's tools; no evidence of anything\n")
        _note(folder, [sentence for npu in npus for sentence in npu_smi.troubles(npu)])
        note_canvases(folder / om_runner.DUMPS, canvases)
        for canvas, ids in canvases.items():
            filled = fill_by_tool(
                folder,
                ids,
                on_canvas(port, canvas),
                shown,
                Tool(runner.name, program),
                om_paths[canvas],
                [npu.device_id for npu in npus if npu.device_id not in lost],
                batch=PICTURES_PER_RUN,
                what=kept_as("dumps/npu"),
                timeout_s=float(limit_s) if limit_s else None,
            )
            timings += filled.timings
            lost |= filled.lost
            troubles = _note(folder, [f"device {id} was lost: {reason}" for id, reason in filled.lost.items()])
    if troubles and pytestconfig.getoption("--accept"):
        raise HostError(
            f"these outputs and timings were made on troubled devices: {'; '.join(troubles)}; --accept needs idle, healthy "
            f"devices to the end: remove {folder}, and the next run makes them again"
        )
    _link(store.root / kept_as("dumps/npu"), folder / om_runner.DUMPS)
    filled = Filled(tuple(timings), lost)
    return NpuRun(folder / om_runner.DUMPS, filled, chips, runner, npus[0].name, troubles, simulated)


def _note(folder: Path, troubles: list[str]) -> tuple[str, ...]:
    """Keep what troubled the devices beside what they made; returns all that was kept, from earlier runs too."""
    path = folder / "troubles.txt"
    known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    said = dict.fromkeys([*known, *(" ".join(trouble.split())[:500] for trouble in troubles)])
    if said:
        path.write_text("\n".join(said) + "\n", encoding="utf-8")
    return tuple(said)


@pytest.fixture(scope="session")
def rates(npu_run: NpuRun) -> Mapping[Scope, Rate]:
    """Pictures per second by scope; a scope these runs cannot have is left out."""
    perfs = [timing.perf for timing in npu_run.filled.timings]
    chip = interface_rate(perfs)
    found = {
        rate.scope: rate for rate in (chip, per_card(chip, npu_run.chips_on_card), end_to_end(npu_run.filled.timings))
    }
    try:
        measured = together(npu_run.filled.timings)
        return {**found, measured.scope: measured}
    except ScopeError:
        return found


def _link(link: Path, target: Path) -> None:
    """Point the path people know at what was just made, at once."""
    link.parent.mkdir(parents=True, exist_ok=True)
    aside = link.with_name(f".{link.name}.new")
    if aside.is_symlink():
        aside.unlink()
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)
    aside.symlink_to(target)
    aside.replace(link)
