"""Pictures through a tool in batches: what is finished is kept, what is lost is taken over, what is full is said."""

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rfcn_lib.runs.filling import unfinished

from rfcn_lib import spec
from rfcn_lib.ascend.health import note_troubles
from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.pictures.bins import BinError
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.runs import npu as om_runner
from rfcn_lib.runs import plans
from rfcn_lib.runs.npu import Tool, fill_by_tool
from rfcn_lib.runs.work_queue import Pile, finished
from rfcn_lib.score.dump_audit import audit, read_dump
from rfcn_lib.score.dumps import DumpError, file_names, shapes
from rfcn_lib.speed.perf import PerfError
from rfcn_lib.speed.throughput import expect_timed, interface_rate
from tests.support import fake_tools, tiny
from tests.support.fake_tools import CANVAS_WH, IDS, MODEL, PORT, first_number, outputs_of, shown
from tests.support.places import ROOT, STANDIN

RUNNERS = ("benchmark", "ais_bench")
OM_SHA256 = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture(params=RUNNERS)
def tool(request, tmp_path):
    return fake_tools.tool_in(tmp_path, request.param)


@pytest.fixture
def filled(tmp_path, tool):
    """filled(ids=, devices=, ...): a call over the same folder, with this tool."""
    om = tmp_path / "rfcn.om"
    om.write_bytes(MODEL)

    def call(ids=IDS, devices=(0,), batch=3, timeout_s=20.0, prepare=shown, port=PORT, **more):
        folder = tmp_path / "filled"
        canvas = port.pictures.canvas_wh_px
        return fill_by_tool(
            folder,
            {canvas: tuple(ids)},
            port,
            prepare,
            tool,
            {canvas: om},
            devices,
            batch={canvas: batch},
            what="test dumps",
            timeout_s=timeout_s,
            **more,
        )

    return call


@pytest.fixture
def fault(monkeypatch):
    return lambda name: monkeypatch.setenv("FAKE", name)


def dumps_of(tmp_path):
    """Ids with three whole files; every one must hold its own picture's numbers."""
    folder = tmp_path / "filled" / "dumps"
    whole = set()
    for id in IDS:
        files = [folder / name for name in file_names(id)]
        if all(file.exists() for file in files):
            for file, array in zip(files, outputs_of(np.float32(first_number(id)), shapes(PORT)), strict=True):
                assert np.array_equal(np.fromfile(file, "<f4"), array.ravel())
            whole.add(id)
    assert {path.name for path in folder.iterdir()} == {name for id in whole for name in file_names(id)}
    return whole


# -- the straight way --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("devices", [(0,), (0, 1, 2)])
def test_every_picture_gets_its_own_dump_and_is_timed_once(filled, tmp_path, devices):
    made = filled(devices=devices)
    assert dumps_of(tmp_path) == set(IDS)
    expect_timed(made.timings, dict.fromkeys(IDS, OM_SHA256))
    assert made.lost == {}
    assert interface_rate([timing.perf for timing in made.timings]).fps == pytest.approx(
        6.5 if made.timings[0].perf.tool == "benchmark" else 6.25
    )
    assert not (tmp_path / "filled" / "work").exists()


def test_the_plan_is_said_before_the_first_batch_and_only_where_there_is_one(filled, capsys):
    filled(ids=IDS[:2])
    capsys.readouterr()
    made = filled(devices=(0, 1), batch=2)
    said = capsys.readouterr().err
    plan = r"test dumps: 5 pictures to do, 2 already there; (benchmark|ais_bench): canvas 112 x 80 px; devices 0, 1, "
    assert re.match(
        plan + r"batches of 2; at most 1 MB of bins, 0\.1 MB of dumps, \S+ GB free; stop when you like\n", said
    )
    assert filled(devices=(0, 1), batch=2) == made
    assert capsys.readouterr().err == ""


def test_how_long_it_will_take_is_said_after_the_first_batch(filled, capsys, monkeypatch):
    """Two pictures of seven are done: whatever that took, five are left."""
    monkeypatch.setattr(plans, "WORTH_SAYING_S", 0)
    filled(batch=2)
    said = re.findall(
        r"test dumps: (\d+) pictures are left, about \d+ s at the pace of (\S+) to (\S+)\n", capsys.readouterr().err
    )
    assert said == [("5", IDS[0], IDS[1])]


