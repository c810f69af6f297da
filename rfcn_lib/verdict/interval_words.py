"""The interval of the drop in words: for the verdict's sentence, and for its page. Values in, text out."""

import math
from collections.abc import Mapping
from typing import Any, Final

from rfcn_lib.score.drop_limits import MOST_PICTURES, ONE_SIDED
from rfcn_lib.score.intervals import UNSEEN_CLASS, ClassInterval, Intervals
from rfcn_lib.score.paired import paired_of

NO_PAIRING: Final = (
    "none: the reference is a published mean, and an interval of the drop needs the reference's detections of the same pictures "
    "(--reference=torch, or a packet)"
)
WIDE_TIES: Final = 0.1  # of the margin: more, and the order of equal scores is a part of the result
PUBLISHED_MARGIN: Final = 0.01  # where no interval names one
CLASSES_SHOWN: Final = 3


def undecided(paired: Mapping[str, Any] | None, *, by_class: bool) -> tuple[str, ...]:
    """What the pictures are too few to tell, a sentence each.

    Args:
        paired: as `Trial` has it; None where there is no pairing, so nothing that an interval could leave open.
        by_class: whether a class that is undecided counts.
    """
    drop = _drop(paired)
    if drop is None:
        return ()
    said = [f"{_so_far(drop)}; {_would_decide(drop.needed)}"] if drop.decision == "INCONCLUSIVE" else []
    if by_class and any(one.decision == "INCONCLUSIVE" for one in drop.classes.values()):
        said.append(f"classes: {_classes(drop)}")
    return tuple(said)


def so_far(paired: Mapping[str, Any] | None) -> str:
    """What a part says of the drop, to be added to the sentence of its verdict; "" where there is no pairing."""
    drop = _drop(paired)
    return "" if drop is None else f"; for pictures like these: {drop.decision}, {_so_far(drop)}"


def interval_lines(paired: Mapping[str, Any] | None, *, judges: bool) -> list[str]:
    """Lines of the page: pictures that differ, the interval and what it decides, the classes.

    Args:
        paired: as `Trial` has it.
        judges: whether the interval is a criterion of the run, or stands beside the criteria.
    """
    if paired is None:
        return [f"interval   {NO_PAIRING}"]
    found = paired_of(paired)
    drop = found.drop
    needed = f"; {_would_decide(drop.needed)}" if drop.decision == "INCONCLUSIVE" else ""
    gate = (
        "this judges the run"
        if judges
        else "this stands beside the criteria, which compare the means of these pictures"
    )
    area, low, high = drop.area
    return [
        f"paired     {found.agree} pictures as the reference, {found.lose} worse, {found.win} better",
        f"interval   for pictures like these: {drop.decision}; {gate}",
        f"           {_so_far(drop)}{needed}",
        f"           both sides 95 %: {_percents(drop.low_95, drop.high_95)}; mean of {drop.resamples:,} resamples "
        f"{_percent(drop.resampled_drop)}, seed {drop.seed}; {drop.lost_a_class:.1%} of them lack a class",
        f"           area AP, for information: drop {_percent(area)}, limits {_percents(low, high)}",
        f"classes    {_classes(drop)}",
    ]


def tie_lines(
    ties: Mapping[str, Mapping[str, Any]], paired: Mapping[str, Any] | None, reference_mean_ap: float
) -> list[str]:
    """How far the order of equal scores can move each mean AP, and a warning where that is a part of the result."""
    if not ties:
        return []
    drop = _drop(paired)
    allowed = WIDE_TIES * (PUBLISHED_MARGIN if drop is None else drop.margin) * reference_mean_ap
    said = ", ".join(f"{side} {one['low']:.4f} to {one['high']:.4f}" for side, one in ties.items())
    lines = [f"ties       mean AP in the worst and the best order of equal scores: {said}"]
    for side, one in ties.items():
        if one["high"] - one["low"] > allowed:
            lines.append(
                f"warning    equal scores of the {side} move mean AP by {one['high'] - one['low']:.4f}, most in "
                f"{one['widest_class']}: more than a tenth of the margin; were the scores rounded? Judge them at full precision"
            )
    return lines


def _drop(paired: Mapping[str, Any] | None) -> Intervals | None:
    return None if paired is None else paired_of(paired).drop


def _so_far(drop: Intervals) -> str:
    limits = _percents(drop.lower, drop.upper)
    return (
        f"mean AP drop {_percent(drop.drop)}, limits {limits} (95 %, one side each), margin {_percent(drop.margin)[1:]}"
    )


def _classes(drop: Intervals) -> str:
    """How many classes pass, fail and are undecided; those that drop most by name, each with the pictures that would decide."""
    by = {decision: [n for n, one in drop.classes.items() if one.decision == decision] for decision in ("PASS", "FAIL")}
    undecided_ones = {name: one for name, one in drop.classes.items() if one.decision == "INCONCLUSIVE"}
    said = f"{len(by['PASS'])} of {len(drop.classes)} are shown to lose less than {_percent(drop.class_margin)[1:]}"
    if by["FAIL"]:
        said += f"; {', '.join(by['FAIL'])}: shown to lose more"
    if not undecided_ones:
        return said
    worst = sorted(undecided_ones.items(), key=lambda item: -item[1].drop)
    named = "; ".join(_one_class(name, one) for name, one in worst[:CLASSES_SHOWN])
    others = f"; {len(worst) - CLASSES_SHOWN} more" if len(worst) > CLASSES_SHOWN else ""
    return f"{said}; {len(undecided_ones)} undecided{_least(drop.class_margin)}: {named}{others}"


def _least(class_margin: float) -> str:
    """How many pictures of a class are needed although it does not differ at all; no number shows that nothing is lost."""
    if class_margin == 0:
        return ", for a margin of 0 is shown by no number of pictures"
    return f", a class needs {math.ceil(-math.log(1 - ONE_SIDED) * UNSEEN_CLASS / class_margin)} pictures at least"


def _one_class(name: str, one: ClassInterval) -> str:
    needed = "" if one.needed is None else f", about {_two_digits(one.needed):,} would decide"
    return f"{name} {_percent(one.drop)}, limits {_percents(one.lower, one.upper)}, {one.pictures} pictures{needed}"


def _would_decide(needed: int | None) -> str:
    if needed is None:
        return f"with such a drop not even {MOST_PICTURES:,} pictures would decide"
    return f"about {_two_digits(needed):,} pictures would decide"


def _two_digits(number: int) -> int:
    """Rounded up to two digits: it is an estimate."""
    unit: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // unit) * unit


def _percent(share: float) -> str:
    return f"{100 * share:+.3g} %"


def _percents(low: float, high: float) -> str:
    return f"{100 * low:+.3g} .. {100 * min(high, 1.0):+.3g} %"  # more than all cannot be lost
