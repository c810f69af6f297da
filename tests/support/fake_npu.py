"""Pictures for NPUs, a call that runs them, and an inference tool that is a function: no process, and faults on request."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rfcn_lib.ascend.tool_run import OmRunError, ToolResult
from rfcn_lib.command import CommandResult
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.runs.npu import NpuEngine
from rfcn_lib.runs.npu_batch import run_tool as run_vendor_tool
from rfcn_lib.runs.npu_folder import NpuRunFolder, models_of
from rfcn_lib.score.dumps import file_names, shapes
from rfcn_lib.speed.perf_files import perf_from_benchmark
from tests.support.fake_device import FakePictures
from tests.support.fake_tools import IDS, PORT, first_number, outputs_of, shown

PERF = """\
[e2e] throughputRate: 4, latency: {latency_ms:g}
[data read] throughputRate: 9, moduleLatency: 3
[preprocess] throughputRate: 9, moduleLatency: 3
[infer] throughputRate: 5, Interface throughputRate: 6.5, moduleLatency: 3
[post] throughputRate: 9, moduleLatency: 3
"""


class NpuPictures(FakePictures):
    """Pictures whose bins begin with a number of their own, so that a dump under another id would show."""

    def __init__(self, ids=IDS, port=PORT, by_canvas=None):
        super().__init__(ids, port, by_canvas or {port.pictures.canvas_wh_px: tuple(ids)})

    def load(self, id):
        self.loaded.append(id)
        im_data, picture = shown(id)
        width, height = self.canvas_of(id)
        return im_data[..., :height, :width], replace(picture, canvas_wh=(width, height))


def run_npu(root, tool, oms, pictures=None, devices=(0,), batch=2, **options):
    """Make what is missing in `root`; returns the timings. `oms`: one file, or canvas -> file; `batch` likewise."""
    pictures = pictures or NpuPictures()
    each = lambda one: one if isinstance(one, dict) else dict.fromkeys(pictures.by_canvas, one)  # noqa: E731
    name, options = options.pop("name", "dumps"), {"timeout_s": 20.0, "run_tool": run_vendor_tool, **options}
    engine = NpuEngine(tool, {device: f"device {device}" for device in devices}, each(batch), **options)
    folder = NpuRunFolder(root, pictures.port, models_of(each(oms), pictures))
    run_missing(folder, pictures, engine, name)
    return folder.timings(pictures)


def dumps_in(folder: Path, ids=IDS) -> set[str]:
    """Ids with three whole files; every one must hold its own picture's numbers, and nothing else may lie there."""
    whole = set()
    for id in ids:
        files = [folder / name for name in file_names(id)]
        if all(file.exists() for file in files):
            for file, array in zip(files, outputs_of(np.float32(first_number(id)), shapes(PORT)), strict=True):
                assert np.array_equal(np.fromfile(file, "<f4"), array.ravel())
            whole.add(id)
    assert {path.name for path in folder.iterdir()} == {name for id in whole for name in file_names(id)}
    return whole


class FakeTool:
    """Stands for `npu_batch.run_tool`. `fault`: names of faults, separated by commas; it may be changed between runs."""

    def __init__(self, suffix=".bin", fault=""):
        self.suffix, self.fault, self.runs = suffix, fault, 0

    def __call__(self, tool, task):
        self.runs += 1
        faults, count, outputs = self.fault.split(","), len(task.ids), {}
        folder = task.work / "result"
        folder.mkdir()
        for index, id in enumerate(task.ids):
            if index == count // 2 and {"half", f"lost{task.device_id}"}.intersection(faults):
                raise OmRunError(f"acl open device {task.device_id} failed", outputs)
            first = np.fromfile(task.work / "bin" / f"{id}.bin", "<f4", 1)[0]
            arrays = _damaged(outputs_of(first, shapes(PORT)), index, count, faults)
            outputs[id] = tuple(self.write(folder, id, k, array) for k, array in enumerate(arrays))
        perf = perf_from_benchmark(PERF.format(latency_ms=250 * count), task.device_id, "a fake")
        return ToolResult(outputs, perf, CommandResult(("fake", f"-om_path={task.om}"), task.work, {}, 0, "", "", 0.0))

    def write(self, folder, id, k, array):
        file = folder / f"{id}_{k if self.suffix == '.npy' else k + 1}{self.suffix}"
        np.save(file, array[None]) if self.suffix == ".npy" else array.tofile(file)
        return file


def _damaged(arrays, index, count, faults):
    if "half_type" in faults:
        arrays = [array.astype("<f2") for array in arrays]
    if "two_outputs" in faults:
        arrays.pop()
    if "four_outputs" in faults:
        arrays.append(arrays[0])
    if "integers" in faults:
        arrays = [(1000 * array).astype("<i4") for array in arrays]
    if "turned" in faults:
        arrays[0] = np.ascontiguousarray(arrays[0].T)
    if "nan_in_one" in faults and index == count // 2:
        arrays[2][0, 0] = np.nan
    if "shuffled" in faults:
        arrays = [arrays[2], arrays[1], arrays[0]]
    if "short" in faults and index == count - 1:
        arrays[1] = arrays[1][:-1]
    return arrays
