"""Pictures shared out over a Dask cluster: the same dumps as a run on this machine.

This process reads the JPEGs, hands one to each idle thread of a worker, and alone writes what comes back. A worker that is
lost costs nothing: Dask gives its pictures to the others. Workers get a model's file once, or find it at the same path.
"""

import hashlib
import statistics
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import LARGEST_PICTURE_PX, PictureError
from rfcn_lib.progress import say
from rfcn_lib.records import Outputs
from rfcn_lib.runs.dask import members, worker
from rfcn_lib.runs.dask.members import checked, connected, set_up, threads_here
from rfcn_lib.runs.dask.worker import AbsentError, ClusterError, ModelFile, SetUp
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.loop import Finished

__all__ = ["ClusterError", "DaskEngine", "ModelFile", "checked"]

LOOK_S: Final = 5.0  # how often the list of workers is read while no picture is finished
LARGEST_FILE_BYTES: Final = 2**31  # of a protobuf, so of an ONNX file
LARGEST_JPEG_BYTES: Final = 3 * LARGEST_PICTURE_PX
SENDINGS: Final = 3  # of the model's file, when a worker that joined later lacks it


@dataclass(frozen=True, slots=True)
class DaskEngine:
    """A Dask cluster.

    address     tcp://HOST:PORT or tls://HOST:PORT of its scheduler, or local:N for N processes of this machine
    model_file  canvas, (width, height) px -> the file that its workers load
    """

    address: str
    model_file: Callable[[Wh], ModelFile]

    def describe(self, pictures: Pictures) -> str:  # noqa: ARG002
        """`shared over Dask, tcp://head:8786`."""
        return f"shared over Dask, {self.address}"

    def run(self, folder: RunFolder, pictures: Pictures, ids: Sequence[str]) -> Generator[Finished, None, None]:
        """Run the pictures, those of the canvas with most left first; the pace is known after two pictures a thread.

        When a picture fails, no further one is begun, those under way are kept, and then the first failure is raised.
        Memory does not grow with the number of pictures.

        Raises:
            ClusterError: no scheduler or worker answers, one is not like this machine, all workers are lost, or a
                picture took four workers with it.
            PictureError, SessionError, CheckpointError: as when the pictures are run here.
        """
        from distributed.comm.core import CommClosedError

        wanted = set(ids)
        to_do = [(wh, [id for id in on_canvas if id in wanted]) for wh, on_canvas in pictures.by_canvas.items()]
        to_do = sorted((one for one in to_do if one[1]), key=lambda one: -len(one[1]))
        files = {canvas_wh: _sendable(self.model_file(canvas_wh)) for canvas_wh, _ in to_do}
        torch_threads = threads_here(files[to_do[0][0]])
        with connected(checked(self.address)) as client:
            for canvas_wh, left in to_do:
                try:
                    shared, all_see_it = set_up(client, files[canvas_wh], pictures.port_on(canvas_wh), torch_threads)
                    if canvas_wh == to_do[0][0]:
                        workers = len(client.nthreads())
                        say(f"{workers} worker{'s' if workers != 1 else ''} at {self.address}")
                    yield from _on_canvas(client, shared, all_see_it, folder, pictures, left)
                except (CommClosedError, CancelledError) as error:
                    raise _lost(client) from error


def _on_canvas(
    client: Any, shared: SetUp, all_see_it: bool, folder: RunFolder, pictures: Pictures, ids: Sequence[str]
) -> Iterator[Finished]:
    """Run the pictures of one canvas, and add each to the folder."""
    from rfcn_lib.runs.dask import model_file

    plugins = [] if all_see_it else model_file.send(client, shared.file)
    at_once, second_s = sum(shared.at_once.values()), list[float]()
    second = set(ids[at_once : 2 * at_once])  # the first picture of a thread also pays for its start
    run = _Run(client, shared, pictures, list(reversed(ids)), {}, {}, plugins)
    try:
        for id, outputs, jpeg_sha256, taken_s in run.outputs():
            folder.add(id, outputs, jpeg_sha256)
            second_s += [taken_s] * (id in second)
            yield Finished((id,), statistics.median(second_s) / at_once if len(second_s) == at_once else None)
    finally:
        model_file.forget(client, plugins)
    for id in ids:
        if id in run.failed:
            raise _in_words(id, run.failed[id])


