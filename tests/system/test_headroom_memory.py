"""A graph that measures itself frees a tensor when its numbers are taken: in a process of its own, to see its memory."""

import subprocess
import sys

import onnx

STEPS = 60
SIDE = 2000  # 16 MB a tensor

MEASURE = """
import sys
from pathlib import Path
import numpy as np
from tests.support.headroom import load

def peak_kib():  # not ru_maxrss: a process inherits that from the one that started it
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

run = load(Path(sys.argv[1]))
im_data = np.full((1, 1, {side}, {side}), 3, np.float32)
before = peak_kib()
rows = run("000001", im_data)
assert [row.largest for row in rows if not row.weight] == [3.0] * ({steps} + 1)
print(peak_kib() - before)
"""


def test_few_tensors_are_in_memory_at_a_time(tmp_path, pytestconfig):
    """Each of the 60 is read by the next but one too, as the shortcuts of a residual network are."""
    names = ["im_data", *(f"x{k}" for k in range(STEPS - 1)), "rois"]
    nodes = [
        onnx.helper.make_node("Max", [names[k], names[max(k - 1, 0)]], [names[k + 1]], name=f"step{k}")
        for k in range(STEPS)
    ]
    shape = [1, 1, SIDE, SIDE]
    infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("im_data", "rois")]
    graph = onnx.helper.make_graph(nodes, "g", infos[:1], infos[1:])
    opset = onnx.helper.make_opsetid("", 11)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=7), tmp_path / "g.onnx")

    ran = subprocess.run(
        [sys.executable, "-c", MEASURE.format(side=SIDE, steps=STEPS), tmp_path / "g.onnx"],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    all_of_them_kib = STEPS * SIDE * SIDE * 4 // 1024
    assert int(ran.stdout) < all_of_them_kib / 3