def test_pictures_of_several_canvases_go_through_their_own_models_from_one_pile(tmp_path, capsys):
    """The last four on a narrower canvas: in one plan, never two canvases in a batch, every timing of its own om."""
    tool, narrow = fake_tools.tool_in(tmp_path, "benchmark"), (64, 80)
    canvases = {CANVAS_WH: IDS[:3], narrow: IDS[3:]}
    oms = {canvas: tmp_path / f"{canvas[0]}.om" for canvas in canvases}
    for canvas, om in oms.items():
        om.write_bytes(MODEL + bytes(canvas))

    def prepare(id):
        im_data, picture = shown(id)
        return (
            (im_data, picture) if id in canvases[CANVAS_WH] else (im_data[..., :64], replace(picture, canvas_wh=narrow))
        )

    folder, batch = tmp_path / "filled", {CANVAS_WH: 2, narrow: 3}
    made = fill_by_tool(folder, canvases, PORT, prepare, tool, oms, (0, 1), batch=batch, what="two")
    plan = "two: 7 pictures to do, 0 already there; benchmark: 2 canvases; devices 0, 1, batches of 2 or 3; at most 1 MB of"
    assert capsys.readouterr().err.startswith(plan)
    assert dumps_of(tmp_path) == set(IDS)
    of_canvas = {hashlib.sha256(om.read_bytes()).hexdigest(): canvases[canvas] for canvas, om in oms.items()}
    assert {t.om_sha256 for t in made.timings} == set(of_canvas)
    assert all(set(t.ids) <= set(of_canvas[t.om_sha256]) for t in made.timings)
    assert all(f"-om_path={oms[CANVAS_WH if t.ids[0] in IDS[:3] else narrow]}" in t.typed for t in made.timings)
    again = fill_by_tool(folder, canvases, PORT, prepare, tool, oms, (0, 1), batch=batch, what="two")
    assert sorted(t.ids for t in again.timings) == sorted(t.ids for t in made.timings)
    assert capsys.readouterr().err == ""


def test_what_is_there_is_not_run_again(filled, tmp_path, fault):
    first = filled()
    fault("nothing")
    assert filled() == first


def test_bins_never_lie_on_the_disk_beyond_two_batches(filled, tmp_path):
    most = []

    def prepare(id):
        most.append(len(list((tmp_path / "filled").rglob("*.bin"))) - len(list((tmp_path / "filled/dumps").iterdir())))
        return shown(id)

    filled(prepare=prepare, batch=2)
    assert max(most) < 2 * 2 * 4  # the tool's own three files and the bin, per picture


def test_a_part_of_the_set_is_timed_by_itself_and_both_stay(filled, fault):
    """A batch with other pictures in it says nothing of this part's rate."""
    whole, part = filled(batch=7), filled(ids=IDS[:2])
    expect_timed(part.timings, dict.fromkeys(IDS[:2], OM_SHA256))
    fault("nothing")
    assert filled(batch=7) == whole
    assert filled(ids=IDS[:2]) == part


def test_a_dump_that_is_gone_is_run_and_timed_again(filled, tmp_path):
    filled()
    (tmp_path / "filled" / "dumps" / f"{IDS[1]}_2.bin").unlink()
    again = filled()
    assert dumps_of(tmp_path) == set(IDS)
    expect_timed(again.timings, dict.fromkeys(IDS, OM_SHA256))


def test_another_model_s_timings_are_not_this_one_s(filled, tmp_path, fault):
    filled()
    for path in (tmp_path / "filled" / "timings").iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "om_sha256": "0" * 64}))
    fault("nothing")
    with pytest.raises(OmRunError, match="7 of 7 pictures have dumps"):
        filled()


# -- failures ----------------------------------------------------------------------------------------------------------


def test_a_tool_that_dies_half_way_leaves_what_it_finished_and_the_next_run_goes_on(filled, tmp_path, fault):
    fault("half")
    with pytest.raises(OmRunError, match=r"3 of 7 pictures have dumps, in .*dumps; the next run goes on") as error:
        filled(batch=7)
    assert dumps_of(tmp_path) == set(IDS[:3])
    assert "by hand: cd " in str(error.value)
    assert (tmp_path / "filled/work/device0/bin" / f"{IDS[6]}.bin").exists()  # for the line by hand
    fault("")
    expect_timed(filled(batch=7).timings, dict.fromkeys(IDS, OM_SHA256))
    assert dumps_of(tmp_path) == set(IDS)


def test_a_hanging_tool_is_ended_and_what_it_finished_is_kept(filled, tmp_path, fault):
    fault("hang")
    with pytest.raises(OmRunError, match="did not end within 2 s"):
        filled(batch=7, timeout_s=2.0)
    assert dumps_of(tmp_path) == set(IDS[:3])


