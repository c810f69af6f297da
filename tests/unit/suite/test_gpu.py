"""What `pytest -m gpu` writes, tried on the CPU under another name: the code is the same, most hosts have no CUDA device."""

import re

import pytest

from rfcn_lib.score.packet import read_packet
from rfcn_lib.suite.packets import MADE_BY
from tests.support.packets import measured_on_the_cpu

FEW = 2


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measured_on_the_cpu(tmp_path_factory.mktemp("store"), FEW)


def test_the_packet_has_detections_scores_rates_and_what_they_were_made_of(measured):
    path, packet = measured
    facts = packet.facts

    assert read_packet(path).facts == facts
    assert packet.ids == ("000001", "000002")
    assert all(len(one.scores) for one in packet.detections.values())
    assert re.fullmatch(r".+, .+, \d+ cores", facts.maker.machine)
    assert facts.maker.device == "the CPU, for a test"
    assert {"torch", "cuda", "cudnn", "python"} <= facts.maker.versions.keys()
    assert 0.05 < facts.mean_ap <= 1 + 1e-9
    assert facts.rates.timed == FEW
    assert 0 < facts.rates.script_fps < facts.rates.device_fps


def test_the_code_of_the_packet_is_preprocessing_network_and_postprocessing(measured):
    """And neither the tests nor the verdict: a reference of 22 hours must not be lost to another sentence there."""
    code = measured[1].facts.origin.code

    assert {f"{name.replace('.', '/')}.py" for name in MADE_BY} <= code.keys()
    assert {"rfcn_lib/source/network.py", "rfcn_lib/boxes.py"} <= code.keys()
    assert not [name for name in code if name.startswith(("rfcn_lib/suite", "rfcn_lib/verdict", "rfcn_lib/store"))]
