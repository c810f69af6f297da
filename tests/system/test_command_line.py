"""The suite as a user meets it: planted faults are caught and blamed, wrong options are answered in a sentence.

Real runs of pytest on the specimen, judging copies of this host's own dumps with one thing broken in each.
"""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.support.exit_statuses import INCONCLUSIVE, LOOSENED, NOT_JUDGED, WRONG_USAGE
from tests.support.places import ROOT
from tests.support.pytest_runs import run_pytest

CLASSES, ROWS = 21, 300
CAT = 8  # column of cls_prob


def run(*options):
    """-> (exit status, all words of a run)."""
    done = run_pytest(*options, COLUMNS="100")
    return done.code, done.words


@pytest.fixture(scope="module")
def accuracy(pytestconfig, host_dumps, torch_dumps, store):
    """accuracy(*options): exit code and all the words of `pytest -m accuracy`, from artifacts that are there already."""
    on_trial = [
        f"--{name}={value}"
        for name in ("weights", "port", "devkit", "limit")
        if (value := pytestconfig.getoption(f"--{name}"))
    ]
    if on_trial:
        pytest.skip(f"planted faults are tried on the specimen alone; run without {' '.join(on_trial)}")
    return lambda *options: run("-m", "accuracy", "tests/test_accuracy.py", f"--store={store.root}", *options)


@pytest.fixture
def copy(host_dumps, tmp_path):
    """A folder of dumps to break: links to the good ones."""
    folder = tmp_path / "dumps"
    folder.mkdir()
    for path in host_dumps.iterdir():
        (folder / path.name).hardlink_to(path)
    return folder


IN_FLOAT32 = "--precision-mode=must_keep_origin_dtype"  # the twin's dumps stand for those of such an om


def rewrite(path, change, shape):
    """Replace a linked file by a changed copy; the original stays."""
    array = np.fromfile(path, "<f4").reshape(shape)
    path.unlink()
    change(array).astype("<f4").tofile(path)


def test_a_host_s_outputs_are_no_device_s(accuracy, copy):
    code, words = accuracy(f"--dumps={copy}")

    assert code == NOT_JUDGED, words
    assert "no device is 10 times nearer" in words


def test_good_dumps_made_elsewhere_pass(accuracy, copy, tmp_path):
    code, words = accuracy(f"--dumps={copy}", IN_FLOAT32, f"--verdict={tmp_path / 'v.json'}")
    verdict = json.loads((tmp_path / "v.json").read_text())

    assert code == 0, words
    assert re.search(r"PASSED: 9 criteria hold over 140 pictures, .* dumps made elsewhere; a full acceptance is", words)
    assert "compiled with --precision_mode=must_keep_origin_dtype besides the published flags" in words
    assert verdict["status"] == "PASSED"
    assert len(verdict["on_trial"]["ids"]) == 140
    assert {row["outcome"] for row in verdict["criteria"]} == {"passed"}
    assert set(verdict["on_trial"]["exhibits"]) >= {"weights", "port", "candidate dumps", "reference dumps"}


SHAPES = {1: (ROWS, 5), 2: (ROWS, CLASSES), 3: (ROWS, 4 * CLASSES)}


def as_counted_from_0(path, index):
    path.rename(path.with_name(f"{path.name[:6]}_{index - 1}.bin.new"))


def as_npy(path, index):
    with path.with_name(f"{path.name[:6]}_{index - 1}.npy.new").open("wb") as file:
        np.save(file, np.fromfile(path, "<f4").reshape((1, *SHAPES[index])))
    path.unlink()


@pytest.mark.parametrize(("change", "form"), [(as_counted_from_0, "<id>_0.bin"), (as_npy, "<id>_0.npy")])
def test_dumps_as_other_tools_write_them_give_the_same_numbers(accuracy, copy, tmp_path, change, form):
    verdicts = [tmp_path / "1.json", tmp_path / "2.json"]
    accuracy(f"--dumps={copy}", IN_FLOAT32, f"--verdict={verdicts[0]}")
    for path in sorted(copy.iterdir()):
        change(path, int(path.stem[-1]))
    for path in copy.iterdir():
        path.rename(path.with_suffix(""))
    (copy / "sumary.json").write_text("{}")
    code, words = accuracy(f"--dumps={copy}", IN_FLOAT32, f"--verdict={verdicts[1]}")
    one, other = (json.loads(path.read_text()) for path in verdicts)

    assert code == 0, words
    assert f"made elsewhere; files {form}" in words
    assert one["criteria"] == other["criteria"]
    assert one["on_trial"]["candidate_ap"] == other["on_trial"]["candidate_ap"]
    assert {run["on_trial"]["exhibits"]["candidate dumps"]["sha256"] for run in (one, other)} == {
        one["on_trial"]["exhibits"]["candidate dumps"]["sha256"]
    }


