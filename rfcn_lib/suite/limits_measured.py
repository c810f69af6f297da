"""--baseline=FILE: the limits are the figures of a reference packet, of the very weights and pictures of this run."""

import pytest

from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import PUBLISHED, Criterion, Port, read_port
from rfcn_lib.records import Scope
from rfcn_lib.score.packet_records import Facts, Origin, PacketError
from rfcn_lib.speed.throughput import Rate, by_agreement
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.options import ON_ITS_OWN_CANVAS, Options
from rfcn_lib.suite.packets import evaluation_of, expect_same_protocol, read_of_this_run


@pytest.fixture(scope="session")
def baseline(options: Options, pictures: Pictures, origin: Origin) -> Facts:
    """What the packet of --baseline says. Raises PacketError where it is of other inputs, was edited, or has no rates."""
    devkit, port = pictures.devkit, pictures.port
    path = require(options.baseline, "no --baseline")
    packet = read_of_this_run(path, origin, devkit, options, whole=True)
    expect_same_protocol(packet, path, pictures)
    evaluation_of(packet, path, devkit, port)
    facts = packet.facts
    if facts.rates is None:
        raise PacketError(
            f"the packet {path} has no rates, as a run on a host writes it ({facts.maker.device}); for --baseline make one with "
            "`pytest -m gpu` on a machine with a CUDA device, or leave out --baseline"
        )
    return facts


@pytest.fixture(scope="session")
def published_mean_ap(baseline: Facts, canvases: Canvases) -> Criterion:
    """The GPU's mean AP on the same pictures."""
    require(not canvases.fitted, ON_ITS_OWN_CANVAS)
    return Criterion(
        limit=baseline.mean_ap, source=f"--baseline: source model on {baseline.maker.device}, same pictures"
    )


@pytest.fixture(scope="session")
def agreed_throughput(baseline: Facts, port: Port, canvases: Canvases) -> Rate:
    """The GPU's rate, and the scope of the NPU's rate that is compared with it: the port's, or else the published one."""
    require(not canvases.fitted, ON_ITS_OWN_CANVAS)
    agreed = port.criteria.get("throughput_fps") or read_port(PUBLISHED).criteria["throughput_fps"]
    scope: Scope = require(agreed.scope, "the throughput names no scope")
    rates = require(baseline.rates, "--baseline has no rates")
    measured = Rate(rates.script_fps, "whole script", f"--baseline: {baseline.maker.device}, {rates.timed} pictures")
    return by_agreement(measured, scope)
