"""How many threads PyTorch uses on the CPU, as far as its outputs depend on it; asked without importing it.

Which convolution runs depends on whether there is more than one thread (ATen/native/Convolution.cpp, use_mkldnn), and with
it the last digits. Measured on the specimen in one process: 1 differs from 2, 3, 4 and 8, which agree to the last bit.
ONNX Runtime's outputs do not depend on its threads.
"""

import os


def one_thread() -> bool:
    """Whether PyTorch will use one thread in this process (ATen/ParallelCommon.cpp)."""
    asked = os.environ.get("OMP_NUM_THREADS") or os.environ.get("MKL_NUM_THREADS")
    return asked == "1" if asked else len(os.sched_getaffinity(0)) == 1


def torch_threads(asked: int, share: int) -> int:
    """Threads of PyTorch on a cluster's worker: its share of the cores, but one if and only if the machine that asks uses one."""
    return 1 if asked == 1 else max(2, share)
