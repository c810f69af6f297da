"""Fixtures: the files of the tiny network, made once in a session; a conftest.py imports them."""

import pytest


@pytest.fixture(scope="session")
def tiny_exported(tmp_path_factory):
    """The tiny network's ONNX file, not adapted."""
    from rfcn_lib.graph.export import onnx_from_network
    from tests.support import tiny

    path = tmp_path_factory.mktemp("tiny_exported") / "rfcn.onnx"
    onnx_from_network(path, tiny.network_of(), tiny.CANVAS_WH)
    return path


@pytest.fixture(scope="session")
def tiny_made(tiny_exported, tmp_path_factory):
    """A folder with the tiny port's graphs, its om, and the bins of seven pictures."""
    from tests.support.standin_here import make_tiny

    folder = tmp_path_factory.mktemp("tiny_made")
    make_tiny(folder, tiny_exported)
    return folder
