"""PyTorch really takes the number of its threads from what `prepare_threads` sets."""

import os
import subprocess
import sys

import pytest

from rfcn_lib.devices.threads import NUMBERS
from rfcn_lib.processors import usable_processors
from tests.support.places import ROOT

CODE = (
    "from rfcn_lib.devices.threads import one_thread, prepare_threads; prepare_threads(); a = one_thread(); "
    "import torch; print(torch.get_num_threads(), a)"
)
ONE_CORE = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "


@pytest.mark.parametrize(
    ("first", "more", "threads"),
    [
        ("", {}, usable_processors()),
        (ONE_CORE, {}, 1),
        ("", {"OMP_NUM_THREADS": "1"}, 1),
        ("", {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "1"}, 1),
    ],
    ids=["as many as processors", "one core", "the user's number", "MKL's variable comes first"],
)
def test_pytorch_starts_with_the_threads_that_were_prepared(first, more, threads):
    environment = {name: value for name, value in os.environ.items() if name not in NUMBERS}
    done = subprocess.run(
        [sys.executable, "-c", first + CODE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment | more,
        check=True,
    )
    assert done.stdout.split() == [str(threads), str(threads == 1)]
