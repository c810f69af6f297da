"""Calibration: the figures of a predicted noise floor beside those that an NPU's dumps gave."""

from dataclasses import dataclass
from typing import Final

from rfcn_lib.score.noise_floor_file import Figure, NoiseFloor, NoiseFloorError

WORDS: Final = {
    "share_by_picture": "share matched of a picture",
    "score_apart_by_picture": "mean |score difference| of a picture",
    "iou_by_picture": "mean IoU of a picture",
    "score_apart": "|score difference|",
    "score_difference": "score difference",
    "iou": "IoU of partners",
    "offset_x_px": "offset in x, px",
    "offset_y_px": "offset in y, px",
    "offset_x_share": "offset in x / width",
    "offset_y_share": "offset in y / height",
    "scale_x": "width / wanted width",
    "scale_y": "height / wanted height",
}


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One figure as predicted and as measured. None: the run has no such figure, or the figure has no interval."""

    figure: str
    predicted: float | None
    low: float | None
    high: float | None
    measured: float | None

    @property
    def inside(self) -> bool | None:
        """Whether the measured figure lies in the predicted interval, ends included; None if one of them is missing."""
        if self.low is None or self.high is None or self.measured is None:
            return None
        return self.low <= self.measured <= self.high


def calibration(predicted: NoiseFloor, measured: NoiseFloor) -> tuple[CalibrationRow, ...]:
    """Every figure as predicted and as measured: the shares matched, then the distributions.

    The interval is that of the prediction, from a bootstrap over its pictures. It says how far the figure varies with the choice
    of as many pictures, so both runs should be over the same pictures, or the measured one over no fewer.

    Raises:
        NoiseFloorError: the two are about another chip, precision mode, class list or definition of partners.
    """
    same = ("chip", "precision_mode", "partner_iou", "confident")
    other = [
        f"{n} {getattr(predicted, n)} and {getattr(measured, n)}"
        for n in same
        if getattr(predicted, n) != getattr(measured, n)
    ]
    other += ["classes"] if predicted.classes.keys() != measured.classes.keys() else []
    if other:
        raise NoiseFloorError(
            f"the predicted and the measured noise floor differ in {'; '.join(other)}, so one is no prediction of the other; "
            "rehearse with the --soc and --precision-mode that the om was compiled for"
        )
    left, right = _figures(predicted), _figures(measured)
    rows = []
    for name in dict.fromkeys((*left, *right)):
        was, is_now = left.get(name), right.get(name)
        value, low, high = (was.value, was.low, was.high) if was else (None, None, None)
        rows.append(CalibrationRow(name, value, low, high, is_now.value if is_now else None))
    return tuple(rows)


def _figures(floor: NoiseFloor) -> dict[str, Figure]:
    """Every figure by a name for a table."""
    shares = {"matched": floor.matched, **{f"matched {name}": one for name, one in floor.classes.items()}}
    found = {name: one.matched_share for name, one in shares.items() if one.matched_share is not None}
    for name, words in WORDS.items():
        figures = getattr(floor, name).figures
        found |= {f"{words}, {figure}": number for figure, number in figures.items()}
    return found
