"""The graphs that test_export.py and test_adapt.py ask about: the port's, and a full-size network's."""

import pytest

from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.suite.graphs import Exported, Graphs, full_size_graphs
from rfcn_lib.suite.options import Options


@pytest.fixture(scope="session")
def port_exported(port: Port, canvas: Wh, onnx, options: Options) -> Exported:
    """The exported graph of the port, on one of its canvases."""
    return Exported(on_canvas(port, canvas), onnx[canvas], given=options.onnx is not None, clip=options.clip)


@pytest.fixture(scope="session")
def port_graphs(port_exported: Exported, weights, canvas: Wh, adapted, twin, options: Options) -> Graphs:
    """The files of the port, on one of its canvases."""
    return Graphs(port_exported, weights, adapted[canvas], twin[canvas], adapted_given=options.adapted is not None)


@pytest.fixture(scope="session")
def seeded_graphs(store) -> Graphs:
    """The files of a seeded ResNet-101 in the published shape and weight."""
    return full_size_graphs(store)
