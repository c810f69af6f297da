"""Today's tool: outputs are found by the map in its summary, and a map that contradicts itself is an error."""

import numpy as np
import pytest

from rfcn_lib.ascend.ais_bench import command, run_batch
from rfcn_lib.ascend.tool_run import OmRunError, Task
from rfcn_lib.pictures.bins import write_bins
from tests.support import fake_tools
from tests.support.fake_tools import CANVAS_WH, IDS, MODEL, first_number, shown


@pytest.fixture
def task(tmp_path):
    """A batch of seven pictures, laid out for device 1."""
    (tmp_path / "rfcn.om").write_bytes(MODEL)
    work = tmp_path / "work"
    work.mkdir()
    write_bins(work / "bin", work / "demo.info", ((id, shown(id)[0]) for id in IDS), listed_folder="./bin")
    return Task(tmp_path / "rfcn.om", IDS, CANVAS_WH, work, 1, 20.0)


@pytest.fixture
def python(tmp_path):
    return fake_tools.tool_in(tmp_path, "ais_bench").program


def test_the_flags_are_the_published_ones_and_the_device(task):
    want = f"python3 -m ais_bench --model {task.om} --input ./bin --output ./ --output_dirname result --outfmt NPY --device 1"
    assert " ".join(command("python3", task)) == want


@pytest.mark.parametrize("fault", ["", "old_names"])
def test_outputs_are_those_the_summary_names(task, python, monkeypatch, fault):
    """Old versions name files `input0_output_0.bin` and the summary `_sumary.json`: nothing is built from the id."""
    monkeypatch.setenv("FAKE", fault)
    batch = run_batch(python, task)
    assert set(batch.outputs) == set(IDS)
    for id, files in batch.outputs.items():
        assert [file.name[-6:] for file in files] == ["_0.npy", "_1.npy", "_2.npy"]
        assert np.load(files[2]).flat[0] == pytest.approx(first_number(id))
    assert (batch.perf.device_id, batch.perf.pictures, batch.perf.interface_fps) == (1, 7, 6.25)


def test_what_an_earlier_run_left_is_not_taken_for_this_one_s(task, python, monkeypatch):
    run_batch(python, task)
    monkeypatch.setenv("FAKE", "nothing")
    with pytest.raises(OmRunError, match=r"no perf file at .*result_summary\.json") as error:
        run_batch(python, task)
    assert error.value.outputs == {}


@pytest.mark.parametrize(
    ("fault", "said", "finished"),
    [
        ("half", r"the batch of 7 pictures on device 1 failed: .* ended with 1", 3),
        ("no_perf", r"no perf file at .*result_summary\.json", 7),
        ("count", r"'filesinfo' lists 7 pictures, but 6 calls", 7),
        ("log_differs", r"says 6.25 fps, but ais_bench printed 9.5", 7),
        ("reversed", r"output 0 of 000001 is '.*000001_2.npy', but should be a file <name>_0.npy of that picture", 7),
        ("crossed", r"output 0 of 000001 is '.*000002_0.npy', but should be", 7),
        ("outside", r"output 0 of 000001 is '.*', but should be a file", 7),
        ("stranger", r"is picture '999999', which is not in this batch", 7),
        ("twice", r"sample '1' is picture '000001', which is listed twice", 7),
        ("shared", r"two pictures share an output file", 0),
        ("formless", r"sample '0' is .*what.*, but should be one picture's infiles and outfiles", 7),
    ],
)
def test_a_run_that_failed_says_how_and_carries_what_it_finished(task, python, monkeypatch, fault, said, finished):
    monkeypatch.setenv("FAKE", fault)
    with pytest.raises(OmRunError, match=said) as error:
        run_batch(python, task)
    assert len(error.value.outputs) >= finished
    assert f"by hand: cd {task.work} && PYTHONUTF8=1 {python} -m ais_bench" in str(error.value)


def test_a_python_without_the_module_says_what_to_install(task, tmp_path):
    bare = tmp_path / "bare"
    bare.write_text('#!/bin/sh\necho "$0: No module named ais_bench" >&2\nexit 1\n')
    bare.chmod(0o755)
    with pytest.raises(OmRunError, match=r"No module named ais_bench[\s\S]*try: +install ais_bench and aclruntime"):
        run_batch(bare, task)
