"""What `ais_bench` of today demands of paths and modes: path_security_check.py and args_check.py of tools-2025-12.

Read: only A-Z a-z 0-9 _ - / . in the absolute path, there, no link, owned by this user or a group of the user's, not
writable by group or others. Written: the same, and not readable by others. tools-2023-06 checks nothing of it.
"""

import argparse
import os
import re
import stat
from pathlib import Path

READ = stat.S_IWGRP | stat.S_IWOTH
WRITE = READ | stat.S_IROTH | stat.S_IXOTH


def om_path(text: str) -> str:
    """`--model`. The sentences were seen in tool.log of runs under umask 022 and 002."""
    _expect(text, "om", READ)
    return text


def input_path(text: str) -> str:
    """`--input`: a folder, or files between commas."""
    for path in text.split(","):
        _expect(path, "input", READ)
    return text


def output_path(text: str) -> str:
    """`--output`: a folder to write in, which may be absent."""
    _expect(text, "output", WRITE)
    return text


def fault_of(text: str, forbidden: int) -> str | None:
    """The sentence that the tool logs of a path that it does not take."""
    path = Path(os.path.normpath(Path.cwd() / text))  # a link stays one
    if re.search(r"[^_A-Za-z0-9/.-]", str(path)):
        return "path contains illegal char, legal chars include A-Z a-z 0-9 _ - / ."
    if not path.exists():
        return None if forbidden == WRITE else f"path: {path} not exist, please check if file or dir is exist"
    status = path.stat()
    if path.is_symlink():
        return f"path :{path} is a soft link, not supported, please import file(or directory) directly"
    if status.st_uid != os.geteuid() and status.st_gid not in os.getgroups():
        return f"current user isn't path:{path}'s owner or ownergroup, make sure current user belong to owner or ownergroup"
    if stat.S_IMODE(status.st_mode) & forbidden:
        as_what, most = ("export", "0o750(rwxr-x---)") if forbidden == WRITE else ("import", "0o755(rwxr-xr-x)")
        return (
            f"The file {path} is group writable, or is others writable, as {as_what} file(or directory), "
            f"permission should not be over {most}"
        )
    return None


def _expect(text: str, what: str, forbidden: int) -> None:
    fault = fault_of(text, forbidden)
    if fault:
        print(f"[ERROR] {fault}", flush=True)
        named = "path string" if "illegal char" in fault else f"path:{text}"
        raise argparse.ArgumentTypeError(f"{what} {named} is illegal. Please check.")
