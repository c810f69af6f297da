"""The pictures of one run shared out over a Dask cluster: the same folder, dumps and ledger as `filling.fill` makes.

This process reads the JPEGs, hands one to each idle thread of a worker, and alone writes what comes back, joined by id.
A worker that is lost costs nothing: Dask gives its pictures to the others. Workers get a program (graph or checkpoint)
once, in pieces, unless they find the same bytes at the same path.
"""

import importlib.util
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rfcn_lib.devices import cluster_worker as worker
from rfcn_lib.devices.cluster_worker import AbsentError, ClusterError, Job, Program
from rfcn_lib.devices.filling import keeping, unfinished
from rfcn_lib.pictures.preprocess import LARGEST_PICTURE_PX, PictureError
from rfcn_lib.port import Port
from rfcn_lib.progress import progress, say
from rfcn_lib.records import Outputs

__all__ = ["ClusterError", "Program", "checked", "fill_on_cluster"]

Source = Callable[[str], tuple[Path, tuple[int, int]]]  # id -> its JPEG and the size that its annotation says

CONNECT_S: Final = 10
WORKERS_WITHIN_S: Final = 60  # also how long a run waits, all workers lost, for one to come back
LOOK_S: Final = 5.0  # how often the list of workers is looked at while no picture is finished
PIECE_BYTES: Final = 16_000_000
LARGEST_PROGRAM_BYTES: Final = 2**31  # of a protobuf, so of an ONNX file
LARGEST_JPEG_BYTES: Final = 3 * LARGEST_PICTURE_PX
MOST_PROCESSES: Final = 256
TRIES: Final = 5  # to give a worker the program before the picture gives up
_ADDRESS: Final = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_LOCAL: Final = re.compile(r"local:([0-9]{1,5})")


def checked(address: str) -> str:
    """The address, if it is one and the packages for it are installed; nothing is asked of the network.

    Raises:
        ClusterError: neither tcp://HOST:PORT (or tls://) nor local:N, or Dask is not installed.
    """
    local, there = _LOCAL.fullmatch(address), _ADDRESS.fullmatch(address)
    if not (local and 1 <= int(local[1]) <= MOST_PROCESSES) and not (there and 1 <= int(there[3]) < 2**16):
        raise ClusterError(
            f"--dask={address} should be a scheduler's address, --dask=tcp://HOST:8786, or --dask=local:N for N "
            f"processes on this machine, 1 to {MOST_PROCESSES}"
        )
    if importlib.util.find_spec("distributed") is None:
        raise ClusterError(
            "--dask needs the packages of a cluster; pip install --constraint constraints.txt '.[cluster]'"
        )
    return address


def fill_on_cluster(
    folder: Path, ids: Sequence[str], port: Port, sources: Source, program: Program, address: str, what: str
) -> int:
    """Make the missing dumps of `ids`; returns how many that were. The cluster is only asked when one is missing.

    The dumps are `fill`'s to the last byte where processor and versions agree. When a picture fails, no further one is
    begun, those under way are kept, and then the first failure is raised. Memory does not grow with `ids`.

    Raises:
        ClusterError: no scheduler or worker answers, one is not like this machine, all workers are lost, or a picture
            took four workers with it.
        PictureError, GraphError, CheckpointError: as when the pictures are run here.
    """
    wanted = unfinished(folder, ids, port)
    if not wanted:
        return 0
    size = program.path.stat().st_size
    if size > LARGEST_PROGRAM_BYTES:
        raise ClusterError(
            f"{program.path} has {size:,} bytes, but at most {LARGEST_PROGRAM_BYTES:,} are sent to workers"
        )
    with _client(checked(address)) as client, keeping(folder) as keep:
        job = _ready(client, replace(program, path=program.path.absolute()), port)
        workers = len(client.nthreads())
        for _ in progress(_finished(client, job, sources, wanted, keep), len(wanted), f"{what}, {_count(workers)}"):
            pass
    return len(wanted)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """A client of the cluster at `address`, or of one that lives on this machine as long as it is used."""
    from distributed import Client, LocalCluster

    local = _LOCAL.fullmatch(address)
    if local:
        with (
            LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=int(local[1]),
                threads_per_worker=1,
                processes=True,
                memory_limit=0,  # as in a run without a cluster
                dashboard_address=None,
                silence_logs="CRITICAL",  # what ends the run is said by us, in a sentence
            ) as cluster,
            Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]
            client.as_current(),
        ):
            yield client
        return
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mismatched versions found")  # we look ourselves, and closer
            client = Client(address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({str(error).splitlines()[0][:200]}); start one with "
            "`python -m dask scheduler` on that machine, or correct --dask=ADDRESS"
        ) from error
    with client, client.as_current():
        yield client


