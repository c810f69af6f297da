"""What batches for a vendor's tool take of the disk, said before the first one and held against what is there at each."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rfcn_lib.devices.filling import expect_room
from rfcn_lib.port import Port
from rfcn_lib.score.dumps import FLOAT32, shapes

SPARE_BYTES: Final = 64_000_000  # the tools' own logs


class NoRoomError(Exception):
    """The disk has no room for a batch."""


def plan(folder: Path, count: int, port: Port, what: str, devices: Sequence[int], batch: int) -> str:
    """Canvas, devices and batches of `count` pictures, what they take of the disk of `folder` and what there is, in words.

    Raises:
        DumpError: the disk has no room for the dumps.
    """
    width, height = port.pictures.canvas_wh_px
    bins_bytes = 2 * batch * len(devices) * _bin_bytes(port)  # a batch under way and the next one
    room = expect_room(folder, count, port, what)
    named = f"device{'s' if len(devices) > 1 else ''} {', '.join(map(str, devices))}"
    return (
        f"canvas {width} x {height} px; {named}, batches of {batch}; at most {bins_bytes / 1e6:.0f} MB of bins, {room}"
    )


def expect_batch_room(folder: Path, count: int, port: Port) -> None:
    """Raise NoRoomError unless the disk of `folder` has room for the bins and dumps of `count` pictures."""
    picture = _bin_bytes(port) + FLOAT32.itemsize * sum(rows * columns for rows, columns in shapes(port))
    need, free = picture * count + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < need:
        raise NoRoomError(
            f"{folder} has {free / 1e9:.2f} GB of room, but {count} pictures and logs need {need / 1e9:.2f} GB; "
            "free some, take smaller batches, or pass --store=DIR on another disk"
        )


def _bin_bytes(port: Port) -> int:
    width, height = port.pictures.canvas_wh_px
    return FLOAT32.itemsize * 3 * width * height
