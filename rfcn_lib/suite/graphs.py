"""The graph files of one port, and how one picture goes through the source model and through the twin."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from rfcn_lib import spec
from rfcn_lib.graph.clip import ProposalClip, proposal_clip
from rfcn_lib.graph.judged import JudgedGraph, graph_to_judge
from rfcn_lib.graph.values import GraphError
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Floats, Outputs, Picture
from rfcn_lib.store.store import Store
from rfcn_lib.suite.options import SPECIMEN

Clip = Literal["canvas", "none"]
Shown = tuple[Floats, Picture]  # (1, 3, H, W) float32, and the record of the picture


@dataclass(frozen=True)
class Exported:
    """An exported graph. `port` is on the canvas of this file.

    given  whether the user gave the file (--onnx); else this suite exported it
    clip   what this suite's export was asked to clip proposals to
    """

    port: Port
    path: Path
    given: bool = False
    clip: Clip = "canvas"

    @cached_property
    def judged(self) -> JudgedGraph:
        """The copy that the criteria read."""
        return graph_to_judge(self.path)

    @cached_property
    def found_clip(self) -> ProposalClip:
        """What it clips proposals to."""
        return proposal_clip(self.judged.model)

    @property
    def clip_wh(self) -> Wh | None:
        """The size that the source model clips to when it is compared with this graph; None: it does not clip."""
        canvas = self.port.pictures.canvas_wh_px
        return None if self.found_clip.kind(canvas) == "none" else self.found_clip.size_wh or canvas


@dataclass(frozen=True)
class Graphs:
    """One port's files, from checkpoint to twin.

    adapted_given  whether the user gave the adapted graph (--adapted); else this suite adapted the exported one
    """

    exported: Exported
    weights: Path
    adapted: Path
    twin: Path
    adapted_given: bool = False

    @property
    def port(self) -> Port:
        return self.exported.port

    @property
    def onnx(self) -> Path:
        return self.exported.path

    @cached_property
    def twin_outputs(self) -> tuple[Outputs, ...]:
        """The twin's outputs for each of the two pictures."""
        return tuple(self.run_twin(*picture) for picture in self.two_pictures())

    def two_pictures(self) -> Iterator[Shown]:
        """A landscape and a portrait of the specimen, as this port gives pictures to its network; cropped if need be."""
        devkit = read_devkit(SPECIMEN / "VOCdevkit", read_port(PUBLISHED).classes)
        wide = next(id for id in devkit.ids if devkit.sizes_wh[id][0] > devkit.sizes_wh[id][1])
        tall = next(id for id in devkit.ids if devkit.sizes_wh[id][0] < devkit.sizes_wh[id][1])
        for id in (wide, tall):
            yield prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], self.port.pictures)

    def run_source(self, im_data: Floats, picture: Picture, *, double: bool = False) -> Outputs:
        """One picture through the source model. Proposals are clipped as the exported graph clips them."""
        from rfcn_lib.devices import pytorch
        from rfcn_lib.source.checkpoint import network_from_checkpoint

        network = network_from_checkpoint(self.weights, self.port)
        if double:
            network, im_data = network.double(), im_data.astype(np.float64)
        return pytorch.run(network, im_data, self.exported.clip_wh, picture)

    def run_twin(self, im_data: Floats, picture: Picture) -> Outputs:
        """One picture through the twin in ONNX Runtime. Raises GraphError where it gives numbers that are not finite."""
        found = run_in_onnx_runtime(self.twin, im_data, picture)
        expect_finite(found, self.adapted, picture.id)
        return found


def expect_finite(found: Outputs, graph: Path, id: str) -> None:
    """Raise GraphError where an output of the graph holds NaN or an infinite number."""
    for name in spec.OUTPUTS:
        numbers = getattr(found, name)
        bad = numbers.size - int(np.isfinite(numbers).sum())
        if bad:
            raise GraphError(
                f"{graph} gives {bad:,} of {numbers.size:,} numbers of {name} as NaN or infinite on picture {id} of the "
                "specimen, but should give finite ones; does it hold weights that are not finite?"
            )


def run_in_onnx_runtime(twin: Path, im_data: Floats, picture: Picture) -> Outputs:
    """One picture through a twin in ONNX Runtime."""
    from rfcn_lib.devices import onnx_runtime

    return onnx_runtime.run(onnx_runtime.session(twin), im_data, picture)


def full_size_graphs(store: Store) -> Graphs:
    """A seeded ResNet-101 in the published shape and weight, exported, adapted and made a twin."""
    from rfcn_lib.graph.adapt import adapted_from_exported
    from rfcn_lib.graph.export import onnx_from_checkpoint
    from rfcn_lib.graph.twin import twin_from_vendor
    from rfcn_lib.source.seeding import seeded_checkpoint

    port = read_port(PUBLISHED)
    weights = store.build("full_size/rfcn.pth", seeded_checkpoint, depth=101, port=port, seed=2007)
    onnx = store.build("full_size/rfcn.onnx", onnx_from_checkpoint, weights=weights, port=port)
    adapted = store.build("full_size/rfcn_adapted.onnx", adapted_from_exported, exported=onnx)
    twin = store.build("full_size/rfcn_twin.onnx", twin_from_vendor, vendor=adapted)
    return Graphs(Exported(port, onnx), weights, adapted, twin)
