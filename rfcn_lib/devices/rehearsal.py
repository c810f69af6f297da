"""A chip's arithmetic on any host: ONNX Runtime on the CPU runs a rehearsed graph, which has both orders and measures itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from rfcn_lib import spec
from rfcn_lib.devices.onnx_runtime import expect_input
from rfcn_lib.devices.onnx_runtime import session as session_of
from rfcn_lib.records import Floats, Outputs, Picture, RunPicture


@dataclass(frozen=True, slots=True)
class RehearsedOutputs(Outputs):
    """The three arrays of one picture with the first of two equal scores first, and what else the same run gave.

    other     the three arrays with the last of two equal scores first
    measured  name of an output of `rfcn_lib.graph.rehearsal.measuring.add_measuring` -> its six numbers; {} where nothing was
              measured
    """

    other: Outputs
    measured: Mapping[str, tuple[float, ...]]


def session(graph: Path, threads: int = 0) -> onnxruntime.InferenceSession:
    """A CPU session that frees a measured tensor early. `threads` and errors: as for `onnx_runtime.session`."""
    return session_of(graph, threads, frees_early=True)


def load_model(graph: Path, threads: int = 0) -> RunPicture:
    """Load the graph once; the function returned runs one picture and gives `RehearsedOutputs`. `threads`: as for `session`.

    Raises:
        SessionError: ONNX Runtime cannot load the file.
    """
    loaded = session(graph, threads)
    return lambda im_data, picture: run(loaded, im_data, picture)


def run(loaded: onnxruntime.InferenceSession, im_data: Floats, picture: Picture) -> RehearsedOutputs:
    """One picture, (1, 3, H, W) float32, through a rehearsed graph that has both orders."""
    expect_input(im_data, picture)
    names = [
        output.name for output in loaded.get_outputs()
    ]  # three arrays, three of the other order, what was measured
    found = loaded.run(names, {spec.INPUT: im_data})
    (rois, cls_prob, bbox_pred), other = ([array[0] for array in found[at : at + 3]] for at in (0, 3))
    measured = {name: tuple(numbers.tolist()) for name, numbers in zip(names[6:], found[6:], strict=True)}
    return RehearsedOutputs(rois, cls_prob, bbox_pred, Outputs(*other), measured)
