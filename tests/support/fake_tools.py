"""Inference tools of thirty lines, written where a test wants them: they speak as the real ones do, but run no model.

A picture's outputs are made of its bin's first number, so that a dump under another id would show.
"""

import inspect
import sys

import numpy as np

from rfcn_lib.runs.npu_batch import Tool
from rfcn_lib.score.dumps import shapes
from rfcn_lib.speed.perf import ToolName
from tests.support.tiny import CANVAS_WH, PORT, picture_of

IDS = tuple(f"{number:06}" for number in range(1, 8))
MODEL = b"a compiled model"


def outputs_of(first, shapes):
    """Three arrays that pass for a picture's, and no other number gives the same."""
    rois, cls_prob, bbox_pred = (first + np.arange(r * c, dtype="<f4").reshape(r, c) / 1000 for r, c in shapes)
    rois[:, 0] = 0
    cls_prob = (cls_prob * 1000 % 7) ** 2
    return [rois, cls_prob / cls_prob.sum(1, keepdims=True), bbox_pred]


PRELUDE = f"""\
import json, os, pathlib, re, sys, time
import numpy as np
{inspect.getsource(outputs_of)}
def outputs(path):
    return outputs_of(float(np.fromfile(path, "<f4", 1)[0]), {{shapes}})
def fault(name):
    return name in os.environ.get("FAKE", "").split(",")
def picture(index, path, count):
    if fault("half") and index == count // 2 or fault("lost%s" % device) and index == count // 2:
        print("[INFO] began"); print("[ERROR] acl open device %s failed" % device); sys.exit(1)
    if fault("hang") and index == count // 2:
        time.sleep(60)
    if fault("nothing"):
        sys.exit(0)
    made = outputs(path)
    if fault("half_type"):
        made = [array.astype("<f2") for array in made]
    if fault("two_outputs"):
        made.pop()
    if fault("four_outputs"):
        made.append(made[0])
    if fault("integers"):
        made = [(1000 * array).astype("<i4") for array in made]
    if fault("turned"):
        made[0] = np.ascontiguousarray(made[0].T)
    if fault("nan_in_one") and index == count // 2:
        made[2][0, 0] = np.nan
    if fault("shuffled"):
        made = [made[2], made[1], made[0]]
    if fault("short") and index == count - 1:
        made[1] = made[1][:-1]
    return made
"""

BENCHMARK = """\
flags = dict(word[1:].split("=") for word in sys.argv[1:])
device = flags["device_id"]
lines = [line.split() for line in open(flags["input_text_path"])]
assert open(flags["om_path"], "rb").read().startswith({model!r}), "not the model"
assert all(line[2:] == [flags["input_width"], flags["input_height"]] for line in lines)
folder = pathlib.Path("result") / ("dumpOutput_device" + device)
folder.mkdir(parents=True, exist_ok=True)
for index, (_, path, *_) in enumerate(lines):
    for k, array in enumerate(picture(index, path, len(lines)), start=0 if fault("from_zero") else 1):
        array.tofile(folder / ("%s_%d.bin" % (pathlib.Path(path).stem, k)))
seconds = 0.25 * (len(lines) - fault("count"))
text = "[e2e] throughputRate: 4, latency: %g\\n[data read] throughputRate: 9, moduleLatency: 3\\n" % (1000 * seconds)
text += "[preprocess] throughputRate: 9, moduleLatency: 3\\n"
text += "[infer] throughputRate: 5, Interface throughputRate: 6.5, moduleLatency: 3\\n"
text += "[post] throughputRate: 9, moduleLatency: 3\\n"
if not fault("no_perf"):
    (folder.parent / ("perf_vision_batchsize_1_device_%s.txt" % device)).write_text(text)
"""

AIS_BENCH = """\
assert sys.argv[1:3] == ["-m", "ais_bench"], sys.argv
flags = dict(zip(sys.argv[3::2], sys.argv[4::2]))
device = flags["--device"]
assert open(flags["--model"], "rb").read().startswith({model!r}), "not the model"
paths = sorted(pathlib.Path(flags["--input"]).iterdir())
folder = pathlib.Path(flags["--output"]) / flags["--output_dirname"]
folder.mkdir(exist_ok=True)
files = {{}}
for index, path in enumerate(paths):
    stem = "input%d_output" % index if fault("old_names") else path.name.split(".")[0]
    out = []
    for k, array in enumerate(picture(index, path, len(paths))):
        out.append("%s/%s_%d.npy" % (folder, stem, k))
        np.save(out[-1], array[None])
    files[str(index)] = {{"infiles": [str(path)], "outfiles": out[::-1] if fault("reversed") else out}}
if fault("stranger"):
    files["0"]["infiles"] = ["./bin/999999.bin"]
if fault("twice"):
    files["1"] = files["0"]
if fault("crossed"):
    files["0"]["outfiles"], files["1"]["outfiles"] = files["1"]["outfiles"], files["0"]["outfiles"]
if fault("outside"):
    files["0"]["outfiles"][0] = "../../../%s_0.npy" % paths[0].stem
if fault("shared"):
    for sample in ("0", "1"):
        files[sample]["outfiles"] = ["%s/x_%d.npy" % (folder, k) for k in range(3)]
if fault("formless"):
    files["0"] = ["what"]
count = len(paths) - fault("count")
times = dict.fromkeys(("min", "max", "mean", "median", "percentile(99%)"), 160.0)
summary = {{"filesinfo": files, "NPU_compute_time": {{**times, "count": count}}, "throughput": 6.25}}
name = "_sumary.json" if fault("old_names") else "_summary.json"
if not fault("no_perf"):
    pathlib.Path(str(folder) + name).write_text(json.dumps(summary))
fps = 9.5 if fault("log_differs") else 6.25
print("[INFO] throughput 1000*batchsize.mean(1)/NPU_compute_time.mean(%r): %r" % (1000 / fps, fps))
"""


def tool_in(folder, name: ToolName) -> Tool:
    """Write the tool; `ais_bench` comes as the python that runs it."""
    script = folder / {"benchmark": "benchmark.x86_64", "ais_bench": "python3"}[name]
    body = (PRELUDE + {"benchmark": BENCHMARK, "ais_bench": AIS_BENCH}[name]).format(shapes=shapes(PORT), model=MODEL)
    script.write_text(f"#!{sys.executable}\n{body}")
    script.chmod(0o755)
    return Tool(name, str(script))


def first_number(id):
    """What stands at the front of a picture's bin."""
    return int(id) / 1000


def shown(id):
    """(1, 3, H, W) float32 and its record."""
    width, height = CANVAS_WH
    return np.full((1, 3, height, width), first_number(id), np.float32), picture_of(id)
