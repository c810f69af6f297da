"""Number and waiting of threads: what is set, what stays the user's, and when PyTorch has one thread."""

import pytest

from rfcn_lib.devices import threads
from rfcn_lib.devices.threads import SPINS, one_thread, prepare_threads, torch_threads


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch):
    monkeypatch.setattr(threads, "usable_processors", lambda: 8)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"OMP_NUM_THREADS": "8", "GOMP_SPINCOUNT": SPINS}),
        ({"OMP_NUM_THREADS": ""}, {"OMP_NUM_THREADS": "8", "GOMP_SPINCOUNT": SPINS}),
        ({"OMP_NUM_THREADS": "3"}, {"OMP_NUM_THREADS": "3", "GOMP_SPINCOUNT": SPINS}),
        ({"MKL_NUM_THREADS": "3"}, {"MKL_NUM_THREADS": "3", "GOMP_SPINCOUNT": SPINS}),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "8"}),
        ({"GOMP_SPINCOUNT": "0"}, {"GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": "8"}),
    ],
    ids=str,
)
def test_what_the_user_has_not_set_is_set(before, after):
    environment = dict(before)
    prepare_threads(environment)
    assert environment == after
    prepare_threads(environment)
    assert environment == after, "a second time changes nothing"


@pytest.mark.parametrize(
    ("more", "one"),
    [
        ({}, False),
        ({"OMP_NUM_THREADS": "1"}, True),
        ({"OMP_NUM_THREADS": "2"}, False),
        ({"MKL_NUM_THREADS": "1"}, True),
        ({"MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}, True),
        ({"MKL_NUM_THREADS": "2", "OMP_NUM_THREADS": "1"}, False),
    ],
    ids=str,
)
def test_pytorch_has_one_thread_where_mkl_s_variable_or_else_openmp_s_says_so(more, one, monkeypatch):
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    assert one_thread() is one


@pytest.mark.parametrize("prepared", [False, True])
def test_a_quota_of_one_processor_is_one_thread_for_the_dumps_key(prepared, monkeypatch):
    monkeypatch.setattr(threads, "usable_processors", lambda: 1)
    if prepared:
        environment = {}
        prepare_threads(environment)
        assert environment["OMP_NUM_THREADS"] == "1"
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert one_thread()


def test_a_worker_has_one_thread_if_and_only_if_the_client_has():
    assert [torch_threads(1, share) for share in (1, 2, 8)] == [1, 1, 1]
    assert [torch_threads(8, share) for share in (1, 2, 8)] == [2, 2, 8]
