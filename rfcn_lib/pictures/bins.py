"""Network inputs on disk, as published: `<id>.bin`, raw little-endian float32, and an info file that lists them.

An info file's line is `<index> <path> <width> <height>`, index from 0, sides of the canvas in px (rfcn_preprocess.py of
the published port; read by the vendor's inference tool).
"""

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import FILE_MODE, FOLDER_MODE, make_folder
from rfcn_lib.pictures.devkit import SAFE_NAME
from rfcn_lib.records import Floats, Picture

BINS: Final = "bin"
INFO: Final = "demo.info"  # as published
LARGEST_INFO_BYTES: Final = 64_000_000
LARGEST_SIDE_PX: Final = 8192  # as in a port's canvas_wh_px
_LINE: Final = re.compile(r"(0|[1-9][0-9]{0,8}) (\S+) ([0-9]{1,5}) ([0-9]{1,5})")


class BinError(SuiteError):
    """A bin or info file cannot be written or is not what it should be: names the file, got, should be, what to do."""


@dataclass(frozen=True, slots=True)
class BinEntry:
    """One line of an info file; a relative path counts from the folder the inference tool is started in."""

    index: int
    path: Path
    canvas_wh: tuple[int, int]


def write_bins(
    folder: str | Path, info_path: Path, tensors: Iterable[tuple[str, Floats]], *, listed_folder: str | None = None
) -> None:
    """Write `<folder>/<id>.bin` for each (id, (1, 3, H, W) float32), then the info file; each aside, then renamed.

    The folder gets the mode 0o750 and its files 0o640, whatever the umask: the vendor's tools refuse what others may write.
    The info file comes last and an older one is removed first: where it is, all its bins are. It names the folder as
    given (a str keeps "./bin"), or as `listed_folder` where the bins will be moved before they are read.

    Raises:
        BinError: a path with white space (the info file cannot express it), an unsafe or doubled id, no tensor at all,
            a tensor of another shape or type, NaN or Inf, or a disk that does not take it.
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
        for id, tensor in tensors:
            if not SAFE_NAME.fullmatch(id) or id in lines:
                what = "there twice" if id in lines else "unsafe in a path"
                raise BinError(f"id {id!r:.80} is {what}; ids should differ and be of letters, digits, '_' and '-'")
            shape = shape or tensor.shape
            _expect_tensor(id, tensor, shape)
            _put(Path(folder) / f"{id}.bin", np.ascontiguousarray(tensor, "<f4").data)
            lines[id] = f"{len(lines)} {listed}/{id}.bin {shape[3]} {shape[2]}\n"
        if not lines:
            raise BinError(f"no picture was given, so {info_path} would list none; there should be at least one")
        _put(info_path, "".join(lines.values()).encode())
    except OSError as error:
        raise BinError(
            f"cannot write {error.filename or folder}: {error.strerror or error}; make room or choose another folder"
        ) from error


def lay_out(work: Path, ids: Iterable[str], shown: Callable[[str], tuple[Floats, Picture]]) -> None:
    """Write `<work>/bin/<id>.bin`, and `<work>/demo.info` that names them as seen from `work`. Errors: BinError.

    `work` gets the mode 0o750: ais_bench writes its outputs there, and refuses a folder that others may read.
    """
    try:
        make_folder(work)
    except OSError as error:
        raise BinError(f"cannot make {work}: {error.strerror}; make room or choose another folder") from error
    write_bins(work / BINS, work / INFO, ((id, shown(id)[0]) for id in ids), listed_folder=f"./{BINS}")


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


def _put(path: Path, data: bytes | memoryview) -> None:
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_bytes(data)
        aside.chmod(FILE_MODE)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def read_info(path: Path) -> tuple[BinEntry, ...]:
    """Read an info file; entry k has index k, all share one canvas.

    Raises:
        BinError: unreadable, empty, cut off, a line of another form, a gap in the indices, a path listed twice, a
            canvas unlike the first line's.
    """
    try:
        if path.stat().st_size > LARGEST_INFO_BYTES:
            raise BinError(
                f"{path} has {path.stat().st_size:,} bytes, but an info file has a line per picture; pass an info file"
            )
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise BinError(f"cannot read the info file {path}: {error.strerror}; write it again") from error
    except UnicodeDecodeError as error:
        raise BinError(f"{path} is not a text file: {error}; pass an info file, not a bin") from error
    *lines, rest = text.split("\n")
    if rest or not lines:
        raise BinError(
            f"{path} ends in {rest[-60:]!r}, but should end in a complete line; it is empty or cut off: write it again"
        )
    entries: list[BinEntry] = []
    seen: set[str] = set()
    for number, line in enumerate(lines):
        where = f"{path} line {number + 1}"
        match = _LINE.fullmatch(line)
        if not match:
            want = "'<index> <path> <width> <height>', one blank between them and no others"
            raise BinError(f"{where} is {line[:120]!r}, but should be {want}; write the file again")
        index, named, canvas_wh = int(match[1]), match[2], (int(match[3]), int(match[4]))
        if index != number:
            raise BinError(
                f"{where} has index {index}, but should have {number}; lines are missing: write the file again"
            )
        if named in seen:
            raise BinError(
                f"{where} lists {named} a second time; every bin should be listed once: write the file again"
            )
        if not all(1 <= side <= LARGEST_SIDE_PX for side in canvas_wh) or (
            entries and canvas_wh != entries[0].canvas_wh
        ):
            want = f"{entries[0].canvas_wh} as on line 1" if entries else f"1 to {LARGEST_SIDE_PX} px a side"
            raise BinError(f"{where} has the canvas {canvas_wh}, but should have {want}; write the file again")
        seen.add(named)
        entries.append(BinEntry(index, Path(named), canvas_wh))
    return tuple(entries)


def read_bin(path: Path, canvas_wh: tuple[int, int]) -> Floats:
    """-> (1, 3, height, width) float32.

    Raises:
        BinError: unreadable, another number of bytes than the canvas needs (checked before reading), NaN or Inf.
    """
    width, height = canvas_wh
    want = 4 * 3 * width * height
    try:
        got = path.stat().st_size
        if got != want:
            needs = f"a canvas of {width} x {height} px needs {want:,} (3 channels of float32)"
            raise BinError(f"{path} has {got:,} bytes, but {needs}; write it again")
        tensor = np.fromfile(path, "<f4").reshape(1, 3, height, width).astype(np.float32, copy=False)
    except OSError as error:
        raise BinError(f"cannot read {path}: {error.strerror or error}; write the bins again") from error
    if not np.isfinite(tensor).all():
        raise BinError(f"{path} holds NaN or Inf, but a picture should not; write it again")
    return tensor
