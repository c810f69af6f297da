"""`pytest -m rehearsal` as a user meets it: a prediction that says so in every verdict, and an overflow that is named."""

import json
import re

import pytest
import torch

from rfcn_lib.score.noise_floor_file import read_noise_floor
from tests.support.judging_again import expect_caught, expect_same_verdict
from tests.support.places import ROOT
from tests.support.pytest_runs import run_pytest
from tests.support.small_rehearsal import rehearse, small_rehearsal

SPECIMEN = ROOT / "specimen" / "rfcn_specimen.pth"


def run(*options, store, marker="rehearsal"):
    done = run_pytest("-m", marker, f"--store={store}", "tests/test_accuracy.py", *options)
    return done.code, done.words


@pytest.fixture
def store(store_with):
    """The specimen's graphs and the dumps of twin and reference."""
    return store_with("rfcn.onnx", "rfcn_adapted.onnx", "rfcn_twin.onnx", "dumps/torch", "dumps/onnxruntime")


def test_a_chip_s_arithmetic_is_predicted_explained_and_accepts_nothing(store, tmp_path):
    verdict = tmp_path / "verdict.json"
    options = ("--soc=Ascend310", "--limit=4", "--explain", f"--verdict={verdict}")
    code, words = run(*options, f"--evidence={tmp_path / 'evidence.zip'}", store=store)
    found = json.loads(verdict.read_text())

    assert code == 0, words
    assert found["status"] == "REHEARSED"
    expect_same_verdict(tmp_path / "evidence.zip", found)
    more = (
        lambda data: re.sub(rb'"largest": [\d.]+', b'"largest": 70000.0', data, count=1),
        "nothing overflows in fp16",
    )
    expect_caught(tmp_path / "evidence.zip", "headroom.json", *more)
    assert "REHEARSED: 10 criteria hold over 4 pictures of the set's 140; a prediction, no NPU was judged" in words
    assert not re.search(r"ACCEPTED|PASSED:", words)
    assert re.search(r"REHEARSED Ascend310 dumps/rehearsed: 4 pictures to do", words)
    assert "dumps/torch:" not in words.split("REHEARSED Ascend310 dumps")[0].replace("are left", ""), (
        "nothing was missing there"
    )
    table = (
        "fp16 alone",
        "NMS kernel alone",
        "pooling's corners alone",
        "all, equal scores in the other order",
        "all together",
    )
    for line in table:
        assert line in words
    assert "only the best 3968 candidates of a class enter the 310's NMS [read in the source" in words
    floor = read_noise_floor(store / "noise_floor-Ascend310-force_fp16.json")
    assert (floor.chip, floor.pictures) == ("Ascend310", 4)
    assert 0.8 < floor.matched.matched_share.value <= 1
    assert 0 < floor.score_apart.figures["mean"].value < 0.05, "the arithmetic is another, and near"
    assert read_noise_floor(store / "prediction-Ascend310-force_fp16.json").compared.startswith(
        "REHEARSED against the reference"
    )

    orders = found["rehearsed orders"]
    apart = read_noise_floor(store / "orders-Ascend310-force_fp16.json")
    assert orders["detections apart"]["matched"]["got"] == apart.matched.got > 0
    first, last = (f"{orders[f'mean AP, {which} of equal scores first']:.4f}" for which in ("first", "last"))
    said = f"mean AP {first} with the first of two equal scores first, {last} with the last first"
    assert f"REHEARSED Ascend310, force_fp16: {said}" in words
    measured = next(store.glob("kept/dumps--rehearsed-*/headroom"))
    assert {path.stem for path in measured.iterdir()} == {*found["on_trial"]["ids"]}

    dumps = next(store.glob("kept/dumps--rehearsed-*/rehearsed"))
    given = (f"--dumps={dumps}", f"--predicted={store / 'prediction-Ascend310-force_fp16.json'}", "--limit=4")
    _, words = run(*given, store=store, marker="accuracy")
    assert "predicted and measured" in words
    inside = re.search(r"(\d+) of (\d+) measured figures lie in the predicted interval", words)
    assert inside, words
    assert inside[1] == inside[2], "what is measured here is the prediction itself"
    assert (store / "calibration.json").is_file()
    assert "REHEARSED: " in words
    assert not re.search(r"PARTIAL: 4 of|PASSED:|made elsewhere", words), "a rehearsal's dumps are no device's"
    _, words = run(*given[:2], "--limit=3", store=store, marker="accuracy")
    assert "is of 4 pictures that are not all among the 3 of this run" in words
    (store / "calibration.json").unlink(missing_ok=True)
    run(*given[:2], "--limit=5", store=store, marker="accuracy")
    assert not (store / "calibration.json").exists(), "these dumps are of four pictures"
    _, words = run(*given, "--soc=Ascend910A", store=store, marker="accuracy")
    assert "is a rehearsal of Ascend310, but this run has --soc=Ascend910A" in words

    _, words = run(given[0], "--limit=4", store=store, marker="rehearsal or not rehearsal and not npu")
    assert "leave out --dumps" in words
    _, words = run(given[0], "--limit=4", "-k", "TestRehearsal", store=store, marker="")
    assert "so nothing is rehearsed" in words


def test_an_overflow_in_fp16_is_blamed_on_its_node(store, tmp_path):
    """One batch norm gives 100,000 times as much, and the next convolution takes it back: in float32 nothing changes."""
    checkpoint = torch.load(SPECIMEN, weights_only=True)
    weights, block = checkpoint["model"], "RCNN_base.6.0"
    for name in ("weight", "bias"):
        weights[f"{block}.bn1.{name}"] *= 1e5
    weights[f"{block}.conv2.weight"] /= 1e5
    torch.save(checkpoint, tmp_path / "planted.pth")
    given = (f"--weights={tmp_path / 'planted.pth'}", "--port=specimen/port.toml", "--limit=2")
    code, words = run(*given, "-k", "overflows", store=store)

    assert code == 1
    assert "nothing overflows in fp16" in words
    assert re.search(r"RCNN_base\.6\.0/conv1\S* \(Conv\) reaches \d", words), words


def test_a_rehearsal_shared_over_dask_gives_the_same_files(tiny_exported, tmp_path):
    """Dumps of both orders, and measures."""
    found = []
    for name, dask in (("here", None), ("dask", "local:2")):
        run = small_rehearsal(tmp_path / name, tiny_exported, 4, dask)
        first, last = (rehearse(run, run.pictures.ids, ties=ties) for ties in ("first", "last"))
        folders = {"first": first, "last": last, "headroom": first.parent / "headroom"}
        files = {(kind, path.name): path.read_bytes() for kind, folder in folders.items() for path in folder.iterdir()}
        found.append(files)
    assert found[0] == found[1]
    assert len(found[0]) == 4 * (3 + 3 + 1)
