"""Which bins `ais_bench` runs, and how many make one input: io_operations.py and utils.py of tools-2025-12.

tools-2023-06 does the same, but looks at no mode, link or owner.
"""

import itertools
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from . import style
from .ais_bench_log import failed, info
from .ais_bench_paths import READ, is_legal

SUFFIXES = (".npy", ".NPY", ".bin", ".BIN")
PADDING = "padding_infer_fake_file"


def files_of(given: str | None) -> list[str]:
    """Bins of a folder in natural order, or the files given, comma separated; none: pure inference. Read in the source.

    Source: io_operations.py, read.
    """
    if given is None:
        return []
    inputs = given.split(",")
    if Path(inputs[0]).is_file():
        for index, path in enumerate(inputs):
            if not Path(path).is_file():
                raise failed(f"Invalid input args.--input:{inputs} input[{index}]:{path} {path} not exist")
        return inputs
    if not inputs[0] or not Path(inputs[0]).is_dir():
        raise failed(f"Invalid args. {inputs[0]}  of --input is invalid")
    if len(inputs) != 1:
        raise failed(f"Invalid args. args input dir num:{len(inputs)} not equal to model inputs num:1")
    return _in_folder(given)


def _in_folder(folder: str) -> list[str]:
    """Source: io_operations.py, seen for a refused bin, read for the rest."""
    found = []
    for name in os.listdir(folder):  # noqa: PTH208 - "./bin" stays "./bin"
        path = f"{folder.rstrip('/')}/{name}"
        # whatever lies there is looked at, a bin or not; seen in a run with bins of 0o664
        if style() == "2025" and not is_legal(path, READ):
            raise RuntimeError(f"input data:{path} is illegal")
        if name.endswith(SUFFIXES) and not Path(path).is_dir():
            found.append(path)
    if not found:
        raise failed(
            f"{folder} of input args not find valid file,valid file format:[{' '.join(f'*{s}' for s in SUFFIXES)}]"
        )

    def natural(path: str) -> list[object]:
        return [int(part) if part.isdigit() else part for part in re.split("([0-9]+)", path.lower())]

    return sorted(sorted(found), key=natural)


def in_batches(paths: Sequence[str], input_bytes: int) -> list[list[str]]:
    """Files for each inference, by the size of the first; the last is filled up. Seen in runs with bins of other sizes.

    Source: io_operations.py, seen.
    """
    size = _size(paths[0])
    if size == 0 or input_bytes % size:
        raise failed(f"arg0 tensorsize: {input_bytes} filesize: {size} not match")
    count = input_bytes // size
    info(
        f"get filesperbatch files0 size:{size} tensor0size:{input_bytes} filesperbatch:{count} "
        f"runcount:{math.ceil(len(paths) / count)}"
    )
    filled = [*paths, *[PADDING] * (-len(paths) % count)]
    return [filled[start : start + count] for start in range(0, len(filled), count)]


def shares_of(paths: Sequence[str], count: int) -> list[list[str]]:
    """As even as can be, the first ones larger: what each of `count` devices gets."""
    least, more = divmod(len(paths), count)
    starts = [least * i + min(i, more) for i in range(count + 1)]
    return [list(paths[start:end]) for start, end in itertools.pairwise(starts)]


def _size(path: str) -> int:
    if path.lower().endswith(".npy"):
        import numpy as np  # here, as refusals need none of it

        return np.load(path).nbytes
    return Path(path).stat().st_size
