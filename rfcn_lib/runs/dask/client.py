"""The pictures of one run shared out over a Dask cluster: the same folder, dumps and ledger as `filling.fill` makes.

This process reads the JPEGs, hands one to each idle thread of a worker, and alone writes what comes back, joined by id.
A worker that is lost costs nothing: Dask gives its pictures to the others. Workers get a program (graph or checkpoint)
once, in pieces, unless they find the same bytes at the same path.
"""

import hashlib
import statistics
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, ids_of
from rfcn_lib.pictures.preprocess import LARGEST_PICTURE_PX, PictureError
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.progress import progress
from rfcn_lib.runs.dask import members, worker
from rfcn_lib.runs.dask.members import checked, connected, ready, send, threads_here
from rfcn_lib.runs.dask.worker import AbsentError, ClusterError, Job, Program
from rfcn_lib.runs.filling import Jpegs, begun, expect_unchanged, keeping
from rfcn_lib.runs.plans import expect_room, in_canvases, say_hours, say_plan

__all__ = ["ClusterError", "Program", "checked", "fill_on_cluster"]

Source = Callable[[str], tuple[Path, tuple[int, int]]]  # id -> its JPEG and the size that its annotation says

LOOK_S: Final = 5.0  # how often the list of workers is looked at while no picture is finished
LARGEST_PROGRAM_BYTES: Final = 2**31  # of a protobuf, so of an ONNX file
LARGEST_JPEG_BYTES: Final = 3 * LARGEST_PICTURE_PX
TRIES: Final = 5  # to give a worker the program before the picture gives up


def fill_on_cluster(
    folder: Path,
    canvases: IdsByCanvas,
    port: Port,
    sources: Source,
    program: Callable[[Wh], Program],
    address: str,
    what: str,
    *,
    jpegs: Jpegs | None = None,
    first_look: bool = False,
    planned: bool = False,
) -> int:
    """Make the missing dumps of every canvas's pictures; returns how many. The cluster is only asked when one is missing.

    The dumps are `fill`'s to the last byte where processor and versions agree. When a picture fails, no further one is
    begun, those under way are kept, and then the first failure is raised. Memory does not grow with the pictures.
    `program`: canvas -> what runs its pictures. `jpegs`, `planned`: as in `fill`. `first_look`: two pictures for
    each thread, of the canvas with most left.

    Raises:
        ClusterError: no scheduler or worker answers, one is not like this machine, all workers are lost, or a picture
            took four workers with it.
        PictureError, DumpError, SessionError, CheckpointError: as when the pictures are run here.
    """
    ids = ids_of(canvases)
    wanted = begun(folder, ids, port, jpegs)
    if not wanted:
        return 0
    before, room, missing = len(ids) - len(wanted), expect_room(folder, len(wanted), port, what), set(wanted)
    to_do = {canvas: [id for id in of_canvas if id in missing] for canvas, of_canvas in canvases.items()}
    if first_look:  # where most of the run lies
        to_do = dict([max(to_do.items(), key=lambda one: len(one[1]))])
    programs = {canvas: _sendable(program(canvas)) for canvas, left in to_do.items() if left}
    threads, done = threads_here(next(iter(programs.values()))), list[str]()
    with connected(checked(address)) as client, keeping(folder, ids, wanted, what) as keep:
        from distributed.comm.core import CommClosedError

        def canvas_by_canvas() -> Iterator[str]:
            paced = False
            for canvas, loaded in programs.items():
                try:
                    job, left = ready(client, loaded, on_canvas(port, canvas), threads), to_do[canvas]
                except (CommClosedError, CancelledError) as error:
                    raise _lost(client) from error
                if not (done or planned):
                    workers = f"{_count(len(client.nthreads()))} at {address}"
                    say_plan(what, len(wanted), before, in_canvases(canvases), room, workers)
                at_once, second_s = sum(job.at_once.values()), list[float]()
                second = set(left[at_once : 2 * at_once])  # a thread's first picture also pays for its start
                for id, taken_s in _finished(client, job, sources, left[: 2 * at_once] if first_look else left, keep):
                    done.append(id)
                    second_s += [taken_s] * (id in second)
                    if second_s and len(second_s) == at_once and not paced:
                        paced = True
                        rest = [id for id in wanted if id not in done]
                        say_hours(what, statistics.median(second_s) / at_once, [id], rest, canvases)
                    yield id

        arrivals = canvas_by_canvas()
        for _ in arrivals if first_look else progress(arrivals, len(wanted), what, before=before):
            pass
    if not first_look:
        expect_unchanged(folder, ids, port, jpegs)
    return len(done)


