"""Files that are written whole and read up to a limit; and the paths and modes that the vendor's tools take.

ais_bench (since 2023-09) refuses a path with another character than A-Z a-z 0-9 _ - . /, and a file or folder that its group
or others may write. Since 2024-02 it also refuses an output folder that others may read (its path_security_check.py).
atc refuses a blank and `+` in a path (GE, CheckInputPathValid). So the suite sets the modes itself, whatever the umask is.
"""

import hashlib
import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from rfcn_lib.errors import SuiteError

FOLDER_MODE: Final = 0o750
FILE_MODE: Final = 0o640
PLAIN: Final = re.compile(r"[A-Za-z0-9_./-]+")


class PathError(SuiteError):
    """No folder with a plain path is at hand; the message names the option and the variable that give one."""


def write_whole(path: Path, data: bytes | memoryview, *, mode: int | None = None) -> None:
    """Write a file so that it is whole or absent: first as `.<name>.part`, then renamed.

    An older file stays until then. The new one survives a kill. It is not forced to the disk: after a power cut it may be empty.

    Args:
        path: the file.
        data: its content.
        mode: its mode, whatever the umask; None: as the umask says.

    Raises:
        OSError: the folder does not exist or does not take it; then nothing is left behind.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_bytes(data)
        if mode is not None:
            aside.chmod(mode)
        aside.replace(path)
    finally:
        with suppress(OSError):
            aside.unlink()


def read_bounded(path: Path, most_bytes: int) -> bytes | None:
    """The file's bytes; None where it has more than `most_bytes`, of which no more than that is read.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    return data if len(data) <= most_bytes else None


def is_plain(path: Path) -> bool:
    """Whether the vendor's tools take this path; links are followed first, as the tools see the real path."""
    return PLAIN.fullmatch(str(path.resolve())) is not None


def make_folder(folder: Path) -> None:
    """Make a folder that a vendor's tool reads or writes in: mode 0o750, whatever the umask; one that is there gets it too."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)


def make_anew(folder: Path) -> None:
    """Make a folder of the suite's own below the temporary folder; what a killed run left there goes first.

    Raises:
        OSError: somebody else's folder lies there, or one that cannot be removed.
    """
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.mkdir()  # fails where another user was quicker
    folder.chmod(FOLDER_MODE)


def plain_place(folder: Path) -> Path:
    """A folder with a plain path below the system's temporary folder, for work that belongs to `folder`; always the same one.

    It is not made here.

    Raises:
        PathError: the temporary folder's own path is not plain.
    """
    temporary = Path(tempfile.gettempdir()).resolve()
    if not is_plain(temporary):
        raise PathError(
            f"the vendor's tools take paths of A-Z a-z 0-9 _ - . / only, but neither {folder} nor the temporary folder "
            f"{temporary} has such a path; pass --store=DIR with a plain path, or set TMPDIR to a folder that has one"
        )
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return temporary / f"rfcn-{os.getuid()}-{digest}"
