"""The chip that is rehearsed, and what a rehearsal is made of. Everything here says REHEARSED: no NPU is judged."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import pytest

from rfcn_lib.graph.rehearsal.rehearsed import EFFECTS, Effect, Ties, assumptions
from rfcn_lib.graph.rehearsal.rounding import BY_DEFAULT
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.runs.rehearsal_folder import other_order_of
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.host_runs import HostRun, RehearsedGraph, Twin
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, judge_own_dumps
from rfcn_lib.suite.options import Options
from rfcn_lib.verdict.verdict import REHEARSED

REHEARSED_FROM_VENDOR: Final = "rfcn_lib.graph.rehearsal.rehearsed:rehearsed_from_vendor"
IN_ONNX_RUNTIME, IN_REHEARSAL = "rfcn_lib.devices.onnx_runtime", "rfcn_lib.devices.rehearsal"
PREPROCESSING: Final = "rfcn_lib.pictures.preprocess"
TIES: Final[tuple[Ties, Ties]] = get_args(Ties)  # of two equal scores the first row comes first, or the last


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

    @property
    def mode(self) -> str:
        """The precision mode by its name."""
        return self.precision_mode or BY_DEFAULT

    def __str__(self) -> str:
        return f"REHEARSED {self.soc}, {self.mode}"


@pytest.fixture(scope="session")
def chip(options: Options) -> Chip:
    """The chip and the precision mode; refused here, before any picture, where the facts do not carry them."""
    require(options.dumps is None, "--dumps judges what was made elsewhere, so nothing is rehearsed")
    return chip_of(options.chip, options.precision_mode)


def chip_of(soc: str, precision_mode: str | None) -> Chip:
    """A chip and a precision mode, as `--soc` and `--precision-mode` name them; None: atc's default.

    Raises:
        RehearsalError: the facts do not carry the precision mode.
        PreflightError: no facts about the chip are known.
    """
    said = (f"{one.sentence} [{one.standing}: {one.source}]" for one in assumptions(soc, precision_mode))
    return Chip(soc, precision_mode, tuple(said))


def rehearsed_graphs(
    store: Store, canvases: Canvases, adapted: PerCanvas, chip: Chip, effects: tuple[Effect, ...] = EFFECTS
) -> dict[tuple[int, int], Path]:
    """The graph of each canvas with the chip's arithmetic. With all effects it has both orders and its measures."""
    whole = effects == EFFECTS
    return canvases.build(
        store,
        f"{name_of(effects)}.onnx",
        REHEARSED_FROM_VENDOR,
        vendor=adapted,
        soc=chip.soc,
        precision_mode=chip.precision_mode,
        effects=list(effects),
        ties="both" if whole else "first",
        measure=whole,
    )


def run_rehearsed(
    store: Store,
    canvases: Canvases,
    graphs: PerCanvas,
    pictures: Pictures,
    options: Options,
    soc: str | None = None,
) -> HostRun:
    """Every picture through the graphs that have all effects. `soc` is said; None: the chip of the options.

    The run gives the folder with the first of two equal scores first; `other_order_of` gives the other one.
    """
    first, other = (canvases.artifact_name(f"dumps/{name_of(EFFECTS, ties)}") for ties in TIES)
    model, label = RehearsedGraph(graphs, other), f"REHEARSED {soc or options.chip} "
    return HostRun(first, model, pictures, store, (IN_REHEARSAL, PREPROCESSING), options.dask, label=label)


def run_some_effects(
    store: Store,
    canvases: Canvases,
    adapted: PerCanvas,
    chip: Chip,
    effects: tuple[Effect, ...],
    pictures: Pictures,
    options: Options,
) -> HostRun:
    """Every picture through graphs that have some of the effects, in one order of equal scores."""
    graphs = rehearsed_graphs(store, canvases, adapted, chip, effects)
    name, code = canvases.artifact_name(f"dumps/{name_of(effects)}"), (IN_ONNX_RUNTIME, PREPROCESSING)
    return HostRun(name, Twin(graphs), pictures, store, code, options.dask, label=f"REHEARSED {chip.soc} ")


def rehearse_sample(
    store: Store,
    canvases: Canvases,
    adapted: PerCanvas,
    chip: Chip,
    pictures: Pictures,
    ids: Collection[str],
    options: Options,
    ties: Ties = "first",
) -> Path:
    """The folder that has the rehearsed dumps of some pictures of the run; those of other pictures may lie there too.

    A whole rehearsal of the same graph and chip fills the same folder, and one run of a picture gives both orders. So no picture
    is run twice. Judge the sample with `judge_own_dumps(folder, pictures.only(ids))`.

    ids      some of `pictures.ids`, for example `sample_of(devkit.ids, 40)`
    options  only for its `dask`; marks and --dumps are not asked, so any run may rehearse
    ties     which of two equal scores the chip's NMS takes first

    Raises:
        PictureError: an id is not one of the run's. And as `HostRun.all` and `rehearsed_graphs`.
    """
    graphs = rehearsed_graphs(store, canvases, adapted, chip)
    dumps = run_rehearsed(store, canvases, graphs, pictures.only(ids), options, chip.soc).all()
    return dumps if ties == "first" else other_order_of(dumps)


@pytest.fixture(scope="session")
def rehearsal_dumps_other_order(rehearsal_dumps: Path) -> Path:
    """The rehearsed dumps of every picture with the last of two equal scores first, where `rehearsal_dumps` has the first."""
    return other_order_of(rehearsal_dumps)


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
        chip=chip.soc,
    )
