"""Batches for several devices: prepared ahead, shared out, taken over from a lost device, stopped by a fault."""

import threading
import time

from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.pictures.bin_files import BinError
from rfcn_lib.runs.work_queue import WorkQueue, run_batches


def prepare(ids):
    return float(ord(ids[0]))


def test_the_next_batch_is_prepared_while_the_device_is_at_work():
    prepared = {name: threading.Event() for name in "abc"}

    def prepare(ids):
        prepared[ids[0]].set()
        return 0.0

    def run(ids, device, began):
        after = {"a": "b", "b": "c", "c": "c"}[ids[0]]
        assert prepared[after].wait(10), f"{after} should be prepared while {ids[0]} runs"
        assert after in "bc"[: "abc".index(ids[0]) + 1], "two batches at most"

    assert list(run_batches(WorkQueue([("a",), ("b",), ("c",)]), (0,), prepare, run)) == [("a",), ("b",), ("c",)]


def test_what_was_prepared_for_a_lost_device_goes_to_another():
    def run(ids, device, began):
        if device == 1:
            raise OmRunError("lost")

    work = WorkQueue([(name,) for name in "abcdef"])
    assert sorted(id for ids in run_batches(work, (0, 1), prepare, run) for id in ids) == list("abcdef")
    assert (work.batches, work.under_way) == ([], 0)


def test_a_picture_at_fault_is_an_error_when_its_turn_comes():
    def prepare(ids):
        if ids == ("b",):
            raise BinError("b is at fault")
        return 0.0

    work = WorkQueue([("a",), ("b",), ("c",)])
    assert list(run_batches(work, (0,), prepare, lambda ids, device, began: None)) == [("a",)]
    assert str(work.fatal) == "b is at fault"
    assert sorted(work.batches) == [("b",), ("c",)]


def test_a_batch_without_room_beside_the_one_before_is_prepared_at_its_turn():
    tries = []

    def prepare(ids):
        tries.append(ids)
        if tries.count(("b",)) == 1 and ids == ("b",):
            raise OSError("no room")
        return 0.0

    work = WorkQueue([("a",), ("b",)])
    assert list(run_batches(work, (0,), prepare, lambda ids, device, began: None)) == [("a",), ("b",)]
    assert work.fatal is None


def test_devices_work_side_by_side_and_a_free_one_takes_over():
    """Each of two waits for the other; afterwards the quick one gets the returned batch although it was idle."""
    both = threading.Barrier(2, timeout=10)
    done = []

    def run(ids, device, began):
        assert began == float(ord(ids[0]))
        if not done:
            both.wait()
        if device == 1:
            time.sleep(0.3)
            raise OmRunError("lost")
        done.append((ids, device))

    work = WorkQueue([("a",), ("b",)])
    assert sorted(run_batches(work, (0, 1), prepare, run)) == [("a",), ("b",)]
    assert {device for _, device in done} == {0}
    assert (work.batches, work.lost) == ([], {1: "lost"})
