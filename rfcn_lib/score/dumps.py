"""Dumps: the network's three arrays of one picture, and the audit that comes before any score.

`<folder>/<id>_1.bin` rois (R, 5), `_2.bin` cls_prob (R, C), `_3.bin` bbox_pred (R, 4 * C): raw little-endian float32,
no header, named as the published inference tool names them (spec.DUMP_FIRST_INDEX). R is the port's rows kept by the
proposals, C its classes and background.
"""

import errno
import hashlib
import math
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Floats, Outputs

FLOAT32: Final = np.dtype("<f4")
SUM_TOLERANCE: Final = (
    1e-2  # an fp16 softmax of 21 moves its sum by some 1e-3 (2**-11 a number, fast exp); ten times that
)
LARGEST_PROBABILITY: Final = 1 + 2**-10  # the next fp16 number above 1
SMALLEST_NORMAL: Final = float(np.finfo(np.float32).smallest_normal)
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # one path component, never hidden, never `..`
_SHOWN: Final = 3
ASIDE: Final = ".partial"
FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DumpError(ValueError):
    """A dump cannot be judged: says which file, what it holds, what it should hold, and what to do."""


def file_names(id: str) -> tuple[str, ...]:
    """Names of one picture's files, in the order of `spec.OUTPUTS`.

    Raises:
        DumpError: the id could lead out of the folder.
    """
    if not _ID.fullmatch(id):
        raise DumpError(
            f"id {id!r} cannot name a dump: should be up to 128 letters, digits, '_', '-', '.'; check the set file"
        )
    return tuple(f"{id}_{spec.DUMP_FIRST_INDEX + k}.bin" for k in range(len(spec.OUTPUTS)))


def shapes(port: Port) -> tuple[tuple[int, int], ...]:
    """Shapes of the three arrays, in the order of `spec.OUTPUTS`."""
    rows, columns = port.proposals.kept, len(port.classes) + 1
    return (rows, 5), (rows, columns), (rows, 4 * columns)


def write_dump(folder: Path, id: str, outputs: Outputs) -> None:
    """Write one picture's three files, each aside and renamed, so a file is whole or absent.

    Each is on the disk before it gets its name: a kill alone would lose nothing that was written, but after a power cut
    a file could have its name and size and no content. That costs milliseconds where a picture costs seconds.

    Raises:
        DumpError: the id is no file name, the folder cannot be written, or an array would lose digits as float32.
    """
    names = file_names(id)
    asides = [folder / f".{name}{ASIDE}" for name in names]
    try:
        for name, aside, output in zip(names, asides, spec.OUTPUTS, strict=True):
            array = getattr(outputs, output)
            if not np.can_cast(array.dtype, np.float32, "safe"):
                raise DumpError(
                    f"{name}: {output} is {array.dtype}, but a dump is float32; convert on purpose before writing"
                )
            with aside.open("wb") as file:
                file.write(np.ascontiguousarray(array, FLOAT32).tobytes())
                file.flush()
                os.fsync(file.fileno())
        for name, aside in zip(names, asides, strict=True):
            aside.replace(folder / name)
    except OSError as error:
        remedy = "the folder should exist and be writable"
        if error.errno in FULL:
            remedy = "free some space, or choose another disk (--store=DIR); what was finished before is kept"
        raise DumpError(f"cannot write {folder / name}: {error.strerror}; {remedy}") from error
    finally:
        for aside in asides:
            with suppress(OSError):
                aside.unlink()


def sweep(folder: Path) -> None:
    """Remove what a killed `write_dump` left half written; nobody else may be writing there."""
    with os.scandir(folder) as entries:
        left = [Path(entry) for entry in entries if entry.name.startswith(".") and entry.name.endswith(f".bin{ASIDE}")]
    for path in left:
        path.unlink()


def digest_of(folder: Path, id: str) -> str:
    """sha256 (hex) of one picture's files, one after the other in output order; as `read_dumps` and `audit` give it."""
    digest = hashlib.sha256()
    for name in file_names(id):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


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

    File names and sizes are audited by this call, before anything is yielded; content, and one picture's dump under
    another id, as the pictures are read. `surplus_allowed`: ids or file names that may lie there unread.

    Raises:
        DumpError: see `audit`.
    """
    _audit_files(folder, ids, port, surplus_allowed)
    return _stream(folder, ids, port)


def audit(folder: Path, ids: Sequence[str], port: Port, *, surplus_allowed: Collection[str] = ()) -> dict[str, str]:
    """Run every check over every dump, to be called before a score is computed. Reads each file once, memory flat.

    Returns:
        id -> sha256 (hex) of its files' bytes, one after the other in output order: evidence of what was judged.

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
    allowed = set(surplus_allowed).union(*(file_names(id) for id in surplus_allowed if _ID.fullmatch(id)))
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
            with (folder / name).open("rb") as file:
                data = file.read(size + 1)  # one more than allowed: a long file shows without being read
        except OSError as error:
            raise DumpError(f"cannot read {folder / name}: {error.strerror}; make the dump of {id} again") from error
        if len(data) != size:
            found = f"{len(data):,}" if len(data) < size else f"more than {size:,}"
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

    A cls_prob of equal rows is legal: fp16 can saturate to background. Integers of 32 bits, read as floats, are numbers
    below `SMALLEST_NORMAL`, or none at all.
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
        ):  # the first question answers nearly always
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
