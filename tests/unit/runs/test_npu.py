"""Pictures in batches through an inference tool: what is finished is kept, what is lost is taken over, what is full is said.

The tool is a function that writes files as the vendor's tools do: .bin as benchmark, .npy as ais_bench. Its faults are those
of the stand-in, planted with STANDIN_FAULT.
"""

import hashlib
import json
import os
import re
import resource
import tempfile
from contextlib import nullcontext
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from rfcn_lib.ascend.tool_run import OmRunError, RefusedError
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.runs import announcements
from rfcn_lib.runs import npu as npu_module
from rfcn_lib.runs.npu_batch import Tool
from rfcn_lib.runs.npu_folder import LOG_BYTES, NpuRunFolder
from rfcn_lib.runs.work_queue import WorkQueue
from rfcn_lib.score.dump_audit import audit
from rfcn_lib.score.dumps import DumpError, file_names
from rfcn_lib.speed.perf import PerfError
from rfcn_lib.speed.throughput import expect_timed, interface_rate
from tests.support.fake_npu import IDS, MODEL, FakeTool, NpuPictures, dumps_in, first_number, outputs_of, run_npu
from tests.support.tiny import CANVAS_WH, PORT

OM_SHA256 = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture(params=["benchmark", "ais_bench"])
def name(request):
    return request.param


@pytest.fixture
def tool():
    return FakeTool()


@pytest.fixture
def plant(monkeypatch):
    """plant(faults): what the tool does wrong from now on."""
    return lambda faults: monkeypatch.setenv("STANDIN_FAULT", faults)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def run(root, name, tool, tmp_path):
    """run(pictures=, devices=, ...): a run over the same folder, with this tool."""
    om = tmp_path / "rfcn.om"
    om.write_bytes(MODEL)

    def call(pictures=None, batch=3, **more):
        more = {"name": "test dumps", "run_tool": tool, **more}
        return run_npu(root, Tool(name, "no program"), om, pictures, batch=batch, **more)

    return call


def problems_of(root):
    return NpuRunFolder(root, PORT, {}).problems()


# -- the straight way --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("devices", [(0,), (0, 1, 2)])
def test_every_picture_gets_its_own_dump_and_is_timed_once(run, root, devices):
    timings = run(devices=devices)
    assert dumps_in(root / "dumps") == set(IDS)
    expect_timed(timings, dict.fromkeys(IDS, OM_SHA256))
    assert problems_of(root) == ()
    assert interface_rate([timing.perf for timing in timings]).fps == pytest.approx(6.5)
    assert not (root / "work").exists()


@pytest.mark.parametrize("talk", [0, 10 * LOG_BYTES])
def test_the_end_of_what_the_tool_printed_is_kept_beside_each_timing(run, root, tool, talk):
    tool.talk = talk
    run()
    logs = {path.stem: path.read_text() for path in (root / "logs").iterdir()}
    for path in (root / "timings").iterdir():
        assert logs.pop(path.stem).endswith(f"inferred {' '.join(json.loads(path.read_text())['ids'])}\n")
    assert not logs
    assert max(path.stat().st_size for path in (root / "logs").iterdir()) <= LOG_BYTES


def test_the_plan_is_said_before_the_first_batch_and_only_where_there_is_one(run, capsys):
    run(NpuPictures(IDS[:2]))
    capsys.readouterr()
    timings = run(devices=(0, 1), batch=2)
    said = capsys.readouterr().err
    plan = r"test dumps: 5 pictures to do, 2 already there; canvas 112 x 80 px; \w+ on devices 0, 1, "
    assert re.match(
        plan + r"batches of 2; at most 1 MB of bins; 0\.1 MB of dumps, \S+ GB free; stop when you like\n", said
    )
    assert run(devices=(0, 1), batch=2) == timings
    assert capsys.readouterr().err == ""


def test_how_long_it_will_take_is_said_after_the_first_batch(run, capsys, monkeypatch):
    """Two pictures of seven are done: whatever that took, five are left."""
    monkeypatch.setattr(announcements, "WORTH_SAYING_S", 0)
    run(batch=2)
    said = re.findall(
        r"test dumps: (\d+) pictures are left, about \d+ s at the pace of (\S+) to (\S+)\n", capsys.readouterr().err
    )
    assert said == [("5", IDS[0], IDS[1])]


