"""PyTorch's threads are known before PyTorch is imported; it is imported once in each process."""

import os
import subprocess
import sys

import pytest

from tests.support.places import ROOT

ONE_CORE = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
CODE = (
    "from rfcn_lib.devices.threads import one_thread; a = one_thread(); import torch; print(a, torch.get_num_threads())"
)


@pytest.mark.parametrize(
    ("first", "more"),
    [
        ("", {}),
        (ONE_CORE, {}),
        ("", {"OMP_NUM_THREADS": "1"}),
        (ONE_CORE, {"OMP_NUM_THREADS": "2"}),
        ("", {"MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}),
    ],
)
def test_whether_pytorch_will_have_one_thread_is_known_without_it(first, more):
    unset = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    words = [sys.executable, "-c", first + CODE]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=unset | more, check=True)
    said, threads = done.stdout.split()
    assert (said == "True") == (threads == "1"), done.stdout
