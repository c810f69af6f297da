"""Pictures shared out over a Dask cluster: the same dumps as a run on this machine.

This process reads the JPEGs, hands one to each idle thread of a worker, and alone writes what comes back. A worker that is
lost costs nothing: Dask gives its pictures to the others.
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
from rfcn_lib.runs.dask.worker import ClusterError, ModelFile, NoFileError, SetUp
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.loop import Finished

__all__ = ["ClusterError", "DaskEngine", "ModelFile", "checked"]

LOOK_S: Final = 5.0  # how often the list of workers is read while no picture is finished
LARGEST_JPEG_BYTES: Final = 3 * LARGEST_PICTURE_PX


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
        """Run the pictures, the canvas with most of them first; the pace is known after two pictures a thread.

        When a picture fails, no further one is begun, those under way are kept, and then the first failure is raised.
        Memory does not grow with the number of pictures.

        Raises:
            ClusterError: no scheduler or worker answers, one is not like this machine, all workers are lost, or a
                picture took four workers with it.
            PictureError, SessionError, CheckpointError: as when the pictures are run here.
        """
        from distributed.comm.core import CommClosedError

        wanted = set(ids)
        on = {wh: [id for id in on_canvas if id in wanted] for wh, on_canvas in pictures.by_canvas.items()}
        canvases = sorted((wh for wh in on if on[wh]), key=lambda wh: -len(on[wh]))
        files = {wh: self.model_file(wh) for wh in canvases}
        torch_threads = threads_here(files[canvases[0]])
        with connected(checked(self.address)) as client:
            try:
                for wh in canvases:
                    file = replace(files[wh], path=files[wh].path.absolute())
                    shared, all_see_it = set_up(client, file, pictures.port_on(wh), torch_threads)
                    if wh == canvases[0]:
                        count = len(client.nthreads())
                        say(f"{count} worker{'s' if count != 1 else ''} at {self.address}")
                    yield from _on_canvas(client, shared, all_see_it, folder, pictures, on[wh])
            except (CommClosedError, CancelledError) as error:
                raise ClusterError(
                    f"the Dask scheduler at {client.scheduler.address} was lost; the finished pictures are kept; start it "
                    "and its workers again and run the same command"
                ) from error


def _on_canvas(
    client: Any, shared: SetUp, all_see_it: bool, folder: RunFolder, pictures: Pictures, ids: Sequence[str]
) -> Iterator[Finished]:
    """Run the pictures of one canvas, and add each to the folder."""
    from rfcn_lib.runs.dask import model_file

    plugins, at_once, second_s = list[str](), sum(shared.at_once.values()), list[float]()
    second = set(ids[at_once : 2 * at_once])  # the first picture of a thread also pays for its start
    try:
        if not all_see_it:
            model_file.send(client, shared.file, plugins)
        for id, outputs, jpeg_sha256, taken_s in _outputs(client, shared, pictures, ids, plugins):
            folder.add(id, outputs, jpeg_sha256)
            second_s += [taken_s] * (id in second)
            yield Finished((id,), statistics.median(second_s) / at_once if len(second_s) == at_once else None)
    finally:
        model_file.forget(client, plugins)


def _outputs(
    client: Any, shared: SetUp, pictures: Pictures, ids: Sequence[str], plugins: list[str]
) -> Iterator[tuple[str, Outputs, str, float]]:
    """(id, outputs, sha256 of its JPEG, seconds since it was handed out) of each picture as it comes back.

    plugins  names of the plugins that give the model's file to the workers; empty while all workers see it at its own path
    """
    import distributed

    from rfcn_lib.runs.dask import model_file

    waiting, failed = list(reversed(ids)), dict[str, Exception]()
    under_way: dict[Any, tuple[str, str, float]] = {}  # future -> id, sha256 of its JPEG, when it was handed out
    alone_since, sent_at = time.monotonic(), 0.0
    while under_way or (waiting and not failed):
        threads = sum(client.nthreads().values())
        alone_since = time.monotonic() if threads else alone_since
        if time.monotonic() - alone_since > members.WORKERS_WITHIN_S:
            raise ClusterError(
                f"all workers of {client.scheduler.address} are lost, and none came back within {members.WORKERS_WITHIN_S} s; "
                "what is finished is kept; see the workers' logs, start them again and run the same command"
            )
        # one picture for each thread: what waits on a worker that dies would be suspected too
        while waiting and not failed and len(under_way) < threads:
            id = waiting.pop()
            try:
                future, jpeg_sha256 = _submitted(client, shared, id, *pictures.source(id))
                under_way[future] = id, jpeg_sha256, time.monotonic()
            except PictureError as error:
                failed[id] = error
        for future in _done(list(under_way)):
            id, jpeg_sha256, since = under_way.pop(future)
            try:
                outputs = future.result(timeout=LOOK_S)
            except CancelledError:  # the scheduler is lost
                raise
            except NoFileError as error:
                if not plugins:  # a worker that joined later does not see the file where the others do
                    model_file.send(client, shared.file, plugins)
                    sent_at = time.monotonic()
                if since < sent_at:
                    waiting.append(id)
                else:
                    failed[id] = error
            except Exception as error:
                if isinstance(error, distributed.TimeoutError) and future.status != "error":
                    under_way[future] = (
                        id,
                        jpeg_sha256,
                        since,
                    )  # Dask gives up a worker that does not answer, after a while
                else:
                    failed[id] = error
            else:
                yield id, outputs, jpeg_sha256, time.monotonic() - since
    for id in ids:
        if id in failed:
            raise _in_words(id, failed[id])


def _submitted(client: Any, shared: SetUp, id: str, path: Path, size_wh: tuple[int, int]) -> tuple[Any, str]:
    """The future of one picture, and its JPEG's sha256. PictureError: the file cannot be read, or is too large."""
    try:
        with path.open("rb") as file:
            jpeg = file.read(LARGEST_JPEG_BYTES + 1)
    except OSError as error:
        raise PictureError(f"{path} cannot be decoded as a JPEG: {error}; restore the file") from error
    if len(jpeg) > LARGEST_JPEG_BYTES:
        raise PictureError(
            f"{path} has more than {LARGEST_JPEG_BYTES:,} bytes, the most that is sent; use a smaller one"
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")  # of a JPEG above 10 MB
        key, words = f"picture-{id}-{uuid.uuid4().hex}", (shared, id, size_wh, path, jpeg)
        return client.submit(worker.run_picture, *words, key=key, pure=False), hashlib.sha256(jpeg).hexdigest()


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