@dataclass(slots=True)
class _Run:
    """The pictures of one canvas on the way through the cluster.

    waiting    ids that no worker has, the next one last
    under_way  future -> (id, sha256 of its JPEG, when it was handed out)
    failed     id -> why
    plugins    names of the plugins that gave the model's file to the workers
    """

    client: Any
    shared: SetUp
    pictures: Pictures
    waiting: list[str]
    under_way: dict[Any, tuple[str, str, float]]
    failed: dict[str, Exception]
    plugins: list[str]

    def outputs(self) -> Iterator[tuple[str, Outputs, str, float]]:
        """(id, outputs, sha256 of its JPEG, seconds since it was handed out) of each picture as it comes back."""
        alone_since, sendings = time.monotonic(), 1
        while self.under_way or (self.waiting and not self.failed):
            threads = sum(self.client.nthreads().values())
            alone_since = time.monotonic() if threads else alone_since
            if time.monotonic() - alone_since > members.WORKERS_WITHIN_S:
                raise ClusterError(
                    f"all workers of {self.client.scheduler.address} are lost, and none came back within "
                    f"{members.WORKERS_WITHIN_S} s; what is finished is kept; see the workers' logs, start them again and run "
                    "the same command"
                )
            self.hand_out(threads)
            for future in _done(list(self.under_way)):
                id, jpeg_sha256, since = self.under_way.pop(future)
                try:
                    outputs = future.result(timeout=LOOK_S)
                except CancelledError:  # the scheduler is lost
                    raise
                except AbsentError as error:
                    if sendings >= SENDINGS:
                        raise ClusterError(
                            f"worker {error} lacks {self.shared.file.path} although it was sent; see that worker's log"
                        ) from error
                    sendings += 1
                    self.send_again()
                    self.waiting.append(id)
                except Exception as error:
                    if _no_answer(error) and future.status != "error":
                        self.under_way[future] = id, jpeg_sha256, since  # Dask gives that worker up after a while
                    else:
                        self.failed[id] = error
                else:
                    yield id, outputs, jpeg_sha256, time.monotonic() - since

    def hand_out(self, threads: int) -> None:
        """One picture for each thread of a worker; what waited on a worker that dies would be suspected too."""
        while self.waiting and not self.failed and len(self.under_way) < threads:
            id = self.waiting.pop()
            path, size_wh = self.pictures.source(id)
            try:
                jpeg = _read(path)
            except PictureError as error:
                self.failed[id] = error
                return
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sending large graph")  # of a JPEG above 10 MB
                words, key = (self.shared, id, size_wh, path, jpeg), f"picture-{id}-{uuid.uuid4().hex}"
                future = self.client.submit(worker.run_picture, *words, key=key, pure=False)
            self.under_way[future] = id, hashlib.sha256(jpeg).hexdigest(), time.monotonic()

    def send_again(self) -> None:
        """A worker joined later and lacks the model's file, which the others found at its own path."""
        from rfcn_lib.runs.dask import model_file

        self.plugins += model_file.send(self.client, self.shared.file)


def _sendable(file: ModelFile) -> ModelFile:
    size = file.path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise ClusterError(f"{file.path} has {size:,} bytes, but at most {LARGEST_FILE_BYTES:,} are sent to workers")
    return replace(file, path=file.path.absolute())


def _read(path: Path) -> bytes:
    """A JPEG's bytes. PictureError: the file cannot be read, or is too large for any picture."""
    try:
        with path.open("rb") as file:
            jpeg = file.read(LARGEST_JPEG_BYTES + 1)
    except OSError as error:
        raise PictureError(f"{path} cannot be decoded as a JPEG: {error}; restore the file") from error
    if len(jpeg) > LARGEST_JPEG_BYTES:
        raise PictureError(
            f"{path} has more than {LARGEST_JPEG_BYTES:,} bytes, the most that is sent; use a smaller one"
        )
    return jpeg


def _done(futures: list[Any]) -> list[Any]:
    """Those that are finished or failed; after LOOK_S without any, none."""
    import distributed

    if not futures:
        time.sleep(1)  # no worker
        return []
    try:
        return list(distributed.wait(futures, timeout=LOOK_S, return_when="FIRST_COMPLETED").done)  # type: ignore[no-untyped-call]
    except distributed.TimeoutError:  # not the builtin one on Python 3.10
        return []


def _no_answer(error: Exception) -> bool:
    import distributed

    return isinstance(error, distributed.TimeoutError)


def _in_words(id: str, error: Exception) -> Exception:
    """An error of ours is a sentence already."""
    from distributed import KilledWorker

    if isinstance(error, SuiteError):
        return error
    if isinstance(error, KilledWorker):
        return ClusterError(
            f"picture {id} was under way on {error.allowed_failures + 1} workers when they died, the last one "
            f"{error.last_worker.address}; has a worker too little memory for it? see its log; finished pictures are kept"
        )
    return ClusterError(
        f"picture {id} failed on a worker ({type(error).__name__}: {str(error)[:300]}); finished pictures are kept"
    )


def _lost(client: Any) -> ClusterError:
    return ClusterError(
        f"the Dask scheduler at {client.scheduler.address} was lost; the finished pictures are kept; start "
        "it and its workers again and run the same command"
    )
