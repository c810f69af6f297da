"""What a run is going to take, in words: said before the first picture, and in hours as soon as a pace is known."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rfcn_lib.pictures.canvases import IdsByCanvas
from rfcn_lib.port import Port
from rfcn_lib.progress import in_words, say
from rfcn_lib.score.dumps import DumpError, shapes

WORTH_SAYING_S: Final = 60  # a shorter run is over before its length is read
BLOCK_BYTES: Final = 4096  # files take whole blocks of the disk


def say_plan(what: str, to_do: int, before: int, *pieces: str) -> None:
    """Pictures to do and pictures that are there, and then whatever else is known."""
    say(f"{what}: {to_do:,} pictures to do, {before:,} already there; {'; '.join(pieces)}; stop when you like")


def in_canvases(canvases: IdsByCanvas) -> str:
    """`canvas 688 x 512 px`, or how many there are."""
    return f"{len(canvases)} canvases" if len(canvases) > 1 else "canvas {} x {} px".format(*next(iter(canvases)))


def say_hours(what: str, taken_s: float, done: Sequence[str], left: Sequence[str], canvases: IdsByCanvas) -> None:
    """How long the pictures `left` will take, each as long as its canvas is large, when `done` took `taken_s`.

    Silent where that is less than WORTH_SAYING_S.
    """
    area = {id: width * height for (width, height), ids in canvases.items() for id in ids}
    left_s = taken_s * sum(area[id] for id in left) / sum(area[id] for id in done)
    if left_s >= WORTH_SAYING_S:
        pace = f"the pace of {done[0]}{f' to {done[-1]}' if len(done) > 1 else ''}"
        say(f"{what}: {len(left):,} pictures are left, about {in_words(left_s)} at {pace}")


def expect_room(folder: Path, count: int, port: Port, what: str) -> str:
    """What the dumps of `count` pictures need and what there is, in words. Raises DumpError when that is too little."""
    sizes = (4 * rows * columns for rows, columns in shapes(port))
    need = count * sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise DumpError(
            f"{what}: the dumps of {count:,} pictures need {in_bytes(need)}, but the disk of {folder} has {in_bytes(free)} "
            "left; free some space, or pass --store=DIR on another disk; what is there is kept"
        )
    return f"{in_bytes(need)} of dumps, {in_bytes(free)} free"


def in_bytes(count: float) -> str:
    """`0.7 GB`, `12.3 MB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
