"""What `ais_bench` of today demands of paths and modes: path_security_check.py and args_check.py of tools-2025-12.

Read: only A-Z a-z 0-9 _ - / . in the absolute path, there, no link, owned by this user or by a group of the user's (root is
not exempt), not writable by group or others, readable by its owner. Written: the same, and not readable by others.
tools-2023-06 checks nothing of it.
"""

import argparse
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from . import style
from .ais_bench_log import error

READ = stat.S_IWGRP | stat.S_IWOTH
WRITE = READ | stat.S_IROTH | stat.S_IXOTH
FOLDER_MODE, FILE_MODE = 0o750, 0o640  # makedirs_safe, ms_open
LONGEST_PATH, LONGEST_NAME = 4096, 255


class OpenException(Exception):  # noqa: N818 - the real one's name, which a traceback shows
    """A path that the tool does not even look at."""


def om_path(text: str) -> str:
    """`--model`. The sentences were seen in runs under umask 022 and 002; the name's end and the folder: read in the source.

    Source: path_security_check.py and args_check.py, seen for modes and characters, read for the suffix.
    """
    _expect(text, "om", READ)
    path = _absolute(text)
    if path.is_file() and path.suffix == ".om":
        return text
    error(f"path:{path}, file type not in ['om']" if path.is_file() else f"path: {path} is not a file")
    raise argparse.ArgumentTypeError(f"om path:{text} is illegal. Please check.")


def input_path(text: str) -> str:
    """`--input`: a folder, or files between commas."""
    for path in text.split(",") if text else ():
        _expect(path, "input", READ)
    return text


def output_path(text: str) -> str:
    """`--output`: a folder to write in, which may be absent."""
    if text:
        _expect(text, "output", WRITE)
    return text


def expect_plain(text: str) -> None:
    """Raises OpenException for a path that is too long or has other characters; says why."""
    path = str(_absolute(text))
    too_long = "{} length out of range ({}), please check the file(or directory) path"
    if len(path) > LONGEST_PATH:
        _log(too_long.format("file total path's", LONGEST_PATH), "path_length_overflow")
    elif any(len(name) > LONGEST_NAME for name in path.split("/")):
        _log(too_long.format("file base name", LONGEST_NAME), "path_length_overflow")
    elif re.search(r"[^_A-Za-z0-9/.-]", path):
        _log("path contains illegal char, legal chars include A-Z a-z 0-9 _ - / .", "path_contain_illegal_char")
    else:
        return
    raise OpenException("create FileStat failed")


def is_legal(text: str, forbidden: int) -> bool:
    """Whether the tool takes the path; says why not. Raises OpenException.

    Source: path_security_check.py, check_linux_permission, seen for modes, read for owner and access.
    """
    expect_plain(text)
    path = _absolute(text)
    if not path.exists():
        if forbidden != WRITE:
            error(f"path: {path} not exist, please check if file or dir is exist")
        return forbidden == WRITE
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if path.is_symlink():
        _log(f"path :{path} is a soft link, not supported, please import file(or directory) directly", "soft_link")
    elif status.st_uid != os.geteuid() and status.st_gid not in os.getgroups():
        _log(
            f"current user isn't path:{path}'s owner or ownergroup, make sure current user belong to file(or directory)'s "
            "owner or ownergroup",
            "owner_or_ownergroup",
        )
    elif mode & forbidden:
        as_what, most = ("export", "0o750(rwxr-x---)") if forbidden == WRITE else ("import", "0o755(rwxr-xr-x)")
        _log(
            f"The file {path} is group writable, or is others writable, as {as_what} file(or directory), "
            f"permission should not be over {most}",
            "path_permission",
        )
    elif forbidden == READ and not (os.access(path, os.R_OK) and mode & stat.S_IRUSR):
        _log(
            f"Current user doesn't have read permission to the file {path}, as import file(or directory), "
            "permission should be at least 0o400(r--------) ",
            "path_permission",
        )
    elif forbidden == WRITE and not os.access(path, os.W_OK):
        _log(
            f"Current user doesn't have write permission to the file {path}, as export file(or directory), "
            "permission should be at least 0o200(-w-------) ",
            "path_permission",
        )
    else:
        return True
    return False


def make_result(folder: str) -> None:
    """The folder of results. Today new levels are 0o750 (seen), one that is there is looked at (read). In 2023: 0o755 (seen)."""
    path = Path(folder)
    if style() == "2023":
        path.mkdir(0o755, parents=True, exist_ok=True)
    elif not path.exists():
        for level in reversed([path, *path.parents]):
            level.mkdir(FOLDER_MODE, exist_ok=True)
    elif path.is_file():
        raise ValueError(f"The path:{folder} is not a directory.")
    elif not is_legal(folder, READ):
        raise ValueError(f"The path:{folder} is illegal. Please check the error log for more detail.")


def opener() -> Callable[[str, int], int]:
    """For open(): how the tool makes its files. Today: anew, with 0o640 less the umask, at a plain path only."""
    if style() == "2023":
        return lambda path, flags: os.open(path, flags, 0o666)

    def opened(path: str, flags: int) -> int:
        expect_plain(path)
        if Path(path).is_symlink():
            raise OpenException(f"Softlink is not allowed to be opened. {path}")
        Path(path).unlink(missing_ok=True)
        return os.open(path, flags, FILE_MODE)

    return opened


def _absolute(text: str) -> Path:
    return Path(os.path.abspath(text))  # noqa: PTH100 - no link is followed


def _log(sentence: str, chapter: str) -> None:
    """With where its manual has more, in green: read in the source.

    Source: path_security_check.py, solution_log, read.
    """
    error(sentence)
    manual = "gitee repo: Ascend/tools, path:tools/ais_bench-workload/tool/ais_bench/README.md"
    where = f'"{manual}, chapter: FAQ/security_error/{chapter}_error_log_solution"'
    print(f"[\033[1;32mSOLUTION\033[0m] visit \033[1;32m {where} \033[0m for detailed solution", flush=True)


def _expect(text: str, what: str, forbidden: int) -> None:
    """Source: args_check.py, seen."""
    try:
        legal = is_legal(text, forbidden)
    except OpenException:
        raise argparse.ArgumentTypeError(f"{what} path string is illegal. Please check.") from None
    if not legal:
        raise argparse.ArgumentTypeError(f"{what} path:{text} is illegal. Please check.")
