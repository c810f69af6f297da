"""The published tool gets the published flags; what it wrote is found by its own names and counts, or nothing is."""

import numpy as np
import pytest

from rfcn_lib.ascend.benchmark import command, run_batch
from rfcn_lib.ascend.tool_run import OmRunError, Task
from rfcn_lib.pictures.bins import write_bins
from tests.support import fake_tools
from tests.support.fake_tools import CANVAS_WH, IDS, MODEL, first_number, shown


@pytest.fixture
def task(tmp_path):
    """A batch of seven pictures, laid out for device 2."""
    (tmp_path / "rfcn.om").write_bytes(MODEL)
    work = tmp_path / "work"
    work.mkdir()
    write_bins(work / "bin", work / "demo.info", ((id, shown(id)[0]) for id in IDS), listed_folder="./bin")
    return Task(tmp_path / "rfcn.om", IDS, CANVAS_WH, work, 2, 20.0)


@pytest.fixture
def program(tmp_path):
    return fake_tools.tool_in(tmp_path, "benchmark").program


def test_the_flags_are_the_published_ones(task):
    want = (
        f"./benchmark.x86_64 -model_type=vision -device_id=2 -batch_size=1 -om_path={task.om} "
        "-input_text_path=./demo.info -input_width=112 -input_height=80 -output_binary=True -useDvpp=False"
    )
    assert " ".join(command("./benchmark.x86_64", task)) == want


def test_outputs_are_counted_from_one_and_belong_to_their_picture(task, program):
    batch = run_batch(program, task)
    assert set(batch.outputs) == set(IDS)
    for id, files in batch.outputs.items():
        assert [file.name for file in files] == [f"{id}_{k}.bin" for k in (1, 2, 3)]
        assert np.fromfile(files[2], "<f4", 1)[0] == pytest.approx(first_number(id))
    assert (batch.perf.device_id, batch.perf.pictures, batch.perf.interface_fps) == (2, 7, 6.5)
    assert batch.command.shell_line.startswith(f"cd {task.work} && {program} -model_type=vision")


def test_what_an_earlier_run_left_is_not_taken_for_this_one_s(task, program, monkeypatch):
    run_batch(program, task)
    monkeypatch.setenv("FAKE", "nothing")
    with pytest.raises(OmRunError, match="no perf file at") as error:
        run_batch(program, task)
    assert error.value.outputs == {}


@pytest.mark.parametrize(
    ("fault", "said", "finished"),
    [
        ("half", r"the batch of 7 pictures on device 2 failed: .* ended with 1, but should end with 0", 3),
        ("no_perf", r"no perf file at .*perf_vision_batchsize_1_device_2\.txt", 7),
        ("count", r"ran 6 pictures by its own perf file, but was given 7", 7),
    ],
)
def test_a_run_that_failed_says_how_and_carries_what_it_finished(task, program, monkeypatch, fault, said, finished):
    monkeypatch.setenv("FAKE", fault)
    with pytest.raises(OmRunError, match=said) as error:
        run_batch(program, task)
    assert set(error.value.outputs) == set(IDS[:finished])
    assert f"by hand: cd {task.work} && {program}" in str(error.value)


def test_a_lost_device_gets_its_hint(task, program, monkeypatch):
    monkeypatch.setenv("FAKE", "lost2")
    with pytest.raises(OmRunError, match=r"acl open device 2 failed[\s\S]*try: .*npu-smi info.*--devices="):
        run_batch(program, task)


def test_a_tool_that_hangs_is_ended_and_what_it_finished_is_carried(task, program, monkeypatch):
    monkeypatch.setenv("FAKE", "hang")
    hasty = Task(task.om, task.ids, task.canvas_wh, task.work, 2, 2.0)
    with pytest.raises(OmRunError, match="did not end within 2 s") as error:
        run_batch(program, hasty)
    assert set(error.value.outputs) == set(IDS[:3])


def test_files_counted_from_zero_are_not_this_tool_s(task, program, monkeypatch):
    """Three files of the right sizes, `_0` to `_2`; the first of them is not output 1."""
    monkeypatch.setenv("FAKE", "from_zero")
    assert {len(files) for files in run_batch(program, task).outputs.values()} == {2}


def test_a_missing_tool_is_one_sentence(task, tmp_path):
    with pytest.raises(OmRunError, match=r"there is no .*benchmark\.aarch64; is the path right\?"):
        run_batch(tmp_path / "benchmark.aarch64", task)
