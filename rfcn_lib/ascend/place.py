"""Give the inference tool a folder whose path it accepts.

This is the batch's own folder in the store, if the path is plain (see `rfcn_lib.files`). If not, it is a temporary folder:
`tool_folder` moves the bins there, copies the om there, and moves everything back after the batch. So the log, the outputs,
and the bins of a failed batch always end in the store.
"""

import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib.files import FILE_MODE, is_plain, make_anew, plain_place

MODEL: Final = "rfcn.om"
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class ToolFolder:
    """Where the tool runs.

    work    the folder with bin/ and demo.info
    om      the model
    set_up  shell command that makes the temporary folder again from the store; "" if `work` lies in the store
    """

    work: Path
    om: Path
    set_up: str = ""


def needs_plain_folder(work: Path, om: Path) -> bool:
    """Whether the tool would refuse `work` or `om`: a path that is not plain, or an om that belongs to another user."""
    return not (is_plain(work) and is_plain(om)) or om.stat().st_uid != os.getuid()


@contextmanager
def tool_folder(work: Path, om: Path) -> Iterator[ToolFolder]:
    """Yield a folder that the tool accepts, with the files of the batch in `work`. At the end all files are in `work`.

    Raises:
        PathError: neither the store nor the temporary folder has a plain path.
        OSError: the disk of the temporary folder is full.
    """
    if not needs_plain_folder(work, om):
        if om.stat().st_mode & _OTHERS_WRITE:  # atc ran with umask 000 or 002
            om.chmod(FILE_MODE)
        yield ToolFolder(work.resolve(), om.resolve())
        return
    place = plain_place(work)
    make_anew(place)
    try:
        _move_all(work, place)
        shutil.copyfile(om, place / MODEL)
        (place / MODEL).chmod(FILE_MODE)
        yield ToolFolder(place, place / MODEL, _set_up(work, om, place))
    finally:
        try:
            (place / MODEL).unlink(missing_ok=True)
            _move_all(place, work)
        finally:  # also where the store's disk is full, or Ctrl-C comes a second time
            shutil.rmtree(place, ignore_errors=True)


def paths_after_the_run(
    outputs: Mapping[str, tuple[Path, ...]], place: Path, work: Path
) -> dict[str, tuple[Path, ...]]:
    """The outputs' paths after the batch: the same names below `work` instead of `place`."""
    return {id: tuple(work / file.relative_to(place) for file in files) for id, files in outputs.items()}


def _set_up(work: Path, om: Path, place: Path) -> str:
    made, source, target = (shlex.quote(str(path)) for path in (place, work.absolute(), place / MODEL))
    model = f"cp {shlex.quote(str(om.absolute()))} {target} && chmod {FILE_MODE:o} {target}"
    return f"mkdir -p -m 750 {made} && cp -Rp {source}/bin {source}/demo.info {made} && {model}"


def _move_all(source: Path, target: Path) -> None:
    """Move each file and folder of `source` to `target`, and replace what is there."""
    for path in list(source.iterdir()) if source.is_dir() else ():
        new = target / path.name
        if new.is_dir():
            shutil.rmtree(new)
        shutil.move(path, new)
