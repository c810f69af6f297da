"""The pictures of one run shared out over a Dask cluster: the same folder, dumps and ledger as `filling.fill` makes.

This process reads the JPEGs, hands one to each idle thread of a worker, and alone writes what comes back, joined by id.
A worker that is lost costs nothing: Dask gives its pictures to the others. Workers get a program (graph or checkpoint)
once, in pieces, unless they find the same bytes at the same path.
"""

import hashlib
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rfcn_lib.devices import cluster_members as members
from rfcn_lib.devices import cluster_worker as worker
from rfcn_lib.devices.cluster_members import checked, connected, ready, send, threads_here
from rfcn_lib.devices.cluster_worker import AbsentError, ClusterError, Job, Program
from rfcn_lib.devices.filling import Jpegs, begun, expect_room, keeping
from rfcn_lib.pictures.preprocess import LARGEST_PICTURE_PX, PictureError
from rfcn_lib.port import Port
from rfcn_lib.progress import progress, say

__all__ = ["ClusterError", "Program", "checked", "fill_on_cluster"]

Source = Callable[[str], tuple[Path, tuple[int, int]]]  # id -> its JPEG and the size that its annotation says

LOOK_S: Final = 5.0  # how often the list of workers is looked at while no picture is finished
LARGEST_PROGRAM_BYTES: Final = 2**31  # of a protobuf, so of an ONNX file
LARGEST_JPEG_BYTES: Final = 3 * LARGEST_PICTURE_PX
TRIES: Final = 5  # to give a worker the program before the picture gives up


def fill_on_cluster(
    folder: Path,
    ids: Sequence[str],
    port: Port,
    sources: Source,
    program: Program,
    address: str,
    what: str,
    *,
    jpegs: Jpegs | None = None,
) -> int:
    """Make the missing dumps of `ids`; returns how many that were. The cluster is only asked when one is missing.

    The dumps are `fill`'s to the last byte where processor and versions agree. When a picture fails, no further one is
    begun, those under way are kept, and then the first failure is raised. Memory does not grow with `ids`. `jpegs`: as in
    `fill`.

    Raises:
        ClusterError: no scheduler or worker answers, one is not like this machine, all workers are lost, or a picture
            took four workers with it.
        PictureError, DumpError, GraphError, CheckpointError: as when the pictures are run here.
    """
    wanted = begun(folder, ids, port, jpegs)
    if not wanted:
        return 0
    size = program.path.stat().st_size
    if size > LARGEST_PROGRAM_BYTES:
        raise ClusterError(
            f"{program.path} has {size:,} bytes, but at most {LARGEST_PROGRAM_BYTES:,} are sent to workers"
        )
    before, room = len(ids) - len(wanted), expect_room(folder, len(wanted), port, what)
    threads = threads_here(program)
    with connected(checked(address)) as client, keeping(folder, ids, wanted, port, what, jpegs) as keep:
        job = ready(client, replace(program, path=program.path.absolute()), port, threads)
        plan = f"{len(wanted):,} pictures to do, {before:,} already there"
        canvas = "canvas {} x {} px".format(*port.pictures.canvas_wh_px)
        say(f"{what}: {plan}; {canvas}; {room}; {_count(len(client.nthreads()))} at {address}; stop when you like")
        for _ in progress(_finished(client, job, sources, wanted, keep), len(wanted), what, before=before):
            pass
    return len(wanted)


def _finished(client: Any, job: Job, sources: Source, ids: Sequence[str], keep: Callable[..., None]) -> Iterator[str]:
    """Yield the ids as they are kept."""
    import distributed

    waiting, under_way, failed = list(reversed(ids)), dict[Any, tuple[str, str]](), dict[str, Exception]()
    absent: dict[str, int] = {}
    alone_since = time.monotonic()
    while under_way or (waiting and not failed):
        threads = _threads(client, len(ids))
        alone_since = time.monotonic() if threads else alone_since
        if time.monotonic() - alone_since > members.WORKERS_WITHIN_S:
            raise ClusterError(
                f"all workers of {client.scheduler.address} are lost, and none came back within {members.WORKERS_WITHIN_S} s; "
                f"{len(waiting) + len(under_way)} of {len(ids)} pictures are left, the others are kept; see the workers' "
                "logs, start them again and run the same command"
            )
        # one picture each: what waits on a worker that dies is suspected too
        while waiting and not failed and len(under_way) < threads:
            id = waiting.pop()
            try:
                future, jpeg_sha256 = _submitted(client, job, id, *sources(id))
                under_way[future] = id, jpeg_sha256
            except PictureError as error:
                failed[id] = error
        for future in _done(client, list(under_way), len(ids)):
            id, jpeg_sha256 = under_way.pop(future)
            try:
                outputs = future.result(timeout=LOOK_S)
            except CancelledError as error:
                raise _lost(client, len(ids)) from error
            except distributed.TimeoutError as error:
                if future.status == "error":
                    failed[id] = error
                else:  # a worker that answers no more; Dask gives it up after a while
                    under_way[future] = id, jpeg_sha256
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
                yield id
    for id in ids:
        if id in failed:
            raise _in_words(id, failed[id])


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


def _threads(client: Any, count: int) -> int:
    """Of all workers there are now."""
    try:
        return sum(client.nthreads().values())
    except (OSError, CancelledError) as error:
        raise _lost(client, count) from error


def _done(client: Any, futures: list[Any], count: int) -> list[Any]:
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
        raise _lost(client, count) from error


def _in_words(id: str, error: Exception) -> Exception:
    """An error of ours is a sentence already."""
    from distributed import KilledWorker

    if type(error).__module__.partition(".")[0] == "rfcn_lib":
        return error
    if isinstance(error, KilledWorker):
        return ClusterError(
            f"picture {id} was under way on {error.allowed_failures + 1} workers when they died, the last one "
            f"{error.last_worker.address}; has a worker too little memory for it? see its log; finished pictures are kept"
        )
    return ClusterError(
        f"picture {id} failed on a worker ({type(error).__name__}: {str(error)[:300]}); finished pictures are kept"
    )


def _lost(client: Any, count: int) -> ClusterError:
    return ClusterError(
        f"the Dask scheduler at {client.scheduler.address} was lost; of {count} pictures the finished ones are kept; start "
        "it and its workers again and run the same command"
    )


def _count(workers: int) -> str:
    return f"{workers} worker{'s' if workers != 1 else ''}"