def _finished(
    client: Any, job: Job, sources: Source, ids: Sequence[str], keep: Callable[..., None]
) -> Iterator[tuple[str, float]]:
    """Yield each id as it is kept, and the seconds since it was handed out."""
    import distributed

    waiting, under_way, failed = list(reversed(ids)), dict[Any, tuple[str, str, float]](), dict[str, Exception]()
    absent: dict[str, int] = {}
    alone_since = time.monotonic()
    while under_way or (waiting and not failed):
        threads = _threads(client)
        alone_since = time.monotonic() if threads else alone_since
        if time.monotonic() - alone_since > members.WORKERS_WITHIN_S:
            raise ClusterError(
                f"all workers of {client.scheduler.address} are lost, and none came back within {members.WORKERS_WITHIN_S} s; "
                "what is finished is kept; see the workers' logs, start them again and run the same command"
            )
        # one picture each: what waits on a worker that dies is suspected too
        while waiting and not failed and len(under_way) < threads:
            id = waiting.pop()
            try:
                future, jpeg_sha256 = _submitted(client, job, id, *sources(id))
                under_way[future] = id, jpeg_sha256, time.monotonic()
            except PictureError as error:
                failed[id] = error
        for future in _done(client, list(under_way)):
            id, jpeg_sha256, since = under_way.pop(future)
            try:
                outputs = future.result(timeout=LOOK_S)
            except CancelledError as error:
                raise _lost(client) from error
            except distributed.TimeoutError as error:
                if future.status == "error":
                    failed[id] = error
                else:  # a worker that answers no more; Dask gives it up after a while
                    under_way[future] = id, jpeg_sha256, since
            except AbsentError as error:
                absent[id] = absent.get(id, 0) + 1
                if absent[id] >= TRIES:
                    raise ClusterError(
                        f"{error} lacks the program although it was sent; see that worker's log"
                    ) from error
                send(client, job.program, [str(error)])
                waiting.append(id)
            except Exception as error:
                failed[id] = error
            else:
                keep(id, outputs, jpeg_sha256)
                yield id, time.monotonic() - since
    for id in ids:
        if id in failed:
            raise _in_words(id, failed[id])


def _sendable(program: Program) -> Program:
    size = program.path.stat().st_size
    if size > LARGEST_PROGRAM_BYTES:
        raise ClusterError(
            f"{program.path} has {size:,} bytes, but at most {LARGEST_PROGRAM_BYTES:,} are sent to workers"
        )
    return replace(program, path=program.path.absolute())


def _submitted(client: Any, job: Job, id: str, path: Path, size_wh: tuple[int, int]) -> tuple[Any, str]:
    """The future of one picture, and its JPEG's sha256. PictureError: its file cannot be read, or is beyond all bounds."""
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
        words = (job, id, size_wh, path, jpeg)
        future = client.submit(worker.run_picture, *words, key=f"picture-{id}-{uuid.uuid4().hex}", pure=False)
    return future, hashlib.sha256(jpeg).hexdigest()


def _threads(client: Any) -> int:
    """Of all workers there are now."""
    try:
        return sum(client.nthreads().values())
    except (OSError, CancelledError) as error:
        raise _lost(client) from error


def _done(client: Any, futures: list[Any]) -> list[Any]:
    """Those that are finished or failed; after LOOK_S without any, none."""
    import distributed

    if not futures:
        time.sleep(1)  # no worker
        return []
    try:
        done = distributed.wait(futures, timeout=LOOK_S, return_when="FIRST_COMPLETED").done  # type: ignore[no-untyped-call]
        return list(done)
    except distributed.TimeoutError:  # not the builtin one on Python 3.10
        return []
    except CancelledError as error:
        raise _lost(client) from error


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


def _count(workers: int) -> str:
    return f"{workers} worker{'s' if workers != 1 else ''}"
