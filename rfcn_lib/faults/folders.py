"""Faults of the folder: which picture's outputs are in which file."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from rfcn_lib.faults.fault import FaultError, FilesFault
from rfcn_lib.faults.outputs import without_scores
from rfcn_lib.records import Outputs

BATCH: Final = 8  # pictures in a batch of the vendor's tool, where a fault is of a batch


def _taken(by: Mapping[str, Outputs], order: list[int]) -> dict[str, Outputs]:
    ids = list(by)
    return {id: by[ids[at]] for id, at in zip(ids, order, strict=True)}


def _several(by: Mapping[str, Outputs], least: int) -> list[int]:
    if len(by) < least:
        raise FaultError(f"a fault of files needs {least} pictures or more, but there are {len(by)}")
    return list(range(len(by)))


def pairs_exchanged(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """Each two neighbours have each other's outputs."""
    at = _several(by, 2)
    even = len(at) - len(at) % 2
    return _taken(by, [one ^ 1 if one < even else one for one in at])


def one_pair_exchanged(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """Two pictures in the middle have each other's outputs."""
    at = _several(by, 2)
    middle = len(at) // 2 - 1
    at[middle], at[middle + 1] = at[middle + 1], at[middle]
    return _taken(by, at)


def shifted_by_one(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """Each picture has the outputs of the one before."""
    return _taken(by, [_several(by, 2)[-1], *range(len(by) - 1)])


def reversed_order(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """The outputs come in the reverse order."""
    return _taken(by, _several(by, 2)[::-1])


def sorted_as_text(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """The outputs are numbered 0, 1, 2 ... and taken in the order of these numbers as text: 0, 1, 10, 11, 2."""
    return _taken(by, sorted(_several(by, 11), key=str))


def one_spoilt(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """One picture in the middle has all zeros and background."""
    at = _several(by, 2)
    found = _taken(by, at)
    id = list(by)[len(at) // 2]
    nothing = replace(by[id], rois=np.zeros_like(by[id].rois), bbox_pred=np.zeros_like(by[id].bbox_pred))
    found[id] = without_scores(nothing, np.ones(len(nothing.rois), bool))
    return found


def one_repeated(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """One picture in the middle has the outputs of the picture before, too."""
    at = _several(by, 2)
    at[len(at) // 2] = at[len(at) // 2 - 1]
    return _taken(by, at)


def batch_repeated(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """The last batch has the outputs of the batch before."""
    at = _several(by, 2 * BATCH)
    return _taken(by, [*at[:-BATCH], *at[-2 * BATCH : -BATCH]])


def first_of_batch(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """All pictures of a batch have the outputs of its first."""
    return _taken(by, [one - one % BATCH for one in _several(by, 2)])


def scores_of_another(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """The scores are those of the picture before; rois and deltas are right."""
    before = shifted_by_one(by)
    return {id: replace(outputs, cls_prob=before[id].cls_prob) for id, outputs in by.items()}


def first_everywhere(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """All pictures have the outputs of the first."""
    return _taken(by, [0] * len(_several(by, 2)))


def half_of_an_older_run(by: Mapping[str, Outputs]) -> dict[str, Outputs]:
    """The second half is from a run whose boxes were 2 px off."""
    late = list(by)[len(_several(by, 2)) // 2 :]
    moved = np.asarray([0, 2, 2, 2, 2], np.float32)
    return {**by, **{id: replace(by[id], rois=by[id].rois + moved) for id in late}}


FAULTS: Final = (
    FilesFault(
        "ids-exchanged-in-pairs", "files",
        "Each two neighbours of the set have each other's outputs. Look at the names of the outputs.",
        pairs_exchanged,
    ),
    FilesFault(
        "one-pair-exchanged", "files",
        "Two pictures have each other's outputs. Look at the names of the outputs.", one_pair_exchanged,
    ),
    FilesFault(
        "ids-shifted-by-one", "files",
        "Each picture has the outputs of the one before. Look at the first and the last of a batch.", shifted_by_one,
    ),
    FilesFault("ids-reversed", "files", "The outputs are in the reverse order of the set.", reversed_order),
    FilesFault(
        "ids-sorted-as-text", "files",
        "The outputs were numbered and sorted as text (0, 1, 10, 11, ... 2). Sort them as numbers.", sorted_as_text,
    ),
    FilesFault(
        "one-picture-spoilt", "files",
        "One picture's outputs are zeros. Look for an input that failed.", one_spoilt,
    ),
    FilesFault(
        "one-picture-repeated", "files",
        "One picture has the outputs of the picture before it. Look for an input that failed.", one_repeated,
    ),
    FilesFault(
        "last-batch-repeated", "files",
        "The last batch has the outputs of the batch before. Look at what a short batch leaves in the buffer.",
        batch_repeated,
    ),
    FilesFault(
        "first-of-each-batch", "files",
        "All pictures of a batch have the outputs of its first. Look at the batch size of the om.", first_of_batch,
    ),
    FilesFault(
        "scores-of-another-picture", "files",
        "The scores are those of the picture before; rois and deltas are right. Look at the numbering of the second"
        " output.", scores_of_another,
    ),
    FilesFault(
        "first-picture-everywhere", "cache and clock",
        "All pictures have the outputs of the first. Look for an answer that is kept and given again.", first_everywhere,
    ),
    FilesFault(
        "half-of-an-older-run", "cache and clock",
        "The second half is from an older run of another graph. Empty the folder of dumps before a run.", half_of_an_older_run,
    ),
)  # fmt: skip
