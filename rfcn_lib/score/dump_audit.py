"""The audit of dumps, before any score is computed.

It checks that the folder holds the files of exactly these pictures, that each file is whole, and that its numbers can be the
network's outputs.
"""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.files import read_bounded
from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Floats, Outputs
from rfcn_lib.score.dump_files import expect_files
from rfcn_lib.score.dump_forms import OWN, Form, array_of, payload_bytes
from rfcn_lib.score.dumps import FLOAT32, DumpError, shapes

SUM_TOLERANCE: Final = (
    1e-2  # an fp16 softmax of 21 moves its sum by some 1e-3 (2**-11 a number, fast exp); ten times that
)
LARGEST_PROBABILITY: Final = 1 + 2**-10  # the next fp16 number above 1
SMALLEST_NORMAL: Final = float(np.finfo(np.float32).smallest_normal)


def read_dump(folder: Path, id: str, port: Port, form: Form = OWN) -> Outputs:
    """Read and audit one picture's dump.

    Raises:
        DumpError: a file is missing, short, long, not finite, constant, or cls_prob is no table of probabilities.
    """
    return _read(folder, id, port, form)[0]


def read_dumps(
    folder: Path,
    ids: Sequence[str],
    port: Port,
    *,
    form: Form = OWN,
    surplus_allowed: Collection[str] = (),
    surplus_names: re.Pattern[str] | None = None,
) -> Iterator[tuple[str, Outputs, str]]:
    """Stream id, outputs and sha256 of the dumps of `ids`, in that order, one in memory at a time.

    This call checks names and sizes of all files. Their content is checked as each picture is read, and also that no two
    pictures have the same dump. The sha256 is of the three arrays as raw float32, so it is the same in every form.

    Args:
        folder: where the files are.
        ids: the pictures.
        port: gives the arrays their shapes.
        form: how the files are named and what they hold.
        surplus_allowed: ids or file names that may lie there too; they are not read.
        surplus_names: other names that may lie there too.

    Raises:
        DumpError: see `audit`.
    """
    expect_files(folder, ids, port, form, surplus_allowed, surplus_names)
    return _stream(folder, ids, port, form)


def audit(
    folder: Path, ids: Sequence[str], port: Port, *, form: Form = OWN, surplus_allowed: Collection[str] = ()
) -> dict[str, str]:
    """Run every check over every dump. It reads each file once, and holds one picture in memory at a time.

    Returns:
        id -> sha256 (hex) of its arrays as raw float32, one after the other in output order.

    Raises:
        DumpError: files missing, surplus, of another size or another output's; NaN or Inf; an array that is constant; rois
            of another picture of the batch; cls_prob rows that are no probabilities; the same dump under two ids. Two
            identical JPEG files give identical dumps as well: a set holds a picture once.
    """
    expect_files(folder, ids, port, form, surplus_allowed)
    return {id: digest for id, _, digest in progress(_stream(folder, ids, port, form), len(ids), "audit of dumps")}


def _stream(folder: Path, ids: Sequence[str], port: Port, form: Form) -> Iterator[tuple[str, Outputs, str]]:
    owner: dict[str, str] = {}
    for id in ids:
        outputs, digest = _read(folder, id, port, form)
        if digest in owner:
            raise DumpError(
                f"{folder}: {id}_*{form.suffix} repeat {owner[digest]}_*{form.suffix} byte for byte, but every picture should "
                f"have its own outputs; a device that hands out an old buffer does this: run {id} again"
            )
        owner[digest] = id
        yield id, outputs, digest


def _read(folder: Path, id: str, port: Port, form: Form) -> tuple[Outputs, str]:
    digest = hashlib.sha256()
    arrays: list[Floats] = []
    shape_of = dict(zip(spec.OUTPUTS, shapes(port), strict=True))
    for name, shape in zip(form.names(id), shape_of.values(), strict=True):
        most = form.most_bytes(shape)
        try:
            data = read_bounded(folder / name, most)
        except OSError as error:
            raise DumpError(f"cannot read {folder / name}: {error.strerror}; make the dump of {id} again") from error
        if data is None:
            array: Floats | str = f"has more than {most:,} bytes, but {shape} float32 are {payload_bytes(shape):,}"
        else:
            array = array_of(data, form, shape, shape_of)
        if isinstance(array, str):
            raise DumpError(f"{folder / name} {array}; make the dump of {id} again")
        digest.update(array.astype(FLOAT32, copy=False).tobytes())
        arrays.append(array)
    rois, cls_prob, bbox_pred = arrays
    outputs = Outputs(rois, cls_prob, bbox_pred)
    fault = fault_of(outputs)
    if fault:
        output, said = fault
        raise DumpError(
            f"{folder / form.names(id)[spec.OUTPUTS.index(output)]}: {output} {said}; make the dump of {id} again: remove "
            f"{id}_*{form.suffix} there, and run once more"
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
