"""The noise floor: how far the detections of two runs of the same pictures are apart when only the arithmetic differs.

Predicted, it compares a rehearsal with the twin; measured, an NPU's dumps with the twin. Both are written as one kind of file.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded, write_whole
from rfcn_lib.records import Detections, Floats, Ints
from rfcn_lib.score import resampling
from rfcn_lib.score.partners import CONFIDENT, PARTNER_IOU, Partners, partners
from rfcn_lib.score.resampling import FigureName

LARGEST_FILE_BYTES: Final = 10_000_000
WORST: Final = 5  # pictures that the file names

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class NoiseFloorError(SuiteError):
    """The file is no noise floor, or two runs cannot be compared."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Figure(_Frozen):
    """A number, and the interval in which a bootstrap over pictures finds it (see resampling); null where it has none."""

    value: float
    low: float | None
    high: float | None


class Matched(_Frozen):
    """Confident detections of either run, and how many of them have a partner in the other (see partners)."""

    got: Count
    want: Count
    got_matched: Count
    want_matched: Count

    @model_validator(mode="after")
    def _no_more_matched_than_there_are(self) -> "Matched":
        if self.got_matched > self.got or self.want_matched > self.want:
            raise ValueError("more detections have a partner than there are")
        return self

    @property
    def share(self) -> float | None:
        """(got_matched + want_matched) / (got + want); None if neither run has a confident detection."""
        return (self.got_matched + self.want_matched) / (self.got + self.want) if self.got + self.want else None


class MatchedShare(Matched):
    """The same over all pictures; `matched_share` is null where neither run has a confident detection."""

    matched_share: Figure | None


class WorstPicture(Matched):
    """One of the pictures with the least share matched."""

    id: str


class Distribution(_Frozen):
    """`count` values: their mean, quantiles and ends; `figures` is empty if there is none."""

    count: Count
    figures: dict[FigureName, Figure]


class NoiseFloor(_Frozen):
    """Over the pictures: how many confident detections have a partner, and how far partners are apart (got - want).

    compared          what was compared with what, in words
    ids_sha256        over the sorted ids, one a line
    by_picture        distribution of the share matched of each picture that has a confident detection
    empty_pictures    pictures without one in either run; they are in no other figure
    score_apart       |difference of the scores|
    score_difference  signed
    offset_x_px, offset_y_px        how far centres moved, px of the picture frame
    offset_x_share, offset_y_share  the same as a share of the box's width and height
    scale_x, scale_y                width and height as a multiple of the wanted ones
    """

    format: Literal["rfcn noise floor 1"]
    chip: str
    precision_mode: str
    compared: str
    pictures: int = Field(ge=1)
    ids_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    partner_iou: Share
    confident: Share
    matched: MatchedShare
    classes: dict[str, MatchedShare]
    by_picture: Distribution
    empty_pictures: Count
    worst_pictures: list[WorstPicture]
    score_apart: Distribution
    score_difference: Distribution
    iou: Distribution
    offset_x_px: Distribution
    offset_y_px: Distribution
    offset_x_share: Distribution
    offset_y_share: Distribution
    scale_x: Distribution
    scale_y: Distribution


