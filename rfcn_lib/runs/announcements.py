"""What a run says on stderr: its plan before the first picture, how long it will take, and how to go on when it is stopped.

Not in `rfcn_lib.progress`: that module knows nothing of pictures and canvases.
"""

from collections.abc import Collection, Sequence
from typing import Final

from rfcn_lib.pictures.canvases import IdsByCanvas
from rfcn_lib.progress import in_words, say
from rfcn_lib.runs.folder import RunFolder

WORTH_SAYING_S: Final = 60.0  # a shorter run is over before its length is read


def say_plan(name: str, to_do: int, there: int, by_canvas: IdsByCanvas, *details: str) -> None:
    """Say how many pictures a run has to make, how many dumps are there, on which canvas, and the details that are not ""."""
    canvases = (
        f"{len(by_canvas)} canvases" if len(by_canvas) > 1 else "canvas {} x {} px".format(*next(iter(by_canvas)))
    )
    words = "; ".join(filter(None, [canvases, *details]))
    say(f"{name}: {to_do:,} pictures to do, {there:,} already there; {words}; stop when you like")


def say_time_left(
    name: str, pace_s: float, measured: Sequence[str], left: Collection[str], by_canvas: IdsByCanvas
) -> None:
    """Say how long the pictures `left` will take, when those `measured` took `pace_s`. Silent below WORTH_SAYING_S.

    A picture is taken to need time in proportion to its canvas's area.
    """
    area = {id: width * height for (width, height), ids in by_canvas.items() for id in ids}
    left_s = pace_s * sum(area[id] for id in left) / sum(area[id] for id in measured)
    if left_s >= WORTH_SAYING_S:
        pace = f"the pace of {measured[0]}{f' to {measured[-1]}' if len(measured) > 1 else ''}"
        say(f"{name}: {len(left):,} pictures are left, about {in_words(left_s)} at {pace}")


def say_stopped(name: str, finished: int, count: int, folder: RunFolder) -> None:
    """Say how many pictures a stopped run has finished, where they are, and how to go on."""
    there = f"{finished:,} of {count:,} pictures finished; they are kept in {folder.path}"
    say(f"{name}: stopped with {there}, and the same command goes on from there")
