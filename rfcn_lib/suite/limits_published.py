"""Without --baseline: the limits are the published figures that the port names."""

import pytest

from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.port import Criterion, Port
from rfcn_lib.speed.throughput import Rate
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.limits import published_figure
from rfcn_lib.suite.options import ON_ITS_OWN_CANVAS


@pytest.fixture(scope="session")
def baseline() -> None:
    """There is none."""


@pytest.fixture(scope="session")
def published_mean_ap(port: Port, devkit: Devkit, canvases: Canvases) -> Criterion:
    """The published mean AP, on the one set it was published for."""
    require(not canvases.fitted, ON_ITS_OWN_CANVAS)
    found = published_figure(port, devkit)
    return require(found if isinstance(found, Criterion) else None, found)


@pytest.fixture(scope="session")
def agreed_throughput(port: Port, canvases: Canvases) -> Rate:
    """The published rate of a T4, and the scope of the NPU's rate that is compared with it."""
    require(not canvases.fitted, ON_ITS_OWN_CANVAS)
    agreed = require(
        port.criteria.get("throughput_fps"),
        f"the port '{port.name}' names no published throughput ([criteria.throughput_fps])",
    )
    return Rate(agreed.limit, require(agreed.scope, "the throughput names no scope"), agreed.source)
