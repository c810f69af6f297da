"""What a worker of a Dask cluster does: say how it differs from the machine that asks, and run a picture."""

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
from typing import Any, Final, Literal, NamedTuple

from rfcn_lib.devices.threads import prepare_threads, torch_threads
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import Port
from rfcn_lib.processors import usable_processors
from rfcn_lib.records import Outputs, RunPicture
from rfcn_lib.store.code import code_behind
from rfcn_lib.store.digests import Digests, StoreError

_LOADING: Final = threading.Lock()  # a worker with several threads loads a model once


class ClusterError(SuiteError):
    """The cluster cannot run the pictures, or not all of them: says which worker or picture, why, and what to do."""


class NoFileError(ClusterError):
    """A worker has not got the model's file."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The file of a model: the twin for ONNX Runtime, or a checkpoint for the source model in PyTorch.

    path    absolute, on the machine that asks. A worker that finds the same bytes at this path (a mounted disk) reads them there
    sha256  hex, of the file
    """

    runs: Literal["onnx_runtime", "pytorch"]
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class SetUp:
    """What all pictures of one canvas of a run have in common.

    like           `described()` of the machine that asks
    torch_threads  as on the machine that asks
    at_once        host -> pictures that its workers run at a time
    """

    file: ModelFile
    port: Port
    like: tuple[tuple[str, str], ...]
    torch_threads: int
    at_once: Mapping[str, int]


class Seen(NamedTuple):
    """What a worker says of itself."""

    differences: tuple[str, ...]
    cpu: str
    has_file: bool


def dask_setup(worker: Any) -> None:  # noqa: ARG001
    """Ignore Ctrl-C in the workers of a local run, whose preload this module is; the main process stops them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def described() -> dict[str, str]:
    """What must be the same everywhere for the same outputs: the code that a worker runs, and the libraries under it.

    Raises:
        StoreError: the code was changed while this process runs.
    """
    files, libraries = code_behind(sys.modules[__name__])
    dask = {"distributed": f"distributed {metadata.version('distributed')}"}
    return {"python": f"Python {sys.version_info[0]}.{sys.version_info[1]}", **dask, **libraries, **files}


@functools.lru_cache(maxsize=4)
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


def look(file: ModelFile, like: tuple[tuple[str, str], ...], dask_worker: Any) -> Seen:
    """What this worker is. Dask passes itself as `dask_worker`."""
    return Seen(differences(like), cpu_model(), _path_of(file, Path(dask_worker.local_directory)) is not None)


def run_picture(set_up: SetUp, id: str, size_wh: tuple[int, int], path: Path, jpeg: bytes) -> Outputs:
    """Run one picture. `jpeg`: the bytes of its file; `path` and `id` only name it.

    Raises:
        NoFileError: this worker has not got the model's file.
        ClusterError: this worker joined late, and is not like the machine that asks.
        PictureError, SessionError, CheckpointError: as on the machine that asks.
    """
    from distributed import get_worker

    worker = get_worker()
    wrong = differences(set_up.like)
    if wrong:
        raise ClusterError(f"worker {worker.address} ({platform.node()}) {'; '.join(wrong)}")
    place = _path_of(set_up.file, Path(worker.local_directory))
    if place is None:
        raise NoFileError(
            f"worker {worker.address} ({platform.node()}) lacks {set_up.file.path}, which it could not write; see its log"
        )
    here = set_up.at_once.get(host_of(worker.address), worker.state.nthreads)
    share = max(1, usable_processors() // here)
    threads = torch_threads(set_up.torch_threads, share)
    with _LOADING:
        model = _load_model(set_up.file.runs, place, set_up.file.sha256, set_up.port, threads, share)
    return model(*prepare(path, id, size_wh, set_up.port.pictures, jpeg=jpeg))


def host_of(address: str) -> str:
    """`tcp://10.0.0.2:4001` -> `10.0.0.2`."""
    return address.rpartition("://")[2].rpartition(":")[0]


@functools.lru_cache(maxsize=1)  # a run goes canvas by canvas
def _load_model(runs: str, path: Path, sha256: str, port: Port, torch_threads: int, share: int) -> RunPicture:  # noqa: ARG001
    prepare_threads()  # before torch is imported
    if runs == "onnx_runtime":
        from rfcn_lib.devices import onnx_runtime

        return onnx_runtime.load_model(path, share)
    import torch

    from rfcn_lib.devices import pytorch

    torch.set_num_threads(torch_threads)
    return pytorch.load_model(path, port)


def _path_of(file: ModelFile, folder: Path) -> Path | None:
    """Where the model's file lies on this machine: as it was sent to `folder`, or at its own path with the same bytes."""
    sent = folder / file.sha256  # it has this name only once its bytes were checked
    if sent.exists():
        return sent
    with suppress(OSError, StoreError):
        if file.path.is_file() and Digests(folder / "digests.sqlite").of(file.path) == file.sha256:
            return file.path
    return None
