"""Whole runs of pytest, as a person starts them, each in a process of its own.

A new Python imports PyTorch, ONNX Runtime and what they need in one to three seconds, and the tests start some hundreds of runs.
So one process imports these libraries and forks a process for each run (Python's forkserver). It imports nothing of this project.
"""

import atexit
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.places import ROOT

LIBRARIES = [
    *("numpy", "torch", "onnx", "onnx_ir.convenience", "onnxruntime", "cv2", "PIL.JpegImagePlugin", "sympy"),
    *("pytest", "jinja2", "pydantic", "in_toto_attestation", "rich.console", "tqdm", "filelock", "defusedxml"),
]
LIMIT_S = 400.0
COLUMNS = "120"  # of the terminal that a run believes in
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Done:
    """The exit status of a run, and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """All that it printed, in one line."""
        return " ".join((self.stdout + self.stderr).split())


def run_pytest(*options: str, cwd: Path = ROOT, limit_s: float = LIMIT_S, umask: int = -1, **variables: str) -> Done:
    """`python -m pytest -p no:cacheprovider OPTIONS` in the folder `cwd`, with these variables beside those of this process.

    The run has no standard input. Called by a worker of pytest-xdist, it is no worker: it writes its verdict.

    Raises:
        TimeoutError: the run does not end in `limit_s`; it is killed.
    """
    environment = {**os.environ, "COLUMNS": COLUMNS, **variables}
    environment.pop("PYTEST_XDIST_WORKER", None)
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(LIBRARIES)
    with TemporaryDirectory(prefix="run-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        process = forks.Process(target=_in_child, args=(options, cwd, umask, environment, out, err))
        process.start()
        process.join(limit_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(
                f"{options} should end in {limit_s} s; so far it printed:\n{out.read_text()}{err.read_text()}"
            )
        return Done(process.exitcode, out.read_text(), err.read_text())


def _in_child(
    options: Sequence[str], cwd: Path, umask: int, environment: Mapping[str, str], out: Path, err: Path
) -> None:
    """What `python -m pytest` does, in this process."""
    for number, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, WRITE), (2, err, WRITE)):
        os.dup2(os.open(path, flags, 0o600), number)
    if umask >= 0:
        os.umask(umask)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # TMPDIR may be another
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]  # `cwd` may be another checkout
    added = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [str(cwd), *filter(None, added), *(path for path in sys.path if path not in ("", str(ROOT)))]
    import pytest

    sys.argv = [str(Path(pytest.__file__).with_name("__main__.py")), "-p", "no:cacheprovider", *options]
    code = int(pytest.console_main())
    atexit._run_exitfuncs()  # multiprocessing would leave them out
    sys.exit(code)
