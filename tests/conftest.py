"""The graphs that test_export.py and test_adapt.py ask about: the port's, and a full-size network's."""

import pytest

from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.suite.graphs import Graphs, full_size_graphs


@pytest.fixture(scope="session")
def port_graphs(weights, port: Port, canvas: Wh, onnx, adapted, twin) -> Graphs:
    """The files of the port, on one of its canvases."""
    return Graphs(on_canvas(port, canvas), weights, onnx[canvas], adapted[canvas], twin[canvas])


@pytest.fixture(scope="session")
def seeded_graphs(store) -> Graphs:
    """The files of a seeded ResNet-101 in the published shape and weight."""
    return full_size_graphs(store)
