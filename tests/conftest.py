"""The graphs that test_export.py and test_adapt.py ask about: the port's own, or given ones."""

import pytest

from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.suite.graphs import Exported, Graphs
from rfcn_lib.suite.options import Options


@pytest.fixture(scope="session")
def port_exported(port: Port, canvas: Wh, onnx, options: Options) -> Exported:
    """The exported graph of the port, on one of its canvases."""
    return Exported(on_canvas(port, canvas), onnx[canvas], given=options.onnx is not None, clip=options.clip)


@pytest.fixture(scope="session")
def port_graphs(port_exported: Exported, weights, canvas: Wh, adapted, twin, options: Options) -> Graphs:
    """The files of the port, on one of its canvases."""
    return Graphs(port_exported, weights, adapted[canvas], twin[canvas], adapted_given=options.adapted is not None)
