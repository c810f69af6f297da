"""The candidate's device on any host: ONNX Runtime on the CPU runs the executable twin. It stands in for the NPU."""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.processors import usable_processors
from rfcn_lib.records import Floats, Outputs, Picture, RunPicture

SPIN_US: Final = "1000"  # how long a thread without work spins before it sleeps; see rfcn_lib/devices/threads.py


class SessionError(SuiteError):
    """ONNX Runtime cannot load the graph."""


def session(twin: Path, threads: int = 0, *, frees_early: bool = False) -> onnxruntime.InferenceSession:
    """A CPU session with `threads` threads; 0: one for each processor that this process may use.

    frees_early  keep a measured tensor only until its numbers are taken: nodes run in the order of the graph, and without the
                 NCHWc layout, whose nodes come late in that order

    Raises:
        SessionError: the file cannot be loaded.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: warnings are about constants that its optimiser removed
    options.intra_op_num_threads = threads or usable_processors()
    options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
    options.enable_mem_pattern = False  # measured faster at full size: the arena is reused instead of one huge block
    if frees_early:
        options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    try:
        return onnxruntime.InferenceSession(str(twin), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exception types are private to the C++ module
        raise SessionError(f"ONNX Runtime {onnxruntime.__version__} cannot load {twin}: {str(error)[:500]}") from error


def load_model(twin: Path, threads: int = 0) -> RunPicture:
    """Load the graph once; the function returned runs one picture. `threads`: as for `session`.

    Raises:
        SessionError: ONNX Runtime cannot load the file.
    """
    loaded = session(twin, threads)
    return lambda im_data, picture: run(loaded, im_data, picture)


def run(loaded: onnxruntime.InferenceSession, im_data: Floats, picture: Picture) -> Outputs:
    """One picture, (1, 3, H, W) float32, through the twin."""
    expect_input(im_data, picture)
    rois, cls_prob, bbox_pred = loaded.run(list(spec.OUTPUTS), {spec.INPUT: im_data})
    return Outputs(rois[0], cls_prob[0], bbox_pred[0])


def expect_input(im_data: Floats, picture: Picture) -> None:
    """Raise ValueError unless `im_data` is what the graph of the picture's canvas reads."""
    width, height = picture.canvas_wh
    if im_data.shape != (1, 3, height, width) or im_data.dtype != np.float32:
        raise ValueError(
            f"{picture.id}: im_data is {im_data.dtype} {im_data.shape}, but should be float32 (1, 3, {height}, {width})"
        )


def describe() -> str:
    """What ran, for header and verdict."""
    return f"ONNX Runtime {onnxruntime.__version__} on the host CPU, standing in for the NPU"
