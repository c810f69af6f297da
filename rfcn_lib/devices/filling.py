"""One picture after another through a device into a folder of dumps; what is there already is not done again."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Floats, Outputs, Picture
from rfcn_lib.score.dumps import file_names, shapes, write_dump

Prepare = Callable[[str], tuple[Floats, Picture]]  # id -> (1, 3, H, W) float32 and what was done to the picture
Run = Callable[[Floats, Picture], Outputs]


def missing(folder: Path, ids: Sequence[str], port: Port) -> tuple[str, ...]:
    """The ids whose dump is not complete in `folder`: a file absent, or of another size than the port's arrays."""
    sizes = [4 * rows * columns for rows, columns in shapes(port)]
    there = {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()}
    return tuple(
        id for id in ids if any(there.get(name) != size for name, size in zip(file_names(id), sizes, strict=True))
    )


def fill(folder: Path, ids: Sequence[str], port: Port, prepare: Prepare, device: Callable[[], Run], what: str) -> int:
    """Make the missing dumps of `ids`; returns how many that were. `device` is only started when one is missing."""
    wanted = missing(folder, ids, port)
    if wanted:
        run = device()
        for id in progress(wanted, len(wanted), what):
            im_data, picture = prepare(id)
            write_dump(folder, id, run(im_data, picture))
    return len(wanted)
