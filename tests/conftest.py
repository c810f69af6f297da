"""The graphs the contract asks about, and how one picture goes through the source model and through the twin.

As in the root's conftest.py, heavy stages are imported where they are used.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import PUBLISHED, Port, on_canvas, read_port

SPECIMEN_DEVKIT = Path(__file__).parent.parent / "specimen" / "VOCdevkit"


@dataclass(frozen=True)
class Graphs:
    """One port's files, from checkpoint to twin."""

    port: Port
    weights: Path
    onnx: Path
    adapted: Path
    twin: Path


@pytest.fixture(scope="session")
def graphs(request, store, aloud) -> Graphs:
    """The port on trial, on one of its canvases; and a seeded ResNet-101 in the published shape and weight.

    Its parameters come from given.py: "on-trial" or, with --canvas=fitted, each of the canvases; and "full-size".
    """
    wanted = request.getfixturevalue
    if request.param != "full-size":
        canvas = next(iter(wanted("canvases"))) if request.param == "on-trial" else request.param
        files = (wanted(f"{name}_paths")[canvas] for name in ("onnx", "adapted", "twin"))
        return Graphs(on_canvas(wanted("port"), canvas), wanted("weights"), *files)
    from rfcn_lib.graph.adapt import adapted_from_exported
    from rfcn_lib.graph.export import onnx_from_checkpoint
    from rfcn_lib.graph.twin import twin_from_vendor
    from rfcn_lib.source.seeding import seeded_checkpoint

    port = read_port(PUBLISHED)
    weights = store.build("full_size/rfcn.pth", seeded_checkpoint, depth=101, port=port, seed=2007)
    onnx = store.build("full_size/rfcn.onnx", onnx_from_checkpoint, weights=weights, port=port)
    adapted = store.build("full_size/rfcn_adapted.onnx", adapted_from_exported, exported=onnx)
    return Graphs(
        port, weights, onnx, adapted, store.build("full_size/rfcn_twin.onnx", twin_from_vendor, vendor=adapted)
    )


@pytest.fixture(scope="session")
def two_pictures():
    """two_pictures(port): a landscape and a portrait, as that port shows pictures to its network; cropped if need be."""

    def unlike(port):
        devkit = read_devkit(SPECIMEN_DEVKIT, read_port(PUBLISHED).classes)
        wide = next(id for id in devkit.ids if devkit.sizes_wh[id][0] > devkit.sizes_wh[id][1])
        tall = next(id for id in devkit.ids if devkit.sizes_wh[id][0] < devkit.sizes_wh[id][1])
        return [prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], port.pictures) for id in (wide, tall)]

    return unlike


@pytest.fixture(scope="session")
def run_source():
    """run_source(graphs, im_data, picture): the source model, proposals clipped to the canvas as the export's are."""

    from rfcn_lib.devices import pytorch
    from rfcn_lib.source.checkpoint import network_from_checkpoint

    def run(graphs, im_data, picture, *, double=False):
        network = network_from_checkpoint(graphs.weights, graphs.port)
        if double:
            network, im_data = network.double(), im_data.astype(np.float64)
        return pytorch.run(network, im_data, picture.canvas_wh, picture)

    return run


@pytest.fixture(scope="session")
def run_twin():
    """run_twin(path, im_data, picture): a twin in ONNX Runtime."""
    from rfcn_lib.devices import onnx_runtime

    return lambda twin, im_data, picture: onnx_runtime.run(onnx_runtime.session(twin), im_data, picture)
