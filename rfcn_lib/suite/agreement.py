"""How far each candidate is from the source model, and how far its arithmetic alone may take it.

The host's candidate computes in float32. It is held against the source model in float64; its floor is the source model in
float32. A device computes in fp16, with kernels of its own. It is held against the source model in float32; its floor is the
rehearsal of that chip, with the suite's own graph. So a fault of a given graph does not widen the limits that judge it.

The source model clips proposals as the graph does. Other pictures than the sample's are held against the reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from rfcn_lib.agreement import pictures as by_picture
from rfcn_lib.agreement.figures import Figure, Group, figures, of_group
from rfcn_lib.agreement.heads import SCORES
from rfcn_lib.agreement.measured import OutputsOf, outside_canvas, sums_of
from rfcn_lib.agreement.measurements import Measurements
from rfcn_lib.agreement.pictures import Apart
from rfcn_lib.graph.rehearsal.rounding import BY_DEFAULT
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Picture
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.postprocess import detections_from_outputs
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.floors import Clip, Source, rehearsed_floors, source_floor
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.inputs import require, sample_of
from rfcn_lib.suite.judging import Candidate, Reference, UnfairError
from rfcn_lib.suite.options import Options
from rfcn_lib.verdict.verdict import ELSEWHERE, HOST, NPU, Trial

SAMPLE: Final = 100  # pictures, chosen by their ids; on a device
WITH_HEADS: Final = 32  # of these, the pictures whose proposals go through the source model's heads: 9,600 rows
IN_FLOAT64: Final = (
    24,
    8,
)  # the same for the host: float64 takes minutes a picture at full size, and float32 has next to no noise
NEARER: Final = 10.0  # no device comes so many times nearer to float32 than its own arithmetic
PUBLISHED_SAYS_NOTHING: Final = (
    "the published figure has no outputs to agree with; judge with --reference=torch or a packet"
)


@dataclass(frozen=True)
class Agreed:
    """What was found of one candidate.

    floor    what the limits were measured with, in words
    pictures of the sample
    found    every figure, furthest beyond its limit first
    measured what figures and limits were computed from; None in tests
    each     id -> each picture against the reference
    limits   the largest that each number of `each` may be
    runs, soc, precision_mode, reference, records, plain  what a search for the culprit needs: the source model over the sample,
             the chip (None: float32 on this host), the reference's outputs by id (None: a packet), every picture's record, the
             outputs of the sample in the candidate's arithmetic (the floor's; None in tests)
    """

    floor: str
    pictures: tuple[str, ...]
    found: tuple[Figure, ...]
    each: Mapping[str, Apart]
    limits: Mapping[str, float]
    runs: Source = field(repr=False)
    soc: str | None
    precision_mode: str | None
    reference: OutputsOf | None = field(repr=False)
    records: Mapping[str, Picture] = field(repr=False)
    measured: Measurements | None = field(default=None, repr=False)
    plain: OutputsOf | None = field(default=None, repr=False)

    def of(self, group: Group) -> tuple[Figure, ...]:
        """The figures of one criterion, furthest beyond its limit first."""
        return of_group(self.found, group)

    @property
    def alone(self) -> list[tuple[str, str, float]]:
        """(id, which number, times its limit) of each picture that is beyond a limit, worst first."""
        return by_picture.alone(self.each, self.limits)

    @property
    def worst_picture_times(self) -> float:
        """The worst picture's worst number as a multiple of its limit."""
        return by_picture.worst_times(self.each, self.limits)

    @property
    def source(self) -> str:
        """Who set the limits, for a criterion."""
        return f"1 is twice what the arithmetic alone does, and chance; measured in this run: {self.floor}"

    def as_json(self) -> dict[str, object]:
        """For the verdict's file, in Python's own numbers: pytest-xdist carries no numpy number to the process that prints."""
        rows = [
            {"figure": one.measure.name, "group": one.measure.group, "unit": one.measure.unit}
            | {"got": float(one.got), "arithmetic alone": float(one.floor)}
            | {"limit": float(one.limit), "times": float(one.times)}
            for one in self.found
        ]
        alone = [
            {"picture": id, "what": by_picture.NAMES[what], "times": float(times)} for id, what, times in self.alone
        ]
        limits = {by_picture.NAMES[what]: float(limit) for what, limit in self.limits.items()}
        found: dict[str, object] = {"floor": self.floor, "pictures": list(self.pictures), "figures": rows}
        return {**found, "limits of one picture": limits, "alone": alone}


