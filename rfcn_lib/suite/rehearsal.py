"""The chip that is rehearsed, and what a rehearsal is made of. Everything here says REHEARSED: no NPU is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from rfcn_lib.graph.rehearsal.rehearsed import EFFECTS, Effect, Ties, assumptions
from rfcn_lib.graph.rehearsal.rounding import BY_DEFAULT
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.host_runs import HostRun, Twin
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, judge_own_dumps
from rfcn_lib.suite.options import Options
from rfcn_lib.verdict.verdict import REHEARSED

REHEARSED_FROM_VENDOR: Final = "rfcn_lib.graph.rehearsal.rehearsed:rehearsed_from_vendor"
IN_ONNX_RUNTIME, PREPROCESSING = "rfcn_lib.devices.onnx_runtime", "rfcn_lib.pictures.preprocess"


@dataclass(frozen=True)
class Chip:
    """What is rehearsed.

    soc             such as "Ascend310P3"
    precision_mode  as atc would get it; None: its default
    assumed         every rule that the rehearsal rests on: sentence, source, standing
    """

    soc: str
    precision_mode: str | None
    assumed: Sequence[str]

    def __str__(self) -> str:
        return f"REHEARSED {self.soc}, {self.precision_mode or BY_DEFAULT}"


@pytest.fixture(scope="session")
def chip(options: Options) -> Chip:
    """The chip and the precision mode; refused here, before any picture, where the facts do not carry them."""
    require(options.dumps is None, "--dumps judges what was made elsewhere, so nothing is rehearsed")
    return Chip(
        options.chip,
        options.precision_mode,
        tuple(
            f"{one.sentence} [{one.standing}: {one.source}]"
            for one in assumptions(options.chip, options.precision_mode)
        ),
    )


def rehearsed_graphs(
    store: Store,
    canvases: Canvases,
    adapted: PerCanvas,
    chip: Chip,
    effects: tuple[Effect, ...] = EFFECTS,
    ties: Ties = "first",
) -> dict[tuple[int, int], Path]:
    """The graph of each canvas with the chip's arithmetic, or with some of its effects."""
    return canvases.build(
        store,
        f"{name_of(effects, ties)}.onnx",
        REHEARSED_FROM_VENDOR,
        vendor=adapted,
        soc=chip.soc,
        precision_mode=chip.precision_mode,
        effects=list(effects),
        ties=ties,
    )


def run_rehearsed(
    store: Store,
    canvases: Canvases,
    graphs: PerCanvas,
    pictures: Pictures,
    options: Options,
    name: str = "rehearsed",
) -> HostRun:
    """Every picture through a rehearsed graph, in ONNX Runtime on this host."""
    code = (IN_ONNX_RUNTIME, PREPROCESSING)
    folder = canvases.artifact_name(f"dumps/{name}")
    return HostRun(folder, Twin(graphs), pictures, store, code, options.dask, label=f"REHEARSED {options.chip} ")


def name_of(effects: tuple[Effect, ...], ties: Ties = "first") -> str:
    """`rehearsed`, or `rehearsed-nms` where only some effects are rehearsed."""
    words = ["rehearsed", *(() if effects == EFFECTS else effects), *(("ties-last",) if ties == "last" else ())]
    return "-".join(words)


@pytest.fixture(scope="session")
def rehearsal_candidate(
    rehearsal_dumps: Path,
    reference_dumps: Path | None,
    host_dumps: Path,
    pictures: Pictures,
    canvases: Canvases,
    onnx: PerCanvas,
    adapted: PerCanvas,
    rehearsed: PerCanvas,
    chip: Chip,
) -> Candidate:
    """The rehearsed graph's evaluation, once the dumps of the reference and of the twin are complete too."""
    graphs = {"onnx": onnx, "adapted": adapted, "rehearsed": rehearsed}
    return Candidate(
        device="rehearsal",
        on=REHEARSED,
        description=f"{chip}: its arithmetic in ONNX Runtime on the host CPU, no NPU",
        judged=judge_own_dumps(rehearsal_dumps, pictures),
        files={name: path for kind, paths in graphs.items() for name, path in canvases.exhibits(kind, paths).items()},
    )
