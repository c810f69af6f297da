"""What a rehearsal measures besides average precision: headroom of fp16, and the noise floor, written as files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from rfcn_lib.graph.rehearsal import headroom as measuring
from rfcn_lib.graph.rehearsal.headroom import Headroom
from rfcn_lib.graph.rehearsal.rounding import BY_DEFAULT, rounds_in
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.records import Floats
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.noise_floor import noise_floor
from rfcn_lib.score.noise_floor_file import NoiseFloor, write_noise_floor
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import PerCanvas
from rfcn_lib.suite.inputs import require, sample_of
from rfcn_lib.suite.judging import Candidate, Reference, judge_own_dumps
from rfcn_lib.suite.rehearsal import Chip

HEADROOM_PICTURES: Final = 20  # a second run of these, in float32; at full size they take some minutes


@dataclass(frozen=True)
class Floors:
    """The rehearsal against the twin, and against the reference (None where its detections are not known), and their files."""

    against_twin: NoiseFloor
    against_reference: NoiseFloor | None
    files: tuple[Path, ...]


@pytest.fixture(scope="session")
def headroom(twin: PerCanvas, pictures: Pictures, chip: Chip) -> tuple[Headroom, ...]:
    """How near each tensor comes to the largest fp16 number, worst first, over twenty pictures chosen by their ids."""
    rounds, _ = rounds_in(chip.precision_mode)
    require(rounds == "everything", f"--precision-mode={chip.precision_mode} keeps tensors in float32")
    chosen = sample_of(pictures.ids, HEADROOM_PICTURES)
    of_each = [
        row
        for canvas, ids in pictures.by_canvas.items()
        for row in measuring.measure(twin[canvas], _shown(pictures, canvas, chosen))
        if set(ids) & set(chosen)
    ]
    return measuring.worst_first(measuring.together([of_each]))


def _shown(pictures: Pictures, canvas: Wh, chosen: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    for id in pictures.by_canvas[canvas]:
        if id in chosen:
            yield id, pictures.load(id)[0]


@pytest.fixture(scope="session")
def floors(
    rehearsal_candidate: Candidate,
    host_dumps: Path,
    reference: Reference,
    pictures: Pictures,
    port: Port,
    chip: Chip,
    store: Store,
) -> Floors:
    """What the chip's arithmetic does to detections. Written to <store>/noise_floor-CHIP.json and prediction-CHIP.json."""
    twin = judge_own_dumps(host_dumps, pictures)
    mode = chip.precision_mode or BY_DEFAULT
    against_twin = _floor(rehearsal_candidate.judged, twin, port, chip.soc, mode, "rehearsal against the twin")
    files = [store.root / f"noise_floor-{chip.soc}.json"]
    write_noise_floor(files[0], against_twin)
    against_reference = None
    if reference.judged:
        words = f"REHEARSED against the reference, {reference.device}"
        against_reference = _floor(rehearsal_candidate.judged, reference.judged, port, chip.soc, mode, words)
        files.append(store.root / f"prediction-{chip.soc}.json")
        write_noise_floor(files[1], against_reference)
    return Floors(against_twin, against_reference, tuple(files))


def _floor(got: Judged, want: Judged, port: Port, soc: str, mode: str, compared: str) -> NoiseFloor:
    return noise_floor(got.detections, want.detections, port.classes, chip=soc, precision_mode=mode, compared=compared)
