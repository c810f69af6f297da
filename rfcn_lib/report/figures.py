"""The figures of the report. Values in, SVG out; each with a sentence for those who do not see it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from rfcn_lib.report.drawn import ClassCurves, Errors, Line
from rfcn_lib.report.svg import CANDIDATE, FAINT, INK, REFERENCE, new_figure, styled, svg_of

NAME_SHOWN: Final = 20  # letters of a class name in a figure
FEWEST_TIMES: Final = 1e-4  # smaller multiples of a limit are drawn here
MOST_TIMES: Final = 1e6


def criterion_strip(row: Mapping[str, Any], name: str) -> Markup | None:
    """Number, interval and limit of a criterion on one axis; None where one of them is not finite.

    Args:
        row: of the verdict's criteria.
        name: of the figure.
    """
    number, limit, lower, upper = (row[key] for key in ("number", "limit", "lower", "upper"))
    origin = 0.0 if row["relation"] == "<=" else None  # how near to nothing a loss is
    values = [value for value in (number, limit, lower, upper, origin) if value is not None]
    if not all(math.isfinite(value) for value in values):
        return None
    with styled():
        figure = new_figure(2.4, 0.5)
        axes = figure.add_subplot()
        low, high = min(values), max(values)
        room = 0.08 * (high - low) or max(abs(low), 1.0) * 0.1
        low, high = low - room, high + room
        good = (low, limit) if row["relation"] == "<=" else (limit, high)
        if row["relation"] != "==":
            axes.axvspan(*good, color=FAINT, alpha=0.25, linewidth=0)
        axes.axvline(limit, color=INK, linewidth=2)
        if lower is not None and upper is not None:
            axes.plot([lower, upper], [0, 0], color=CANDIDATE, linewidth=3, solid_capstyle="butt")
        axes.plot([number], [0], marker="o", markersize=6, color=CANDIDATE)
        axes.set_xlim(low, high)
        axes.set_ylim(-1, 1)
        _only_x(axes)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
        between = "" if upper is None else f", interval {lower:.4g} to {upper:.4g}"
        words = f"{row['name']}: {number:.4g}{between}; limit {row['relation']} {limit:.4g}; {row['outcome']}"
        return svg_of(figure, name, words)


def class_curves(curves: ClassCurves, name: str) -> Markup:
    """Precision over recall of one class, reference and candidate."""
    with styled():
        figure = new_figure(2.0, 1.8)
        axes = figure.add_subplot()
        for line, colour, style in ((curves.reference, REFERENCE, "-"), (curves.candidate, CANDIDATE, "--")):
            if line is not None and line.recall:
                axes.plot([0.0, *line.recall], [line.precision[0], *line.precision], style, color=colour, linewidth=1.8)
        axes.set_xlim(-0.02, 1.03)
        axes.set_ylim(-0.02, 1.05)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.grid(visible=True)
        return svg_of(figure, name, f"precision over recall of {curves.name}: {_ends(curves)}")


def class_intervals(rows: Sequence[Mapping[str, Any]], margin: float, name: str) -> Markup:
    """The drop of each class's AP with its limits, in the order of the rows; limits beyond 100 % are cut at the edge.

    rows  `name`, `drop`, `lower`, `upper`, as shares of the reference's AP
    """
    with styled():
        figure = new_figure(6.4, 0.7 + 0.22 * len(rows))
        axes = figure.add_subplot()
        axes.axvline(100 * margin, color=INK, linewidth=2)
        axes.axvline(0, color=FAINT, linewidth=1)
        for place, row in enumerate(rows):
            low, high, drop = (100 * min(max(row[key], -1.0), 1.0) for key in ("lower", "upper", "drop"))
            axes.plot([low, high], [place, place], color=CANDIDATE, linewidth=2.5, alpha=0.6)
            axes.plot([drop], [place], "o", color=CANDIDATE, markersize=5)
        axes.set_yticks(range(len(rows)), [_short(row["name"]) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-105, 105)
        axes.set_xlabel("drop of AP, % of the reference's; worse to the right")
        axes.grid(visible=True, axis="x")
        beyond = sum(row["lower"] > margin for row in rows)
        words = f"drop of AP of {len(rows)} classes with limits; {beyond} of them lie beyond the margin of {margin:.0%}"
        return svg_of(figure, name, words)


def error_bars(errors: Mapping[str, Errors], name: str) -> Markup:
    """What each kind of error costs, in points of mean AP, each side with its own bars."""
    sides = [side for side in ("reference", "candidate") if side in errors]
    kinds = list(errors["candidate"].costs)
    with styled():
        figure = new_figure(6.4, 2.6)
        axes = figure.add_subplot()
        for side in sides:
            shift = 0.0 if len(sides) == 1 else {"reference": -0.2, "candidate": 0.2}[side]
            places = [place + shift for place in range(len(kinds))]
            costs = [100 * errors[side].costs[kind] for kind in kinds]
            colour, hatch = (REFERENCE, "") if side == "reference" else (CANDIDATE, "///")
            axes.barh(places, costs, height=0.36, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.5)
        axes.set_yticks(range(len(kinds)), kinds)
        axes.invert_yaxis()
        axes.set_xlabel("points of mean AP that the errors of a kind cost")
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        said = [f"{side}: {', '.join(f'{k} {100 * errors[side].costs[k]:.2f}' for k in kinds)}" for side in sides]
        return svg_of(figure, name, f"points of mean AP that each kind of error costs; {'; '.join(said)}")


def agreement_dots(rows: Sequence[Mapping[str, Any]], group: str, name: str) -> Markup:
    """Every figure of one group as a multiple of its limit, on a logarithmic axis with the limit at 1."""
    times = [min(max(float(row["times"]), FEWEST_TIMES), MOST_TIMES) for row in rows]
    with styled():
        figure = new_figure(6.4, 0.75)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.set_xlim(FEWEST_TIMES / 2, max(10.0, 2 * max(times, default=1.0)))
        axes.axvline(1.0, color=INK, linewidth=2)
        axes.plot(times, [(3 * place % 7 - 3) / 5 for place in range(len(times))], "o", color=CANDIDATE, alpha=0.7)
        axes.set_ylim(-1, 1)
        _only_x(axes)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
        beyond = sum(float(row["times"]) > 1 for row in rows)
        return svg_of(figure, name, f"{group}: {len(rows)} figures as multiples of their limits; {beyond} are beyond 1")


def _only_x(axes: Axes) -> None:
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…"


def _ends(curves: ClassCurves) -> str:
    sides: tuple[tuple[str, Line | None], ...] = (("reference", curves.reference), ("candidate", curves.candidate))
    said = [
        f"{side} reaches recall {line.recall[-1]:.3f} at precision {line.precision[-1]:.3f}"
        if line.recall
        else f"{side} finds none"
        for side, line in sides
        if line is not None
    ]
    return "; ".join(said)
