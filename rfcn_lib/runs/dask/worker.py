"""What a worker of a Dask cluster does: say how it differs from the machine that asks, keep a model's file, run a picture."""

import functools
import os
import platform
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, cast

from distributed import WorkerPlugin, get_worker
from distributed.comm.addressing import get_address_host

from rfcn_lib.devices.threads import prepare_threads, torch_threads
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import Port
from rfcn_lib.processors import usable_processors
from rfcn_lib.records import Outputs, RunPicture
from rfcn_lib.runs.dask.members import ALIKE, ClusterError, ModelFile
from rfcn_lib.store.code import code_behind
from rfcn_lib.store.digests import Digests, StoreError

_LOADING: Final = threading.Lock()  # a worker with several threads loads a model once


class NoFileError(ClusterError):
    """A worker has not got the model's file."""


@dataclass
class Model(WorkerPlugin):
    """What the pictures of one canvas of a run need. Dask gives it to each worker, also to one that joins later.

    like        `described()` of the machine that asks
    one_thread  whether PyTorch uses one thread there
    at_once     host -> pictures that its workers run at a time
    ready       whether `setup` ended well on this worker
    """

    file: ModelFile
    port: Port
    like: Mapping[str, str]
    one_thread: bool
    at_once: Mapping[str, int]
    ready: bool = False

    def setup(self, worker: Any) -> None:
        """Compare the worker with the machine that asks.

        Raises:
            ClusterError: the worker has other code or libraries.
        """
        if other := differences(self.like):
            raise ClusterError(f"worker {worker.address} {'; '.join(other)}; {ALIKE}")
        self.ready = True


@dataclass
class Piece(WorkerPlugin):
    """A piece of the model's file, for workers that do not see it. After the last piece the file has its digest as its name.

    In pieces, because Dask copies a plugin for each worker: a whole file of 250 MB took the scheduler 0.25 GB per worker.

    sending  names one sending, as two clients may send the same file
    start    bytes of the file before this piece
    """

    file: ModelFile
    sending: str
    start: int
    data: bytes
    last: bool

    def setup(self, worker: Any) -> None:
        """Write the piece into the worker's folder; after the last one, check the whole file.

        Raises:
            ClusterError: the disk does not take it, or the file is not the one that the run began with.
        """
        partial, want = Path(worker.local_directory, self.sending), self.file.sha256
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
                stream.seek(self.start)
                stream.write(self.data)
            self.data = b""  # the worker keeps the plugin
            if self.last and (got := Digests(partial.with_name("digests.sqlite")).of(partial)) == want:
                partial.replace(partial.with_name(want))
            elif self.last:
                raise ClusterError(
                    f"worker {worker.address} received {self.file.path} with sha256 {got[:12]}, but should with {want[:12]}; "
                    "did the file change after the run began? run again"
                )
        except OSError as error:
            said = f"worker {worker.address} could not write into {worker.local_directory}: {error.strerror}"
            raise ClusterError(f"{said}; make room on its disk") from error


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


def differences(like: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences, none when this process would give the outputs of the one that `like` describes."""
    try:
        got = described()
    except StoreError as error:
        return (str(error),)
    other = sorted(name for name in like.keys() | got.keys() if like.get(name) != got.get(name))
    files = [name for name in other if name.endswith(".py")]
    found = [f"has {got.get(n, 'no ' + n)}, but should have {like.get(n, 'none')}" for n in other if n not in files]
    if files:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        found.append(f"has another text of {files[0]}{more}, but should run the same commit")
    return tuple(found)


def run_picture(plugin: str, id: str, size_wh: tuple[int, int], path: Path, jpeg: bytes) -> Outputs:
    """Run one picture with the `Model` of that name. `jpeg`: the bytes of its file; `path` and `id` only name it.

    Raises:
        NoFileError: this worker has not got the model's file.
        ClusterError: this worker joined late, and cannot run a picture.
        PictureError, SessionError, CheckpointError: as on the machine that asks.
    """
    worker = get_worker()
    model = cast("Model", worker.plugins[plugin])
    if not model.ready:  # it failed when this worker joined, which only the worker's log says
        model.setup(worker)
    share = max(1, usable_processors() // model.at_once.get(get_address_host(worker.address), worker.state.nthreads))
    threads = torch_threads(1 if model.one_thread else 2, share)
    with _LOADING:
        run = _load(model.file, Path(worker.local_directory), model.port, threads, share)
    return run(*prepare(path, id, size_wh, model.port.pictures, jpeg=jpeg))


@functools.lru_cache(maxsize=1)  # a run goes canvas by canvas
def _load(file: ModelFile, folder: Path, port: Port, torch_threads: int, share: int) -> RunPicture:
    path = folder / file.sha256  # its bytes were checked when it was written
    if not path.exists():
        path, got = file.path, ""
        with suppress(StoreError):
            got = Digests(folder / "digests.sqlite").of(path)
        if got != file.sha256:
            raise NoFileError(f"{platform.node()} has no {path} with the bytes that the run began with; run again")
    prepare_threads()  # before torch is imported
    if file.runs == "onnx_runtime":
        from rfcn_lib.devices import onnx_runtime

        return onnx_runtime.load_model(path, share)
    if file.runs == "rehearsal":
        from rfcn_lib.devices import rehearsal

        return rehearsal.load_model(path, share)
    import torch

    from rfcn_lib.devices import pytorch

    torch.set_num_threads(torch_threads)
    return pytorch.load_model(path, port)