def _ready(client: Any, program: Program, port: Port) -> Job:
    """Wait for workers, see that they are like this machine, and give them the program."""
    import torch

    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    except TimeoutError as error:
        raise ClusterError(
            f"the scheduler at {client.scheduler.address} has no worker, waited {WORKERS_WITHIN_S} s; start some with "
            f"`python -m dask worker {client.scheduler.address} --nthreads 1` in a checkout of this commit"
        ) from error
    like = tuple(sorted(worker.described().items()))
    try:
        wrong = client.run_on_scheduler(worker.differences, like)
    except Exception as error:
        wrong = (_cannot_say(error),)
    if wrong:
        raise ClusterError(f"the scheduler at {client.scheduler.address} {'; '.join(wrong)}; {_ALIKE}")
    seen = client.run(worker.look, program, like, on_error="return")
    for address, found in seen.items():
        wrong = (_cannot_say(found),) if isinstance(found, Exception) else found.differences
        if wrong:
            raise ClusterError(f"worker {address} {'; '.join(wrong)}; {_ALIKE}")
    here = worker.cpu_model()
    others = sorted({found.cpu for found in seen.values()} - {here})
    if others:
        say(f"workers run on {', '.join(others)}, this machine is {here}: their dumps may differ in the last digits")
    _send(client, program, [address for address, found in seen.items() if not found.has_program])
    at_once: dict[str, int] = {}
    for address, threads in client.nthreads().items():
        host = worker.host_of(address)
        at_once[host] = at_once.get(host, 0) + threads
    return Job(program, port, like, torch.get_num_threads(), at_once)


_ALIKE: Final = (
    "check out the same commit on that machine, `pip install --constraint constraints.txt '.[cluster]'` there, and "
    "start it again in that checkout"
)


def _cannot_say(error: Exception) -> str:
    return f"cannot run this suite's code ({type(error).__name__}: {str(error)[:300]})"


def _send(client: Any, program: Program, workers: Sequence[str]) -> None:
    """Send the program's file to these workers, a piece at a time. One that is lost meanwhile needs it no more."""
    name = f"{program.sha256}.{uuid.uuid4().hex}"
    there = list(workers)
    with program.path.open("rb") as file:
        start = 0
        while there and (piece := file.read(PIECE_BYTES)):
            there = _ran(client, there, worker.receive, name, start, piece)
            start += len(piece)
    if there:
        _ran(client, there, worker.received, program, name)


def _ran(client: Any, workers: Sequence[str], function: Callable[..., None], *words: object) -> list[str]:
    """Run `function` on these workers; returns those that did it. Raises ClusterError for a living one that did not."""
    answers = client.run(function, *words, workers=list(workers), on_error="return")
    failed = {address: answer for address, answer in answers.items() if isinstance(answer, Exception)}
    for address in failed.keys() & client.nthreads().keys():
        error = failed[address]
        if isinstance(error, ClusterError):
            raise error
        raise ClusterError(
            f"worker {address} could not keep the program ({type(error).__name__}: {str(error)[:300]}); has its disk "
            "room? see its log"
        ) from error
    return [address for address in answers if address not in failed]


def _finished(
    client: Any, job: Job, sources: Source, ids: Sequence[str], keep: Callable[[str, Outputs], None]
) -> Iterator[str]:
    """Yield the ids as they are kept."""
    waiting, under_way, failed = list(reversed(ids)), dict[Any, str](), dict[str, Exception]()
    absent: dict[str, int] = {}
    alone_since = time.monotonic()
    while under_way or (waiting and not failed):
        threads = sum(client.nthreads().values())
        alone_since = time.monotonic() if threads else alone_since
        if time.monotonic() - alone_since > WORKERS_WITHIN_S:
            raise ClusterError(
                f"all workers of {client.scheduler.address} are lost, and none came back within {WORKERS_WITHIN_S} s; "
                f"{len(waiting) + len(under_way)} of {len(ids)} pictures are left, the others are kept; see the workers' "
                "logs, start them again and run the same command"
            )
        while (
            waiting and not failed and len(under_way) < threads
        ):  # one each: what waits on a dying worker is suspected too
            id = waiting.pop()
            try:
                under_way[_submitted(client, job, id, *sources(id))] = id
            except PictureError as error:
                failed[id] = error
        for future in _done(client, list(under_way), len(ids)):
            id = under_way.pop(future)
            try:
                keep(id, future.result())
            except AbsentError as error:
                absent[id] = absent.get(id, 0) + 1
                if absent[id] >= TRIES:
                    raise ClusterError(
                        f"{error} lacks the program although it was sent; see that worker's log"
                    ) from error
                _send(client, job.program, [str(error)])
                waiting.append(id)
            except Exception as error:
                failed[id] = error
            else:
                yield id
    for id in ids:
        if id in failed:
            raise _in_words(id, failed[id])


def _submitted(client: Any, job: Job, id: str, path: Path, size_wh: tuple[int, int]) -> Any:
    """The future of one picture. Raises PictureError when its file cannot be read, or is larger than any JPEG in bounds."""
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
        return client.submit(worker.run_picture, *words, key=f"picture-{id}-{uuid.uuid4().hex}", pure=False)


def _done(client: Any, futures: list[Any], count: int) -> list[Any]:
    """Those that are finished or failed; after LOOK_S without any, none."""
    from distributed import wait

    if not futures:
        time.sleep(1)  # no worker
        return []
    try:
        done = wait(futures, timeout=LOOK_S, return_when="FIRST_COMPLETED").done  # type: ignore[no-untyped-call]
        return list(done)
    except TimeoutError:
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