def test_outputs_in_another_order_are_no_score(accuracy, copy):
    for path in copy.glob("*_1.bin"):
        other, aside = path.with_name(f"{path.name[:6]}_2.bin"), path.with_suffix(".aside")
        path.rename(aside)
        other.rename(path)
        aside.rename(other)
    code, words = accuracy(f"--dumps={copy}")

    assert code == NOT_JUDGED
    assert "000001_1.bin has the 25,200 bytes of cls_prob, but should have the 6,000 of rois" in words
    assert "are the outputs in another order?" in words
    assert "NOT JUDGED" in words


def test_a_class_that_is_lost_is_named(accuracy, copy):
    def silence(probabilities):
        probabilities[:, 0] += probabilities[:, CAT]
        probabilities[:, CAT] = 0
        return probabilities

    for path in copy.glob("*_2.bin"):
        rewrite(path, silence, (ROWS, CLASSES))
    code, words = accuracy(f"--dumps={copy}")

    assert code == 1
    assert "FAILED: does not hold" in words
    assert "no class lost" in words
    assert "cat: 0.0000 of" in words


def test_boxes_in_another_order_fail_on_mean_ap(accuracy, copy):
    """x1 y1 x2 y2 read as x1 x2 y1 y2, as an operator's other documentation has it."""
    for path in copy.glob("*_1.bin"):
        rewrite(path, lambda rois: rois[:, [0, 1, 3, 2, 4]], (ROWS, 5))
    code, words = accuracy(f"--dumps={copy}")

    assert code == 1
    assert "mean AP drop, relative" in words.split("FAILED: does not hold")[1]
    assert "mean AP drop, absolute" in words.split("FAILED: does not hold")[1]


def test_outputs_joined_to_the_next_picture_fail(accuracy, copy):
    ids = sorted({path.name[:6] for path in copy.iterdir()})
    for path in copy.iterdir():
        path.rename(path.with_suffix(".was"))
    for id, following in zip(ids, [*ids[1:], ids[0]], strict=True):
        for index in (1, 2, 3):
            (copy / f"{id}_{index}.was").rename(copy / f"{following}_{index}.bin")
    code, words = accuracy(f"--dumps={copy}")

    assert code == 1
    assert "FAILED: does not hold" in words


def test_a_small_loss_beyond_one_per_cent_fails(accuracy, copy):
    """One picture in twenty-five left empty: nothing looks broken, and the mean moves by a few points."""
    for path in sorted(copy.glob("*_2.bin"))[::25]:
        rewrite(path, lambda p: np.concatenate([np.ones_like(p[:, :1]), 1e-9 * p[:, 1:]], axis=1), (ROWS, CLASSES))
    code, words = accuracy(f"--dumps={copy}")

    assert code == 1
    assert "mean AP drop" in words.split("FAILED: does not hold")[1]


def plant_nan(folder):
    rewrite(
        folder / "000003_3.bin",
        lambda a: np.where(np.arange(a.size).reshape(a.shape) == 5, np.nan, a),
        (ROWS, 4 * CLASSES),
    )


def plant_repeat(folder):
    for index in (1, 2, 3):
        (folder / f"000005_{index}.bin").unlink()
        (folder / f"000005_{index}.bin").hardlink_to(folder / f"000004_{index}.bin")


