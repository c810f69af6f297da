"""Pictures shared out over a Dask cluster: the same dumps as a run on this machine.

This process reads the JPEGs, hands one to each idle thread of a worker, and alone writes what comes back. A worker that is
lost costs nothing: Dask gives its pictures to the others.
"""

import hashlib
import os
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rfcn_lib.devices.threads import one_thread
from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import LARGEST_PICTURE_PX, PictureError
from rfcn_lib.runs.dask import members
from rfcn_lib.runs.dask.members import ClusterError, ModelFile
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.loop import Finished

if TYPE_CHECKING:
    from rfcn_lib.runs.dask.worker import Model  # imports Dask, which need not be installed

LOOK_S: Final = 5.0  # how often the list of workers is read while no picture is finished
PIECE_BYTES: Final = 16_000_000
AGAIN_AFTER_S: Final = 1.0  # a worker was lost while the model was given to all
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

        from rfcn_lib.runs.dask.worker import Model, described

        wanted, alone = set(ids), one_thread()  # asked before `connected`, which changes the environment
        on = {wh: [id for id in on_canvas if id in wanted] for wh, on_canvas in pictures.by_canvas.items()}
        with members.connected(self.address) as client:
            try:
                at_once = members.wait_for_workers(client)
                for wh in sorted((wh for wh in on if on[wh]), key=lambda wh: -len(on[wh])):
                    model = Model(self.model_file(wh), pictures.port_on(wh), described(), alone, at_once)
                    yield from _on_canvas(client, model, folder, pictures, on[wh])
            except (CommClosedError, CancelledError) as error:
                raise ClusterError(
                    f"the Dask scheduler at {client.scheduler.address} was lost; the finished pictures are kept; start it "
                    "and its workers again and run the same command"
                ) from error


def _on_canvas(
    client: Any, model: "Model", folder: RunFolder, pictures: Pictures, ids: Sequence[str]
) -> Iterator[Finished]:
    """Run the pictures of one canvas, and add each to the folder."""
    import distributed

    from rfcn_lib.runs.dask.worker import NoFileError, run_picture

    at_once, plugins = sum(model.at_once.values()), [f"rfcn-{uuid.uuid4().hex}"]
    sent = False  # the file, to workers that do not see it
    waiting, failed, done = deque(ids), dict[str, Exception](), queue.SimpleQueue[Any]()
    under_way: dict[
        Any, tuple[str, str, bool]
    ] = {}  # future -> id, sha256 of its JPEG, whether the file was sent before
    finished_s, workers_seen_s = list[float](), time.monotonic()
    try:
        _give(client, plugins[0], model)
        while under_way or (waiting and not failed):
            threads = sum(client.nthreads().values())
            workers_seen_s = time.monotonic() if threads else workers_seen_s
            if time.monotonic() - workers_seen_s > members.WORKERS_WITHIN_S:
                raise ClusterError(
                    f"all workers of {client.scheduler.address} are lost, and none came back within "
                    f"{members.WORKERS_WITHIN_S} s; what is finished is kept; see the workers' logs, start them again and "
                    "run the same command"
                )
            # one picture for each thread: what waits on a worker that dies would be suspected too
            while waiting and not failed and len(under_way) < threads:
                id = waiting.popleft()
                path, size_wh = pictures.source(id)
                try:
                    jpeg = _jpeg_of(path)
                except PictureError as error:
                    failed[id] = error
                    break
                key = f"picture-{id}-{uuid.uuid4().hex}"
                future = client.submit(run_picture, plugins[0], id, size_wh, path, jpeg, key=key, pure=False)
                future.add_done_callback(done.put)
                under_way[future] = id, hashlib.sha256(jpeg).hexdigest(), sent
            try:
                future = done.get(timeout=LOOK_S if under_way else 1)
            except queue.Empty:
                continue
            id, jpeg_sha256, after_sending = under_way[future]
            try:
                outputs = future.result(timeout=LOOK_S)
            except CancelledError:  # the scheduler is lost
                raise
            except NoFileError as error:
                if after_sending:
                    failed[id] = error
                else:
                    waiting.appendleft(id)
                if not sent:
                    _send(client, model.file, plugins)
                    sent = True
            except Exception as error:
                if isinstance(error, distributed.TimeoutError) and future.status != "error":
                    future.add_done_callback(done.put)  # Dask gives up a worker that does not answer, after a while
                    continue
                said = (
                    f"picture {id} failed on the cluster ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
                )
                ours = isinstance(error, SuiteError)  # a sentence already
                failed[id] = error if ours else ClusterError(f"{said}; finished pictures are kept")
            else:
                folder.add(id, outputs, jpeg_sha256)
                finished_s.append(time.monotonic())
                pace_s = None
                if len(finished_s) == 2 * at_once:  # the first picture of a thread also paid for its start
                    pace_s = (finished_s[-1] - finished_s[at_once - 1]) / at_once
                yield Finished((id,), pace_s)
            del under_way[future]
    finally:
        for plugin in plugins:
            with suppress(Exception):  # a scheduler that is lost has forgotten it
                client.unregister_worker_plugin(plugin)
    for id in ids:
        if id in failed:
            raise failed[id]


def _jpeg_of(path: Path) -> bytes:
    """The bytes of a picture's file. PictureError: it cannot be read, or is too large."""
    try:
        jpeg = read_bounded(path, LARGEST_JPEG_BYTES)
    except OSError as error:
        raise PictureError(f"{path} cannot be decoded as a JPEG or PNG: {error}; restore the file") from error
    if jpeg is None:
        raise PictureError(
            f"{path} has more than {LARGEST_JPEG_BYTES:,} bytes, the most that is sent; use a smaller one"
        )
    return jpeg


def _send(client: Any, file: ModelFile, plugins: list[str]) -> None:
    """Give the file to all workers, also to those that join later; the names of its plugins are added to `plugins`.

    Raises:
        ClusterError: the file cannot be read; and as `_give`.
    """
    from rfcn_lib.runs.dask.worker import Piece

    sending = plugins[0]
    try:
        with file.path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            while data := stream.read(PIECE_BYTES):
                start = stream.tell() - len(data)
                plugins.append(f"{sending}-{start}")
                _give(client, plugins[-1], Piece(file, sending, start, data, stream.tell() >= size))
    except OSError as error:
        raise ClusterError(f"cannot read {file.path}: {error.strerror}; run the same command again") from error


def _give(client: Any, name: str, plugin: Any, tries: int = 3) -> None:
    """Give a plugin to all workers, also to those that join later.

    Raises:
        ClusterError: a worker is not like this machine, or cannot keep the file.
    """
    try:
        client.register_plugin(plugin, name=name)
    except ClusterError:
        raise
    except Exception as error:  # a worker was lost at this moment
        if tries == 1:
            said = f"{type(error).__name__}: {str(error)[:300]}"
            raise ClusterError(
                f"not every worker takes {plugin.file.path} ({said}); run the same command again"
            ) from error
        time.sleep(AGAIN_AFTER_S)
        _give(client, name, plugin, tries - 1)