def test_pictures_of_several_canvases_go_through_their_own_models(root, tool, tmp_path, capsys):
    """The last four on a narrower canvas: in one plan, never two canvases in a batch, every timing of its own om."""
    narrow = (64, 80)
    pictures = NpuPictures(by_canvas={CANVAS_WH: IDS[:3], narrow: IDS[3:]})
    oms = {canvas: tmp_path / f"{canvas[0]}.om" for canvas in pictures.by_canvas}
    for canvas, om in oms.items():
        om.write_bytes(MODEL + bytes(canvas))
    words = root, Tool("ais_bench", "no program"), oms, pictures, (0, 1), {CANVAS_WH: 2, narrow: 3}
    timings = run_npu(*words, name="two", run_tool=tool)
    plan = "two: 7 pictures to do, 0 already there; 2 canvases; ais_bench on devices 0, 1, batches of 2 or 3; at most 1 MB of"
    assert capsys.readouterr().err.startswith(plan)
    assert dumps_in(root / "dumps") == set(IDS)
    of_canvas = {hashlib.sha256(om.read_bytes()).hexdigest(): pictures.by_canvas[canvas] for canvas, om in oms.items()}
    assert {t.om_sha256 for t in timings} == set(of_canvas)
    assert all(set(t.ids) <= set(of_canvas[t.om_sha256]) for t in timings)
    assert all(f"-om_path={oms[pictures.canvas_of(t.ids[0])]}" in t.shell_line for t in timings)
    again = run_npu(*words, name="two", run_tool=tool)
    assert sorted(t.ids for t in again) == sorted(t.ids for t in timings)
    assert capsys.readouterr().err == ""


def test_bins_never_lie_on_the_disk_beyond_two_batches(run, root):
    most, pictures = [], NpuPictures()
    load = pictures.load

    def counted(id):
        most.append(len(list(root.rglob("*.bin"))) - len(list((root / "dumps").iterdir())))
        return load(id)

    pictures.load = counted
    run(pictures, batch=2)
    assert max(most) < 2 * 2 * 4  # the tool's own three files and the bin, per picture


# -- what is there is not run again ------------------------------------------------------------------------------------


def test_a_part_of_the_set_is_timed_by_itself_and_both_stay(run, tool):
    """A batch with other pictures in it says nothing of this part's rate."""
    whole, part = run(batch=7), run(NpuPictures(IDS[:2]))
    expect_timed(part, dict.fromkeys(IDS[:2], OM_SHA256))
    runs = tool.runs
    assert run(batch=7) == whole
    assert run(NpuPictures(IDS[:2])) == part
    assert tool.runs == runs


def test_a_dump_that_is_gone_is_run_and_timed_again(run, root):
    run()
    (root / "dumps" / f"{IDS[1]}_2.bin").unlink()
    again = run()
    assert dumps_in(root / "dumps") == set(IDS)
    expect_timed(again, dict.fromkeys(IDS, OM_SHA256))


def test_another_model_s_timings_are_not_this_one_s(run, root, plant):
    run()
    for path in (root / "timings").iterdir():
        path.write_text(json.dumps({**json.loads(path.read_text()), "om_sha256": "0" * 64}))
    plant("device_lost=0")
    with pytest.raises(OmRunError, match="7 of 7 pictures have dumps"):
        run()


def test_a_dump_belongs_to_its_jpeg(run, root):
    """A JPEG that changes is run again with its batch; one that changes while it is read makes no dump."""
    pictures = NpuPictures()
    run(pictures)
    assert pictures.loaded == list(IDS)
    run(pictures)
    assert pictures.loaded == list(IDS)
    pictures.jpeg_sha256[IDS[4]] = "1" * 64
    timings = run(pictures)
    assert pictures.loaded[len(IDS) :] == [IDS[4], IDS[3], IDS[5]], "its batch is timed again"
    expect_timed(timings, dict.fromkeys(IDS, OM_SHA256))

    load = pictures.load

    def overtaken(id):
        pictures.jpeg_sha256[id] = "2" * 64
        return load(id)

    pictures.jpeg_sha256[IDS[0]] = "3" * 64
    pictures.load = overtaken
    with pytest.raises(PictureError, match=f"a JPEG of {IDS[0]} to {IDS[2]} changed while it was read"):
        run(pictures)
    assert IDS[0] in NpuRunFolder(root, PORT, {}).without_dump(pictures)


