"""The figures of matched boxes: scores of the reference and the candidate, how far centres moved, how sizes changed."""

from itertools import pairwise
from typing import Final

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from rfcn_lib.report.drawn import Cells, Pairs
from rfcn_lib.report.svg import CANDIDATE, FAINT, new_figure, styled, svg_of
from rfcn_lib.score.matched import FURTHEST_PX, LINEAR_PX

SIDE: Final = 3.2
SIZES: Final = ((1, 3.0), (10, 4.5), (100, 6.0), (1000, 7.5))  # pairs of a cell from here on -> px of its dot


def pairs_figures(pairs: Pairs, name: str) -> list[tuple[str, Markup]]:
    """(caption, figure) of scores, of centres and of sizes. A dot is a cell with pairs.

    name: of the figures, which have an ending each.
    """
    apart, largest = pairs.score_apart
    right, down, wider, higher = pairs.mean_px
    of_scores = f"scores of {pairs.count:,} pairs: {apart:.2g} apart in the median, {largest:.2g} at most"
    apart, largest = pairs.px_apart
    of_centres = (
        f"centres of {pairs.count:,} pairs: {apart:.2g} px apart in the median, {largest:.3g} px at most, in the mean "
        f"{right:+.2g} px to the right and {down:+.2g} px down"
    )
    of_sizes = f"sizes of {pairs.count:,} pairs: in the mean {wider:+.2g} px wider and {higher:+.2g} px higher"
    return [
        ("scores", _scores(pairs.scores, f"{name}-scores", of_scores)),
        (
            "how far the centre moved",
            _offsets(pairs, pairs.centres, ("to the right", "down"), f"{name}-centres", of_centres),
        ),
        ("how the size changed", _offsets(pairs, pairs.sizes, ("wider", "higher"), f"{name}-sizes", of_sizes)),
    ]


def _scores(cells: Cells, name: str, alternative: str) -> Markup:
    with styled():
        figure = new_figure(SIDE, SIDE)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        _dots(axes, cells)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("score of the reference")
        axes.set_ylabel("score of the candidate")
        axes.grid(visible=True)
        return svg_of(figure, name, alternative)


def _offsets(pairs: Pairs, cells: Cells, names: tuple[str, str], name: str, alternative: str) -> Markup:
    with styled():
        figure = new_figure(SIDE, SIDE)
        axes = figure.add_subplot()
        _px(axes, _reach(pairs))
        _dots(axes, cells)
        axes.set_xlabel(f"{names[0]}, px")
        axes.set_ylabel(f"{names[1]}, px")
        axes.grid(visible=True)
        if names[1] == "down":
            axes.invert_yaxis()
        return svg_of(figure, name, alternative)


def pairs_in_words(pairs: Pairs) -> str:
    """What the figure shows, in a sentence."""
    right, down, wider, higher = pairs.mean_px
    return (
        f"{pairs.count:,} pairs of matched boxes; {pairs.lost:,} of the reference and {pairs.extra:,} of the candidate have no "
        f"partner; scores are {pairs.score_apart[0]:.2g} apart in the median and {pairs.score_apart[1]:.2g} at most; centres "
        f"{pairs.px_apart[0]:.2g} px in the median and {pairs.px_apart[1]:.3g} px at most; in the mean {right:+.2g} px to the "
        f"right, {down:+.2g} px down, {wider:+.2g} px wider, {higher:+.2g} px higher"
    )


def _dots(axes: Axes, cells: Cells) -> None:
    """A dot for each cell, larger where more pairs are. Lines without length and with round ends: 40 bytes a dot in SVG."""
    steps = [*SIZES, (float("inf"), 0.0)]
    for (least, size), (below, _) in pairwise(steps):
        x: list[float] = []
        y: list[float] = []
        for at_x, at_y, count in zip(cells.x, cells.y, cells.counts, strict=True):
            if least <= count < below:
                x += [at_x, at_x, float("nan")]
                y += [at_y, at_y, float("nan")]
        axes.plot(x, y, color=CANDIDATE, linewidth=size, solid_capstyle="round", alpha=0.75)


def _px(axes: Axes, reach: float) -> None:
    """Both axes: px with sign, no offset in the middle."""
    ticks = [0.0, *(sign * step for step in (0.1, 1.0, 10.0, 100.0) if step <= reach for sign in (-1, 1))]
    for set_scale, set_limits, axis in (
        (axes.set_xscale, axes.set_xlim, axes.xaxis),
        (axes.set_yscale, axes.set_ylim, axes.yaxis),
    ):
        set_scale("symlog", linthresh=LINEAR_PX)
        set_limits(-1.3 * reach, 1.3 * reach)
        axis.set_major_locator(FixedLocator(sorted(ticks)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axhline(0, color=FAINT, linewidth=1)
    axes.axvline(0, color=FAINT, linewidth=1)


def _reach(pairs: Pairs) -> float:
    """The power of ten, 1 px at least, that holds every dot."""
    values = [abs(value) for cells in (pairs.centres, pairs.sizes) for value in (*cells.x, *cells.y)]
    return next((step for step in (1.0, 10.0, 100.0) if step >= max(values, default=0.0)), FURTHEST_PX)
