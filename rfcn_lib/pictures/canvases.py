"""The canvases that hold a set of pictures with the least padding, and the canvas of each picture.

After the protocol's resize all pictures have the same shorter side. So a canvas has that shorter side too, and holds pictures of
one orientation. How much padding a choice has depends on the longer sides alone, and the best choice is computed exactly.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

from rfcn_lib.errors import SuiteError

Wh = tuple[int, int]
IdsByCanvas = Mapping[Wh, tuple[str, ...]]  # width and height in px -> ids of the pictures on it

MOST: Final = (
    6  # each canvas needs a graph and a compilation; on VOC2007 test a seventh would save 0.3 % of the published area
)
MULTIPLE_PX: Final = 16  # the network's stride, spec.FEATURE_STRIDE: a larger canvas has cells of padding only


class CanvasError(SuiteError):
    """No canvases can be chosen, or none of them holds a picture."""


def fitted_canvases(
    scaled_sizes_wh: Collection[Wh], most: int = MOST, multiple_px: int = MULTIPLE_PX
) -> tuple[Wh, ...]:
    """At most `most` canvases, (width, height) px, smallest first, whose area summed over all pictures is the least.

    scaled_sizes_wh  (width, height) px of every picture after the resize, one entry a picture
    multiple_px      both sides of a canvas are multiples of this

    Each picture is on the smallest canvas that holds it. One side of every canvas is the largest shorter side of the pictures,
    rounded up; among such canvases the result is the best. Method: dynamic programming over the longer sides of each orientation,
    for every division of `most` between the two orientations. Nearly square pictures fit both, and go where the sum is less.

    Raises:
        CanvasError: no picture, a size below 1 px, or both orientations and `most` is 1.
    """
    if not scaled_sizes_wh or most < 1 or multiple_px < 1 or any(min(size) < 1 for size in scaled_sizes_wh):
        raise CanvasError(
            f"{len(scaled_sizes_wh)} pictures, at most {most} canvases and multiples of {multiple_px} px were given, but "
            "each should be 1 or more, as should every side of a picture"
        )
    short = max(_up(min(size), multiple_px) for size in scaled_sizes_wh)
    longs = Counter((width > height, _up(max(width, height), multiple_px)) for width, height in scaled_sizes_wh)
    either = sum(count for (_, side), count in longs.items() if side <= short)
    wide, tall = (
        {side: n for (is_wide, side), n in longs.items() if is_wide is way and side > short} for way in (True, False)
    )
    square = {short: either} if either else {}
    choices = [
        (of_wide[0] + of_tall[0], of_wide[1], of_tall[1])
        for with_wide, with_tall in (({**wide, **square}, tall), (wide, {**tall, **square}))
        for of_wide, of_tall in zip(_best(with_wide, most), reversed(_best(with_tall, most)), strict=True)
    ]
    cost, wide_sides, tall_sides = min(choices)
    if cost == _NEVER:
        raise CanvasError(
            "there are pictures of both orientations, so at least 2 canvases are needed, but 1 was asked for"
        )
    chosen = {(side, short) for side in wide_sides} | {(short, side) for side in tall_sides}
    return tuple(sorted(chosen, key=_by_area))


_NEVER: Final = float("inf")


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _by_area(canvas_wh: Wh) -> tuple[int, Wh]:
    return canvas_wh[0] * canvas_wh[1], canvas_wh


def _best(counts: Mapping[int, int], most: int) -> list[tuple[float, tuple[int, ...]]]:
    """For 0, 1, ... `most` canvases: (least sum over the pictures of their canvas's longer side, those sides).

    `counts`: rounded longer side -> pictures. The largest side is always one of the canvases. A canvas holds the
    pictures whose side is larger than that of the next smaller canvas.
    """
    if not counts:
        return [(0, ())] * (most + 1)
    sides = sorted(counts)
    upto = [0]
    for side in sides:
        upto.append(upto[-1] + counts[side])
    row: list[tuple[float, tuple[int, ...]]] = [(0, ()), *[(_NEVER, ())] * len(sides)]  # by number of sides served
    found = [row[-1]]
    for _ in range(most):
        row = [
            min(
                [
                    row[end],
                    *(
                        (cost + sides[end - 1] * (upto[end] - upto[start]), (*taken, sides[end - 1]))
                        for start, (cost, taken) in enumerate(row[:end])
                    ),
                ]
            )
            for end in range(len(row))
        ]
        found.append(row[-1])
    return found


def canvas_of(scaled_wh: Wh, canvases: Collection[Wh]) -> Wh:
    """The canvas of least area that holds a picture of `scaled_wh` px; of two alike, the narrower one.

    Raises:
        CanvasError: none holds it.
    """
    holding = [canvas for canvas in canvases if scaled_wh[0] <= canvas[0] and scaled_wh[1] <= canvas[1]]
    if not holding:
        raise CanvasError(
            f"a picture of {scaled_wh[0]} x {scaled_wh[1]} px after the resize fits none of the canvases "
            f"{', '.join(map(name_of, canvases))}; choose them from all the pictures"
        )
    return min(holding, key=_by_area)


def shared_out(scaled_sizes_wh: Mapping[str, Wh], canvases: Collection[Wh]) -> IdsByCanvas:
    """Canvas -> ids of its pictures, in their order; a canvas without pictures is left out. Raises CanvasError as `canvas_of`."""
    found: dict[Wh, list[str]] = {canvas: [] for canvas in sorted(canvases, key=_by_area)}
    for id, scaled_wh in scaled_sizes_wh.items():
        found[canvas_of(scaled_wh, canvases)].append(id)
    return {canvas: tuple(ids) for canvas, ids in found.items() if ids}


def ids_of(canvases: IdsByCanvas) -> tuple[str, ...]:
    """All pictures, canvas by canvas."""
    return tuple(id for ids in canvases.values() for id in ids)


def share_of(canvases: IdsByCanvas, published_wh: Wh) -> float:
    """Area of all pictures' canvases / area of as many published canvases; the work of the convolutions shrinks to this share."""
    area = sum(width * height * len(ids) for (width, height), ids in canvases.items())
    return area / (published_wh[0] * published_wh[1] * sum(map(len, canvases.values())))


def name_of(canvas_wh: Wh) -> str:
    """`688x512`: width x height, as files, tests and verdicts name a canvas."""
    return f"{canvas_wh[0]}x{canvas_wh[1]}"