def test_a_damaged_timing_is_an_error_that_names_it(run, root):
    run()
    next((root / "timings").iterdir()).write_text("{")
    with pytest.raises(PerfError, match=r"timings/.*is no kept timing"):
        run()


# -- a batch fails -----------------------------------------------------------------------------------------------------


def test_a_tool_that_fails_half_way_leaves_what_it_finished_and_the_next_run_goes_on(run, root, plant, capsys):
    plant("half_way")
    with pytest.raises(OmRunError, match=r"3 of 7 pictures have dumps, in .*dumps; the next run goes on"):
        run(batch=7)
    assert "stopped with 3 of 7 pictures finished" in capsys.readouterr().err
    assert dumps_in(root / "dumps") == set(IDS[:3])
    assert (root / "work/device0/bin" / f"{IDS[6]}.bin").exists()  # for the line by hand
    plant("")
    expect_timed(run(batch=7), dict.fromkeys(IDS, OM_SHA256))
    assert dumps_in(root / "dumps") == set(IDS)


@pytest.mark.parametrize(
    ("planted", "said", "kept"),
    [
        (
            "truncated_output",
            r"1 of 7 pictures have no whole outputs, though \w+ ended well; 000007: .*_[12]\.(bin|npy) \(cls_prob\) (has|is)",
            6,
        ),
        (
            "float16_output",
            r"000001_1\.bin \(rois\) has 400 bytes, but \(40, 5\) float32 are 800; all outputs are 0.5 times .* float16\?"
            r"|000001_0\.npy \(rois\) is float16 \(1, 40, 5\), but should be float32 \(1, 40, 5\); compile it for float32",
            0,
        ),
        ("constant_output", r"none of 7 pictures has outputs that can be judged", 0),
        ("two_outputs", r"has 2 outputs, but the port has 3: rois, cls_prob, bbox_pred", 0),
        ("four_outputs", r"has 4 outputs, but the port has 3", 0),
        (
            "integer_output",
            r"000001_1\.bin: rois has no number above \S+, as integers|000001_0\.npy \(rois\) is int32",
            0,
        ),
        (
            "transposed_output",
            r"000001_1\.bin: rois has batch index|000001_0\.npy \(rois\) is float32 \(1, 5, 40\), but",
            0,
        ),
        (
            "reordered_outputs",
            r"000001_1\.bin \(rois\) has \S+ bytes, but|000001_0\.npy \(rois\) is float32 \(1, 40, ",
            0,
        ),
    ],
)
def test_outputs_of_a_wrong_kind_or_number_never_become_dumps(run, root, plant, planted, said, kept):
    plant(planted)
    with pytest.raises(OmRunError, match=said) as caught:
        run(batch=7)
    assert ("float16" in str(caught.value)) == (planted == "float16_output"), "one short output is not half precision"
    assert dumps_in(root / "dumps") == set(IDS[:kept])


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ("nan_output", f"{IDS[0]}_3.bin: bbox_pred has 1 of .* NaN"),
        ("swapped_output", f"{IDS[0]}.* {IDS[1]}"),
    ],
)
def test_pictures_that_cannot_be_judged_cost_no_device_and_are_named_by_the_audit(run, root, plant, planted, said):
    plant(planted)
    timings = run(batch=7, devices=(0, 1))
    assert problems_of(root) == ()
    expect_timed(timings, dict.fromkeys(IDS, OM_SHA256))
    with pytest.raises(DumpError, match=said):
        audit(root / "dumps", IDS, PORT)


