"""Who is in a Dask cluster: connect, see that every worker is like this machine, and give each the program."""

import asyncio
import importlib.util
import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rfcn_lib.port import Port
from rfcn_lib.progress import say
from rfcn_lib.runs.dask import worker
from rfcn_lib.runs.dask.worker import ClusterError, Job, Program

CONNECT_S: Final = 10
WORKERS_WITHIN_S: Final = 60  # also how long a run that lost all workers waits for one to come back
PIECE_BYTES: Final = 16_000_000
MOST_PROCESSES: Final = 256
TLS_NAMES: Final = tuple(  # of the environment; docs.dask.org, distributed, TLS/SSL
    f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")
)
_ADDRESS: Final = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_LOCAL: Final = re.compile(r"local:([0-9]{1,5})")
_ALIKE: Final = (
    "check out the same commit on that machine, `pip install --constraint constraints.txt '.[cluster]'` there, and "
    "start it again in that checkout"
)


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


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the cluster at `address`, or of one that lives on this machine as long as it is used."""
    from distributed import Client, LocalCluster

    local = _LOCAL.fullmatch(address)
    if local:
        with _environment_kept():
            try:
                cluster = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=int(local[1]),
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,  # as in a run without a cluster
                    dashboard_address="127.0.0.1:0",  # not 8787, which may be taken
                    preload=[worker.__name__],  # see dask_setup there
                    silence_logs="CRITICAL",  # what ends the run is said by us, in a sentence
                )
            except (OSError, RuntimeError) as error:
                raise ClusterError(
                    f"--dask={address}: the processes cannot be started ({str(error)[:300]}); name fewer, or leave it out"
                ) from error
            with cluster, Client(cluster, set_as_default=False) as client, client.as_current():  # type: ignore[no-untyped-call]
                yield client
        return
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mismatched versions found")  # we look ourselves, and closer
            client = Client(address, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except TypeError as error:  # how Dask says that it was given no certificates
        raise ClusterError(
            f"{address} asks for TLS, but Dask has no certificates here; name them in {', '.join(TLS_NAMES)}, those that the "
            "scheduler was started with"
        ) from error
    except (OSError, ValueError, asyncio.TimeoutError) as error:  # the last: not the builtin one on Python 3.10
        said = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({said}); start one with "
            "`python -m dask scheduler` on that machine, or correct --dask=ADDRESS"
        ) from error
    with client, client.as_current():
        yield client


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Undo what Dask leaves in this process: its nannies set OMP_NUM_THREADS=1 here, for the workers to inherit."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def threads_here(program: Program) -> int:
    """PyTorch's threads on this machine; to be asked before `connected`, whose Dask changes what PyTorch starts with."""
    if program.runs != "pytorch":
        return 0
    import torch

    return torch.get_num_threads()


def ready(client: Any, program: Program, port: Port, torch_threads: int) -> Job:
    """Wait for workers, see that they are like this machine, and give them the program."""
    import distributed

    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    except distributed.TimeoutError as error:
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
    gone = {address for address, found in seen.items() if isinstance(found, Exception)} - client.nthreads().keys()
    seen = {address: found for address, found in seen.items() if address not in gone}
    for address, found in seen.items():
        wrong = (_cannot_say(found),) if isinstance(found, Exception) else found.differences
        if wrong:
            raise ClusterError(f"worker {address} {'; '.join(wrong)}; {_ALIKE}")
    here = worker.cpu_model()
    others = sorted({found.cpu for found in seen.values()} - {here})
    if others:
        say(f"workers run on {', '.join(others)}, this machine is {here}: their dumps may differ in the last digits")
    send(client, program, [address for address, found in seen.items() if not found.has_program])
    at_once: dict[str, int] = {}
    for address, threads in client.nthreads().items():
        host = worker.host_of(address)
        at_once[host] = at_once.get(host, 0) + threads
    return Job(program, port, like, torch_threads, at_once)


def _cannot_say(error: Exception) -> str:
    return f"cannot run this suite's code ({type(error).__name__}: {str(error)[:300]})"


def send(client: Any, program: Program, workers: Sequence[str]) -> None:
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
