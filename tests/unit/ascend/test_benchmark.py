"""The published tool gets the published flags; what it wrote is found by its own names and counts, or nothing is."""

import re

import numpy as np
import pytest

from rfcn_lib.ascend.benchmark import command, run_batch
from rfcn_lib.ascend.tool_run import OmRunError, Task
from tests.support.standin_here import IDS, do_nothing, run_here
from tests.support.tiny import CANVAS_WH

PROGRAM = "/vendor/benchmark.x86_64"


@pytest.fixture
def task(laid_out):
    """A batch of seven pictures, laid out for device 2."""
    return Task(laid_out / "rfcn.om", IDS, CANVAS_WH, laid_out / "work", 2, 20.0)


def test_the_flags_are_the_published_ones(task):
    want = (
        f"./benchmark.x86_64 -model_type=vision -device_id=2 -batch_size=1 -om_path={task.om} "
        "-input_text_path=./demo.info -input_width=112 -input_height=80 -output_binary=True -useDvpp=False"
    )
    assert " ".join(command("./benchmark.x86_64", task)) == want


def test_outputs_are_counted_from_one_and_belong_to_their_picture(task):
    batch = run_batch(PROGRAM, task)
    assert set(batch.outputs) == set(IDS)
    for id, files in batch.outputs.items():
        assert [file.name for file in files] == [f"{id}_{k}.bin" for k in (1, 2, 3)]
    assert len({np.fromfile(files[2], "<f4").tobytes() for files in batch.outputs.values()}) == len(IDS)
    assert (batch.perf.device_id, batch.perf.pictures) == (2, 7)
    perf = (task.work / "result" / "perf_vision_batchsize_1_device_2.txt").read_text()
    said = float(re.search(r"Interface throughputRate: ([0-9.e+]+)", perf)[1])
    assert batch.perf.interface_fps == pytest.approx(said)
    assert batch.command.shell_line.startswith(f"cd {task.work} && {PROGRAM} -model_type=vision")


def test_what_an_earlier_run_left_is_not_taken_for_this_one_s(task, monkeypatch):
    run_batch(PROGRAM, task)
    monkeypatch.setattr("rfcn_lib.ascend.tool_run.run", do_nothing)
    with pytest.raises(OmRunError, match="no perf file at") as error:
        run_batch(PROGRAM, task)
    assert error.value.outputs == {}


@pytest.mark.parametrize(
    ("fault", "said", "finished"),
    [
        ("half_way", r"the batch of 7 pictures on device 2 failed: .* ended with 1, but should end with 0", 3),
        ("no_perf", r"no perf file at .*perf_vision_batchsize_1_device_2\.txt", 7),
        ("perf_count", r"ran 6 pictures by its own perf file, but was given 7", 7),
        ("wrong_count", r"ran 6 pictures by its own perf file, but was given 7", 6),
        ("open_fails=2", r"acl open device 2 failed[\s\S]*try: .*npu-smi info.*--devices=", 0),
    ],
)
def test_a_run_that_failed_says_how_and_carries_what_it_finished(task, monkeypatch, fault, said, finished):
    monkeypatch.setenv("STANDIN_FAULT", fault)
    with pytest.raises(OmRunError, match=said) as error:
        run_batch(PROGRAM, task)
    assert set(error.value.outputs) == set(IDS[:finished])
    assert f"by hand: cd {task.work} && {PROGRAM}" in str(error.value)


def test_files_counted_from_zero_are_not_this_tool_s(task, monkeypatch):
    """Three files of the right sizes, `_0` to `_2`; the first of them is not output 1."""

    def from_zero(words, *, cwd, **more):
        done = run_here(words, cwd=cwd, **more)
        for k in (1, 2, 3):
            for file in (cwd / "result").glob(f"*/*_{k}.bin"):
                file.rename(file.with_name(f"{file.name[:-6]}_{k - 1}.bin"))
        return done

    monkeypatch.setattr("rfcn_lib.ascend.tool_run.run", from_zero)
    assert {len(files) for files in run_batch(PROGRAM, task).outputs.values()} == {2}


def test_a_missing_tool_is_one_sentence(task, tmp_path, monkeypatch):
    from rfcn_lib import command

    monkeypatch.setattr("rfcn_lib.ascend.tool_run.run", command.run)
    with pytest.raises(OmRunError, match=r"there is no .*benchmark\.aarch64; is the path right\?"):
        run_batch(tmp_path / "benchmark.aarch64", task)
