"""The graphs that test_export.py and test_adapt.py ask about: the port's own, or given ones."""

import os

import pytest

from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.suite.graphs import Exported, Graphs
from rfcn_lib.suite.options import Options

# Each of pytest-xdist's workers keeps to one processor, and so do the processes that its tests start. With two threads each on
# two processors they would wait for each other: the system tests took a quarter longer.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
PROCESSORS = sorted(os.sched_getaffinity(0))
if WORKER and len(PROCESSORS) > 1:
    os.sched_setaffinity(0, {PROCESSORS[int(WORKER.removeprefix("gw")) % len(PROCESSORS)]})
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def port_exported(port: Port, canvas: Wh, onnx, options: Options) -> Exported:
    """The exported graph of the port, on one of its canvases."""
    return Exported(on_canvas(port, canvas), onnx[canvas], given=options.onnx is not None, clip=options.clip)


@pytest.fixture(scope="session")
def port_graphs(port_exported: Exported, weights, canvas: Wh, adapted, twin, options: Options) -> Graphs:
    """The files of the port, on one of its canvases."""
    return Graphs(port_exported, weights, adapted[canvas], twin[canvas], adapted_given=options.adapted is not None)
