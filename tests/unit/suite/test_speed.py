"""What the report puts beside an NPU's rates: the published T4, and the GPU of --baseline."""

import json
from types import SimpleNamespace

import pytest

from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.report.drawn import Pace
from rfcn_lib.speed.perf import Perf
from rfcn_lib.speed.throughput import INCLUDES, rates_of
from rfcn_lib.speed.timings import Timing
from rfcn_lib.suite.speed import gpu_of, speed_of
from tests.support.packets import facts_with
from tests.support.places import SPECIMEN


def test_the_t4_s_rate_is_the_published_one_and_says_what_it_includes():
    (t4,) = gpu_of(read_port(PUBLISHED), None)

    assert (t4.fps, t4.scope, t4.whose) == (3.61, "whole script", "T4")
    assert "1370 s" in t4.source and "post-processing" in t4.includes


def test_beside_another_port_it_says_that_the_t4_ran_the_published_one():
    (t4,) = gpu_of(read_port(SPECIMEN / "port.toml"), None)

    assert t4.whose == "T4, the published port"


def test_a_baseline_adds_its_own_gpu_in_both_scopes():
    facts = facts_with(("a",))
    _, script, device = gpu_of(read_port(PUBLISHED), facts)

    assert (script.fps, device.fps) == (facts.rates.script_fps, facts.rates.device_fps)
    assert script.whose == device.whose == facts.maker.device
    assert script.includes != device.includes


@pytest.mark.parametrize("simulated", [True, False])
def test_an_npu_run_gives_a_row_for_each_scope_and_for_each_device(simulated):
    perf = Perf("ais_bench", 1, 2, 1.25, None, None, json.dumps({"NPU_compute_time": {"min": 790.0}}))
    timing = Timing(("a", "b"), "5" * 64, perf, "t", (0.0, 2.0), (0.0, 4.0))
    host = SimpleNamespace(npus=[SimpleNamespace(name="310")], names={1: "device 1 (NPU 0 chip 1)"})
    run = SimpleNamespace(simulated=simulated, host=host, timings=(timing,))
    found = speed_of(run, rates_of([timing], dict.fromkeys("ab", "5" * 64), chips=4))

    paces = [Pace(**pace) for pace in json.loads(json.dumps(found))["paces"]]
    assert [(pace.scope, pace.fps) for pace in paces] == [
        ("interface, one chip", 1.25), ("interface x chips (extrapolated)", 5.0), ("end to end", 0.5),
    ]  # fmt: skip
    assert {pace.whose for pace in paces} == {"SIMULATED 310" if simulated else "310"}
    assert all(pace.includes == INCLUDES[pace.scope] for pace in paces)
    (row,) = found["latencies"]
    assert (row["device"], row["mean_ms"], row["lowest_ms"]) == ("device 1 (NPU 0 chip 1)", 800.0, 790.0)
