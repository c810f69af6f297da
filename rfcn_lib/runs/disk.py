"""How much of the disk a run takes: its dumps, and for a vendor's tool its batches of bins. Asked before anything is written."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port
from rfcn_lib.progress import in_bytes
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.dumps import FLOAT32, DumpError, shapes

BLOCK_BYTES: Final = 4096  # files take whole blocks of the disk
SPARE_BYTES: Final = 64_000_000  # the tools' own logs


class NoRoomError(SuiteError):
    """The disk has no room for a batch."""


def expect_room(folder: RunFolder, count: int, name: str) -> str:
    """Say what the dumps of `count` pictures need and what the disk has: "0.7 GB of dumps, 12.0 GB free".

    Raises:
        DumpError: the disk has less than they need.
    """
    need = count * (dump_bytes(folder.port) + folder.more_bytes)
    free = shutil.disk_usage(folder.path).free
    if need > free:
        raise DumpError(
            f"{name}: the dumps of {count:,} pictures need {in_bytes(need)}, but the disk of {folder.path} has "
            f"{in_bytes(free)} left; free some space, or pass --store=DIR on another disk; what is there is kept"
        )
    return f"{in_bytes(need)} of dumps, {in_bytes(free)} free"


def dump_bytes(port: Port) -> int:
    """What the three files of a dump take on a disk, in whole blocks."""
    sizes = (FLOAT32.itemsize * rows * columns for rows, columns in shapes(port))
    return sum(-(-size // BLOCK_BYTES) * BLOCK_BYTES for size in sizes)


def in_batches(devices: Sequence[int], batches: Sequence[int], bin_bytes: Sequence[int]) -> str:
    """Say which devices run batches of how many pictures, and how much of the disk their bins take at most.

    batches, bin_bytes  of each canvas: pictures of a batch, bytes of a bin
    """
    named = f"device{'s' if len(devices) > 1 else ''} {', '.join(map(str, devices))}"
    of = " or ".join(map(str, sorted(set(batches))))
    # a batch under way and the next one
    bins_bytes = max(2 * batch * len(devices) * size for batch, size in zip(batches, bin_bytes, strict=True))
    return f"{named}, batches of {of}; at most {bins_bytes / 1e6:.0f} MB of bins"


def expect_batch_room(folder: Path, count: int, port: Port) -> None:
    """Raise NoRoomError unless the disk of `folder` has room for the bins and dumps of `count` pictures on the port's canvas."""
    picture = bin_bytes(port.pictures.canvas_wh_px) + FLOAT32.itemsize * sum(
        rows * columns for rows, columns in shapes(port)
    )
    need, free = picture * count + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < need:
        raise NoRoomError(
            f"{folder} has {free / 1e9:.2f} GB of room, but {count} pictures and logs need {need / 1e9:.2f} GB; "
            "free some, take smaller batches, or pass --store=DIR on another disk"
        )


def is_full(folder: Path) -> bool:
    """Whether the disk of `folder` has no room left but for logs. A tool that writes there then fails in many ways."""
    return shutil.disk_usage(folder).free < SPARE_BYTES


def bin_bytes(canvas_wh: Wh) -> int:
    """Bytes of a bin: (1, 3, H, W) float32."""
    return FLOAT32.itemsize * 3 * canvas_wh[0] * canvas_wh[1]
