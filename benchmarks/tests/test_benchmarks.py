"""The benches compare like with like: the published way gives what ours gives, and each counter counts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from rich.console import Console

from benchmarks import __main__ as bench
from benchmarks import busy, full_size, preprocess, published, score, warm, whole_set
from benchmarks.common import BenchError, Row, describe_machine, turn_by_turn, write_json
from benchmarks.flops import flops_of
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Outputs
from rfcn_lib.score.average_precision import evaluate, evaluate_arrays
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.score.dumps import write_dump
from tests.support.places import ROOT

PORT = read_port(PUBLISHED)
SPECIMEN = ROOT / "specimen" / "VOCdevkit"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


# -- the two sides do the same -----------------------------------------------------------------------------------------


def test_the_published_preprocessing_gives_our_bytes(tmp_path):
    pictures = PORT.pictures.model_copy(update={"short_side_px": 96, "canvas_wh_px": (224, 192)})
    devkit = read_devkit(SPECIMEN, PORT.classes, limit=23)  # the 23rd is grey
    for id in (devkit.ids[0], devkit.ids[-1]):
        path = devkit.picture_path(id)
        ours, _ = prepare(path, id, devkit.sizes_wh[id], pictures)
        published.write_bin(path, pictures, tmp_path / "one.bin")
        assert (tmp_path / "one.bin").read_bytes() == ours.tobytes()


@pytest.mark.parametrize("nms", [published.nms_loop, published.nms_compiled])
@pytest.mark.parametrize("case", score.CASES)
def test_the_published_postprocessing_finds_what_ours_finds(case, nms, tmp_path):
    jpeg = preprocess.common_size(tmp_path, 1)[0]
    write_dump(tmp_path, jpeg.stem, score.synthetic_outputs(np.random.default_rng(5), PORT, *score.CASES[case]))
    score.expect_same(jpeg, tmp_path, PORT, nms)


def test_the_postprocessing_bench_runs_and_sums_up_its_cases():
    rows = score.postprocess_rows(PORT, 1)
    assert len(rows) == len(score.CASES) + 2
    assert rows[-2].here[0] == pytest.approx(np.mean([np.median(row.here) for row in rows[:-2]]))
    assert all(row.ratio > 0 for row in rows)


def test_postprocessing_that_differs_is_noticed_before_a_time_is_taken(tmp_path):
    jpeg = preprocess.common_size(tmp_path, 1)[0]
    write_dump(tmp_path, jpeg.stem, score.synthetic_outputs(np.random.default_rng(5), PORT, 60.0, 2.0))

    def keeps_all(boxes, scores, limit):
        return published.nms_loop(boxes, scores, 1.0)

    with pytest.raises(
        BenchError, match=r"detections of class \w+ differ from the published way's .*times mean nothing"
    ):
        score.expect_same(jpeg, tmp_path, PORT, keeps_all)


def test_the_published_evaluator_gives_our_aps_from_arrays_from_text_and_by_id():
    case = score.synthetic_set(np.random.default_rng(3), 60, 3)
    classes = PORT.classes[:3]
    ours = evaluate_arrays(case.found, case.objects, case.ids, classes)
    recs, lines = score.recs_and_lines(case, classes)
    assert {name: published.voc_eval(recs, lines[name], name) for name in classes} == dict(ours.ap)
    assert evaluate(case.detections, case.truth, classes) == ours
    assert 0 < ours.mean_ap < 1


def test_the_specimens_own_outputs_are_timed_too():
    row = score.specimen_row(1)
    assert row.name.endswith("the specimen's own")
    assert row.ratio > 0


def test_the_interval_s_time_and_memory_are_measured():
    cpu, memory = score.interval_rows(30, PORT.classes[:2])

    assert len(cpu.here) == score.INTERVAL_ROUNDS
    assert all(seconds > 0 for seconds in cpu.here)
    assert 0 < memory.here[0] < memory.at_most


def test_the_ap_bench_runs_and_every_side_is_timed():
    rows = score.ap_rows(30, PORT.classes[:2])
    assert [row.name.rpartition(" ")[2] for row in rows] == ["alone", "too", "pycocotools", "faster-coco-eval"]
    assert all(row.ratio > 0 and len(row.here) == score.AP_ROUNDS for row in rows)


def test_aps_that_differ_are_noticed_before_a_time_is_taken(monkeypatch):
    monkeypatch.setattr(published, "voc_eval", lambda recs, lines, name: 0.5)
    with pytest.raises(BenchError, match="APs differ from the published loops'"):
        score.ap_rows(30, PORT.classes[:2])


def test_the_published_annotations_are_the_devkits():
    devkit = read_devkit(SPECIMEN, PORT.classes, limit=9)
    recs = published.annotations(devkit.annotations_folder, devkit.ids)
    for id in devkit.ids:
        truth = devkit.truth[id]
        assert [one["bbox"] for one in recs[id]] == (truth.boxes_xyxy + 1).tolist()
        assert [one["name"] for one in recs[id]] == [PORT.classes[label] for label in truth.labels]
        assert [one["difficult"] for one in recs[id]] == truth.difficult.astype(int).tolist()


# -- counters ----------------------------------------------------------------------------------------------------------


def graph_of(path, nodes, inputs, constants=()):
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    made = [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)]
    held = [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in constants]
    graph = helper.make_graph(nodes, "g", given, made, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)]), path)
    return path


def test_flops_of_a_known_convolution_and_product(tmp_path):
    # 8 filters of 3 x 5 x 5 over 3 x 12 x 10, stride 2, padding 2: 6 x 5 places x 8 filters x 75 products, each with a sum
    conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[2] * 4, strides=[2, 2])
    path = graph_of(tmp_path / "conv.onnx", [conv], {"x": (1, 3, 12, 10)}, [("w", (8, 3, 5, 5))])
    assert flops_of(path) == 2 * 6 * 5 * 8 * 75
    grouped = helper.make_node("Conv", ["x", "w"], ["y"], group=4)
    path = graph_of(tmp_path / "grouped.onnx", [grouped], {"x": (1, 8, 6, 6)}, [("w", (8, 2, 1, 1))])
    assert flops_of(path) == 2 * 6 * 6 * 8 * 2
    nodes = [
        helper.make_node("MatMul", ["a", "b"], ["c"]),
        helper.make_node("Gemm", ["c", "d"], ["e"], transA=1, transB=1),
    ]
    path = graph_of(tmp_path / "products.onnx", nodes, {"a": (4, 7), "b": (7, 5), "d": (3, 4)})
    assert flops_of(path) == 2 * 4 * 5 * 7 + 2 * 5 * 3 * 4


def test_flops_of_a_shape_nobody_knows_is_an_error(tmp_path):
    conv = helper.make_node("Conv", ["x", "w"], ["y"])
    path = graph_of(tmp_path / "open.onnx", [conv], {"x": (1, 3, "height", 10)}, [("w", (8, 3, 1, 1))])
    with pytest.raises(BenchError, match=r"the shape of .* is unknown"):
        flops_of(path)


def test_disk_is_what_the_files_below_take_and_memory_is_the_process_own(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(bytes(100_000))
    (tmp_path / "link").symlink_to(tmp_path / "below" / "file")
    assert 100_000 <= whole_set.disk_bytes(tmp_path) <= 110_000
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"up\n"
        assert 1_000_000 < whole_set.rss_bytes(child.pid) < 1_000_000_000
        child.communicate(b"\n")
    assert whole_set.rss_bytes(child.pid) == 0


def test_a_whole_set_is_summed_up_by_growth_and_against_bins():
    """Process 1 grows by 1 MB a picture after a start that does not count; process 2 does not grow."""
    samples = [whole_set.Sample(n, 1, n, (500 + n) * 10**6 if n else 0, n * 132_000) for n in range(51)]
    samples += [whole_set.Sample(n, 2, n, 520 * 10**6 if n > 50 else 0, n * 132_000) for n in range(50, 101)]
    rows = whole_set.rows(samples, 100, 0)
    assert rows[0].ratio == pytest.approx(512 * 512 * 12 / 132_000)
    assert rows[1].ratio == pytest.approx(1344 * 1344 * 12 / 132_000)
    assert rows[2].here == [550.0]
    assert rows[3].here == pytest.approx([1000, 0], abs=1e-6)


@pytest.mark.slow
def test_a_run_killed_half_way_is_finished_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(whole_set, "EVERY_S", 0.1)
    rows = whole_set.measure(Console(quiet=True), 30, tmp_path)
    assert rows[-1].here[0] <= 1
    header, *lines = (tmp_path / "whole_set.csv").read_text().split()
    assert header == "seconds,process,pictures,rss_bytes,disk_bytes"
    assert {line.split(",")[1] for line in lines} == {"1", "2"}
    assert (tmp_path / "whole_set.png").stat().st_size > 5000


def test_slow_imports_are_named_with_all_they_bring_in():
    text = "import time:   10 |     20 |   below\nimport time: 1000 | 300000 | torch\nimport time: 5 | 9 | re\nother\n"
    assert warm.slowest_imports(text) == [(300.0, "torch"), (0.009, "re")]


@pytest.mark.parametrize("mark", ["export", "adapt", "accuracy", "performance"])
def test_a_run_of_the_contract_loses_none_of_its_tests(mark):
    """`(mark)` asks for the same and takes no short way."""
    asked = [collected(mark), collected(f"({mark})")]

    assert asked[0] == asked[1]
    assert all(test.startswith("tests/test_") for test in asked[0])
    assert asked[0]


def collected(marks):
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", marks]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line for line in done.stdout.splitlines() if "::" in line}


# -- rows and words ----------------------------------------------------------------------------------------------------


def test_a_row_holds_median_against_median_and_says_so_in_json(tmp_path):
    row = Row("it", "s", [1.0, 2.0, 9.0], [40.0, 80.0, 60.0], 20.0)
    assert row.ratio == 30.0
    write_json(tmp_path / "new" / "bench.json", {"stage": [row]}, describe_machine())
    held = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert held["stages"]["stage"][0]["here"] == {"min": 1.0, "median": 2.0, "max": 9.0, "turns": 3}
    assert held["machine"]["versions"]["numpy"] == np.__version__


def test_turns_are_interleaved_after_one_that_does_not_count():
    seen = []
    times = turn_by_turn({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, rounds=2)
    assert "".join(seen) == "ababab"
    assert [len(turns) for turns in times.values()] == [2, 2]


def test_a_stage_nobody_knows_is_answered_in_a_sentence(capsys):
    with pytest.raises(SystemExit) as left:
        bench.main(["score", "scores"])
    assert left.value.code == 2
    assert re.search(
        r"there is no stage scores, but there are preprocess, score, .*; name some, or none", capsys.readouterr().err
    )


def test_the_dump_a_bench_writes_is_one_the_suite_reads(tmp_path):
    outputs = score.synthetic_outputs(np.random.default_rng(1), PORT, 60.0, 2.0)
    write_dump(tmp_path, "000001", outputs)
    again = read_dump(tmp_path, "000001", PORT)
    assert all(np.array_equal(getattr(again, f), getattr(outputs, f)) for f in Outputs.__dataclass_fields__)


def test_the_sizes_of_the_mix_are_the_whole_of_voc2007_test():
    assert sum(full_size.SIZES_WH.values()) == 4952
    shares = full_size.shares_of([(1696, 512), (512, 1520)])
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[512, 1520] == pytest.approx((sum(full_size.TALL.values()) + full_size.WIDE[512]) / 4952)


# -- beside busy processes ---------------------------------------------------------------------------------------------


def test_the_ratios_of_the_busy_bench_are_speed_against_speed():
    taken = {("here", False): [2.0], ("here", True): [5.0], ("libraries", False): [1.9], ("libraries", True): [50.0]}
    alone, beside, own = busy.rows_of("pytorch", taken)
    assert (alone.ratio, alone.wanted) == (pytest.approx(0.95), 0.9)
    assert (beside.ratio, beside.wanted) == (pytest.approx(0.4), 0.25)
    assert own.ratio == pytest.approx(10)


def test_busy_processes_are_there_while_the_block_runs_and_no_longer():
    with busy.busy_processes(2) as started:
        assert [process.poll() for process in started] == [None, None]
    assert all(process.poll() is not None for process in started)


def test_a_turn_of_each_way_takes_time_and_a_runner_that_ended_is_said():
    taken = busy.turns("pytorch", Path("unused"), rounds=1, pictures=1)
    assert {key: len(times) for key, times in taken.items()} == {
        (way, beside): 1 for way in ("here", "libraries") for beside in (False, True)
    }
    assert all(seconds > 0 for times in taken.values() for seconds in times)
    with pytest.raises(BenchError, match="ended with 1"), busy.runner("onnx_runtime", "here", Path("none.onnx"), 1):
        pass
