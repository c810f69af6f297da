"""A chip's arithmetic on any host: ONNX Runtime on the CPU runs a rehearsed graph, which has both orders and measures itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from rfcn_lib import spec
from rfcn_lib.devices.onnx_runtime import SPIN_US, SessionError
from rfcn_lib.processors import usable_processors
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
    """A CPU session with `threads` threads; 0: one for each processor that this process may use.

    Raises:
        SessionError: the file cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: warnings are about constants that its optimiser removed
    options.intra_op_num_threads = threads or usable_processors()
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
    options.enable_mem_pattern = False
    # The next two keep a tensor no longer than its numbers are taken: in the order of the graph, and without the NCHWc layout,
    # whose nodes come late in that order.
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exception types are private to the C++ module
        raise SessionError(f"ONNX Runtime {onnxruntime.__version__} cannot load {graph}: {str(error)[:500]}") from error


def load_model(graph: Path, threads: int = 0) -> RunPicture:
    """Load the graph once; the function returned runs one picture and gives `RehearsedOutputs`. `threads`: as for `session`.

    Raises:
        SessionError: ONNX Runtime cannot load the file.
    """
    loaded = session(graph, threads)
    return lambda im_data, picture: run(loaded, im_data, picture)


def run(loaded: onnxruntime.InferenceSession, im_data: Floats, picture: Picture) -> RehearsedOutputs:
    """One picture, (1, 3, H, W) float32, through a rehearsed graph that has both orders."""
    width, height = picture.canvas_wh
    if im_data.shape != (1, 3, height, width) or im_data.dtype != np.float32:
        raise ValueError(
            f"{picture.id}: im_data is {im_data.dtype} {im_data.shape}, but should be float32 (1, 3, {height}, {width})"
        )
    names = [
        output.name for output in loaded.get_outputs()
    ]  # three arrays, three of the other order, what was measured
    found = loaded.run(names, {spec.INPUT: im_data})
    (rois, cls_prob, bbox_pred), other = ([array[0] for array in found[at : at + 3]] for at in (0, 3))
    measured = {name: tuple(numbers.tolist()) for name, numbers in zip(names[6:], found[6:], strict=True)}
    return RehearsedOutputs(rois, cls_prob, bbox_pred, Outputs(*other), measured)
