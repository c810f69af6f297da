"""The options' values, checked before anything runs: one that is wrong ends the run in one sentence."""

from pathlib import Path

import pytest

from rfcn_lib.runs.dask import client as cluster


def pytest_configure(config: pytest.Config) -> None:
    """A wrong value ends the run here, in one sentence; what needs reading is checked where it is read."""
    if not __debug__:
        raise pytest.UsageError("python -O removes every assert, so every criterion would pass; run without -O")
    option = config.getoption
    limit = option("--limit")
    if limit is not None and (not limit.isascii() or not limit.isdigit() or not 0 < int(limit[:9]) < 10**8):
        raise pytest.UsageError(
            f"--limit={limit} should be a whole number of pictures, 1 or more, for example --limit=10"
        )
    for name, allowed in (
        ("--reference", ("torch", "published")),
        ("--overflow", ("crop", "error")),
        ("--canvas", ("published", "fitted")),
    ):
        if option(name) not in allowed:
            raise pytest.UsageError(f"{name}={option(name)} should be {' or '.join(allowed)}")
    if option("--accept") and option("--canvas") == "fitted":
        raise pytest.UsageError(
            "--accept judges the published criteria, which are of the published canvas; leave out --canvas=fitted, or "
            "--accept for a look at what fitted canvases cost"
        )
    for name in ("--weights", "--port", "--devkit", "--store", "--dumps", "--verdict", "--baseline"):
        if option(name) == "":
            raise pytest.UsageError(f"{name}= is empty, but should name a path; is a variable unset?")
    for name, kind in (
        ("--weights", "a file"),
        ("--port", "a file"),
        ("--devkit", "a folder"),
        ("--dumps", "a folder"),
    ):
        value = option(name)
        if value is not None:
            there = Path(value).is_dir() if kind == "a folder" else Path(value).is_file()
            if not there:
                raise pytest.UsageError(
                    f"{name}={value} is not {kind} (seen from {Path.cwd()}); write {name}=PATH, with '='"
                )
    if option("--dask") is not None:
        try:
            cluster.checked(option("--dask"))
        except cluster.ClusterError as error:
            raise pytest.UsageError(str(error)) from error
    target = option("--verdict")
    if target is not None and not Path(target).absolute().parent.is_dir():
        raise pytest.UsageError(
            f"--verdict={target}: there is no folder {Path(target).absolute().parent}; make it first"
        )
    if target is not None and Path(target).is_dir():
        raise pytest.UsageError(f"--verdict={target} is a folder, but should be the name of a file to write")
    if target is not None:
        aside = Path(target).with_name(f".{Path(target).name}.new")
        try:
            aside.touch()
            aside.unlink()
        except OSError as error:
            raise pytest.UsageError(
                f"--verdict={target} cannot be written: {error.strerror}; name another place"
            ) from error
    store = Path(option("--store"))
    if store.exists() and not store.is_dir():
        raise pytest.UsageError(f"--store={store} is a file, but should be a folder, or the name of one to make")
