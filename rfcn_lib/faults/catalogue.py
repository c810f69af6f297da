"""All faults, in the order of the stages."""

from typing import Final

from rfcn_lib.faults import (
    anchors,
    colours,
    commands,
    deltas,
    folders,
    layers,
    outputs,
    pooling,
    raw_files,
    rois,
    scores,
    sizes,
    weights,
)
from rfcn_lib.faults.fault import STAGES, Fault

PARTS: Final = (
    raw_files,
    commands,
    folders,
    colours,
    sizes,
    layers,
    weights,
    anchors,
    rois,
    pooling,
    scores,
    deltas,
    outputs,
)
CATALOGUE: Final[tuple[Fault, ...]] = tuple(
    sorted((fault for part in PARTS for fault in part.FAULTS), key=lambda fault: STAGES.index(fault.stage))
)


def fault_named(name: str) -> Fault:
    """The fault of that name. Raises KeyError where there is none."""
    return {fault.name: fault for fault in CATALOGUE}[name]
