"""What a rehearsal measures besides average precision: headroom of fp16, and the noise floor, written as files."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from rfcn_lib.graph.rehearsal import headroom as measuring
from rfcn_lib.graph.rehearsal.headroom import Headroom
from rfcn_lib.graph.rehearsal.rounding import rounds_in
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.runs.rehearsal_folder import measured_of
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.fingerprint import Fingerprint
from rfcn_lib.score.noise_floor import noise_floor
from rfcn_lib.score.noise_floor_file import NoiseFloor, write_noise_floor
from rfcn_lib.score.partners import CONFIDENT
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.fingerprints import of_candidate
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference, judge_own_dumps
from rfcn_lib.suite.rehearsal import Chip


@dataclass(frozen=True)
class Floors:
    """The rehearsal against the twin, and against the reference (None where its detections are not known), and their files."""

    against_twin: NoiseFloor
    against_reference: NoiseFloor | None
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Orders:
    """Both orders of equal scores, which the vendor does not promise: what follows from the choice.

    first_mean_ap, last_mean_ap  of two equal scores the first row comes first, or the last
    apart                        detections of the last against those of the first
    file                         where `apart` is written
    """

    first_mean_ap: float
    last_mean_ap: float
    apart: NoiseFloor
    file: Path

    def as_json(self) -> dict[str, object]:
        """The same for the verdict's file."""
        return {
            "mean AP, first of equal scores first": self.first_mean_ap,
            "mean AP, last of equal scores first": self.last_mean_ap,
            "detections apart": self.apart.model_dump(include={"matched", "score_apart", "iou"}),
            "file": str(self.file),
        }

    def __str__(self) -> str:
        words = (
            f"mean AP {self.first_mean_ap:.4f} with the first of two equal scores first, {self.last_mean_ap:.4f} with the last "
            "first (the vendor promises no order)"
        )
        share, figures = self.apart.matched.matched_share, self.apart.score_apart.figures
        if share is None or not figures:
            return f"{words}; neither order has a detection of score {CONFIDENT} or more"
        return (
            f"{words}; of their detections from score {CONFIDENT} on {share.value:.1%} have a partner, whose scores differ by "
            f"{figures['mean'].value:.4f} in the mean and whose IoU is {self.apart.iou.figures['mean'].value:.3f}; {self.file}"
        )


@pytest.fixture(scope="session")
def headroom(twin: PerCanvas, rehearsal_dumps: Path, pictures: Pictures, chip: Chip) -> tuple[Headroom, ...]:
    """How near each tensor comes to the largest fp16 number over all pictures, worst first; each rehearsal measures it."""
    rounds, _ = rounds_in(chip.precision_mode)
    require(rounds == "everything", f"--precision-mode={chip.precision_mode} keeps tensors in float32")
    return headroom_of(twin, rehearsal_dumps, pictures)


def headroom_of(twin: PerCanvas, dumps: Path, pictures: Pictures) -> tuple[Headroom, ...]:
    """The rows of the twin's weights and of every picture's measures beside its rehearsed dumps, worst first.

    Raises:
        DumpError: a picture's measures cannot be read.
        GraphError: a twin cannot be read.
    """
    found: list[tuple[Headroom, ...]] = []
    for canvas, ids in pictures.by_canvas.items():
        weights, computed = measuring.tensors_of(twin[canvas])
        of_each = (measuring.of_picture(computed, id, measured_of(dumps, id)) for id in ids)
        found += [weights, measuring.together(of_each)]
    return measuring.worst_first(measuring.together(found))


@pytest.fixture(scope="session")
def other_order_judged(rehearsal_dumps_other_order: Path, pictures: Pictures) -> Judged:
    """The evaluation of the other order of equal scores."""
    return judge_own_dumps(rehearsal_dumps_other_order, pictures)


@pytest.fixture(scope="session")
def orders(rehearsal_candidate: Candidate, other_order_judged: Judged, port: Port, chip: Chip, store: Store) -> Orders:
    """Both orders side by side. Written to <store>/orders-CHIP-MODE.json."""
    first = rehearsal_candidate.judged
    apart = _floor(
        other_order_judged, first, port, chip, "REHEARSED, the last of two equal scores first against the first"
    )
    file = store.root / f"orders-{chip.soc}-{chip.mode}.json"
    write_noise_floor(file, apart)
    return Orders(first.evaluation.mean_ap, other_order_judged.evaluation.mean_ap, apart, file)


@pytest.fixture(scope="session")
def floors(
    rehearsal_candidate: Candidate,
    host_dumps: Path,
    reference: Reference,
    pictures: Pictures,
    port: Port,
    chip: Chip,
    store: Store,
    canvases: Canvases,
    graph_facts: GraphFacts,
) -> Floors:
    """What the chip's arithmetic does to detections. Writes noise_floor- and prediction-CHIP-MODE.json into the store."""
    twin = judge_own_dumps(host_dumps, pictures)
    protocol = of_candidate(pictures, graph_facts.clip, fitted=canvases.fitted)
    against_twin = _floor(rehearsal_candidate.judged, twin, port, chip, "rehearsal against the twin", protocol)
    files = [store.root / f"noise_floor-{chip.soc}-{chip.mode}.json"]
    write_noise_floor(files[0], against_twin)
    against_reference = None
    if reference.judged:
        words = f"REHEARSED against the reference, {reference.device}"
        against_reference = _floor(rehearsal_candidate.judged, reference.judged, port, chip, words, protocol)
        files.append(store.root / f"prediction-{chip.soc}-{chip.mode}.json")
        write_noise_floor(files[1], against_reference)
    return Floors(against_twin, against_reference, tuple(files))


def _floor(
    got: Judged, want: Judged, port: Port, chip: Chip, compared: str, protocol: Fingerprint | None = None
) -> NoiseFloor:
    return noise_floor(
        got.detections,
        want.detections,
        port.classes,
        chip=chip.soc,
        precision_mode=chip.mode,
        compared=compared,
        fingerprint=protocol.fields() if protocol else None,
    )
