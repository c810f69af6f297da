"""Figures that put numbers side by side: rates with what they include, and mean AP under each protocol."""

from collections.abc import Sequence

from markupsafe import Markup

from rfcn_lib.report.drawn import Pace, ProtocolMean
from rfcn_lib.report.svg import CANDIDATE, INK, REFERENCE, new_figure, styled, svg_of


def rate_bars(paces: Sequence[Pace], gpu: int, limit: float | None, name: str) -> Markup:
    """A bar for each rate in pictures per second; the first `gpu` of them are a GPU's. limit: fps that an NPU must reach."""
    with styled():
        figure = new_figure(6.4, 0.7 + 0.32 * len(paces))
        axes = figure.add_subplot()
        for place, pace in enumerate(paces):
            colour, hatch = (REFERENCE, "") if place < gpu else (CANDIDATE, "///")
            axes.barh([place], [pace.fps], height=0.6, color=colour, hatch=hatch, edgecolor=INK, linewidth=0.5)
            axes.annotate(f"{pace.fps:.4g}", (pace.fps, place), (4, 0), textcoords="offset points", va="center")
        if limit is not None:
            axes.axvline(limit, color=INK, linewidth=2)
        axes.set_yticks(range(len(paces)), [f"{_short(pace.whose, 24)}: {pace.scope}" for pace in paces])
        axes.set_ylim(len(paces) - 0.5, -0.5)
        axes.set_xlim(0, 1.18 * max([pace.fps for pace in paces] + ([] if limit is None else [limit])))
        axes.set_xlabel("pictures per second")
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        said = "; ".join(f"{pace.whose}, {pace.scope}: {pace.fps:.4g}" for pace in paces)
        asked = "" if limit is None else f"; the limit is {limit:.4g}"
        return svg_of(figure, name, f"pictures per second: {said}{asked}")


def protocol_dots(rows: Sequence[ProtocolMean], name: str) -> Markup:
    """Mean AP of reference (circle) and candidate (cross) under each protocol, on an axis that begins where the numbers do."""
    known = [value for row in rows for value in (row.reference, row.candidate) if value is not None]
    room = 0.1 * (max(known) - min(known)) or 0.05
    with styled():
        figure = new_figure(9.6, 0.7 + 0.24 * len(rows))
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            if row.reference is not None:
                axes.plot([row.reference, row.candidate], [place, place], color=INK, linewidth=1)
                axes.plot([row.reference], [place], "o", color=REFERENCE, markersize=7, fillstyle="none")
            axes.plot([row.candidate], [place], "x", color=CANDIDATE, markersize=7, markeredgewidth=2)
        axes.set_yticks(range(len(rows)), [_short(protocol_short(row.protocol), 60) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(max(min(known) - room, 0), min(max(known) + room, 1.01))
        axes.set_xlabel("mean AP")
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        said = "; ".join(
            f"{row.protocol}: {'' if row.reference is None else f'reference {row.reference:.4f}, '}"
            f"candidate {row.candidate:.4f}"
            for row in rows
        )
        return svg_of(figure, name, f"mean AP of the same detections under each protocol; {said}")


def protocol_short(protocol: str) -> str:
    """A protocol's name without what stands in brackets: the table has it whole."""
    before, _, rest = protocol.partition(" (")
    return before + rest.partition(")")[2]


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
