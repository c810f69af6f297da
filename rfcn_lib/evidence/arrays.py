"""Truth and measurements of the agreement as runs of bytes, little-endian, and back, to the last bit."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rfcn_lib.agreement.figures import Measure, Sums
from rfcn_lib.agreement.measurements import Measurements
from rfcn_lib.agreement.pictures import NAMES, Apart
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.records import AgreementFacts, MeasureFacts
from rfcn_lib.records import Truth

TRUTH: Final[Mapping[str, tuple[str, tuple[int, ...]]]] = {  # member of truth/ -> dtype, shape of one object
    "boxes_xyxy.f8": ("<f8", (4,)),
    "difficult.u1": ("u1", ()),
    "labels.u2": ("<u2", ()),
}
SUM: Final = 3  # part, whole, and what single rows are apart


def pack_truth(each: Sequence[Truth]) -> dict[str, bytes]:
    """Member -> bytes, of the objects of all pictures."""
    columns: dict[str, list[NDArray[Any]]] = {
        "boxes_xyxy.f8": [one.boxes_xyxy for one in each],
        "difficult.u1": [one.difficult for one in each],
        "labels.u2": [one.labels for one in each],
    }
    return {name: np.concatenate(columns[name]).astype(dtype).tobytes() for name, (dtype, _) in TRUTH.items()}


def unpack_truth(ids: Sequence[str], objects: Sequence[int], members: Mapping[str, bytes]) -> dict[str, Truth]:
    """Id -> truth. `objects`: how many each picture has.

    Raises:
        EvidenceError: a member has another size than so many objects need.
    """
    count = sum(objects)
    boxes, difficult, labels = (
        array(f"truth/{name}", members[name], dtype, (count, *shape)) for name, (dtype, shape) in TRUTH.items()
    )
    if len(difficult) and difficult.max() > 1:
        raise EvidenceError(f"truth/difficult.u1 has a byte of {difficult.max()}, but should have 0 and 1")
    ends = [0, *np.cumsum(objects, dtype=np.int64).tolist()]
    return {
        id: Truth(
            boxes[start:end].astype(np.float64), labels[start:end].astype(np.intp), difficult[start:end].astype(bool)
        )
        for id, (start, end) in zip(ids, pairwise(ends), strict=True)
    }


def pack_measurements(
    floor: str, sample: Sequence[str], found: Measurements
) -> tuple[AgreementFacts, dict[str, bytes]]:
    """What the measurements are of, and member of agreement/ -> bytes.

    sums.f8        (runs, pictures of the sample, measures, 3) float64; the candidate is the first run, then the floors
    present.u1     (runs, pictures, measures): whether the picture gave this measure something
    each.f8        (all pictures, 3) float64; floor_each.f8 (floors, pictures of the sample, 3)
    """
    runs = [found.sums, *found.floor_sums]
    measures = list(dict.fromkeys(measure for run in runs for sums in run for measure in sums))
    sums = np.zeros((len(runs), len(sample), len(measures), SUM))
    present = np.zeros(sums.shape[:3], np.uint8)
    place = {measure: at for at, measure in enumerate(measures)}
    for run, of_run in enumerate(runs):
        for picture, of_picture in enumerate(of_run):
            for measure, numbers in of_picture.items():
                sums[run, picture, place[measure]] = numbers
                present[run, picture, place[measure]] = 1
    facts = AgreementFacts(
        floor=floor,
        pictures=list(sample),
        measures=[
            MeasureFacts(name=m.name, group=m.group, unit=m.unit, events=m.events, signed=m.signed, least=m.least)
            for m in measures
        ],
        floors=len(found.floor_sums),
    )
    each = np.array([_numbers(one) for one in found.each.values()])
    floor_each = np.array([[_numbers(floor[id]) for id in sample] for floor in found.floor_each])
    floats = {"sums.f8": sums, "each.f8": each, "floor_each.f8": floor_each}
    return facts, {"present.u1": present.tobytes()} | {name: of.astype("<f8").tobytes() for name, of in floats.items()}


def unpack_measurements(facts: AgreementFacts, ids: Sequence[str], members: Mapping[str, bytes]) -> Measurements:
    """The measurements again. `ids`: all pictures, in the order of `each`.

    Raises:
        EvidenceError: a member has another size than its pictures and measures need.
    """
    measures = [Measure(m.name, m.group, m.unit, m.events, m.signed, m.least) for m in facts.measures]
    shape = (1 + facts.floors, len(facts.pictures), len(measures))
    sums = array("agreement/sums.f8", members["sums.f8"], "<f8", (*shape, SUM))
    present = array("agreement/present.u1", members["present.u1"], "u1", shape)
    each = array("agreement/each.f8", members["each.f8"], "<f8", (len(ids), len(NAMES)))
    floor_each = array(
        "agreement/floor_each.f8", members["floor_each.f8"], "<f8", (facts.floors, len(facts.pictures), len(NAMES))
    )
    runs = [
        [_sums(measures, numbers, there) for numbers, there in zip(of_run, of_present, strict=True)]
        for of_run, of_present in zip(sums, present, strict=True)
    ]
    return Measurements(
        runs[0],
        runs[1:],
        {id: Apart(*row) for id, row in zip(ids, each.tolist(), strict=True)},
        [{id: Apart(*row) for id, row in zip(facts.pictures, of.tolist(), strict=True)} for of in floor_each],
    )


def array(name: str, data: bytes, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """The bytes of a member as an array. Raises EvidenceError where they are more or fewer."""
    size = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
    if len(data) != size:
        raise EvidenceError(f"member {name} has {len(data):,} bytes, but should have {size:,}")
    return np.frombuffer(data, dtype).reshape(shape)


def _sums(measures: Sequence[Measure], numbers: NDArray[Any], present: NDArray[Any]) -> Sums:
    rows = numbers.tolist()
    return {measures[at]: (rows[at][0], rows[at][1], rows[at][2]) for at in np.flatnonzero(present).tolist()}


def _numbers(one: Apart) -> list[float]:
    return [one.uncovered, one.scores, one.deltas]
