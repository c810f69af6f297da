"""The simulated om: a label, a line of facts, the graph itself. Running it runs the graph's executable twin.

Nothing here is the vendor's: a real om is a closed format.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rfcn_lib import spec
from rfcn_lib.devices.onnx_runtime import session
from rfcn_lib.graph.twin import twin_from_vendor

from .faults import hang

LABEL = b"SIMULATED OM\n"


class OmError(Exception):
    """Not a simulated om."""


class DeviceError(Exception):
    """The run cannot go on. The sentence is what `benchmark` says: imitated, as nothing of its own words is public."""


class FullDiskError(DeviceError):
    """The disk takes no more."""


def write_om(target: Path, graph: bytes, facts: dict[str, Any]) -> None:
    """The same graph and facts give the same bytes: no date, no path."""
    aside = target.with_name(f".{target.name}.part")
    aside.write_bytes(LABEL + json.dumps(facts, sort_keys=True).encode() + b"\n" + graph)
    aside.replace(target)


def read_om(path: Path) -> tuple[dict[str, Any], bytes]:
    """-> facts, graph. Raises OmError."""
    try:
        label, facts, graph = path.read_bytes().split(b"\n", 2)
        if label + b"\n" != LABEL:
            raise ValueError(label[:40])
        return json.loads(facts), graph
    except (OSError, ValueError) as error:
        raise OmError(f"{path}: {error}") from error


class Model:
    """A loaded om: one input of `input_shape`, float32; outputs in the order of the graph."""

    def __init__(self, path: Path) -> None:
        self.facts, graph = read_om(path)
        self.input_shape = tuple(self.facts["input_shape"])
        self.input_bytes = 4 * int(np.prod(self.input_shape))
        with tempfile.TemporaryDirectory() as folder:
            vendor, twin = Path(folder) / "vendor.onnx", Path(folder) / "twin.onnx"
            vendor.write_bytes(graph)
            twin_from_vendor(twin, vendor)
            self.loaded = session(twin)
        self.outputs = [value.name for value in self.loaded.get_outputs()]

    def run(self, numbers: np.ndarray) -> list[np.ndarray]:
        return self.loaded.run(self.outputs, {spec.INPUT: numbers.reshape(self.input_shape)})


def numbers_of(path: str) -> np.ndarray:
    """A picture's bin, or its .npy, which ais_bench takes too."""
    return np.load(path) if path.lower().endswith(".npy") else np.fromfile(path, "<f4")


@dataclass(frozen=True)
class Inferred:
    """One picture's outputs and the seconds each step took."""

    index: int
    path: str
    outputs: list[np.ndarray]
    read_s: float
    run_s: float


def inferred(model: Model, paths: Sequence[str], device: int, faults: dict[str, str]) -> Iterator[Inferred]:
    """Run every picture; where a fault is planted, spoil its outputs or die after half.

    Raises DeviceError, FileNotFoundError.
    """
    half, first = len(paths) // 2, None
    for index, path in enumerate(paths):
        if index == len(paths) - 1 and "wrong_count" in faults and index:
            return
        if index == half:
            _die(device, faults)
        started = time.perf_counter()
        numbers = numbers_of(path)
        read = time.perf_counter()
        outputs = model.run(numbers)
        run = time.perf_counter()
        first = first or outputs
        if "swapped_output" in faults:
            outputs = first
        outputs = _spoilt(outputs, faults, is_first=index == 0, is_last=index == len(paths) - 1)
        yield Inferred(index, path, outputs, read - started, run - read)


def _die(device: int, faults: dict[str, str]) -> None:
    if "hang" in faults:
        hang()
    if "half_way" in faults:
        raise DeviceError("aclmdlExecute failed, ret[507011]")
    if "disk_full" in faults:
        raise FullDiskError("write output failed: No space left on device")
    if faults.get("device_lost") == str(device):
        raise DeviceError(f"device {device} is lost: aclrtSynchronizeStream failed, ret[507899]")


def _spoilt(outputs: list[np.ndarray], faults: dict[str, str], is_first: bool, is_last: bool) -> list[np.ndarray]:
    if "constant_output" in faults:
        outputs = [np.zeros_like(output) for output in outputs]
    if "nan_output" in faults and is_first:
        outputs = [output.copy() for output in outputs]
        outputs[-1].flat[0] = np.nan
    if "truncated_output" in faults and is_last:
        outputs = [outputs[0], outputs[1][:, : outputs[1].shape[1] // 2], *outputs[2:]]
    if "float16_output" in faults:
        outputs = [output.astype(np.float16) for output in outputs]
    if "integer_output" in faults:
        outputs = [(1000 * output).astype(np.int32) for output in outputs]
    if "transposed_output" in faults:
        outputs = [np.ascontiguousarray(outputs[0].swapaxes(1, 2)), *outputs[1:]]
    if "reordered_outputs" in faults:
        outputs = outputs[::-1]
    if "two_outputs" in faults:
        outputs = outputs[:-1]
    if "four_outputs" in faults:
        outputs = [*outputs, outputs[0]]
    return outputs
