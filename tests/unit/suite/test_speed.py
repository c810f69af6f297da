"""What the report puts beside an NPU's rates: the published T4, and the GPU of --baseline."""

from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.suite.speed import gpu_of
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