@pytest.mark.parametrize(
    ("planted", "said", "kept"),
    [
        (
            "short",
            r"1 of 7 pictures have no whole outputs, though \w+ ended well; 000007: .*_[12]\.(bin|npy) \(cls_prob\) (has|is)",
            6,
        ),
        (
            "half_type",
            r"000001_1\.bin \(rois\) has 400 bytes, but \(40, 5\) float32 are 800; all outputs are 0.5 times .* float16\?"
            r"|000001_0\.npy \(rois\) is float16 \(1, 40, 5\), but should be float32 \(1, 40, 5\); compile it for float32",
            0,
        ),
        ("two_outputs", r"has 2 outputs, but the port has 3: rois, cls_prob, bbox_pred", 0),
        ("four_outputs", r"has 4 outputs, but the port has 3", 0),
        ("integers", r"000001_1\.bin: rois has no number above \S+, as integers|000001_0\.npy \(rois\) is int32", 0),
        ("turned", r"000001_1\.bin: rois has batch index|000001_0\.npy \(rois\) is float32 \(1, 5, 40\), but", 0),
        ("shuffled", r"000001_1\.bin \(rois\) has \S+ bytes, but|000001_0\.npy \(rois\) is float32 \(1, 40, ", 0),
    ],
)
def test_outputs_of_a_wrong_kind_or_number_never_become_dumps(filled, tmp_path, fault, planted, said, kept):
    fault(planted)
    with pytest.raises(OmRunError, match=said):
        filled(batch=7)
    assert dumps_of(tmp_path) == set(IDS[:kept])


@pytest.mark.parametrize("ended", ["", "lost0", "Ctrl-C"])
def test_what_troubles_a_run_is_kept_before_and_after_it_however_it_ends(ended, filled, tmp_path, fault):
    """A run taken up again on idle devices still stands on what was made on busy ones."""
    asked = []

    def troubles():
        asked.append(len(list((tmp_path / "filled" / "dumps").iterdir())))
        return [f"device 0 is in use: process {len(asked)}"]

    def prepare(id):
        if ended == "Ctrl-C" and id == IDS[3]:
            raise KeyboardInterrupt
        return shown(id)

    fault(ended)
    with nullcontext() if not ended else pytest.raises((OmRunError, KeyboardInterrupt)):
        filled(batch=2, troubles=troubles, prepare=prepare)
    noted = note_troubles(tmp_path / "filled", [])
    assert noted[0] == "device 0 is in use: process 1"
    assert noted[-1] == "device 0 is in use: process 2"
    assert any("device 0 was lost: " in sentence for sentence in noted) == (ended == "lost0")
    assert asked[0] == 0
    fault("")
    filled(batch=2, troubles=lambda: ["nothing is run, so nobody asks"]) if not ended else None
    assert note_troubles(tmp_path / "filled", []) == noted


def test_a_dump_belongs_to_its_jpeg(filled, tmp_path):
    """Digests of JPEGs stand in for them: one that changes is run again with its batch, one that changes meanwhile is no dump."""
    now = {id: hashlib.sha256(id.encode()).hexdigest() for id in IDS}
    ran = []

    def prepare(id):
        ran.append(id)
        return shown(id)

    def jpegs(ids):
        return [now[id] for id in ids]

    filled(batch=3, prepare=prepare, jpegs=jpegs)
    assert ran == list(IDS)
    filled(batch=3, prepare=prepare, jpegs=jpegs)
    assert ran == list(IDS)
    now[IDS[4]] = "1" * 64
    made = filled(batch=3, prepare=prepare, jpegs=jpegs)
    assert ran[len(IDS) :] == [IDS[4], IDS[3], IDS[5]], "its batch is timed again"
    expect_timed(made.timings, dict.fromkeys(IDS, OM_SHA256))

    def overtaken(id):
        now[id] = "2" * 64
        return shown(id)

    now[IDS[0]] = "3" * 64
    with pytest.raises(PictureError, match=f"a JPEG of {IDS[0]} to {IDS[2]} changed while it was read"):
        filled(batch=3, prepare=overtaken, jpegs=jpegs)
    assert IDS[0] in unfinished(tmp_path / "filled" / "dumps", IDS, PORT, jpegs)


def test_one_picture_that_cannot_be_judged_costs_no_device_and_is_named_by_the_audit(filled, tmp_path, fault):
    fault("nan_in_one")
    made = filled(batch=7, devices=(0, 1))
    assert made.lost == {}
    expect_timed(made.timings, dict.fromkeys(IDS, OM_SHA256))
    with pytest.raises(DumpError, match=f"{IDS[3]}_3.bin: bbox_pred has 1 of .* NaN"):
        audit(tmp_path / "filled" / "dumps", IDS, PORT)