def noise_floor(
    got: Mapping[str, Detections],
    want: Mapping[str, Detections],
    classes: Sequence[str],
    *,
    chip: str,
    precision_mode: str,
    compared: str,
) -> NoiseFloor:
    """Compare two runs picture by picture; both by id. The order of the pictures does not matter.

    Raises:
        NoiseFloorError: no picture, or the runs have other pictures; a number that is not finite, with the picture's id.
    """
    ids = sorted(want)
    if not ids or got.keys() != want.keys():
        other = sorted(got.keys() ^ want.keys())
        raise NoiseFloorError(
            f"the two runs have {len(got)} and {len(want)} pictures, {len(other)} of them in one run only "
            f"({', '.join(other[:3]) or 'there is none'}), but should have the same ones; run both over the same pictures"
        )
    found = [_partners_of(id, got[id], want[id]) for id in ids]
    drawn = resampling.drawn_pictures(len(ids))
    counts = np.stack([_counts(one, len(classes)) for one in found])  # (pictures, classes, 4)
    of_picture = [_matched(row) for row in counts.sum(axis=1)]
    shares = np.array([one.share for one in of_picture], np.float64)  # None becomes NaN
    judged = np.flatnonzero(~np.isnan(shares))
    worst = judged[np.argsort(shares[judged], kind="stable")][:WORST]
    centre, centre_share, scale = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("centre_px", "centre_share", "scale")
    )
    scores, ious = (np.concatenate([getattr(one, name) for one in found]) for name in ("scores", "ious"))
    owner = np.repeat(np.arange(len(ids)), [len(one.ious) for one in found])
    series = {
        "score_apart": np.abs(scores),
        "score_difference": scores,
        "iou": ious,
        **{f"offset_{axis}_px": centre[:, k] for k, axis in enumerate("xy")},
        **{f"offset_{axis}_share": centre_share[:, k] for k, axis in enumerate("xy")},
        **{f"scale_{axis}": scale[:, k] for k, axis in enumerate("xy")},
    }
    return NoiseFloor(
        format="rfcn noise floor 1",
        chip=chip,
        precision_mode=precision_mode,
        compared=compared,
        pictures=len(ids),
        ids_sha256=hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        partner_iou=PARTNER_IOU,
        confident=CONFIDENT,
        matched=_matched_share(counts.sum(axis=1), drawn),
        classes={name: _matched_share(counts[:, label], drawn) for label, name in enumerate(classes)},
        by_picture=_distribution(shares[judged], judged, drawn),
        empty_pictures=len(ids) - len(judged),
        worst_pictures=[WorstPicture(id=ids[at], **of_picture[at].model_dump()) for at in worst],
        **{name: _distribution(values, owner, drawn) for name, values in series.items()},
    )


def write_noise_floor(path: Path, floor: NoiseFloor) -> None:
    """Write a noise floor as JSON; equal ones give equal bytes. Raises OSError."""
    write_whole(path, (json.dumps(floor.model_dump(), indent=1) + "\n").encode())


def read_noise_floor(path: Path) -> NoiseFloor:
    """Read a noise floor. Raises NoiseFloorError naming the file and what is wrong with it."""
    how = "make one with `pytest -m rehearsal`"
    try:
        data = read_bounded(path, LARGEST_FILE_BYTES)
        if data is None:
            raise NoiseFloorError(
                f"{path} has {path.stat().st_size:,} bytes, but a noise floor is a page of JSON; {how}"
            )
        return NoiseFloor.model_validate_json(data)
    except OSError as error:
        raise NoiseFloorError(f"no noise floor at {path}: {error.strerror}; {how}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise NoiseFloorError(f"{path} is no noise floor: {where}: {first['msg']}; {how}") from error


def _partners_of(id: str, got: Detections, want: Detections) -> Partners:
    try:
        return partners(got, want)
    except ValueError as error:
        raise NoiseFloorError(f"picture {id}: {error}") from error


def _counts(one: Partners, classes: int) -> Ints:
    """(classes, 4): got, want, got matched, want matched, in the order of the fields of Matched."""
    sides = (
        one.got_labels,
        one.want_labels,
        one.got_labels[one.got_has_partner],
        one.want_labels[one.want_has_partner],
    )
    return np.stack([np.bincount(labels, minlength=classes) for labels in sides], axis=1)


def _matched(counts: Ints) -> Matched:
    got, want, got_matched, want_matched = counts.tolist()
    return Matched(got=got, want=want, got_matched=got_matched, want_matched=want_matched)


def _matched_share(counts: Ints, drawn: Ints) -> MatchedShare:
    """Of counts by picture, (pictures, 4)."""
    together = _matched(counts.sum(axis=0))
    figure = None
    if together.share is not None:
        value, (low, high) = resampling.share(counts[:, 2:].sum(axis=1), counts[:, :2].sum(axis=1), drawn)
        figure = Figure(value=value, low=low, high=high)
    return MatchedShare(**together.model_dump(), matched_share=figure)


def _distribution(values: Floats, picture_of: Ints, drawn: Ints) -> Distribution:
    found = resampling.distribution(values, picture_of, drawn)
    figures = {name: Figure(value=value, low=low, high=high) for name, (value, low, high) in found.items()}
    return Distribution(count=len(values), figures=figures)
