"""The build graph, continued on an Ascend host: the vendor's compiler, its inference tool, dumps and timings."""

import logging.handlers
import platform
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib.ascend import atc as compiler
from rfcn_lib.ascend import npu_smi, toolkit
from rfcn_lib.ascend.health import troubles_now
from rfcn_lib.command import SAID, exports, run
from rfcn_lib.pictures import by_hand
from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, name_of
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Scope
from rfcn_lib.runs.disk import bin_bytes
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.runs.npu import NpuEngine
from rfcn_lib.runs.npu_batch import Tool
from rfcn_lib.runs.npu_folder import NpuRunFolder, models_of
from rfcn_lib.speed.baseline import Baseline
from rfcn_lib.speed.throughput import (
    Rate,
    ScopeError,
    by_agreement,
    end_to_end,
    expect_timed,
    interface_rate,
    per_card,
    together,
)
from rfcn_lib.speed.timings import Timing
from rfcn_lib.store.store import Store
from rfcn_lib.suite.ascend_host import HostError
from rfcn_lib.suite.inputs import ON_ITS_OWN_CANVAS, is_fitted

BINS_BYTES = 900_000_000  # of bins on the disk at a time: a batch under way and the next one, on every device
CODE_OF_DUMPS = tuple(  # what shapes an NPU's dumps on this side: the pictures, their bins, the tool's flags, its files
    f"rfcn_lib.{name}"
    for name in (
        "pictures.preprocess",
        "pictures.bins",
        "ascend.benchmark",
        "ascend.ais_bench",
        "ascend.outputs",
        "speed.timings",
    )
)
LARGEST_BATCH = 32  # a tool that dies costs a batch; a longer one would save little, the model is loaded once for each

_heard = logging.handlers.MemoryHandler(10**6, flushLevel=logging.CRITICAL + 1)  # commands of this run, as typed


@dataclass(frozen=True)
class NpuRun:
    """What the devices made: dumps, timings, and by which tool; `commands`: how to make them by hand."""

    dumps: Path
    timings: tuple[Timing, ...]
    chips_on_card: int
    tool: toolkit.Runner
    chip: str
    troubles: tuple[str, ...]
    simulated: bool
    commands: tuple[str, ...]
    called: Mapping[int, str]

    def describe(self) -> str:
        """What ran, for header and verdict; a stand-in says that it is one, a troubled device what troubled it."""
        ran = sorted({timing.perf.device_id for timing in self.timings})
        name = f"{self.chip} {', '.join(self.called.get(id, f'device {id}') for id in ran)}, {self.tool.name}"
        said = f"; troubles: {'; '.join(self.troubles)}" if self.troubles else ""
        return (
            f"SIMULATED {name}: a stand-in for the vendor's tools, no NPU{said}" if self.simulated else f"{name}{said}"
        )


def pytest_configure() -> None:
    SAID.addHandler(_heard)


def pytest_unconfigure() -> None:
    SAID.removeHandler(_heard)


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
    if words:
        compiler.expect_known(words, run([atc.path, "--help"], cwd=Path.cwd(), timeout_s=toolkit.HELP_TIMEOUT_S).stdout)
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
    port_path: Path,
    devkit: Devkit,
    canvases: IdsByCanvas,
    pictures: object,
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
    chips = npu_smi.chips_on_card(need(toolkit.npus(), "no NPU any more"), npus[0])
    oms = {name_of(canvas): om for canvas, om in om_paths.items()}
    made_of = {"oms": oms, "pictures": port.pictures, "tool": f"{runner.name} {runner.version}"}
    made_of |= {"chip": npus[0].name, "chips_on_card": chips, "host": platform.node(), "npu_smi": npus[0].version}
    simulated = runner.simulated or toolkit.simulated([*om_paths.values(), *toolkit.simulated_tools()])
    limit_s = pytestconfig.getoption("--tool-timeout")
    called = {npu.device_id: f"device {npu.device_id} (NPU {npu.npu_id} chip {npu.chip})" for npu in npus}
    shown = Pictures(devkit, port, canvases, store.digests.of_each)
    with aloud(), store.growing(kept_as("npu"), CODE_OF_DUMPS, **made_of) as root:
        folder = NpuRunFolder(root, port, models_of(om_paths, shown))
        simulated = simulated or toolkit.simulated([root])  # by an earlier run
        for place in (root, folder.path) if simulated else ():  # dumps may be copied out
            place.mkdir(exist_ok=True)
            (place / toolkit.MARK).write_text("made by a stand-in for the vendor's tools; no evidence of anything\n")
        _refuse(folder.problems(), root, pytestconfig)  # of earlier runs: not after hours of this one
        folder.note_canvases(canvases)
        engine = NpuEngine(
            Tool(runner.name, program),
            called,
            {canvas: pictures_per_run(canvas, len(npus)) for canvas in canvases},
            float(limit_s) if limit_s else None,
            lambda: troubles_now(list(called)),
        )
        run_missing(folder, shown, engine, f"{'SIMULATED ' if simulated else ''}{kept_as('dumps/npu')}")
        troubles, timings = folder.problems(), folder.timings(shown)
    _refuse(troubles, root, pytestconfig)
    _link(store.root / kept_as("dumps/npu"), folder.path)
    shown_on = {id: canvas for canvas, ids in canvases.items() for id in ids}
    places = [folder.work_of(timing.perf.device_id) for timing in timings]
    batches = [
        f"{by_hand.typed(port_path, devkit.folder, shown_on[t.ids[0]], place, t.ids)} && {t.typed}"
        for t, place in zip(timings, places, strict=True)
    ]
    compiled = [om.with_name("command.txt").read_text(encoding="utf-8") for om in om_paths.values()]
    commands = (*exports(), *_probes(), *compiled, *batches)
    return NpuRun(folder.path, timings, chips, runner, npus[0].name, troubles, simulated, commands, called)


