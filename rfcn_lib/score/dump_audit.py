"""The audit of dumps, before any score is computed.

It checks that the folder holds the files of exactly these pictures, that each file is whole, and that its numbers can be the
network's outputs.
"""

import hashlib
import math
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.files import read_bounded
from rfcn_lib.names import name_fault
from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Floats, Outputs
from rfcn_lib.score.dumps import FLOAT32, DumpError, file_names, shapes

SUM_TOLERANCE: Final = (
    1e-2  # an fp16 softmax of 21 moves its sum by some 1e-3 (2**-11 a number, fast exp); ten times that
)
LARGEST_PROBABILITY: Final = 1 + 2**-10  # the next fp16 number above 1
SMALLEST_NORMAL: Final = float(np.finfo(np.float32).smallest_normal)
_SHOWN: Final = 3


def read_dump(folder: Path, id: str, port: Port) -> Outputs:
    """Read and audit one picture's dump.

    Raises:
        DumpError: a file is missing, short, long, not finite, constant, or cls_prob is no table of probabilities.
    """
    return _read(folder, id, port)[0]


def read_dumps(
    folder: Path, ids: Sequence[str], port: Port, *, surplus_allowed: Collection[str] = ()
) -> Iterator[tuple[str, Outputs, str]]:
    """Stream id, outputs and sha256 of the dumps of `ids`, in that order, one in memory at a time.

    This call checks names and sizes of all files. Their content is checked as each picture is read, and also that no two
    pictures have the same dump. `surplus_allowed`: ids or file names that may lie there too; they are not read.

    Raises:
        DumpError: see `audit`.
    """
    _audit_files(folder, ids, port, surplus_allowed)
    return _stream(folder, ids, port)


def audit(folder: Path, ids: Sequence[str], port: Port, *, surplus_allowed: Collection[str] = ()) -> dict[str, str]:
    """Run every check over every dump. It reads each file once, and holds one picture in memory at a time.

    Returns:
        id -> sha256 (hex) of its files' bytes, one after the other in output order.

    Raises:
        DumpError: files missing, surplus, short or long; NaN or Inf; an array that is constant; rois of another picture
            of the batch; cls_prob rows that are no probabilities; the same dump under two ids. Two identical JPEG files
            give identical dumps as well: a set holds a picture once.
    """
    _audit_files(folder, ids, port, surplus_allowed)
    return {id: digest for id, _, digest in progress(_stream(folder, ids, port), len(ids), "audit of dumps")}


def _stream(folder: Path, ids: Sequence[str], port: Port) -> Iterator[tuple[str, Outputs, str]]:
    owner: dict[str, str] = {}
    for id in ids:
        outputs, digest = _read(folder, id, port)
        if digest in owner:
            raise DumpError(
                f"{folder}: {id}_*.bin repeat {owner[digest]}_*.bin byte for byte, but every picture should have "
                f"its own outputs; a device that hands out an old buffer does this: run {id} again"
            )
        owner[digest] = id
        yield id, outputs, digest


