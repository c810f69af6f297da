"""--baseline=FILE: the limits are a GPU's own figures, of the very weights and pictures of this run."""

import pytest

from rfcn_lib.port import PUBLISHED, Criterion, Port, read_port
from rfcn_lib.records import Scope
from rfcn_lib.speed.baseline import Baseline, expect_same, read_baseline
from rfcn_lib.speed.throughput import Rate, by_agreement
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.options import ON_ITS_OWN_CANVAS, Options


@pytest.fixture(scope="session")
def baseline(options: Options, port: Port, baseline_digests: dict[str, str]) -> Baseline:
    """The file of --baseline. Raises BaselineError where it was measured on other weights, pictures or numbers."""
    path = require(options.baseline, "no --baseline")
    found = read_baseline(path)
    expect_same(found, path, port.classes, **baseline_digests)
    return found


@pytest.fixture(scope="session")
def published_mean_ap(baseline: Baseline, canvases: Canvases) -> Criterion:
    """The GPU's mean AP on the same pictures."""
    require(not canvases.fitted, ON_ITS_OWN_CANVAS)
    return Criterion(limit=baseline.mean_ap, source=f"--baseline: source model on {baseline.gpu}, same pictures")


@pytest.fixture(scope="session")
def agreed_throughput(baseline: Baseline, port: Port, canvases: Canvases) -> Rate:
    """The GPU's rate, and the scope of the NPU's rate that is compared with it: the port's, or else the published one."""
    require(not canvases.fitted, ON_ITS_OWN_CANVAS)
    agreed = port.criteria.get("throughput_fps") or read_port(PUBLISHED).criteria["throughput_fps"]
    scope: Scope = require(agreed.scope, "the throughput names no scope")
    measured = Rate(baseline.script_fps, "whole script", f"--baseline: {baseline.gpu}, {baseline.timed} pictures")
    return by_agreement(measured, scope)