def plant_short(folder):
    data = (folder / "000009_1.bin").read_bytes()
    (folder / "000009_1.bin").unlink()
    (folder / "000009_1.bin").write_bytes(data[:-4])


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        pytest.param(lambda folder: (folder / "000007_2.bin").unlink(), "000007_2.bin", id="missing"),
        pytest.param(lambda folder: (folder / "999999_1.bin").write_bytes(b"x" * 6000), "999999_1.bin", id="surplus"),
        pytest.param(plant_short, "000009_1.bin", id="short"),
        pytest.param(plant_nan, "000003_3.bin", id="NaN"),
        pytest.param(plant_repeat, "000005", id="one picture's dump under another id"),
        pytest.param(
            lambda folder: rewrite(folder / "000002_2.bin", np.zeros_like, (ROWS, CLASSES)), "000002_2.bin", id="zeros"
        ),
    ],
)
def test_a_damaged_dump_is_an_error_and_no_score(accuracy, copy, plant, named):
    plant(copy)
    code, words = accuracy(f"--dumps={copy}")

    assert code == NOT_JUDGED
    assert named in words
    assert "NOT JUDGED: no verdict, because of errors and not of numbers" in words
    assert "average precision" not in words
    assert "Traceback" not in words


@pytest.fixture
def own_store(store_with):
    """A copy of the store with graphs and dumps, to damage: other tests read the session's own at the same time."""
    return store_with("rfcn.onnx", "rfcn_adapted.onnx", "rfcn_twin.onnx", "dumps/torch", "dumps/onnxruntime")


def judge_again(store):
    return run("-m", "accuracy", "tests/test_accuracy.py", f"--store={store}", "--limit=20")


def test_a_dump_changed_in_the_store_is_noticed(own_store):
    """Both sides: a reference that lost detections would let a candidate that lost them pass."""
    for name in ("onnxruntime", "torch"):
        (path,) = own_store.glob(f"kept/dumps--{name}-*/{name}/000011_2.bin")
        before = path.read_bytes()
        rewrite(path, lambda p: np.concatenate([np.ones_like(p[:, :1]), 1e-9 * p[:, 1:]], axis=1), (ROWS, CLASSES))
        code, words = judge_again(own_store)
        path.write_bytes(before)

        assert code == NOT_JUDGED
        assert "000011_*.bin are not the files the device made" in words
        assert "NOT JUDGED" in words


def test_a_graph_damaged_in_the_store_is_made_again(own_store):
    (path,) = own_store.glob("kept/rfcn_adapted.onnx-*/rfcn_adapted.onnx")
    before = path.read_bytes()
    path.unlink()  # a link: the session's own stays whole
    path.write_bytes(before[:-1000] + bytes(1000))
    _, words = judge_again(own_store)

    assert "every picture judged" in words, words
    assert "NOT JUDGED" not in words
    assert path.read_bytes() == before


def test_the_host_s_own_dumps_stay_the_host_s(accuracy, host_dumps):
    code, words = accuracy(f"--dumps={host_dumps}")

    assert code == 0, words
    assert "on the host stand-in (this host's own store" in words


def test_a_loosened_limit_is_never_a_pass(accuracy, tmp_path):
    port = tmp_path / "loose.toml"
    text = (ROOT / "specimen" / "port.toml").read_text()
    port.write_text(text.replace("limit = 0.01", "limit = 0.9"))
    code, words = accuracy(f"--port={port}")

    assert code == LOOSENED, words
    assert (
        "LOOSENED: 9 criteria hold over 140 pictures, under LOOSENED limits (mean_ap_drop 0.9, published 0.01)" in words
    )
    assert "PASSED:" not in words


def test_the_reference_s_own_dumps_are_no_candidate(accuracy, torch_dumps):
    code, words = accuracy(f"--dumps={torch_dumps}")

    assert code == NOT_JUDGED
    assert "are the source model's own, byte for byte" in words
    assert "NOT JUDGED" in words


def expect_inconclusive(code, words, verdict):
    """Red, with an exit status and words of its own; never passed, never failed."""
    assert code == INCONCLUSIVE, words
    assert verdict["status"] == "INCONCLUSIVE"
    assert re.search(r"INCONCLUSIVE: not enough pictures to tell.* mean AP drop .* pictures would decide", words)
    assert not re.search(r"\b(PASSED|FAILED)\b", words)
    assert re.search(r"\d passed, .*\d inconclusive in ", words), "pytest's own last line"
    outcomes = {row["name"]: row["outcome"] for row in verdict["criteria"]}
    assert outcomes["mean AP drop, relative"] == outcomes["mean AP drop, absolute"] == "undecided"
    assert outcomes["every picture judged"] == "passed"
    limits = verdict["on_trial"]["paired"]["drop"]
    assert limits["lower"] <= limits["margin"] <= limits["upper"]
    assert limits["needed"] > limits["pictures"]
    return outcomes, verdict["on_trial"]["undecided"]


