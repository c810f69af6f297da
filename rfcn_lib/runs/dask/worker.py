"""What one worker of a Dask cluster does: say what it is, receive a program, run a picture. `cluster` asks it to."""

import functools
import platform
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from rfcn_lib.devices.threads import prepare_threads, torch_threads
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import Port
from rfcn_lib.processors import usable_processors
from rfcn_lib.records import Outputs, RunPicture
from rfcn_lib.store.code import code_behind
from rfcn_lib.store.digests import Digests, StoreError

PROGRAMS_LOADED: Final = 1  # per process: a run goes canvas by canvas
_LOADING: Final = threading.Lock()  # a worker with several threads loads a program once


class ClusterError(SuiteError):
    """Pictures cannot be shared out, or not all of them could be: says which worker or picture, why, and what to do."""


class AbsentError(Exception):
    """A worker has not got the program yet; the one argument is its address."""


@dataclass(frozen=True, slots=True)
class Program:
    """What turns a picture into outputs: the twin for ONNX Runtime, or a checkpoint for the source model in PyTorch.

    path    absolute, on the machine that asks; a worker that finds the same bytes there too (a mounted disk) reads them
    sha256  hex, of the file
    """

    runs: Literal["onnx_runtime", "pytorch"]
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Job:
    """What all pictures of one canvas of a run have in common.

    like           `described()` of the machine that asks
    torch_threads  as on the machine that asks
    at_once        host -> pictures that its workers do at a time
    """

    program: Program
    port: Port
    like: tuple[tuple[str, str], ...]
    torch_threads: int
    at_once: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker says of itself: how it differs from the machine that asks, its processor, if it has the program."""

    differences: tuple[str, ...]
    cpu: str
    has_program: bool


def dask_setup(worker: Any) -> None:  # noqa: ARG001
    """Dask calls this when a local run's worker starts: Ctrl-C reaches it too, but is the client's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def described() -> dict[str, str]:
    """What must be the same everywhere for the same outputs: the code that a worker runs, and the libraries under it.

    Raises:
        StoreError: the code was changed while this process runs.
    """
    files, libraries = code_behind(sys.modules[__name__])
    dask = {"distributed": f"distributed {metadata.version('distributed')}"}
    return {"python": f"Python {sys.version_info[0]}.{sys.version_info[1]}", **dask, **libraries, **files}


def differences(like: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Sentences, none when this process would give the outputs of the one that `like` describes."""
    want = dict(like)
    try:
        got = described()
    except StoreError as error:
        return (str(error),)
    other = [name for name in sorted(want.keys() | got.keys()) if want.get(name) != got.get(name)]
    files = [name for name in other if name.endswith(".py")]
    found = [f"has {got.get(n, 'no ' + n)}, but should have {want.get(n, 'none')}" for n in other if n not in files]
    if files:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        found.append(f"has another text of {files[0]}{more}, but should run the same commit")
    return tuple(found)


def cpu_model() -> str:
    """The processor's name as Linux gives it, or else its architecture."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def look(program: Program, like: tuple[tuple[str, str], ...], dask_worker: Any) -> Seen:
    """What this worker is. Dask hands itself in as `dask_worker`."""
    return Seen(differences(like), cpu_model(), _place(program, Path(dask_worker.local_directory)) is not None)


def receive(name: str, start: int, piece: bytes, dask_worker: Any) -> None:
    """Write one piece of a program's file, `start` bytes into it; `name` is of this one sending."""
    with (Path(dask_worker.local_directory) / name).open("r+b" if start else "wb") as file:
        file.seek(start)
        file.write(piece)


def received(program: Program, name: str, dask_worker: Any) -> None:
    """All pieces are there. Raises ClusterError when they are not the file that was sent."""
    folder = Path(dask_worker.local_directory)
    got = Digests(folder / "digests.sqlite").of(folder / name)
    if got != program.sha256:
        raise ClusterError(
            f"worker {dask_worker.address} received {program.path} with sha256 {got[:12]}, but should with "
            f"{program.sha256[:12]}; did the file change, is the disk of {folder} full? run again"
        )
    (folder / name).replace(folder / _sent(program))


def run_picture(job: Job, id: str, size_wh: tuple[int, int], path: Path, jpeg: bytes) -> Outputs:
    """One picture, its JPEG's bytes in hand, through the program; `path` and `id` only name it.

    Raises:
        AbsentError: this worker has not got the program.
        ClusterError: this worker came late and is not like the machine that asks.
        PictureError, SessionError, CheckpointError: as on the machine that asks.
    """
    from distributed import get_worker

    worker = get_worker()
    wrong = _differences_once(job.like)
    if wrong:
        raise ClusterError(f"worker {worker.address} ({platform.node()}) {'; '.join(wrong)}")
    place = _place(job.program, Path(worker.local_directory))
    if place is None:
        raise AbsentError(worker.address)
    here = job.at_once.get(host_of(worker.address), worker.state.nthreads)
    share = max(1, usable_processors() // here)
    with _LOADING:
        run = _loaded(
            job.program.runs, place, job.program.sha256, job.port, torch_threads(job.torch_threads, share), share
        )
    return run(*prepare(path, id, size_wh, job.port.pictures, jpeg=jpeg))


def host_of(address: str) -> str:
    """`tcp://10.0.0.2:4001` -> `10.0.0.2`."""
    return address.rpartition("://")[2].rpartition(":")[0]


_differences_once = functools.lru_cache(maxsize=4)(differences)


@functools.lru_cache(maxsize=PROGRAMS_LOADED)
def _loaded(runs: str, place: Path, sha256: str, port: Port, torch_threads: int, share: int) -> RunPicture:  # noqa: ARG001
    prepare_threads()  # before torch is imported
    if runs == "onnx_runtime":
        from rfcn_lib.devices import onnx_runtime

        return onnx_runtime.device(place, share)
    import torch

    from rfcn_lib.devices import pytorch

    torch.set_num_threads(torch_threads)
    return pytorch.device(place, port)


def _place(program: Program, folder: Path) -> Path | None:
    """Where the program's file lies on this machine: received into `folder`, or at its own path with the same bytes."""
    sent = folder / _sent(program)
    if sent.exists():  # it has this name only once its bytes were checked
        return sent
    with suppress(OSError, StoreError):
        if program.path.is_file() and Digests(folder / "digests.sqlite").of(program.path) == program.sha256:
            return program.path
    return None


def _sent(program: Program) -> str:
    return f"{program.sha256}.program"