@pytest.fixture(scope="class")
def agreement(
    trial: Trial,
    candidate: Candidate,
    reference: Reference,
    reference_dumps: Path | None,
    weights: Path,
    port: Port,
    pictures: Pictures,
    canvases: Canvases,
    graph_facts: GraphFacts,
    store: Store,
    options: Options,
) -> Agreed:
    """The candidate against the source model. `trial` comes first: it refuses the reference's own dumps.

    Raises:
        UnfairError: the candidate is nearer to the source model than a device can be.
    """
    require(options.reference != "published", PUBLISHED_SAYS_NOTHING)
    on_host = candidate.on == HOST or (candidate.device == "host" and options.dumps is None)
    count, count_with_heads = IN_FLOAT64 if on_host else (SAMPLE, WITH_HEADS)
    ids = sample_of(pictures.ids, count)
    sample, with_heads = pictures.only(ids), sample_of(ids, count_with_heads)
    got = reader(candidate.judged, port)
    clip = clip_of(graph_facts, got, sample, options)
    source = Source(store, canvases, weights, port, sample, with_heads, clip)
    chip, mode = (
        (None, None)
        if on_host
        else (candidate.chip or options.chip, candidate.precision_mode or options.precision_mode)
    )
    if chip is None:
        floors, want = source_floor(source), source.outputs(double=True)
        words = "the source model in float32 against float64"
    else:
        floors, want = rehearsed_floors(source, chip, mode, options), source.outputs()
        words = f"REHEARSED {chip}, {mode or BY_DEFAULT}, against the source model, equal scores in two orders"
    heads = source.heads(got, candidate.judged.sha256, double=on_host)
    records = {id: sample.records[id] for id in ids}
    mine = sums_of(records, got, want, heads, with_heads, port)
    floor_sums = [floor.sums for floor in floors]
    found = figures(mine, floor_sums)
    if not on_host:
        expect_device(found, candidate)
    words += f"; {len(ids)} pictures"
    each, of_floors = _each(candidate, reference, reference_dumps, [floor.outputs for floor in floors], pictures, ids)
    measured = Measurements(mine, floor_sums, each, of_floors)
    limits = measured.limits()
    theirs = partial(read_dump, reference_dumps, port=port) if reference_dumps else None
    plain = floors[0].outputs
    return Agreed(words, ids, found, each, limits, source, chip, mode, theirs, pictures.records, measured, plain)


def _each(
    candidate: Candidate,
    reference: Reference,
    reference_dumps: Path | None,
    floors: list[OutputsOf],
    pictures: Pictures,
    sample: tuple[str, ...],
) -> tuple[dict[str, Apart], list[dict[str, Apart]]]:
    """Every picture against the reference's outputs, or against its detections where a packet has only these; floors too."""
    port, records, all_ids = pictures.port, pictures.records, pictures.ids
    shown = progress(all_ids, len(all_ids), "each picture against the reference")
    if reference_dumps is None:
        theirs = require(reference.judged, PUBLISHED_SAYS_NOTHING).detections
        mine = candidate.judged.detections
        each = {id: by_picture.apart_by_detections(mine[id], theirs[id]) for id in shown}
        of_floors = [
            {
                id: by_picture.apart_by_detections(detections_from_outputs(floor(id), records[id], port), theirs[id])
                for id in sample
            }
            for floor in floors
        ]
    else:
        got, want = reader(candidate.judged, port), partial(read_dump, reference_dumps, port=port)
        each = {id: by_picture.apart(got(id), want(id), records[id]) for id in shown}
        of_floors = [{id: by_picture.apart(floor(id), want(id), records[id]) for id in sample} for floor in floors]
    return each, of_floors


def reader(judged: Judged, port: Port) -> OutputsOf:
    """Reads the outputs of a picture from a folder of dumps."""
    return partial(read_dump, judged.folder, port=port, form=judged.form)


def clip_of(facts: GraphFacts, got: OutputsOf, sample: Pictures, options: Options) -> Clip:
    """What the candidate's proposals should be clipped to: as its graph says, then as --clip says of dumps made elsewhere.

    Of the file of --om nobody knows the graph, so the outputs say it.
    """
    if facts.clip in ("canvas", "frozen"):
        return "canvas"
    if facts.clip == "none":
        return "none"
    if options.om is None:
        return options.clip
    outside = any(outside_canvas([got(id)], sample.records[id].canvas_wh) for id in sample.ids)
    return "none" if outside else "canvas"


def expect_device(found: tuple[Figure, ...], candidate: Candidate) -> None:
    """Raise UnfairError where outputs that should be a device's are nearer to float32 than its arithmetic can be."""
    scores = next((one for one in found if one.measure == SCORES), None)
    if candidate.on not in (NPU, ELSEWHERE) or scores is None or scores.got * NEARER >= scores.floor:
        return
    raise UnfairError(
        f"{candidate.judged.folder}: the median difference of its scores from the source model's is {scores.got:.3g}, but the "
        f"chip's own arithmetic makes {scores.floor:.3g}: no device is {NEARER:g} times nearer. These are a host's outputs, or "
        "the reference's own. Pass what the device wrote; if its graph was compiled to keep float32, say so with --precision-mode"
    )


def beyond(found: tuple[Figure, ...]) -> str:
    """The figures beyond their limits, a line each."""
    return "\n".join(str(one) for one in found if one.times > 1)


def in_words(alone: list[tuple[str, str, float]], shown: int = 10) -> str:
    """The pictures that went wrong alone, a line each."""
    lines = [
        f"picture {id}: {by_picture.NAMES[what]} is {times:.3g} times its limit" for id, what, times in alone[:shown]
    ]
    more = [f"and {len(alone) - shown} more"] if len(alone) > shown else []
    return "\n".join([*lines, *more])
