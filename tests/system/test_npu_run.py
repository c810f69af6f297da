"""Pictures through an inference tool that is a real process: the stand-in for the vendor's tools, and the tiny network."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rfcn_lib import spec
from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.runs import disk
from rfcn_lib.runs.npu_batch import Tool
from rfcn_lib.runs.npu_folder import NpuRunFolder
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.speed.throughput import expect_timed
from tests.support.fake_npu import NpuPictures, run_npu
from tests.support.places import ROOT, STANDIN
from tests.support.processes import LONG_S, alive, descendants, wait_until
from tests.support.small_disk import mounted
from tests.support.standin_here import IDS, environment, im_data_of
from tests.support.tiny import PORT, picture_of

BENCHMARK, AIS_BENCH = Tool("benchmark", str(STANDIN / "benchmark.x86_64")), Tool("ais_bench", "python3")


@pytest.fixture(autouse=True)
def standin(monkeypatch):
    """The stand-in's tools, on a host with a card of four chips."""
    for name, value in environment(STANDIN_DEVICES="310x4").items():
        monkeypatch.setenv(name, value)


def compiled(tiny_made: Path, folder: Path) -> Path:
    """The om as a compiler leaves it under umask 000."""
    folder.mkdir(parents=True, exist_ok=True)
    om = folder / "rfcn.om"
    shutil.copyfile(tiny_made / "rfcn.om", om)
    om.chmod(0o666)
    return om


def problems(folder: Path):
    return NpuRunFolder(folder, PORT, {}).problems()


@pytest.mark.parametrize("tool", [BENCHMARK, AIS_BENCH], ids=lambda tool: tool.name)
def test_dumps_are_the_twin_s_to_the_byte_and_another_device_takes_over_from_a_lost_one(
    tmp_path, monkeypatch, tiny_made, tool
):
    monkeypatch.setenv("STANDIN_FAULT", "device_lost=3")
    om, twin = compiled(tiny_made, tmp_path), tmp_path / "twin.onnx"
    twin_from_vendor(twin, tiny_made / "adapted.onnx")
    shown = {id: (im_data_of(id), picture_of(id)) for id in IDS}
    pictures = NpuPictures(IDS)
    pictures.load = shown.__getitem__
    timings = run_npu(tmp_path / "npu", tool, om, pictures, devices=(0, 3), batch=4)

    expect_timed(timings, dict.fromkeys(IDS, hashlib.sha256(om.read_bytes()).hexdigest()))
    run = onnx_runtime.load_model(twin)
    for id in IDS:
        got, want = read_dump(tmp_path / "npu" / "dumps", id, PORT), run(*shown[id])
        for output in spec.OUTPUTS:
            assert getattr(got, output).tobytes() == getattr(want, output).tobytes()
    (problem,) = problems(tmp_path / "npu")
    assert problem.startswith("device 3 was lost: ")
    assert "device 3 is lost: aclrtSynchronizeStream failed" in problem


@pytest.mark.parametrize(
    ("tool", "mask", "store"),
    [(AIS_BENCH, 0o002, "a b+店"), (AIS_BENCH, 0o022, "plain"), (BENCHMARK, 0o002, "a b+店")],
    ids=["ais_bench, an odd store", "ais_bench, a plain store", "benchmark, an odd store"],
)
def test_the_line_of_a_failed_batch_runs_in_a_fresh_shell(tmp_path, tiny_made, monkeypatch, tool, mask, store):
    """The bins are kept, and the line brings them where the tool takes them; the strict one refuses what others may write."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("STANDIN_FAULT", "half_way")
    before = os.umask(mask)
    try:
        with pytest.raises(OmRunError, match="2 of 4 pictures have dumps") as caught:
            run_npu(
                tmp_path / store / "npu", tool, compiled(tiny_made, tmp_path / store), NpuPictures(IDS[:4]), batch=4
            )
    finally:
        os.umask(before)
    (line,) = said_after("  by hand: ", caught.value)
    (log,) = said_after("  log: ", caught.value)
    assert Path(log.strip()).is_file()

    shell = ["/bin/sh", "-c", f"umask {mask:o}; {line}"]
    fresh = {name: os.environ[name] for name in ("PATH", "PYTHONPATH")}
    done = subprocess.run(shell, capture_output=True, text=True, cwd="/", env=fresh)
    assert done.returncode == 0, done.stdout + done.stderr


def said_after(head: str, error: Exception) -> list[str]:
    return [line.removeprefix(head) for line in str(error).splitlines() if line.startswith(head)]


def test_ctrl_c_ends_a_hanging_tool_and_its_child_at_once(tmp_path, tiny_made):
    """In a process of its own, as a person would press it."""
    om = compiled(tiny_made, tmp_path)
    code = (
        "import signal; from pathlib import Path\n"
        "from rfcn_lib.runs.npu_batch import Tool; from tests.support.fake_npu import run_npu\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell has it ignored\n"
        f"run_npu(Path({str(tmp_path / 'run')!r}), Tool('benchmark', {BENCHMARK.program!r}), Path({str(om)!r}), batch=7)"
    )
    planted = {**os.environ, "STANDIN_FAULT": "hang", "PYTHONPATH": f"{ROOT}:{STANDIN}"}
    third = tmp_path / f"run/work/device0/result/dumpOutput_device0/{IDS[2]}_3.bin"
    with subprocess.Popen([sys.executable, "-c", code], env=planted, stderr=subprocess.PIPE) as process:
        wait_until(lambda: process.poll() is not None or (third.exists() and len(descendants(process.pid)) > 1))
        tool_and_child = descendants(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LONG_S)

    assert b"KeyboardInterrupt" in said
    assert process.returncode != 0
    assert len(tool_and_child) == 2
    assert wait_until(lambda: not any(map(alive, tool_and_child)))


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "1500k") as place:
        yield place


def test_a_disk_that_fills_in_mid_batch_names_the_file_and_keeps_what_was_finished(
    small_disk, tmp_path, tiny_made, monkeypatch
):
    monkeypatch.setattr(disk, "SPARE_BYTES", 100_000)
    folder, ballast, om, pictures = (
        small_disk / "npu",
        small_disk / "ballast",
        compiled(tiny_made, tmp_path),
        NpuPictures(IDS[:4]),
    )
    load = pictures.load

    def crowded(id):
        """Before the last bin, of 27 blocks: leave 10 for the info file, the tool's mark and log, and two pictures' outputs."""
        if id == IDS[3]:
            free = os.statvfs(small_disk)
            ballast.write_bytes(bytes((free.f_bavail - 27 - 10) * free.f_frsize))
        return load(id)

    pictures.load = crowded
    with pytest.raises(OmRunError) as caught:
        run_npu(folder, AIS_BENCH, om, pictures, batch=4)
    assert "2 of 4 pictures have dumps" in str(caught.value)
    assert "000003" in str(caught.value)
    assert "--store=DIR on another disk" in str(caught.value)
    assert problems(folder) == ()

    ballast.unlink()
    pictures.load = load
    run_npu(folder, AIS_BENCH, om, pictures, batch=4)
    assert problems(folder) == ()
