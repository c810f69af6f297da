"""Today's tool: outputs are found by the map in its summary, and a map that contradicts itself is an error."""

import json

import numpy as np
import pytest

from rfcn_lib.ascend import ais_bench
from rfcn_lib.ascend.ais_bench import command, outputs_from_summary, run_batch
from rfcn_lib.ascend.tool_run import OmRunError, Task
from rfcn_lib.speed.perf import PerfError
from tests.support.standin_here import IDS, do_nothing, run_here
from tests.support.tiny import CANVAS_WH


@pytest.fixture
def task(laid_out):
    """A batch of seven pictures, laid out for device 1."""
    return Task(laid_out / "rfcn.om", IDS, CANVAS_WH, laid_out / "work", 1, 20.0)


@pytest.fixture
def afterwards(monkeypatch):
    """afterwards(change): change(work) is called when the tool has ended, as another version of it would have written."""

    def put(change):
        def run(words, *, cwd, **more):
            done = run_here(words, cwd=cwd, **more)
            change(cwd)
            return done

        monkeypatch.setattr("rfcn_lib.ascend.tool_run.run", run)

    return put


def test_the_flags_are_the_published_ones_and_the_device(task):
    want = f"python3 -m ais_bench --model {task.om} --input ./bin --output ./ --output_dirname result --outfmt NPY --device 1"
    assert " ".join(command("python3", task)) == want


def as_in_old_versions(work):
    """Files are named `input0_output_0.npy` and the summary `_sumary.json`: nothing may be built from the id."""
    summary = json.loads((work / "result_summary.json").read_text())
    for number, files in summary["filesinfo"].items():
        for k, name in enumerate(files["outfiles"]):
            files["outfiles"][k] = f"./result/input{number}_output_{k}.npy"
            (work / name).rename(work / files["outfiles"][k])
    (work / "result_sumary.json").write_text(json.dumps(summary))
    (work / "result_summary.json").unlink()


@pytest.mark.parametrize("change", [lambda work: None, as_in_old_versions], ids=["today", "old names"])
def test_outputs_are_those_the_summary_names(task, afterwards, change):
    afterwards(change)
    batch = run_batch("python3", task)
    assert set(batch.outputs) == set(IDS)
    firsts = set()
    for files in batch.outputs.values():
        assert [file.name[-6:] for file in files] == ["_0.npy", "_1.npy", "_2.npy"]
        firsts.add(np.load(files[2]).tobytes())
    assert len(firsts) == len(IDS)
    assert (batch.perf.device_id, batch.perf.pictures) == (1, 7)
    said = json.loads(next(task.work.glob("result_sum*.json")).read_text())
    assert batch.perf.interface_fps == pytest.approx(said["throughput"])


def test_what_an_earlier_run_left_is_not_taken_for_this_one_s(task, monkeypatch):
    run_batch("python3", task)
    monkeypatch.setattr("rfcn_lib.ascend.tool_run.run", do_nothing)
    with pytest.raises(OmRunError, match=r"no perf file at .*result_summary\.json") as error:
        run_batch("python3", task)
    assert error.value.outputs == {}


@pytest.mark.parametrize(
    ("fault", "said", "finished"),
    [
        ("half_way", r"the batch of 7 pictures on device 1 failed: .* ended with 1", 3),
        ("no_perf", r"no perf file at .*result_summary\.json", 7),
        ("perf_count", r"'filesinfo' lists 7 pictures, but 6 calls", 7),
    ],
)
def test_a_run_that_failed_says_how_and_carries_what_it_finished(task, monkeypatch, fault, said, finished):
    monkeypatch.setenv("STANDIN_FAULT", fault)
    with pytest.raises(OmRunError, match=said) as error:
        run_batch("python3", task)
    assert len(error.value.outputs) >= finished
    assert f"by hand: cd {task.work} && PYTHONUTF8=1 python3 -m ais_bench" in str(error.value)


def test_a_log_that_contradicts_the_summary_is_an_error(task, monkeypatch):
    monkeypatch.setattr(ais_bench, "perfs_from_log", lambda *_: [ais_bench.perf_from_summary(SUMMARY, 1, "the log")])
    with pytest.raises(OmRunError, match=r"but ais_bench printed 9\.5; run again"):
        run_batch("python3", task)


TIMES = dict.fromkeys(("min", "max", "mean", "median", "percentile(99%)"), 1000 / 9.5)
SUMMARY = json.dumps(
    {"filesinfo": {"0": {}}, "NPU_compute_time": {**TIMES, "count": 1}, "throughput": 9.5},
)


def files_of(id):
    return {"infiles": [f"./bin/{id}.bin"], "outfiles": [f"./result/{id}_{k}.npy" for k in range(3)]}


def spoilt(what):
    """The map of two pictures, with one thing wrong."""
    first, second = (files_of(id) for id in IDS[:2])
    if what == "reversed":
        first["outfiles"] = first["outfiles"][::-1]
    elif what == "crossed":
        first["outfiles"], second["outfiles"] = second["outfiles"], first["outfiles"]
    elif what == "outside":
        first["outfiles"][0] = f"../../../{IDS[0]}_0.npy"
    elif what == "stranger":
        first["infiles"] = ["./bin/999999.bin"]
    elif what == "twice":
        second = first
    elif what == "shared":
        first["outfiles"] = second["outfiles"] = [f"./result/x_{k}.npy" for k in range(3)]
    elif what == "formless":
        first = ["what"]
    return {"filesinfo": {"0": first, "1": second}}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("reversed", r"output 0 of 000001 is '.*000001_2.npy', but should be a file <name>_0.npy of that picture"),
        ("crossed", r"output 0 of 000001 is '.*000002_0.npy', but should be"),
        ("outside", r"output 0 of 000001 is '.*', but should be a file"),
        ("stranger", r"is picture '999999', which is not in this batch"),
        ("twice", r"sample '1' is picture '000001', which is listed twice"),
        ("shared", r"two pictures share an output file"),
        ("formless", r"sample '0' is .*what.*, but should be one picture's infiles and outfiles"),
    ],
)
def test_a_map_that_contradicts_itself_is_an_error(tmp_path, what, said):
    task = Task(tmp_path / "rfcn.om", IDS, CANVAS_WH, tmp_path, 1, 20.0)
    assert set(outputs_from_summary(spoilt("nothing"), task, "a summary")) == set(IDS[:2])
    with pytest.raises(PerfError, match=said):
        outputs_from_summary(spoilt(what), task, "a summary")


def test_a_map_that_contradicts_itself_ends_the_batch(task, afterwards):
    """And the batch carries what the tool finished."""

    def cross(work):
        path = work / "result_summary.json"
        path.write_text(path.read_text().replace("bin/000001.bin", "bin/999999.bin"))

    afterwards(cross)
    with pytest.raises(OmRunError, match="not in this batch") as error:
        run_batch("python3", task)
    assert len(error.value.outputs) == len(IDS)
