"""Dumps: the network's three arrays of one picture as three files, their names and shapes, and how they are written.

`<folder>/<id>_1.bin` rois (R, 5), `_2.bin` cls_prob (R, C), `_3.bin` bbox_pred (R, 4 * C): raw little-endian float32,
no header, named as the published inference tool names them (spec.DUMP_FIRST_INDEX). R is the port's rows kept by the
proposals, C its classes and background.
"""

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.names import name_fault
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs

FLOAT32: Final = np.dtype("<f4")
ASIDE: Final = ".partial"
FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DumpError(SuiteError):
    """A dump cannot be judged: says which file, what it holds, what it should hold, and what to do."""


def file_names(id: str, first_index: int = spec.DUMP_FIRST_INDEX, suffix: str = ".bin") -> tuple[str, ...]:
    """Names of one picture's files, in the order of `spec.OUTPUTS`; other numbers and suffixes: `dump_forms`.

    Raises:
        DumpError: the id could lead out of the folder.
    """
    fault = name_fault(id)
    if fault:
        raise DumpError(
            f"id {id!r:.80} cannot name a dump: {fault}; should be printable characters without '/'; check the set file"
        )
    return tuple(f"{id}_{first_index + k}{suffix}" for k in range(len(spec.OUTPUTS)))


def shapes(port: Port) -> tuple[tuple[int, int], ...]:
    """Shapes of the three arrays, in the order of `spec.OUTPUTS`."""
    rows, columns = port.proposals.kept, len(port.classes) + 1
    return (rows, 5), (rows, columns), (rows, 4 * columns)


def write_dump(folder: Path, id: str, outputs: Outputs) -> None:
    """Write one picture's three files, each aside and renamed, so a file is whole or absent.

    fsync comes before the renaming. A kill loses nothing that was written, but after a power cut a file could have its name and
    size and no content. fsync takes milliseconds where a picture takes seconds.

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
    """Remove the half-written files of a killed `write_dump`. No other process may write to `folder` meanwhile."""
    with os.scandir(folder) as entries:
        left = [Path(entry) for entry in entries if entry.name.startswith(".") and entry.name.endswith(f".bin{ASIDE}")]
    for path in left:
        path.unlink()


def digest_of(folder: Path, id: str) -> str:
    """sha256 (hex) of one picture's files, one after the other in output order; as `dump_audit` gives it."""
    digest = hashlib.sha256()
    for name in file_names(id):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
