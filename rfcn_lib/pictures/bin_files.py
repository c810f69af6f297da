"""Network inputs on disk, as published: `<id>.bin`, raw little-endian float32, and an info file that lists them.

An id that the vendor's tools would not take as a file's name has a number instead; then `ids.txt` says whose number it is.

`python -m rfcn_lib.pictures.bins` writes them for a person.

An info file's line is `<index> <path> <width> <height>`, index from 0, sides of the canvas in px (rfcn_preprocess.py of
the published port; read by the vendor's inference tool).
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import FILE_MODE, FOLDER_MODE, make_folder, write_whole
from rfcn_lib.records import Floats, LoadPicture

BINS: Final = "bin"
INFO: Final = "demo.info"  # as published
IDS: Final = "ids.txt"
FLOAT32_BYTES: Final = 4
PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # ais_bench cuts a name at its first dot


class BinError(SuiteError):
    """A bin or an info file cannot be written. The message names the file or the picture."""


def write_bins(
    folder: str | Path, info_path: Path, tensors: Iterable[tuple[str, Floats]], *, listed_folder: str | None = None
) -> None:
    """Write `<folder>/<name>.bin` for each (name, (1, 3, H, W) float32), then the info file; each is whole or absent.

    The folder gets the mode 0o750 and its files 0o640, whatever the umask: the vendor's tools refuse files that others may write.
    An older info file is removed first and the new one is written last, so an info file says that all its bins are there. It
    names the folder as given (a str keeps "./bin"), or `listed_folder` where the bins will be moved before they are read.

    Raises:
        BinError: a path with white space (the info file cannot express it), a name that is doubled or not plain, no tensor at
            all, a tensor of another shape or type, NaN or Inf, or a disk that does not take it.
    """
    listed = (os.fspath(folder) if listed_folder is None else listed_folder).rstrip("/") or "/"
    if re.search(r"\s", listed):
        raise BinError(
            f"the folder {listed!r} has white space in its path, but an info file separates its columns by blanks and "
            "cannot express it; use a folder without"
        )
    lines: dict[str, str] = {}
    shape: tuple[int, ...] | None = None
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder).chmod(FOLDER_MODE)
        info_path.unlink(missing_ok=True)
        for name, tensor in tensors:
            if not PLAIN_NAME.fullmatch(name) or name in lines:
                what = "there twice" if name in lines else "unsafe in a path"
                raise BinError(
                    f"name {name!r:.80} is {what}; names should differ and be of letters, digits, '_' and '-'"
                )
            shape = shape or tensor.shape
            _expect_tensor(name, tensor, shape)
            write_whole(Path(folder) / f"{name}.bin", np.ascontiguousarray(tensor, "<f4").data, mode=FILE_MODE)
            lines[name] = f"{len(lines)} {listed}/{name}.bin {shape[3]} {shape[2]}\n"
        if not lines:
            raise BinError(f"no picture was given, so {info_path} would list none; there should be at least one")
        write_whole(info_path, "".join(lines.values()).encode(), mode=FILE_MODE)
    except OSError as error:
        raise BinError(
            f"cannot write {error.filename or folder}: {error.strerror or error}; make room or choose another folder"
        ) from error


def bin_bytes(canvas_wh: tuple[int, int]) -> int:
    """Size of one bin: (1, 3, H, W) float32. 21,676,032 at the published canvas of 1344 x 1344 px."""
    return FLOAT32_BYTES * 3 * canvas_wh[0] * canvas_wh[1]


def bin_names(ids: Sequence[str]) -> dict[str, str]:
    """Id -> name of its bin without .bin: the id itself, or its place in `ids` where it is not plain (see `PLAIN_NAME`)."""
    taken = {id for id in ids if PLAIN_NAME.fullmatch(id)}
    names: dict[str, str] = {}
    for place, id in enumerate(ids):
        number = f"{place:06d}"
        while number in taken:
            number = f"n{number}"
        names[id] = id if id in taken else number
    return names


def lay_out(
    work: Path, ids: Sequence[str], load: LoadPicture, shown: Callable[[Sequence[str]], Iterable[str]] = iter
) -> None:
    """Write `<work>/bin/<name>.bin`, and `<work>/demo.info` that names them as seen from `work`. Errors: BinError.

    The names are those of `bin_names`. Where one is a number, `<work>/ids.txt` has a line `<name> <id>` for each picture.
    `shown`: yields the ids in their order, and may show how far it has come.

    `work` gets the mode 0o750: ais_bench writes its outputs there, and refuses a folder that others may read.
    """
    try:
        make_folder(work)
    except OSError as error:
        raise BinError(f"cannot make {work}: {error.strerror}; make room or choose another folder") from error
    names = bin_names(ids)
    write_bins(work / BINS, work / INFO, ((names[id], load(id)[0]) for id in shown(ids)), listed_folder=f"./{BINS}")
    if any(id != name for id, name in names.items()):
        write_whole(work / IDS, "".join(f"{name} {id}\n" for id, name in names.items()).encode(), mode=FILE_MODE)


def _expect_tensor(id: str, tensor: Floats, shape: tuple[int, ...]) -> None:
    if tensor.dtype != np.float32 or tensor.ndim != 4 or tensor.shape[:2] != (1, 3) or tensor.size == 0:
        raise BinError(
            f"the tensor of {id} is {tensor.dtype} {tensor.shape}, but should be float32 (1, 3, height, width)"
        )
    if tensor.shape != shape:
        raise BinError(
            f"the tensor of {id} has shape {tensor.shape}, but the first had {shape}; one canvas should serve all"
        )
    if not np.isfinite(tensor).all():
        raise BinError(f"the tensor of {id} holds NaN or Inf, but a picture should not; look at how it was prepared")
