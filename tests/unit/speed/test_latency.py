"""Latency of a picture as the vendor's tool gave it: of the tool that gives more than a mean, and of the one that does not."""

import json

import pytest

from rfcn_lib.speed.latency import Latency, latencies_of
from rfcn_lib.speed.perf import Perf
from rfcn_lib.speed.timings import Timing

TIMES = {"min": 80.0, "max": 130.0, "mean": 100.0, "median": 99.0, "percentile(99%)": 125.0}


def timing(ids, fps, device=0, text="said so", tool="ais_bench"):
    return Timing(
        tuple(ids), "5" * 64, Perf(tool, device, len(ids), fps, None, None, text), "t", (0.0, 1.0), (0.0, 1.0)
    )


def summary(**times):
    return json.dumps({"NPU_compute_time": {**TIMES, **times}})


def test_one_run_gives_the_tool_s_own_numbers():
    (found,) = latencies_of([timing("abcd", 10.0, text=summary())])

    assert found == Latency(0, 4, 1, 100.0, 80.0, 130.0, (99.0, 99.0), (125.0, 125.0))


def test_over_runs_the_mean_counts_pictures_and_medians_stay_apart():
    runs = [timing("abc", 10.0, text=summary(min=70.0)), timing("d", 5.0, text=summary(max=210.0, median=200.0))]
    (found,) = latencies_of(runs)

    assert found.mean_ms == pytest.approx((3 * 100 + 1 * 200) / 4)
    assert (found.lowest_ms, found.highest_ms, found.medians_ms) == (70.0, 210.0, (99.0, 200.0))
    assert (found.pictures, found.runs) == (4, 2)


def test_each_device_has_a_row_of_its_own():
    found = latencies_of([timing("ab", 10.0, device=1), timing("c", 20.0, device=0)])

    assert [(one.device_id, one.mean_ms) for one in found] == [(0, 50.0), (1, 100.0)]


@pytest.mark.parametrize("text", ["the last lines of a log", "{}", '{"NPU_compute_time": 3}', summary(min="fast")])
def test_what_the_tool_did_not_say_is_not_there(text):
    (found,) = latencies_of([timing("ab", 10.0, text=text)])

    assert (found.mean_ms, found.lowest_ms) == (100.0, None)


def test_benchmark_gives_a_mean_alone():
    (found,) = latencies_of([timing("ab", 10.0, text=summary(), tool="benchmark")])

    assert found == Latency(0, 2, 1, 100.0)


def test_where_one_run_lacks_a_number_the_device_has_none():
    (found,) = latencies_of([timing("ab", 10.0, text=summary()), timing("c", 10.0)])

    assert (found.lowest_ms, found.medians_ms) == (None, None)
