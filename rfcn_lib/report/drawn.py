"""What the report draws besides the verdict, as plain values: they go from the process that judges to the one that writes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Mark = Literal["truth", "difficult", "right", "wrong", "neither"]


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Values):
    """recall and precision, 0 to 1, in the order of falling scores."""

    recall: tuple[float, ...]
    precision: tuple[float, ...]


class ClassCurves(_Values):
    """One class. reference: None where only its mean AP is known."""

    name: str
    reference: Line | None
    candidate: Line


class Errors(_Values):
    """Of one side: kind -> how many, and kind -> mean AP that it costs."""

    counts: dict[str, int]
    costs: dict[str, float]


class Box(_Values):
    """xyxy: px of the thumbnail. score: None for an object of the truth."""

    xyxy: tuple[float, float, float, float]
    name: str
    score: float | None
    mark: Mark


class Losing(_Values):
    """A picture on which the candidate loses.

    jpeg_base64  the thumbnail, size_wh px
    loss         as `rfcn_lib.score.losses.Loss` has it; `why` and `fact` too
    panels       "truth", "reference", "candidate" -> what is drawn on it
    left_out     panel -> how many more boxes there are
    """

    id: str
    size_wh: tuple[int, int]
    jpeg_base64: str
    loss: float
    why: str
    fact: str
    panels: dict[str, tuple[Box, ...]]
    left_out: dict[str, int]


class Cells(_Values):
    """Points of a plane, counted in cells: mean x and y of the points of each, and how many they are."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    counts: tuple[int, ...]


class Pairs(_Values):
    """Matched boxes of reference and candidate, as `rfcn_lib.score.matched.Matched` has them.

    count         of pairs
    lost, extra   confident detections without a partner: of the reference, of the candidate
    scores        x: the reference's, y: the candidate's
    centres       px that the centre moved to the right and down
    sizes         px that the box is wider and higher
    score_apart, px_apart   (median, largest): |difference of scores|, px between the centres
    mean_px       to the right, down, wider, higher: means with sign
    """

    count: int
    lost: int
    extra: int
    scores: Cells
    centres: Cells
    sizes: Cells
    score_apart: tuple[float, float]
    px_apart: tuple[float, float]
    mean_px: tuple[float, float, float, float]


class ProtocolMean(_Values):
    """Mean AP of the same detections under one protocol, 0 to 1. reference: None where its detections are not known."""

    protocol: str
    reference: float | None
    candidate: float


class Pace(_Values):
    """A rate, and what it includes. whose: the device in words."""

    whose: str
    fps: float
    scope: str
    includes: str
    source: str


class Drawn(_Values):
    """Of one candidate.

    curves    each class that counts
    errors    "reference", "candidate" -> its errors; the reference only where its detections are known
    pairs     None where the reference's detections are not known
    protocols  the one of the criteria first
    gpu       what an NPU's rates are put beside
    pictures  the first of those on which the candidate loses, largest loss first
    losing    how many pictures it loses on; None where the reference's detections are not known
    """

    curves: tuple[ClassCurves, ...]
    errors: dict[str, Errors]
    pictures: tuple[Losing, ...]
    losing: int | None
    pairs: Pairs | None = None
    protocols: tuple[ProtocolMean, ...] = ()
    gpu: tuple[Pace, ...] = ()
