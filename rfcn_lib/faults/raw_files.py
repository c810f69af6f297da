"""Faults of the files of dumps: bytes, names, sizes."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.faults.fault import Bench, CommandFault
from rfcn_lib.records import Floats
from rfcn_lib.score.dumps import FLOAT32

ROIS, SCORES, DELTAS = (spec.DUMP_FIRST_INDEX + at for at in range(3))


def own_dumps(bench: Bench) -> Path:
    """A copy of the dumps that a fault may change."""
    return Path(shutil.copytree(bench.dumps, bench.folder / "dumps"))


def ids_of(dumps: Path) -> list[str]:
    """Ids of the pictures in a folder of dumps, sorted."""
    return sorted(path.name.removesuffix(f"_{ROIS}.bin") for path in dumps.glob(f"*_{ROIS}.bin"))


def given(dumps: Path) -> tuple[str, ...]:
    """The option that hands the dumps in."""
    return (f"--dumps={dumps}",)


def outputs_swapped(bench: Bench) -> tuple[str, ...]:
    """The first two outputs of each picture have each other's names."""
    dumps = own_dumps(bench)
    for id in ids_of(dumps):
        one, other, aside = dumps / f"{id}_{ROIS}.bin", dumps / f"{id}_{SCORES}.bin", bench.folder / "aside"
        one.replace(aside)
        other.replace(one)
        aside.replace(other)
    return given(dumps)


def _each(change: Callable[[Floats], bytes], index: int, bench: Bench) -> tuple[str, ...]:
    """Change one output of each picture: raw float32 -> other bytes."""
    dumps = own_dumps(bench)
    for id in ids_of(dumps):
        path = dumps / f"{id}_{index}.bin"
        path.write_bytes(change(np.fromfile(path, FLOAT32)))
    return given(dumps)


def as_fp16(numbers: Floats) -> bytes:
    """Half of the bytes."""
    return numbers.astype("<f2").tobytes()


def big_endian(numbers: Floats) -> bytes:
    """The bytes of each number in the other order."""
    return numbers.astype(">f4").tobytes()


def columns_first(columns: int, numbers: Floats) -> bytes:
    """(R, C) as (C, R)."""
    return np.ascontiguousarray(numbers.reshape(-1, columns).T).tobytes()


def _one(change: Callable[[Path], object], index: int, bench: Bench) -> tuple[str, ...]:
    """Change one file of the picture in the middle."""
    dumps = own_dumps(bench)
    ids = ids_of(dumps)
    change(dumps / f"{ids[len(ids) // 2]}_{index}.bin")
    return given(dumps)


def cut_short(path: Path) -> None:
    """Half of the file is missing."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def with_nan(path: Path) -> None:
    """One number is no number."""
    numbers = np.fromfile(path, FLOAT32)
    numbers[0] = np.nan
    numbers.tofile(path)


FAULTS: Final = (
    CommandFault(
        "outputs-swapped", "files",
        "The files of rois and scores have each other's names. Compare the order of the om's outputs.",
        outputs_swapped,
    ),
    CommandFault(
        "dumps-in-fp16", "files",
        "The scores are written as fp16, two bytes a number. Look at --output_type of atc.",
        partial(_each, as_fp16, SCORES),
    ),
    CommandFault(
        "bytes-reversed", "files",
        "The scores' bytes are in the other order (big-endian).", partial(_each, big_endian, SCORES),
    ),
    CommandFault(
        "rois-column-by-column", "files",
        "The rois are written column by column, (5, R). They should be (R, 5).",
        partial(_each, partial(columns_first, 5), ROIS),
    ),
    CommandFault("one-file-cut-short", "files", "One file has half of its bytes.", partial(_one, cut_short, DELTAS)),
    CommandFault(
        "one-file-missing", "files",
        "One picture's scores are not there.", partial(_one, Path.unlink, SCORES),
    ),
    CommandFault("one-number-nan", "files", "One picture's scores hold a NaN.", partial(_one, with_nan, SCORES)),
)  # fmt: skip