def test_a_lost_device_s_pictures_go_to_the_others_and_it_is_said(filled, tmp_path, fault, capsys):
    fault("lost1")
    made = filled(devices=(0, 1, 2), batch=2)
    assert dumps_of(tmp_path) == set(IDS)
    expect_timed(made.timings, dict.fromkeys(IDS, OM_SHA256))
    assert set(made.lost) == {1}
    assert 1 not in {timing.perf.device_id for timing in made.timings}
    assert "device 1 gets no more pictures, others take over" in capsys.readouterr().err
    assert "acl open device 1 failed" in made.lost[1]


def test_one_short_output_is_not_called_half_precision(filled, fault):
    fault("short")
    with pytest.raises(OmRunError) as error:
        filled(batch=7)
    assert "float16" not in str(error.value)


def test_when_every_device_is_lost_each_one_s_reason_is_told(filled, tmp_path, fault):
    fault("lost0,lost1")
    with pytest.raises(OmRunError) as error:
        filled(devices=(0, 1), batch=4)
    assert "device 0: " in str(error.value)
    assert "device 1: " in str(error.value)
    assert dumps_of(tmp_path)


def test_a_picture_that_cannot_be_prepared_stops_the_run_as_the_error_it_is(filled, tmp_path):
    def prepare(id):
        if id == IDS[4]:
            raise ValueError("000005.jpg is cut off")
        return shown(id)

    with pytest.raises(ValueError, match=r"000005\.jpg is cut off"):
        filled(prepare=prepare)
    assert dumps_of(tmp_path) == set(IDS[:3])


def test_a_batch_larger_than_the_disk_is_refused_before_anything_is_written(filled, tmp_path):
    huge = PORT.model_copy(update={"pictures": PORT.pictures.model_copy(update={"canvas_wh_px": (8192, 8192)})})
    free = os.statvfs(tmp_path)
    count = free.f_bavail * free.f_frsize // (12 * 8192 * 8192) + 2
    with pytest.raises(
        OmRunError, match=r"GB of room, but \d+ pictures and logs need .* take smaller batches, or pass --store"
    ):
        filled(ids=[f"{k:07}" for k in range(count)], batch=count, port=huge)
    assert not list((tmp_path / "filled").rglob("*.bin"))