def test_a_part_of_the_set_cannot_tell_and_says_how_many_pictures_would(accuracy, tmp_path):
    code, words = accuracy("--limit=30", f"--verdict={tmp_path / 'v.json'}")

    outcomes, undecided = expect_inconclusive(code, words, json.loads((tmp_path / "v.json").read_text()))
    assert "PARTIAL: first 30 ids" in words
    assert outcomes["no class lost"] == "passed", "none is shown to be lost"
    assert len(undecided) == 1


def test_the_whole_set_is_judged_by_its_interval_where_that_is_asked(accuracy, tmp_path):
    """140 pictures pass as a point; of pictures like these they tell nothing, and no class has the 30 it needs."""
    code, words = accuracy("--gate=interval", f"--verdict={tmp_path / 'v.json'}")

    outcomes, undecided = expect_inconclusive(code, words, json.loads((tmp_path / "v.json").read_text()))
    assert outcomes["no class lost"] == "undecided"
    assert len(undecided) == 2
    assert "20 undecided, a class needs 30 pictures at least: bird" in words


def test_the_interval_stands_beside_the_point_comparison_of_the_whole_set(accuracy, tmp_path):
    """The figures of the reference experiment on these very dumps: L -2.489 %, U +3.535 %."""
    code, words = accuracy(f"--verdict={tmp_path / 'v.json'}")
    verdict = json.loads((tmp_path / "v.json").read_text())
    drop = verdict["on_trial"]["paired"]["drop"]

    assert code == 0
    assert verdict["status"] == "PASSED"
    assert (drop["decision"], drop["pictures"]) == ("INCONCLUSIVE", 140)
    assert (drop["lower"], drop["upper"]) == pytest.approx((-0.02489, 0.03535), abs=2e-5)
    assert drop["classes"]["bird"]["decision"] == "INCONCLUSIVE"
    assert "for pictures like these: INCONCLUSIVE" in words
    assert "mean AP drop +0.588 %, limits -2.49 .. +3.53 %" in words
    assert verdict["on_trial"]["ties"]["candidate"]["low"] == pytest.approx(0.9089, abs=1e-4)


def test_there_is_no_pairing_with_a_published_mean():
    code, words = run("-m", "accuracy", "tests/test_accuracy.py", "--gate=interval", "--reference=published")

    assert code == WRONG_USAGE
    assert "there is no pairing" in words


@pytest.mark.slow
def test_fitted_canvases_hold_the_same_criteria_and_crop_nothing(accuracy, store, torch_dumps, tmp_path):
    code, words = accuracy("--canvas=fitted", "--limit=3", f"--verdict={tmp_path / 'v.json'}")
    verdict = json.loads((tmp_path / "v.json").read_text())
    trial = verdict["on_trial"]

    assert code == INCONCLUSIVE, words
    assert re.search(r"canvases: fitted: \d+x\d+ \(\d+ pictures\), ", words)
    assert re.search(
        r"graphs: 3 of each canvas \(exported, adapted, twin\), .* they take at most \d+\.\d MB of the store", words
    )
    assert {row["outcome"] for row in verdict["criteria"]} == {"passed", "undecided"}
    assert sum(trial["canvases"].values()) == 3
    assert trial["canvas_area"] < 0.25
    assert trial["cropped"] == {}
    assert trial["exhibits"]["reference dumps"]["path"] == str(torch_dumps)  # the source model on the port's own canvas
    assert {f"twin {canvas}" for canvas in trial["canvases"]} <= set(trial["exhibits"])

    code, words = accuracy(f"--dumps={store.root / 'fitted' / 'dumps' / 'onnxruntime'}")
    assert code == NOT_JUDGED
    assert "would be judged as made on 512x512" in words
    assert "NOT JUDGED" in words


def test_dumps_of_one_canvas_are_not_judged_as_of_others(accuracy, host_dumps):
    code, words = accuracy(f"--dumps={host_dumps}", "--canvas=fitted")

    assert code == NOT_JUDGED
    assert "were made on the canvases 512x512, but would be judged as made on" in words
    assert "NOT JUDGED" in words


