"""The pen: a silhouette is a list of parts in free units, x to the right and y down."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib.records import Floats

BODY, TRIM, DARK, LIGHT = range(4)  # slots of an object's random palette: no class owns a colour
_ROUND: Final = np.linspace(0, 2 * np.pi, 24, endpoint=False)

XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Part:
    """points (N, 2) float64 in free units; slot of the palette; width 0 is a filled polygon, otherwise an open line."""

    points: Floats
    slot: int
    width: float = 0.0


def poly(slot: int, *points: XY) -> Part:
    return Part(np.array(points, np.float64), slot)


def rect(slot: int, x0: float, y0: float, x1: float, y1: float) -> Part:
    return poly(slot, (x0, y0), (x1, y0), (x1, y1), (x0, y1))


def oval(slot: int, x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> Part:
    """A filled ellipse around (x, y), turned by `turn` radians."""
    side, up = rx * np.cos(_ROUND), (rx if ry is None else ry) * np.sin(_ROUND)
    cos, sin = np.cos(turn), np.sin(turn)
    return Part(np.stack([x + side * cos - up * sin, y + side * sin + up * cos], 1), slot)


def line(slot: int, width: float, *points: XY) -> Part:
    return Part(np.array(points, np.float64), slot, width)


def ring(slot: int, width: float, x: float, y: float, radius: float) -> Part:
    points = oval(slot, x, y, radius).points
    return Part(np.concatenate([points, points[:1]]), slot, width)


def curve(slot: int, width: float, start: XY, bend: XY, end: XY) -> Part:
    """A quadratic Bezier line from start to end, pulled towards bend."""
    share = np.linspace(0, 1, 9)[:, None]
    points = (1 - share) ** 2 * np.array(start) + 2 * share * (1 - share) * np.array(bend) + share**2 * np.array(end)
    return Part(points, slot, width)


def row(slot: int, x0: float, x1: float, y0: float, y1: float, count: int, fill: float = 0.7) -> list[Part]:
    """`count` equal boxes between x0 and x1 (windows, planks), each covering `fill` of its share."""
    step = (x1 - x0) / count
    lefts = [x0 + step * (i + (1 - fill) / 2) for i in range(count)]
    return [rect(slot, left, y0, left + step * fill, y1) for left in lefts]


def wheel(x: float, y: float, radius: float) -> list[Part]:
    return [oval(DARK, x, y, radius), oval(LIGHT, x, y, 0.45 * radius)]


def placed(parts: Sequence[Part], to_xy: XY, scale: float = 1.0) -> list[Part]:
    return [Part(part.points * scale + np.array(to_xy), part.slot, part.width * scale) for part in parts]
