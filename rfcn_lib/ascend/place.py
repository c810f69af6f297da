"""Where the inference tool works: in the store, or where the store's path is not plain, in a folder that has a plain path.

The bins, and a copy of the om, are moved into that folder for one batch, and everything is moved back after it: the log, the
outputs, and the bins of a batch that failed lie in the store in either case.
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
class Place:
    """Where a batch runs. set_up: a shell command that lays the folder out again from the store; "" where it is the store's."""

    work: Path
    om: Path
    set_up: str = ""


def is_elsewhere(work: Path, om: Path) -> bool:
    """Whether the tool cannot work in `work` with this om: a path that it refuses, or an om of another user."""
    return not (is_plain(work) and is_plain(om)) or om.stat().st_uid != os.getuid()


@contextmanager
def place_for(work: Path, om: Path) -> Iterator[Place]:
    """Give the batch that is laid out in `work` a folder that the tool takes; at the end all its files are in `work`.

    Raises:
        PathError: neither the store nor the temporary folder has a plain path.
        OSError: the temporary folder's disk takes no more.
    """
    if not is_elsewhere(work, om):
        if om.stat().st_mode & _OTHERS_WRITE:  # of a compiler run under umask 000 or 002
            om.chmod(FILE_MODE)
        yield Place(work.resolve(), om.resolve())
        return
    place = plain_place(work)
    make_anew(place)
    try:
        _move_all(work, place)
        shutil.copyfile(om, place / MODEL)
        (place / MODEL).chmod(FILE_MODE)
        yield Place(place, place / MODEL, _set_up(work, om, place))
    finally:
        try:
            (place / MODEL).unlink(missing_ok=True)
            _move_all(place, work)
        finally:  # also where the store's disk is full, or Ctrl-C comes a second time
            shutil.rmtree(place, ignore_errors=True)


def brought_back(outputs: Mapping[str, tuple[Path, ...]], place: Path, work: Path) -> dict[str, tuple[Path, ...]]:
    """Paths of outputs below `place`, as they are below `work` after the batch."""
    return {id: tuple(work / file.relative_to(place) for file in files) for id, files in outputs.items()}


def _set_up(work: Path, om: Path, place: Path) -> str:
    made, source, target = (shlex.quote(str(path)) for path in (place, work.absolute(), place / MODEL))
    model = f"cp {shlex.quote(str(om.absolute()))} {target} && chmod {FILE_MODE:o} {target}"
    return f"mkdir -p -m 750 {made} && cp -Rp {source}/bin {source}/demo.info {made} && {model}"


def _move_all(source: Path, target: Path) -> None:
    """Move each file and folder; what lies at its new place already is replaced."""
    for path in list(source.iterdir()) if source.is_dir() else ():
        new = target / path.name
        if new.is_dir():
            shutil.rmtree(new)
        shutil.move(path, new)