@pytest.mark.parametrize("devices", [(0,), (0, 1)])
def test_a_refused_command_line_stops_all_and_is_no_problem_of_a_device(run, root, tool, devices):
    def refuse(tool, task):
        raise RefusedError("error: argument --model/-m: om path string is illegal")

    with pytest.raises(RefusedError, match="om path string is illegal"):
        run(devices=devices, run_tool=refuse)
    assert problems_of(root) == ()
    run(devices=devices)
    assert problems_of(root) == ()


def test_a_picture_that_cannot_be_prepared_stops_the_run_as_the_error_it_is(run, root):
    pictures = NpuPictures()
    load = pictures.load

    def damaged(id):
        if id == IDS[4]:
            raise ValueError("000005.jpg is cut off")
        return load(id)

    pictures.load = damaged
    with pytest.raises(ValueError, match=r"000005\.jpg is cut off"):
        run(pictures)
    assert dumps_in(root / "dumps") == set(IDS[:3])


# -- a device is lost --------------------------------------------------------------------------------------------------


def test_a_lost_device_s_pictures_go_to_the_others_and_it_is_said(run, root, plant, capsys):
    plant("device_lost=1")
    timings = run(devices=(0, 1, 2), batch=2)
    assert dumps_in(root / "dumps") == set(IDS)
    expect_timed(timings, dict.fromkeys(IDS, OM_SHA256))
    assert 1 not in {timing.perf.device_id for timing in timings}
    assert "device 1 gets no more pictures, others take over" in capsys.readouterr().err
    (problem,) = problems_of(root)
    assert problem.startswith("device 1 was lost: ")
    assert "aclrtSynchronizeStream failed" in problem
    assert (root / "work/device1/bin").is_dir(), "for the line by hand"
    assert run(devices=(0, 1, 2), batch=2) == timings
    assert not list(root.rglob("bin")), "the bins of a lost device are kept until the next run"


def test_when_every_device_is_lost_each_one_s_reason_is_told(run, root, plant):
    plant("half_way")
    with pytest.raises(OmRunError) as error:
        run(devices=(0, 1), batch=4)
    assert "device 0: " in str(error.value)
    assert "device 1: " in str(error.value)
    assert dumps_in(root / "dumps")


@pytest.mark.parametrize("ended", ["", "device_lost=0", "Ctrl-C"])
def test_problems_of_the_devices_are_kept_before_and_after_a_run_however_it_ends(ended, run, root, plant):
    """A run that goes on later on idle devices still has dumps that were made on busy ones."""
    asked, pictures = [], NpuPictures()
    load = pictures.load

    def problems():
        asked.append(len(list((root / "dumps").iterdir())))
        return [f"device 0 is in use: process {len(asked)}"]

    def interrupted(id):
        if ended == "Ctrl-C" and id == IDS[3]:
            raise KeyboardInterrupt
        return load(id)

    pictures.load = interrupted
    plant(ended if ended != "Ctrl-C" else "")
    with nullcontext() if not ended else pytest.raises((OmRunError, KeyboardInterrupt)):
        run(pictures, batch=2, problems=problems)
    noted = problems_of(root)
    assert noted[0] == "device 0 is in use: process 1"
    assert noted[-1] == "device 0 is in use: process 2"
    assert any("device 0 was lost: " in sentence for sentence in noted) == (ended == "device_lost=0")
    assert asked[0] == 0
    if not ended:
        run(batch=2, problems=lambda: ["nothing is run, so nobody asks"])
    assert problems_of(root) == noted


# -- a full disk -------------------------------------------------------------------------------------------------------


def test_a_batch_larger_than_the_disk_is_refused_before_anything_is_written(run, root, tmp_path):
    huge = PORT.model_copy(update={"pictures": PORT.pictures.model_copy(update={"canvas_wh_px": (8192, 8192)})})
    free = os.statvfs(tmp_path)
    count = free.f_bavail * free.f_frsize // (12 * 8192 * 8192) + 2
    with pytest.raises(
        OmRunError, match=r"GB of room, but \d+ pictures and logs need .* take smaller batches, or pass --store"
    ):
        run(NpuPictures([f"{k:07}" for k in range(count)], huge), batch=count)
    assert not list(root.rglob("*.bin"))


