"""Where the labels of boxes stand on a picture, so that one does not cover another; and how each kind of box is drawn."""

from collections.abc import Iterator, Mapping
from typing import Final

from rfcn_lib.report.drawn import Box, Losing, Mark

STROKES: Final[Mapping[Mark, tuple[str, str]]] = {  # colour of Okabe and Ito, dashes
    "truth": ("#f0e442", "none"),
    "difficult": ("#f0e442", "2 4"),
    "right": ("#56b4e9", "none"),
    "wrong": ("#e69f00", "7 4"),
    "neither": ("#cc79a7", "2 3"),
}
LETTER: Final = 0.58  # width of a letter in a sans-serif font, of the font's size
PER_WIDTH: Final = 26  # the longer side of a picture has so many times the font's size


def placed(picture: Losing, side: str) -> Iterator[tuple[Box, str, float, float, float]]:
    """Each box with its words, x and y of their base line, and the font's size, px of the thumbnail.

    A label stands above its box, else within it at the top, else at the bottom, else below; where all four are taken, above.
    """
    width, height = picture.size_wh
    size = max(width, height) / PER_WIDTH
    taken: list[tuple[float, float, float]] = []
    for box in picture.panels[side]:
        words = box.name if box.score is None else f"{box.name} {box.score:.2f}"
        length = LETTER * size * len(words)
        left, top, _, bottom = box.xyxy
        x = max(min(left + 2, width - length), 1.0)
        heights = [top - 3, top + size, bottom - 3, bottom + size]
        inside = [min(max(y, size), height - 2.0) for y in heights]
        y = next((y for y in inside if not _covers(taken, x, y, length, size)), inside[0])
        taken.append((x, y, length))
        yield box, words, x, y, size


def _covers(taken: list[tuple[float, float, float]], x: float, y: float, length: float, size: float) -> bool:
    return any(
        abs(y - other_y) < size and x < other_x + other and other_x < x + length for other_x, other_y, other in taken
    )
