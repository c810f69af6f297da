"""A figure of matplotlib as SVG inside a page: no script, no address, the page's own colours, ids of its own, words beside it."""

import re
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import StringIO
from typing import Any, Final

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

# Colours of the drawing -> those of the page, which differ in light and dark. Okabe and Ito's are told apart by colour-blind
# people; the lines differ in style besides, for a print without colours.
INK: Final = "#111213"
FAINT: Final = "#8a8b8c"
REFERENCE: Final = "#0072b2"
CANDIDATE: Final = "#d55e00"
OF_PAGE: Final[Mapping[str, str]] = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    REFERENCE: "var(--reference)",
    CANDIDATE: "var(--candidate)",
}
STYLE: Final[Mapping[Any, Any]] = {
    "svg.fonttype": "none",
    "path.simplify": False,  # it drops lines without length, which are dots
    "text.parse_math": False,  # a class name may hold a dollar
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, width and height in units of 100 CSS px. Draw within `styled`."""
    return Figure(figsize=(width, height), layout="constrained")


def styled() -> AbstractContextManager[None]:
    """The style of every figure, as a context."""
    return mpl.rc_context(dict(STYLE))


def svg_of(figure: Figure, name: str, alternative: str) -> Markup:
    """The figure as `<svg>`.

    Args:
        figure: drawn within `styled`.
        name: letters, digits and hyphens; no other figure of the page has it.
        alternative: what the figure shows, for those who do not see it.
    """
    text = StringIO()
    with warnings.catch_warnings(), mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        warnings.simplefilter("ignore")  # a letter that the font lacks: the browser has other fonts
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    found = text.getvalue()
    found = found[found.index("<svg") :]
    found = re.sub(r"<metadata>.*?</metadata>", "", found, flags=re.DOTALL)
    found = (
        re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", found[: found.index(">")])
        + found[found.index(">") :]
    )
    found = re.sub(r"<!--.*?-->\s*", "", found, flags=re.DOTALL)
    found = re.sub(r'(\sid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", found).replace("xlink:href", "href")
    found = re.sub(
        r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), found
    )  # a hundredth of a px is enough
    for drawn, shown in OF_PAGE.items():
        found = found.replace(drawn, shown)
    return Markup(found.replace("<svg", f'<svg role="img" aria-label="{escape(alternative)}"', 1))  # noqa: S704
