"""Pictures through an inference tool that is a real process: it dies, hangs, is interrupted, and runs the real graph."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rfcn_lib import spec
from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.runs.npu_batch import Tool
from rfcn_lib.runs.npu_folder import NpuRunFolder
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.speed.throughput import expect_timed, interface_rate
from tests.support import fake_tools, tiny
from tests.support.fake_npu import NpuPictures, dumps_in, run_npu
from tests.support.fake_tools import CANVAS_WH, IDS, MODEL, PORT
from tests.support.places import ROOT, STANDIN

RUNNERS = ("benchmark", "ais_bench")
OM_SHA256 = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture(params=RUNNERS)
def run(request, tmp_path):
    """run(devices=, ...): a run of this tool over the same folder, tmp_path / "run"."""
    tool, om = fake_tools.tool_in(tmp_path, request.param), tmp_path / "rfcn.om"
    om.write_bytes(MODEL)
    return lambda **more: run_npu(tmp_path / "run", tool, om, **more)


def test_a_run_on_three_devices_of_which_one_is_lost(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE", "lost1")
    timings = run(devices=(0, 1, 2))
    assert dumps_in(tmp_path / "run" / "dumps") == set(IDS)
    expect_timed(timings, dict.fromkeys(IDS, OM_SHA256))
    want = 6.5 if timings[0].perf.tool == "benchmark" else 6.25
    assert interface_rate([timing.perf for timing in timings]).fps == pytest.approx(want)
    (problem,) = NpuRunFolder(tmp_path / "run", PORT, {}).problems()
    assert "acl open device 1 failed" in problem
    monkeypatch.setenv("FAKE", "nothing")
    assert run(devices=(0, 1, 2)) == timings, "what is there is not run again"


def test_a_tool_that_dies_half_way_leaves_what_it_finished_and_the_line_to_run_by_hand(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE", "half")
    with pytest.raises(OmRunError, match=r"3 of 7 pictures have dumps, in .*dumps; the next run goes on") as error:
        run(batch=7)
    assert dumps_in(tmp_path / "run" / "dumps") == set(IDS[:3])
    assert "by hand: cd " in str(error.value)
    monkeypatch.setenv("FAKE", "")
    expect_timed(run(batch=7), dict.fromkeys(IDS, OM_SHA256))
    assert dumps_in(tmp_path / "run" / "dumps") == set(IDS)


def test_a_hanging_tool_is_ended_and_what_it_finished_is_kept(run, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE", "hang")
    with pytest.raises(OmRunError, match="did not end within 2 s"):
        run(batch=7, timeout_s=2.0)
    assert dumps_in(tmp_path / "run" / "dumps") == set(IDS[:3])


def test_ctrl_c_reaches_the_tool_of_a_single_device_at_once(tmp_path):
    """In a process of its own, as a person would press it."""
    tool = fake_tools.tool_in(tmp_path, "benchmark")
    (tmp_path / "rfcn.om").write_bytes(MODEL)
    code = (
        "import signal; from pathlib import Path\n"
        "from tests.support import fake_tools; from tests.support.fake_npu import run_npu\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell has it ignored\n"
        f"folder = Path({str(tmp_path)!r}); tool = fake_tools.Tool('benchmark', {tool.program!r})\n"
        "run_npu(folder / 'run', tool, folder / 'rfcn.om', batch=7)"
    )
    environment = {**os.environ, "FAKE": "hang", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    third = tmp_path / f"run/work/device0/result/dumpOutput_device0/{IDS[2]}_3.bin"
    until = time.monotonic() + 60
    while not third.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(2)
    _, said = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in said
    assert process.returncode != 0


# -- the stand-in for the vendor's tools: real processes, real numbers --------------------------------------------------


@pytest.fixture(scope="module")
def twin_and_om(tmp_path_factory):
    """A tiny network's executable twin, and its adapted graph through the stand-in's atc."""
    folder = tmp_path_factory.mktemp("standin")
    onnx, adapted, twin = (folder / f"{name}.onnx" for name in ("exported", "adapted", "twin"))
    onnx_from_network(onnx, tiny.network_of(), CANVAS_WH)
    adapted_from_exported(adapted, exported=onnx)
    twin_from_vendor(twin, vendor=adapted)
    width, height = CANVAS_WH
    subprocess.run(
        [STANDIN / "atc", "--framework=5", f"--model={adapted}", f"--output={folder / 'rfcn'}", "--input_format=NCHW",
         f"--input_shape=im_data:1,3,{height},{width}", "--log=error", "--soc_version=Ascend310"],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}, check=True, capture_output=True,
    )  # fmt: skip
    return twin, folder / "rfcn.om"


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_stand_in_s_dumps_are_the_twin_s_to_the_byte(tmp_path, monkeypatch, twin_and_om, runner):
    monkeypatch.setenv("PATH", f"{STANDIN}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    monkeypatch.setenv("STANDIN_DEVICES", "310x4")
    monkeypatch.setenv("STANDIN_FAULT", "device_lost=3")
    twin, om = twin_and_om
    shown = {id: (tiny.im_data_of(int(id)), tiny.picture_of(id)) for id in IDS}
    pictures = NpuPictures(IDS)
    pictures.load = shown.__getitem__
    tool = Tool(runner, {"benchmark": str(STANDIN / "benchmark.x86_64"), "ais_bench": "python3"}[runner])
    timings = run_npu(tmp_path, tool, om, pictures, devices=(0, 3), name="stand-in", timeout_s=None)
    expect_timed(timings, dict.fromkeys(IDS, hashlib.sha256(om.read_bytes()).hexdigest()))
    run = onnx_runtime.load_model(twin)
    for id in IDS:
        got, want = read_dump(tmp_path / "dumps", id, PORT), run(*shown[id])
        for output in spec.OUTPUTS:
            assert getattr(got, output).tobytes() == getattr(want, output).tobytes()
    (problem,) = NpuRunFolder(tmp_path, PORT, {}).problems()
    assert problem.startswith("device 3 was lost: ")
