"""How many threads PyTorch and ONNX Runtime use on the CPU, and how those that have nothing to do wait.

Number: as many as the process may use processors. PyTorch's outputs depend on it in one case. Which convolution runs depends
on whether there is more than one thread (ATen/native/Convolution.cpp, use_mkldnn), and with it the last digits. Measured on
the specimen in one process: 1 differs from 2, 3, 4 and 8, which agree to the last bit. ONNX Runtime's outputs do not depend on
its threads.

Waiting: a thread that has no work spins before it sleeps. PyTorch's threads are OpenMP's (libgomp), which spin up to 300,000
times. Where other work needs the processor, this spinning takes it from the very thread that the others wait for: beside two busy
processes on 2 processors PyTorch was seen to fall to a 25th of its speed. So they spin 10,000 times, and ONNX Runtime's
for a millisecond: alone that is as fast as each library's own number, beside two busy processes 2.5 times slower than alone
(with 1,000 spins PyTorch alone is 1.5 times slower, with 100,000 a picture beside busy processes took 11 s once). `python -m
benchmarks busy` measures both alone and beside busy processes. How threads wait changes no output.
"""

import os
from collections.abc import MutableMapping
from typing import Final

from rfcn_lib.processors import usable_processors

SPINS: Final = "10000"  # GOMP_SPINCOUNT
NUMBERS: Final = ("MKL_NUM_THREADS", "OMP_NUM_THREADS")  # where both are set, PyTorch follows the first


def prepare_threads(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables from which PyTorch takes number and waiting of its threads. Call it before torch is imported.

    Variables that the user has set stay as they are.
    """
    if not any(environment.get(name) for name in NUMBERS):
        environment["OMP_NUM_THREADS"] = str(usable_processors())
    if not environment.get("OMP_WAIT_POLICY"):  # GOMP_SPINCOUNT would overrule it
        environment.setdefault("GOMP_SPINCOUNT", SPINS)


def one_thread() -> bool:
    """Whether PyTorch will use one thread in this process (ATen/ParallelOpenMP.cpp); asked without importing it."""
    asked = next(filter(None, map(os.environ.get, NUMBERS)), None)
    return asked == "1" if asked else usable_processors() == 1


def torch_threads(asked: int, share: int) -> int:
    """Threads of PyTorch on a cluster's worker: its share of the cores, but one if and only if the machine that asks uses one."""
    return 1 if asked == 1 else max(2, share)
