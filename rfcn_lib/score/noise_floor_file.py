"""The noise floor as a file: its fields, written and read."""

import json
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded, write_whole
from rfcn_lib.score.resampling import FigureName

LARGEST_FILE_BYTES: Final = 10_000_000

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


class PictureFigures(Matched):
    """One picture: its counts, and the mean |score difference| and mean IoU of its partners; null where it has none."""

    id: str
    score_apart: float | None
    iou: float | None


class Distribution(_Frozen):
    """`count` values: their mean, quantiles and ends; `figures` is empty if there is none."""

    count: Count
    figures: dict[FigureName, Figure]


class NoiseFloor(_Frozen):
    """Over the pictures: how many confident detections have a partner, and how far partners are apart (got - want).

    compared          what was compared with what, in words
    fingerprint       the protocol of `got`, see score.fingerprint; null where none was noted
    ids_sha256        over the sorted ids, one a line
    empty_pictures    pictures without a confident detection in either run; they are in no other figure
    worst_pictures    those with the least share matched; of equal ones, those with the least mean IoU, then the first by id
    share_by_picture, score_apart_by_picture, iou_by_picture  one value a picture, see PictureFigures
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
    fingerprint: dict[str, str] | None = None
    matched: MatchedShare
    classes: dict[str, MatchedShare]
    empty_pictures: Count
    worst_pictures: list[PictureFigures]
    share_by_picture: Distribution
    score_apart_by_picture: Distribution
    iou_by_picture: Distribution
    score_apart: Distribution
    score_difference: Distribution
    iou: Distribution
    offset_x_px: Distribution
    offset_y_px: Distribution
    offset_x_share: Distribution
    offset_y_share: Distribution
    scale_x: Distribution
    scale_y: Distribution


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
