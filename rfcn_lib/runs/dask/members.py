"""Who is in a Dask cluster: connect, wait for workers, and see that each is like this machine."""

import asyncio
import importlib.util
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rfcn_lib.port import Port
from rfcn_lib.progress import say
from rfcn_lib.runs.dask import worker
from rfcn_lib.runs.dask.worker import ClusterError, ModelFile, SetUp

CONNECT_S: Final = 10
WORKERS_WITHIN_S: Final = 60  # also how long a run that lost all workers waits for one to come back
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
    import dask
    from distributed import Client, LocalCluster

    local = _LOCAL.fullmatch(address)
    if local:
        with (
            _environment_kept(),
            tempfile.TemporaryDirectory(prefix="rfcn-dask-") as scratch,
            dask.config.set({"temporary-directory": scratch}),
        ):
            try:
                cluster = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=int(local[1]),
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,  # as in a run without a cluster
                    dashboard_address="127.0.0.1:0",  # not 8787, which may be taken
                    preload=[worker.__name__],  # see dask_setup there
                    silence_logs="CRITICAL",  # this suite says in a sentence what ends the run
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
            warnings.filterwarnings("ignore", "Mismatched versions found")  # `expect_alike` compares more
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


def threads_here(file: ModelFile) -> int:
    """PyTorch's threads on this machine. Ask before `connected`: Dask changes what PyTorch starts with."""
    if file.runs != "pytorch":
        return 0
    import torch

    return torch.get_num_threads()


def set_up(client: Any, file: ModelFile, port: Port, torch_threads: int) -> tuple[SetUp, bool]:
    """Wait for a worker, and see that all are like this machine -> (what its tasks need, whether all see the model's file).

    Raises:
        ClusterError: no worker came, or the scheduler or a worker has other code or libraries.
    """
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
    seen = client.run(worker.look, file, like, on_error="return")
    threads = client.nthreads()  # without a worker that was lost meanwhile
    for address, found in seen.items():
        wrong = (_cannot_say(found),) if isinstance(found, Exception) else found.differences
        if wrong and address in threads:
            raise ClusterError(f"worker {address} {'; '.join(wrong)}; {_ALIKE}")
    alike = [found for found in seen.values() if not isinstance(found, Exception)]
    here = worker.cpu_model()
    others = sorted({found.cpu for found in alike} - {here})
    if others:
        say(f"workers run on {', '.join(others)}, this machine is {here}: their dumps may differ in the last digits")
    at_once: dict[str, int] = {}
    for address, count in threads.items():
        host = worker.host_of(address)
        at_once[host] = at_once.get(host, 0) + count
    return SetUp(file, port, like, torch_threads, at_once), all(found.has_file for found in alike)


def _cannot_say(error: Exception) -> str:
    return f"cannot run this suite's code ({type(error).__name__}: {str(error)[:300]})"
