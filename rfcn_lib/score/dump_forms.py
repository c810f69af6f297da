"""The forms in which inference tools write a picture's three outputs, and which of them a folder holds.

    <id>_1.bin, <id>_2.bin, <id>_3.bin    `benchmark`, and this suite's own dumps
    <id>_0.bin, <id>_1.bin, <id>_2.bin    `ais_bench --outfmt BIN`, as the port's newer revision calls it
    <id>_0.npy, <id>_1.npy, <id>_2.npy    `ais_bench --outfmt NPY`

A .bin holds the raw little-endian float32 of the array. A .npy says type and shape itself: float32, (R, C) or (1, R, C).
"""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.records import Floats
from rfcn_lib.score.dumps import FLOAT32, DumpError, file_names

MOST_HEADER_BYTES: Final = 4096  # of a .npy; numpy writes 128
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Form:
    """Names of one form: `<id>_<first_index + k><suffix>`, k counts the outputs in the order of `spec.OUTPUTS`."""

    first_index: int
    suffix: str

    def names(self, id: str) -> tuple[str, ...]:
        """Names of one picture's files. Raises DumpError where the id could lead out of the folder."""
        return file_names(id, self.first_index, self.suffix)

    def __str__(self) -> str:
        return ", ".join(self.names("ID")).replace("ID", "<id>")

    def fits(self, size_bytes: int, shape: tuple[int, int]) -> bool:
        """Whether a file of this size can hold the array. A .npy has a header of a size that only its content says."""
        more = size_bytes - payload_bytes(shape)
        return 0 < more <= MOST_HEADER_BYTES if self.suffix == ".npy" else more == 0

    def most_bytes(self, shape: tuple[int, int]) -> int:
        """Size of the largest file that can hold the array."""
        return payload_bytes(shape) + (MOST_HEADER_BYTES if self.suffix == ".npy" else 0)


OWN: Final = Form(spec.DUMP_FIRST_INDEX, ".bin")
FROM_0: Final = Form(0, ".bin")
NPY: Final = Form(0, ".npy")
FORMS: Final = (OWN, FROM_0, NPY)


def payload_bytes(shape: tuple[int, int]) -> int:
    """Bytes of the array alone."""
    return FLOAT32.itemsize * math.prod(shape)


def form_of(folder: Path, ids: Sequence[str]) -> Form:
    """The one form of the files in the folder, told by their names. `dump_audit` then checks the size of each file.

    Only the names that no other form has count: `_3.bin`, `_0.bin`, `.npy`.

    Args:
        folder: where the files are.
        ids: the pictures whose files may lie there, judged or not.

    Raises:
        DumpError: no file of these pictures is there, an output of every picture is missing, or there are several forms.
    """
    there = _names_in(folder)
    files = {form: [name for id in ids for name in form.names(id) if name in there] for form in FORMS}
    shared = {*files[OWN]} & {*files[FROM_0]}
    seen = {form: told for form, names in files.items() if (told := [name for name in names if name not in shared])}
    if len(seen) == 1:
        return next(iter(seen))
    if seen:
        said = " and ".join(f"{len(told):,} of {form} (first {told[0]})" for form, told in seen.items())
        raise DumpError(
            f"{folder} mixes the files of {len(seen)} forms, {said}, but one tool writes one form; remove the files of the "
            "other, or pass the folder of one run with --dumps=DIR"
        )
    if shared:
        raise DumpError(
            f"{folder} has {some(sorted(shared))}, but neither <id>_0.bin nor <id>_3.bin of any picture: of three outputs "
            "one is missing everywhere; copy the first or the last output of each picture there too"
        )
    raise DumpError(
        f"no dumps at {folder}: it should hold three files for each of {len(ids):,} ids, as {', or '.join(map(str, FORMS))}, "
        f"but has {some(sorted(there)) or 'no file'}; {_remedy(folder, ids)}"
    )


def _names_in(folder: Path) -> Collection[str]:
    try:
        return {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        raise DumpError(
            f"no dumps at {folder}: {error.strerror}; pass the folder of the outputs with --dumps=DIR"
        ) from error


def _remedy(folder: Path, ids: Sequence[str]) -> str:
    """`benchmark` and `ais_bench` write to a folder below the one that was named to them."""
    names = {name for id in ids for form in FORMS for name in form.names(id)}
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not names.isdisjoint(_names_in(below)):
            return f"{below} has some: pass --dumps={below}"
    return "pass the folder of the outputs with --dumps=DIR"


def array_of(data: bytes, form: Form, shape: tuple[int, int], others: Mapping[str, tuple[int, int]]) -> Floats | str:
    """The array in a file's bytes, (R, C) float32; or what is wrong with the file, in words.

    others: output -> shape, to say whose shape was found
    """
    if form.suffix == ".npy":
        return _array_of_npy(data, shape, others)
    if len(data) != payload_bytes(shape):
        return f"has {len(data):,} bytes, but {shape} float32 are {payload_bytes(shape):,}"
    return np.frombuffer(data, FLOAT32).reshape(shape).astype(np.float32, copy=False)


def _array_of_npy(data: bytes, shape: tuple[int, int], others: Mapping[str, tuple[int, int]]) -> Floats | str:
    """The header is read first: nothing is allocated by it, and an array of objects (pickle) is refused by its type."""
    file = BytesIO(data)
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        version = np.lib.format.read_magic(file)
        if version not in headers:
            return (
                f"is a .npy file of version {version}, but should be of version 1.0 or 2.0, as numpy.save writes arrays"
            )
        got_shape, by_columns, dtype = headers[version](file, MOST_HEADER_BYTES)
    except Exception as error:  # numpy hands a damaged header to Python's parser, which has many errors
        return f"is no .npy file: {' '.join(str(error).split())[:200]}"
    if dtype != FLOAT32 or got_shape not in (shape, (1, *shape)):
        whose = [name for name, other in others.items() if got_shape in (other, (1, *other)) and other != shape]
        hint = f", the shape of {whose[0]}: are the outputs in another order?" if whose else ""
        return f"is {dtype} {got_shape}, but should be float32 {shape} or {(1, *shape)}{hint}"
    if len(data) - file.tell() != payload_bytes(shape):
        return (
            f"has {len(data) - file.tell():,} bytes after its header, but {shape} float32 are {payload_bytes(shape):,}"
        )
    array = (
        np.load(BytesIO(data), allow_pickle=False) if by_columns else np.frombuffer(data, FLOAT32, offset=file.tell())
    )
    return np.ascontiguousarray(array.reshape(shape), np.float32)


def some(names: Sequence[str]) -> str:
    """The first names, for a message."""
    return ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