def _audit_files(folder: Path, ids: Sequence[str], port: Port, surplus_allowed: Collection[str]) -> None:
    if not ids or len(set(ids)) != len(ids):
        raise DumpError(
            f"{folder}: {len(ids)} ids asked for, {len(set(ids))} different; each should come once, and at least one"
        )
    want = {
        name: FLOAT32.itemsize * math.prod(shape)
        for id in ids
        for name, shape in zip(file_names(id), shapes(port), strict=True)
    }
    allowed = set(surplus_allowed).union(*(file_names(id) for id in surplus_allowed if not name_fault(id)))
    got: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name in want or entry.name not in allowed:
                    got[entry.name] = entry.stat().st_size if entry.is_file() else -1
    except OSError as error:
        raise DumpError(
            f"no dumps at {folder}: {error.strerror}; pass the folder that holds <id>_1.bin with --dumps=DIR"
        ) from error
    faults = {
        "missing": [name for name in want if name not in got],
        "surplus": sorted(name for name in got if name not in want),
        "no plain file": [name for name in want if got.get(name) == -1],
        "short": [f"{n} has {got[n]:,} of {size:,} bytes" for n, size in want.items() if 0 <= got.get(n, size) < size],
        "long": [f"{n} has {got[n]:,} of {size:,} bytes" for n, size in want.items() if got.get(n, size) > size],
    }
    said = [f"{len(names):,} {fault}: {_some(names)}" for fault, names in faults.items() if names]
    if said:
        raise DumpError(
            f"{folder} should hold {len(want):,} files, {len(spec.OUTPUTS)} for each of {len(ids):,} ids, but has "
            f"{'; '.join(said)}; make these dumps again, or pass the folder of exactly these pictures with --dumps=DIR"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")


def _read(folder: Path, id: str, port: Port) -> tuple[Outputs, str]:
    digest = hashlib.sha256()
    arrays: list[Floats] = []
    for name, shape in zip(file_names(id), shapes(port), strict=True):
        size = FLOAT32.itemsize * math.prod(shape)
        try:
            data = read_bounded(folder / name, size)
        except OSError as error:
            raise DumpError(f"cannot read {folder / name}: {error.strerror}; make the dump of {id} again") from error
        if data is None or len(data) != size:
            found = f"more than {size:,}" if data is None else f"{len(data):,}"
            raise DumpError(
                f"{folder / name} has {found} bytes, but {shape} float32 are {size:,}; make the dump of {id} again"
            )
        digest.update(data)
        arrays.append(np.frombuffer(data, FLOAT32).reshape(shape).astype(np.float32, copy=False))
    rois, cls_prob, bbox_pred = arrays
    outputs = Outputs(rois, cls_prob, bbox_pred)
    fault = fault_of(outputs)
    if fault:
        output, said = fault
        raise DumpError(
            f"{folder / file_names(id)[spec.OUTPUTS.index(output)]}: {output} {said}; make the dump of {id} again: remove "
            f"{id}_*.bin there, and run once more"
        )
    return outputs, digest.hexdigest()


def fault_of(outputs: Outputs) -> tuple[str, str] | None:
    """The first thing wrong with three arrays of the port's shapes, as (output, words); None when they can be judged.

    A cls_prob of equal rows is allowed: in fp16 every row can saturate to background. Integers of 32 bits that are read as
    floats are below `SMALLEST_NORMAL`, or NaN.
    """
    rois, cls_prob, bbox_pred = outputs.rois, outputs.cls_prob, outputs.bbox_pred
    for output, array in zip(spec.OUTPUTS, (rois, cls_prob, bbox_pred), strict=True):
        finite = np.isfinite(array)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            bad = array.size - int(finite.sum())
            return output, f"has {bad:,} of {array.size:,} numbers NaN or infinite, first at row {row} column {column}"
        largest = float(np.abs(array).max())
        if 0 < largest < SMALLEST_NORMAL:
            return output, f"has no number above {largest:.3g}, as integers have that are read as float32"
        moving = array[:, 1:] if output == "rois" else array
        if (
            moving[-1, -1] == moving[0, 0] and (moving == moving[0, 0]).all()
        ):  # the first comparison is nearly always enough
            return output, f"is constant ({moving[0, 0]:g} everywhere), but should describe a picture"
        rows_differ = output == "cls_prob" or len(array) == 1 or not np.array_equal(moving[-1], moving[0])
        if not rows_differ and (moving == moving[0]).all():
            return output, f"has {len(array)} equal rows, but should differ from box to box"
    if rois[:, 0].any():
        row = int(np.flatnonzero(rois[:, 0])[0])
        return (
            "rois",
            f"has batch index {rois[row, 0]:g} in row {row}, but should be rows of 0 x1 y1 x2 y2, one picture a dump",
        )
    outside = (cls_prob < 0) | (cls_prob > LARGEST_PROBABILITY)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        return "cls_prob", f"is {cls_prob[row, column]:g} at row {row} column {column}, but should lie in [0, 1]"
    sums = cls_prob.sum(axis=1, dtype=np.float64)
    if (np.abs(sums - 1) > SUM_TOLERANCE).any():
        row = int(np.argmax(np.abs(sums - 1)))
        return "cls_prob", f"row {row} sums to {sums[row]:.6g}, but should sum to 1 within {SUM_TOLERANCE:g}"
    return None