def _refuse(troubles: tuple[str, ...], folder: Path, config: pytest.Config) -> None:
    if troubles and config.getoption("--accept"):
        raise HostError(
            f"these outputs and timings were made on troubled devices: {'; '.join(troubles)}; --accept needs idle, healthy "
            f"devices to the end: remove {folder}, and the next run makes them again"
        )


def commands_heard() -> list[str]:
    """Every external command of this run as it was typed, after the environment they ran in; none where none ran."""
    lines = list(dict.fromkeys(record.getMessage() for record in _heard.buffer))
    return [*exports(), *lines] if lines else []


def _probes() -> list[str]:
    """What was run besides compiler and inference: those can be pasted only with their input, and are given with it."""
    lines = dict.fromkeys(record.getMessage() for record in _heard.buffer)
    return [line for line in lines if not any(flag in line for flag in ("--framework=", "-om_path=", "--model "))]


def pictures_per_run(canvas_wh: tuple[int, int], devices: int) -> int:
    """Pictures of one run of the tool, so that bins never fill the disk: 20 at the published canvas on one device."""
    return min(max(BINS_BYTES // (2 * devices * bin_bytes(canvas_wh)), 1), LARGEST_BATCH)


@pytest.fixture(scope="session")
def rates(npu_run: NpuRun, om_paths: Mapping[Wh, Path], canvases: IdsByCanvas, store: Store) -> Mapping[Scope, Rate]:
    """Pictures per second by scope, over each picture once on the very om of its canvas; a scope they cannot have is left out."""
    om_sha256 = {id: store.digests.of(om_paths[canvas]) for canvas, ids in canvases.items() for id in ids}
    expect_timed(npu_run.timings, om_sha256)
    perfs = [timing.perf for timing in npu_run.timings]
    chip = interface_rate(perfs)
    found = {rate.scope: rate for rate in (chip, per_card(chip, npu_run.chips_on_card), end_to_end(npu_run.timings))}
    try:
        measured = together(npu_run.timings)
        return {**found, measured.scope: measured}
    except ScopeError:
        return found


@pytest.fixture(scope="session")
def agreed_throughput(pytestconfig: pytest.Config, port: Port, baseline: Baseline | None, need: Any) -> Rate:
    """The GPU's rate, and the scope of the NPU's rate that it was agreed for: the port's own word, or the published one."""
    need(not is_fitted(pytestconfig), ON_ITS_OWN_CANVAS)
    own = port.criteria.get("throughput_fps")
    sentence = f"the port '{port.name}' names no published throughput ([criteria.throughput_fps])"
    agreed = need(own or (baseline and read_port(PUBLISHED).criteria["throughput_fps"]), sentence)
    if baseline:
        measured = Rate(baseline.script_fps, "whole script", f"--baseline: {baseline.gpu}, {baseline.timed} pictures")
        return by_agreement(measured, agreed.scope)
    return Rate(agreed.limit, agreed.scope, agreed.source)


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
