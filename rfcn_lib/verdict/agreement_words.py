"""The agreement with the source model in words, and what a departure is put down to: lines of the verdict's page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

ALONE_SHOWN: Final = 5


def agreement_lines(agreement: Mapping[str, Any] | None, blame: Mapping[str, str] | None) -> list[str]:
    """Lines of the page: the worst figure of each group, the pictures that went wrong alone, the culprit.

    Args:
        agreement: as `Trial` has it; None where no outputs of the source model were there to agree with.
        blame: as `Trial` has it; None where nothing departs.
    """
    if agreement is None:
        return []
    rows = agreement["figures"]
    lines = [f"agreement  with the source model; arithmetic alone: {agreement['floor']}"]
    for group in dict.fromkeys(row["group"] for row in rows):
        mine = [row for row in rows if row["group"] == group]
        lines.append(f"           {group:<11}{_worst(mine)}")
    lines.append(f"           {'pictures':<11}{_alone(agreement['alone'])}")
    if blame is not None:
        lines.append(f"culprit: {blame['stage']}: {blame['sentence']}")
        lines += [f"           {blame['evidence']}"] if blame["evidence"] else []
    return lines


def _worst(rows: Sequence[Mapping[str, Any]]) -> str:
    """The worst figure of a group, and how many of its figures are beyond their limits."""
    row = max(rows, key=lambda one: float(one["times"]))
    beyond = sum(one["times"] > 1 for one in rows)
    said = (
        f"{beyond} of {len(rows)} figures BEYOND their limits; worst"
        if beyond
        else f"{len(rows)} figures hold; nearest"
    )
    unit = " px" if row["unit"] == "px" else ""
    numbers = f"got {row['got']:.3g}{unit}, arithmetic alone {row['arithmetic alone']:.3g}, limit {row['limit']:.3g}"
    return f"{said}: {row['figure']}: {numbers}"


def _alone(rows: Sequence[Mapping[str, Any]]) -> str:
    """The pictures that went wrong alone, worst first, each with the number that is furthest beyond its limit."""
    worst: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda one: -float(one["times"])):
        worst.setdefault(row["picture"], row)
    if not worst:
        return "none went wrong alone"
    named = [f"{id} ({row['what']}, {row['times']:.3g} x its limit)" for id, row in list(worst.items())[:ALONE_SHOWN]]
    more = f"; and {len(worst) - ALONE_SHOWN} more" if len(worst) > ALONE_SHOWN else ""
    return f"{len(worst)} BEYOND a limit by themselves: {'; '.join(named)}{more}"
