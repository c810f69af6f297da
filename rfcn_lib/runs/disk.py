"""What batches for a vendor's tool take of the disk, said before the first one and held against what is there at each."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port
from rfcn_lib.score.dumps import FLOAT32, shapes

SPARE_BYTES: Final = 64_000_000  # the tools' own logs


class NoRoomError(SuiteError):
    """The disk has no room for a batch."""


def in_batches(devices: Sequence[int], batches: Sequence[int], bin_bytes: Sequence[int]) -> str:
    """Devices, batches and the bins that lie on the disk at a time, in words; batch and size of a bin per canvas."""
    named = f"device{'s' if len(devices) > 1 else ''} {', '.join(map(str, devices))}"
    of = " or ".join(map(str, sorted(set(batches))))
    # a batch under way and the next one
    bins_bytes = max(2 * batch * len(devices) * size for batch, size in zip(batches, bin_bytes, strict=True))
    return f"{named}, batches of {of}; at most {bins_bytes / 1e6:.0f} MB of bins"


def expect_batch_room(folder: Path, count: int, port: Port) -> None:
    """Raise NoRoomError unless the disk of `folder` has room for the bins and dumps of `count` pictures."""
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
    """Whether the disk of `folder` has no room left but for logs; then a tool that writes there fails in many ways."""
    return shutil.disk_usage(folder).free < SPARE_BYTES


def bin_bytes(canvas_wh: Wh) -> int:
    """Size of a bin: (1, 3, H, W) float32."""
    return FLOAT32.itemsize * 3 * canvas_wh[0] * canvas_wh[1]
