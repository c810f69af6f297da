"""The protocol behind a number, field by field, and a short hash of it: numbers of different protocols are never compared."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from rfcn_lib.errors import SuiteError
from rfcn_lib.score.average_precision import Protocol

UNKNOWN: Final = "unknown"  # of outputs that were made elsewhere; what is not known is not compared
SOURCE_MODEL: Final = "as the source model does"
SHOWN: Final = 12  # characters of the hash


class FingerprintError(SuiteError):
    """Two numbers were made under different protocols."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a number depends on besides the outputs.

    ap_rule       how precision and recall become an AP
    iou           when a detection is right
    score_digits  how far scores are rounded
    ties          what comes first of equal scores
    set           how many pictures, and digests of their ids and objects
    overflow      pictures that exceed their canvas, and what happens to them
    canvas        on which canvas a picture is shown
    clip          what proposals are clipped to
    """

    ap_rule: str
    iou: str
    score_digits: str
    ties: str
    set: str
    overflow: str
    canvas: str
    clip: str

    def __str__(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:SHOWN]

    def fields(self) -> dict[str, str]:
        """By name, as it is written into files."""
        return asdict(self)


def fingerprint(protocol: Protocol, iou: float, *, set: str, cropped: int, canvas: str, clip: str) -> Fingerprint:
    """The protocol of an evaluation by this suite, whose scores and ties are always the same."""
    return Fingerprint(
        ap_rule=protocol.area,
        iou=f"{protocol.overlap} {iou:g}",
        score_digits="as they come",
        ties="by the order of the pictures, then within the picture",
        set=set,
        overflow=f"{cropped} pictures cropped",
        canvas=canvas,
        clip=clip,
    )


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Names of the fields that keep two numbers from being compared; what is not known on one side is not one."""
    return [
        name
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name) and UNKNOWN not in (ours.get(name), theirs.get(name))
    ]


def expect_same(mine: Fingerprint, theirs: Mapping[str, str] | None, this: str, other: str) -> None:
    """See that two numbers may be compared. `theirs`: the fields as a file has them; None of a file that has none.

    Raises:
        FingerprintError: a field differs, or one is lacking; names both hashes and every field that differs, on both sides.
    """
    if theirs is None:
        return
    ours = mine.fields()
    lines = [
        f"{name}: {ours.get(name, 'no such field')} in {this}, {theirs.get(name, 'no such field')} in {other}"
        for name in differing(ours, theirs)
    ]
    if lines:
        their_hash = hashlib.sha256(json.dumps(dict(theirs), sort_keys=True).encode()).hexdigest()[:SHOWN]
        listed = "\n  ".join(lines)
        raise FingerprintError(
            f"the numbers of {this} (protocol {mine}) and of {other} (protocol {their_hash}) were made under different "
            f"protocols, so they are not compared:\n  {listed}\nmake both under one protocol"
        )