def test_a_disk_that_takes_no_more_stops_all_devices(run, root):
    """The kernel refuses to let a file grow, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OmRunError, match=r"0 of 7 pictures have dumps[\s\S]*cannot write .*File too large"):
            run(devices=(0, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (root / "work").exists()


def test_a_full_disk_takes_a_lost_device_s_bins_as_well_and_says_so(root):
    """Its reason names them as kept; and the next run would find no room beside them."""
    bins = root / "work" / "device1" / "bin"
    for place in (bins, root / "dumps"):
        place.mkdir(parents=True)
    work = WorkQueue([], lost={1: "its bins are kept"}, fatal=OSError("the disk is full"))
    said = str(npu_module._gave_up(NpuRunFolder(root, PORT, {}), IDS, work))

    assert not bins.exists()
    assert said.splitlines()[1] == "the disk is full"
    assert said.endswith(f"all bins are removed from {root / 'work'}, for room; the next run prepares them again")


# -- what was asked for ------------------------------------------------------------------------------------------------


def test_a_temporary_folder_that_is_not_plain_is_said_before_the_first_picture(name, tool, tmp_path, monkeypatch):
    (tmp_path / "t m p").mkdir()
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "rfcn.om").write_bytes(MODEL)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t m p"))
    with pytest.raises(OmRunError, match="pass --store=DIR with a plain path, or set TMPDIR"):
        run_npu(tmp_path / "a b" / "npu", Tool(name, "no program"), tmp_path / "a b" / "rfcn.om", run_tool=tool)
    assert not (tmp_path / "a b" / "npu").exists()
    assert tool.runs == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"batch": 0}, r"batches are \[0\]"),
        ({"devices": ()}, r"devices are \[\]"),
        ({"devices": (-1,)}, r"devices are \[-1\], but should be .* device ids from 0"),
    ],
)
def test_senseless_batches_and_devices(run, asked, said):
    with pytest.raises(OmRunError, match=said):
        run(**asked)


def test_a_model_that_is_not_there(run, tmp_path):
    (tmp_path / "rfcn.om").unlink()
    with pytest.raises(OmRunError, match=r"cannot read the compiled model .*rfcn\.om: No such file"):
        run()


# -- ids that the vendor's tool would not take ---------------------------------------------------------------------------

ODD = {
    "102-3\u6a2a\u7ed3\u80a0+0.4": "000001",
    "000003": "000003",
    "IMG 0001": "000004",
    "v1.2": "000005",
    "-x": "000006",
}


class OddPictures(NpuPictures):
    """Pictures whose ids no vendor's tool takes; each has the numbers of a plain one."""

    def __init__(self):
        super().__init__(tuple(ODD))

    def load(self, id):
        im_data, picture = NpuPictures().load(ODD[id])
        return im_data, replace(picture, id=id)


class NumberedTool(FakeTool):
    """Remembers the names of the bins that it got."""

    names: ClassVar[list[str]] = []

    def __call__(self, tool, task):
        assert sorted(file.name for file in (task.work / "bin").iterdir()) == sorted(f"{id}.bin" for id in task.ids)
        self.names.extend(task.ids)
        return super().__call__(tool, task)


def test_the_tool_gets_plain_names_and_the_dumps_have_the_ids(run, root, plant):
    tool, pictures = NumberedTool(), OddPictures()
    tool.names.clear()
    plant("half_way")
    with pytest.raises(OmRunError, match=r"ids\.txt says which picture a number is"):
        run(pictures, run_tool=tool)
    plant("")
    timings = run(pictures, run_tool=tool)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) for name in tool.names)
    assert "000003" in tool.names, "a plain id is the bin's name"
    for id, plain in ODD.items():
        for name, array in zip(file_names(id), outputs_of(np.float32(first_number(plain))), strict=True):
            assert np.array_equal(np.fromfile(root / "dumps" / name, "<f4"), array.ravel()), id
    expect_timed(timings, dict.fromkeys(ODD, OM_SHA256))
    assert NpuRunFolder(root, PORT, {}).finished(tuple(ODD)) == tuple(ODD)
    assert run(pictures, run_tool=tool) == timings