def test_a_disk_that_takes_no_more_stops_all_devices(filled, tmp_path):
    """The kernel refuses to let a file grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OmRunError, match=r"0 of 7 pictures have dumps[\s\S]*cannot write .*File too large"):
            filled(devices=(0, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "filled" / "work").exists()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"batch": 0}, r"batches are \[0\]"),
        ({"devices": ()}, r"devices are \[\]"),
        ({"devices": (1, 1)}, r"devices are \[1, 1\], but should be .* different device ids"),
        ({"devices": (-1,)}, r"devices are \[-1\]"),
    ],
)
def test_senseless_batches_and_devices(filled, asked, said):
    with pytest.raises(OmRunError, match=said):
        filled(**asked)


def test_a_full_disk_takes_a_lost_device_s_bins_as_well_and_says_so(tmp_path):
    """Its reason names them as kept; and the next run would find no room beside them."""
    bins = tmp_path / "work" / "device1" / "bin"
    for place in (bins, tmp_path / "dumps"):
        place.mkdir(parents=True)
    pile = Pile([], lost={1: "its bins are kept"}, fatal=OSError("the disk is full"))
    said = str(om_runner._gave_up(tmp_path, IDS, PORT, pile))

    assert not bins.exists()
    assert said.splitlines()[1] == "the disk is full"
    assert said.endswith(f"all bins are removed from {tmp_path / 'work'}, for room; the next run lays them out again")


def test_a_model_that_is_not_there(filled, tmp_path):
    (tmp_path / "rfcn.om").unlink()
    with pytest.raises(OmRunError, match=r"cannot read the compiled model .*rfcn\.om: No such file"):
        filled()


def test_a_damaged_timing_is_an_error_that_names_it(filled, tmp_path):
    filled()
    next((tmp_path / "filled" / "timings").iterdir()).write_text("{")
    with pytest.raises(PerfError, match=r"timings/.*is no kept timing"):
        filled()


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
    pictures = {id: (tiny.im_data_of(int(id)), tiny.picture_of(id)) for id in IDS}
    tool = Tool(runner, {"benchmark": str(STANDIN / "benchmark.x86_64"), "ais_bench": "python3"}[runner])
    made = fill_by_tool(
        tmp_path, {CANVAS_WH: IDS}, PORT, pictures.__getitem__, tool, {CANVAS_WH: om}, (0, 3),
        batch={CANVAS_WH: 2}, what="stand-in",
    )  # fmt: skip
    expect_timed(made.timings, dict.fromkeys(IDS, hashlib.sha256(om.read_bytes()).hexdigest()))
    run = onnx_runtime.load_model(twin)
    for id in IDS:
        got, want = read_dump(tmp_path / "dumps", id, PORT), run(*pictures[id])
        for output in spec.OUTPUTS:
            assert getattr(got, output).tobytes() == getattr(want, output).tobytes()
    assert set(made.lost) == {3}
    assert "device 3" in made.lost[3]


# -- sharing -----------------------------------------------------------------------------------------------------------


def lay(ids):
    return float(ord(ids[0]))


def test_the_next_batch_is_laid_out_while_the_device_is_at_work():
    laid = {name: threading.Event() for name in "abc"}

    def lay(ids):
        laid[ids[0]].set()
        return 0.0

    def do(ids, device, since):
        after = {"a": "b", "b": "c", "c": "c"}[ids[0]]
        assert laid[after].wait(10), f"{after} should be laid out while {ids[0]} runs"
        assert after in "bc"[: "abc".index(ids[0]) + 1], "two batches at most"

    assert list(finished(Pile([("a",), ("b",), ("c",)]), (0,), lay, do)) == [("a",), ("b",), ("c",)]


def test_what_was_laid_out_for_a_lost_device_goes_to_another():
    def do(ids, device, since):
        if device == 1:
            raise OmRunError("lost")

    pile = Pile([(name,) for name in "abcdef"])
    assert sorted(id for ids in finished(pile, (0, 1), lay, do) for id in ids) == list("abcdef")
    assert (pile.batches, pile.under_way) == ([], 0)


def test_a_picture_at_fault_is_an_error_when_its_turn_comes():
    def lay(ids):
        if ids == ("b",):
            raise BinError("b is at fault")
        return 0.0

    pile = Pile([("a",), ("b",), ("c",)])
    assert list(finished(pile, (0,), lay, lambda ids, device, since: None)) == [("a",)]
    assert str(pile.fatal) == "b is at fault"
    assert sorted(pile.batches) == [("b",), ("c",)]


def test_a_batch_without_room_beside_the_one_before_is_laid_out_at_its_turn():
    tries = []

    def lay(ids):
        tries.append(ids)
        if tries.count(("b",)) == 1 and ids == ("b",):
            raise OSError("no room")
        return 0.0

    pile = Pile([("a",), ("b",)])
    assert list(finished(pile, (0,), lay, lambda ids, device, since: None)) == [("a",), ("b",)]
    assert pile.fatal is None


def test_devices_work_side_by_side_and_a_free_one_takes_over():
    """Each of two waits for the other; afterwards the quick one gets the returned batch although it was idle."""
    both = threading.Barrier(2, timeout=10)
    done = []

    def do(ids, device, since):
        assert since == float(ord(ids[0]))
        if not done:
            both.wait()
        if device == 1:
            time.sleep(0.3)
            raise OmRunError("lost")
        done.append((ids, device))

    pile = Pile([("a",), ("b",)])
    assert sorted(finished(pile, (0, 1), lay, do)) == [("a",), ("b",)]
    assert {device for _, device in done} == {0}
    assert (pile.batches, pile.lost) == ([], {1: "lost"})


def test_ctrl_c_reaches_the_tool_of_a_single_device_at_once(tmp_path):
    """In a process of its own, as a person would press it."""
    tool = fake_tools.tool_in(tmp_path, "benchmark")
    (tmp_path / "rfcn.om").write_bytes(MODEL)
    code = (
        "import signal; from pathlib import Path; from tests.support import fake_tools as f; from rfcn_lib.runs.npu import *\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell has it ignored\n"
        f"fill_by_tool(Path({str(tmp_path)!r}) / 'filled', {{f.CANVAS_WH: f.IDS}}, f.PORT, f.shown, "
        f"Tool('benchmark', {tool.program!r}), {{f.CANVAS_WH: Path({str(tmp_path)!r}) / 'rfcn.om'}}, (0,), "
        "batch={f.CANVAS_WH: 7}, what='x')"
    )
    environment = {**os.environ, "FAKE": "hang", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)
    third = tmp_path / f"filled/work/device0/result/dumpOutput_device0/{IDS[2]}_3.bin"
    until = time.monotonic() + 60
    while not third.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(2)
    _, said = process.communicate(timeout=30)
    assert b"KeyboardInterrupt" in said
    assert process.returncode != 0
