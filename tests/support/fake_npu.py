"""Pictures for NPUs, a call that runs them, and an inference tool that is a function: the stand-in's faults without its network.

A picture's outputs are made of its bin's first number, so that a dump under another id would show.
"""

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
from tests.support.standin_here import IDS, simulated
from tests.support.tiny import PORT, picture_of

MODEL = b"a compiled model"
PERF = """\
[e2e] throughputRate: 4, latency: {latency_ms:g}
[data read] throughputRate: 9, moduleLatency: 3
[preprocess] throughputRate: 9, moduleLatency: 3
[infer] throughputRate: 5, Interface throughputRate: 6.5, moduleLatency: 3
[post] throughputRate: 9, moduleLatency: 3
"""


def outputs_of(first):
    """Three arrays that pass for a picture's, and no other number gives the same."""
    rois, cls_prob, bbox_pred = (first + np.arange(r * c, dtype="<f4").reshape(r, c) / 1000 for r, c in shapes(PORT))
    rois[:, 0] = 0
    cls_prob = (cls_prob * 1000 % 7) ** 2
    return [rois, cls_prob / cls_prob.sum(1, keepdims=True), bbox_pred]


def first_number(id):
    """What stands at the front of a picture's bin."""
    return int(id) / 1000


class NpuPictures(FakePictures):
    """Pictures whose bins hold one number each, another one for each id."""

    def __init__(self, ids=IDS, port=PORT, by_canvas=None):
        super().__init__(ids, port, by_canvas or {port.pictures.canvas_wh_px: tuple(ids)})

    def load(self, id):
        self.loaded.append(id)
        width, height = canvas_wh = self.canvas_of(id)
        im_data = np.full((1, 3, height, width), first_number(id), np.float32)
        return im_data, replace(picture_of(id), canvas_wh=canvas_wh)


def run_npu(root, tool, oms, pictures=None, devices=(0,), batch=2, **options):
    """Make what is missing in `root`; returns the timings. `oms`: one file, or canvas -> file; `batch` likewise."""
    pictures = pictures or NpuPictures()
    each = lambda one: one if isinstance(one, dict) else dict.fromkeys(pictures.by_canvas, one)  # noqa: E731
    name, options = options.pop("name", "dumps"), {"timeout_s": None, "run_tool": run_vendor_tool, **options}
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
            for file, array in zip(files, outputs_of(np.float32(first_number(id))), strict=True):
                assert np.array_equal(np.fromfile(file, "<f4"), array.ravel())
            whole.add(id)
    assert {path.name for path in folder.iterdir()} == {name for id in whole for name in file_names(id)}
    return whole


class FakeTool:
    """Stands for `npu_batch.run_tool`; counts its runs. Faults are the stand-in's, planted with STANDIN_FAULT."""

    def __init__(self):
        self.runs, self.talk = 0, 0

    def __call__(self, tool, task):
        self.runs += 1
        om, faults, outputs = simulated("om"), simulated("faults").planted(tool.name), {}
        folder = task.work / "result"
        folder.mkdir()
        task.log.write_text(f"{'.' * self.talk}\ninferred {' '.join(task.ids)}\n")
        try:
            paths = [str(task.work / "bin" / f"{id}.bin") for id in task.ids]
            for picture in om.inferred(Arithmetic, paths, task.device_id, faults):
                id = task.ids[picture.index]
                outputs[id] = tuple(written(folder, tool.name, id, picture.outputs))
        except om.DeviceError as error:
            raise OmRunError(str(error), outputs) from error
        perf = perf_from_benchmark(PERF.format(latency_ms=250 * len(task.ids)), task.device_id, "a fake")
        return ToolResult(outputs, perf, CommandResult(("fake", f"-om_path={task.om}"), task.work, {}, 0, "", "", 0.0))


class Arithmetic:
    """In the place of the stand-in's model."""

    @staticmethod
    def run(numbers):
        return [array[None] for array in outputs_of(numbers[0])]


def written(folder, tool, id, arrays):
    """The files of a picture, in the format of the tool."""
    for k, array in enumerate(arrays):
        if tool == "benchmark":
            yield folder / f"{id}_{k + 1}.bin"
            array.tofile(folder / f"{id}_{k + 1}.bin")
        else:
            yield folder / f"{id}_{k}.npy"
            np.save(folder / f"{id}_{k}.npy", array)