def test_dumps_of_the_published_canvas_do_not_agree_as_fitted_ones(accuracy, copy):
    """Dumps made elsewhere do not say their canvas. Another canvas changes what the network sees at the edges."""
    code, words = accuracy(f"--dumps={copy}", "--canvas=fitted")

    assert code == 1, words
    assert re.search(r"FAILED: does not hold: .*agree", words)


def test_published_figures_are_not_compared_with_fitted_canvases(accuracy, copy):
    _, words = accuracy(f"--dumps={copy}", "--canvas=fitted", "--reference=published")

    assert "published figures are of the published canvas; judge them without --canvas=fitted" in words
    assert "NOT JUDGED" in words


def test_under_accept_a_skip_is_an_error(accuracy):
    code, words = accuracy("--accept")
    assert "12 pictures run once more agree" in words, words

    assert code == NOT_JUDGED
    assert "--accept: nothing may be skipped, but this would be" in words
    assert "NOT JUDGED" in words


def test_the_published_figure_is_for_the_published_set(accuracy):
    _, words = accuracy("--reference=published")

    assert "names no published mean AP" in words
    assert "NOT JUDGED" in words


def test_a_part_of_the_criteria_is_no_verdict(accuracy):
    code, words = accuracy("-k", "relative")

    assert code == NOT_JUDGED
    assert "NOT JUDGED: not asked in this run: " in words
    left_out = words.split("not asked in this run: ")[1]
    for name in ("every picture judged", "mean AP drop, absolute", "no class lost", "proposals agree"):
        assert name in left_out


def test_a_part_of_the_criteria_accepts_nothing(accuracy):
    code, words = accuracy("-k", "relative", "--accept")

    assert code == NOT_JUDGED
    assert "NOT JUDGED" in words


def test_python_without_asserts_is_refused():
    done = subprocess.run(
        [sys.executable, "-O", "-m", "pytest", "-W", "ignore::pytest.PytestConfigWarning", "tests/test_accuracy.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 4
    assert "python -O removes every assert" in done.stdout + done.stderr


def test_wrong_options_are_answered_in_a_sentence_each():
    """Each option's values are tried in tests/unit/suite/test_options.py."""
    code, words = run("-m", "accuracy", "tests/test_accuracy.py", "--weights=/nowhere.pth", "--limit=0")

    assert code == 4
    assert "--weights=/nowhere.pth is not a file" in words
    assert "--limit=0 should be a whole number of pictures, 1 or more" in words
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (("--limit=141",), "use 1 to 140"),
        (("--weights=Makefile", "--port=specimen/port.toml"), "Makefile is not a checkpoint"),
        (("--port=pyproject.toml",), "is a complete example"),
        (("--devkit=specimen/VOCdevkit/VOC2007",), "pass --devkit="),
        (("--weights=specimen/rfcn_specimen.pth", "--port=specimen/port.toml", "--devkit=tests"), "--devkit=PATH"),
    ],
    ids=["limit", "weights", "port", "devkit too deep", "devkit elsewhere"],
)
def test_a_wrong_file_is_an_error_that_names_it(options, answer, tmp_path):
    code, words = run("-m", "accuracy", "tests/test_accuracy.py", f"--store={tmp_path}", *options)

    assert code == NOT_JUDGED
    assert answer in words
    assert "Traceback" not in words
    assert "NOT JUDGED" in words


def test_with_fitted_canvases_a_wrong_set_is_named_before_anything_is_collected():
    code, words = run("-m", "accuracy", "tests/test_accuracy.py", "--canvas=fitted", "--limit=141")

    assert code == 4
    assert "use 1 to 140" in words
    assert "Traceback" not in words


def test_the_same_detections_under_other_protocols_are_a_table_when_asked_for(accuracy, tmp_path):
    path = tmp_path / "protocols.txt"
    code, words = accuracy(f"--protocols={path}")
    text = path.read_text()

    assert code == 0, words
    assert "evaluation protocols" in words
    for protocol in ("IoU > 0.5", "comp4_det_test_", "IoU >= 0.5", "area AP", "COCO AP"):
        assert protocol in text
        assert protocol in words
    assert text.count("aeroplane") == 8
