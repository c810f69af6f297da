"""Who is in a Dask cluster: connect, wait for workers, and see that each is like this machine."""

import asyncio
import importlib.util
import os
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from rfcn_lib.errors import SuiteError
from rfcn_lib.processors import cpu_model
from rfcn_lib.progress import say

CONNECT_S: Final = 10
WORKERS_WITHIN_S: Final = 60  # also how long a run that lost all workers waits for one to come back
MOST_PROCESSES: Final = 256
_ADDRESS: Final = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
_LOCAL: Final = re.compile(r"local:([0-9]{1,5})")
ALIKE: Final = (
    "check out the same commit on that machine, `pip install --constraint constraints.txt '.[cluster]'` there, and "
    "start it again in that checkout"
)


class ClusterError(SuiteError):
    """The cluster cannot run the pictures, or not all of them: says which worker or picture, why, and what to do."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The file of a model: the twin or a rehearsed graph for ONNX Runtime, or a checkpoint for the source model in PyTorch.

    path    absolute, on the machine that asks. A worker that finds the same bytes at this path (a mounted disk) reads them there
    sha256  hex, of the file
    """

    runs: Literal["onnx_runtime", "pytorch", "rehearsal"]
    path: Path
    sha256: str


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
    """A client of the cluster at `address`, or of one that lives on this machine as long as it is used.

    Raises:
        ClusterError: no scheduler answers, or the processes cannot be started.
    """
    import dask
    from distributed import Client

    local, environment = _LOCAL.fullmatch(address), dict(os.environ)
    processes = {
        "n_workers": local and int(local[1]),
        "threads_per_worker": 1,
        "memory_limit": 0,  # as in a run without a cluster
        "dashboard_address": "127.0.0.1:0",  # not 8787, which may be taken
        "preload": ["rfcn_lib.runs.dask.worker"],  # see dask_setup there
        "silence_logs": "CRITICAL",  # this suite says in a sentence what ends the run
    }
    where = processes if local else {"address": address}
    no_warning = {"distributed.admin.large-graph-warning-threshold": "1 GB"}  # of a JPEG above 10 MB
    with ExitStack() as stack:
        settings = {**no_warning}
        if local:  # for the processes started here
            settings["temporary-directory"] = stack.enter_context(tempfile.TemporaryDirectory(prefix="rfcn-dask-"))
        stack.enter_context(dask.config.set(settings))
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Mismatched versions found")  # Model.setup compares more
                client = Client(**where, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, TypeError, ValueError, asyncio.TimeoutError) as error:
            said = (str(error) or type(error).__name__).splitlines()[0][:200]
            todo = "start one with `python -m dask scheduler` on that machine, or correct --dask=ADDRESS"
            if local:
                todo = "name fewer processes, or leave --dask out"
            elif isinstance(error, TypeError):  # how Dask says that it was given no certificates
                todo = "name its certificates in DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__CLIENT__CERT and ..__CLIENT__KEY"
            raise ClusterError(f"no Dask scheduler answers at {address} ({said}); {todo}") from error
        else:
            with client:
                yield client
        finally:  # Dask sets OMP_NUM_THREADS=1 here, for its processes to inherit
            os.environ.clear()
            os.environ.update(environment)


def wait_for_workers(client: Any) -> dict[str, int]:
    """Wait for a worker, and say who is there; returns host -> pictures that its workers run at a time.

    Raises:
        ClusterError: no worker came, or one does not run in a checkout.
    """
    import distributed
    from distributed.comm.addressing import get_address_host

    scheduler = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=WORKERS_WITHIN_S)
    except distributed.TimeoutError as error:
        raise ClusterError(
            f"the scheduler at {scheduler} has no worker, waited {WORKERS_WITHIN_S} s; start some with "
            f"`python -m dask worker {scheduler} --nthreads 1` in a checkout of this commit"
        ) from error
    cpus, here = client.run(cpu_model, on_error="return"), cpu_model()
    threads = client.nthreads()  # without a worker that was lost meanwhile
    for address, cpu in cpus.items():
        if isinstance(cpu, Exception) and address in threads:
            raise ClusterError(f"worker {address} cannot run this suite's code ({str(cpu)[:300]}); {ALIKE}")
    say(f"{len(threads)} worker{'s' if len(threads) != 1 else ''} at {scheduler}")
    others = sorted({cpu for cpu in cpus.values() if isinstance(cpu, str)} - {here})
    if others:
        say(f"workers run on {', '.join(others)}, this machine is {here}: their dumps may differ in the last digits")
    return Counter(get_address_host(address) for address, count in threads.items() for _ in range(count))
