"""A reference packet stands for the source model's run: the same numbers, no run; and only for what it was made of."""

import json
import re
import shutil

import numpy as np
import pytest

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.port import read_port
from rfcn_lib.records import Detections
from rfcn_lib.score.arrays import classes_with_truth
from rfcn_lib.score.average_precision import evaluate
from rfcn_lib.score.packet import read_packet, write_packet
from tests.support.exit_statuses import INCONCLUSIVE, NOT_JUDGED
from tests.support.packets import RATES
from tests.support.places import SPECIMEN
from tests.support.pytest_runs import run_pytest

FEW = 6
LIMIT = f"--limit={FEW}"
IN_FLOAT32 = "--precision-mode=must_keep_origin_dtype"  # the twin's dumps stand for those of such an om


def run(store, *options):
    """-> (exit status, all words of a run of the accuracy tests)."""
    done = run_pytest("-m", "accuracy", "tests/test_accuracy.py", f"--store={store}", *options)
    assert "Traceback" not in done.words
    return done.code, done.words


@pytest.fixture(scope="module")
def written(specimen_store, tmp_path_factory):
    """A packet of the first pictures, and the verdict's file of the run that wrote it."""
    folder = tmp_path_factory.mktemp("packet")
    path, verdict = folder / "reference.zip", folder / "v.json"
    code, words = run(
        specimen_store, LIMIT, f"--write-reference={path}", f"--verdict={verdict}", f"--protocols={folder / 'p'}"
    )
    assert code == INCONCLUSIVE, words
    return path, json.loads(verdict.read_text()), (folder / "p").read_text()


@pytest.fixture(scope="module")
def dumps(specimen_store, tmp_path_factory):
    """The twin's dumps as another host has them."""
    return shutil.copytree(specimen_store / "dumps" / "onnxruntime", tmp_path_factory.mktemp("dumps") / "result")


def better(path, target, **changes):
    """A packet with perfect detections: the boxes of the truth."""
    packet, port = read_packet(path), read_port(SPECIMEN / "port.toml")
    truth = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=FEW).truth
    found = {
        id: Detections(one.boxes_xyxy.astype(np.float32), np.ones(len(one.labels), np.float32), one.labels)
        for id, one in truth.items()
    }
    scores = evaluate(found, truth, port.classes, judged=classes_with_truth(truth, port.classes))
    facts = packet.facts.model_copy(
        update={"mean_ap": scores.mean_ap, "ap": dict(scores.ap), "rates": RATES, **changes}
    )
    write_packet(target, facts, found)
    return target


def test_it_gives_the_numbers_of_the_source_model_s_own_run_without_a_run(written, specimen_store, tmp_path):
    path, of_torch, protocols = written
    verdict = tmp_path / "v.json"
    code, words = run(
        specimen_store, LIMIT, f"--reference={path}", f"--verdict={verdict}", f"--protocols={tmp_path / 'p'}"
    )
    of_packet = json.loads(verdict.read_text())

    assert code == INCONCLUSIVE, words
    assert of_packet["status"] == of_torch["status"]
    by_outputs = "no picture goes wrong alone"  # a packet has detections only, so this one is judged by them
    one, other = ([row for row in run["criteria"] if row["name"] != by_outputs] for run in (of_packet, of_torch))
    assert one == other
    one, other = of_packet["on_trial"], of_torch["on_trial"]
    for key in ("reference_mean_ap", "reference_ap", "candidate_mean_ap", "candidate_ap", "paired", "ids", "protocol"):
        assert one[key] == other[key], key
    assert one["exhibits"]["reference packet"]["sha256"] == read_packet(path).sha256
    assert one["exhibits"]["reference packet"]["path"] == str(path)
    assert read_packet(path).facts.maker.machine in one["reference_device"]
    assert "reference dumps" not in one["exhibits"]
    assert (tmp_path / "p").read_text().split("\n\n", 1)[1] == protocols.split("\n\n", 1)[1]


def test_the_source_model_is_run_over_a_sample_only(written, dumps, tmp_path):
    code, words = run(tmp_path / "store", LIMIT, f"--reference={written[0]}", f"--dumps={dumps}", IN_FLOAT32)

    assert code == INCONCLUSIVE, words
    assert f"INCONCLUSIVE: not enough pictures to tell in {FEW} of 140" in words
    assert re.search(r"\d pictures as the reference, \d worse, \d better interval for pictures like these", words)
    assert not (tmp_path / "store" / "dumps" / "torch").exists()
    assert (tmp_path / "store" / "dumps" / "torch-as-exported").exists()


def test_a_packet_written_again_has_the_same_bytes(written, specimen_store, tmp_path):
    code, words = run(specimen_store, LIMIT, f"--write-reference={tmp_path / 'again.zip'}")

    assert code == INCONCLUSIVE, words
    assert (tmp_path / "again.zip").read_bytes() == written[0].read_bytes()


def test_a_packet_of_other_pictures_and_another_port_names_both(written, dumps, tmp_path):
    port = tmp_path / "port.toml"
    port.write_text((SPECIMEN / "port.toml").read_text().replace("score_above = 0.0", "score_above = 0.001"))
    code, words = run(
        tmp_path / "store", "--limit=7", f"--reference={written[0]}", f"--dumps={dumps}", f"--port={port}"
    )

    assert code == NOT_JUDGED
    assert "port: detections.score_above is 0.001 in" in words
    assert "ids: 1 of 7 are not in the packet, which has 6: 000007" in words
    assert "NOT JUDGED" in words


def test_a_packet_of_more_pictures_serves_a_first_look(written, dumps, tmp_path):
    code, words = run(tmp_path / "store", "--limit=4", f"--reference={written[0]}", f"--dumps={dumps}", IN_FLOAT32)

    assert code == INCONCLUSIVE, words
    assert "are not in the packet" not in words
    assert "4 of 140 pictures" in words


def test_figures_of_other_pictures_are_no_limits(written, dumps, tmp_path):
    path = better(written[0], tmp_path / "better.zip")
    code, words = run(
        tmp_path / "store",
        "--limit=4",
        f"--baseline={path}",
        f"--reference={written[0]}",
        f"--dumps={dumps}",
        IN_FLOAT32,
    )

    assert code == NOT_JUDGED
    assert "ids: the packet has 2 more than the 4 here: 000005 000006" in words
    assert "NOT JUDGED" in words


@pytest.mark.parametrize("option", ["reference", "baseline"])
def test_a_packet_that_says_another_mean_ap_than_its_detections_have_is_refused(written, dumps, tmp_path, option):
    packet, edited = read_packet(written[0]), tmp_path / "edited.zip"
    write_packet(edited, packet.facts.model_copy(update={"mean_ap": 0.9999, "rates": RATES}), packet.detections)
    packets = {"reference": written[0], option: edited}
    code, words = run(
        tmp_path / "store", LIMIT, f"--dumps={dumps}", *(f"--{name}={path}" for name, path in packets.items())
    )

    assert code == NOT_JUDGED
    assert "says mean AP 0.999900 (VOC2007 AP, 11 recall marks, IoU > 0.5), but its detections have" in words
    assert "NOT JUDGED" in words


def test_a_packet_made_under_another_protocol_is_refused_field_by_field(written, dumps, tmp_path):
    packet, other = read_packet(written[0]), tmp_path / "other.zip"
    theirs = {**packet.facts.fingerprint, "iou": ">= 0.5", "score_digits": "3 decimals"}
    write_packet(other, packet.facts.model_copy(update={"fingerprint": theirs}), packet.detections)
    code, words = run(tmp_path / "store", LIMIT, f"--dumps={dumps}", f"--reference={other}")

    assert code == NOT_JUDGED
    assert "were made under different protocols, so they are not compared" in words
    assert f"iou: > 0.5 in this run's reference, >= 0.5 in {other}" in words
    assert "score_digits: as they come in this run's reference, 3 decimals in" in words
    assert "NOT JUDGED" in words


def test_dumps_of_the_source_model_itself_are_no_candidate(written, torch_dumps, tmp_path):
    own = shutil.copytree(torch_dumps, tmp_path / "result")
    code, words = run(tmp_path / "store", LIMIT, f"--reference={written[0]}", f"--dumps={own}")

    assert code == NOT_JUDGED
    assert "are the source model's own, byte for byte" in words


def test_the_figures_of_a_baseline_become_criteria(written, dumps, tmp_path):
    path, verdict = better(written[0], tmp_path / "better.zip"), tmp_path / "v.json"
    code, words = run(
        tmp_path / "store",
        LIMIT,
        f"--reference={written[0]}",
        f"--baseline={path}",
        f"--dumps={dumps}",
        IN_FLOAT32,
        f"--verdict={verdict}",
    )
    rows = {row["name"]: row for row in json.loads(verdict.read_text())["criteria"]}

    assert code == 1
    assert "mean AP reaches the published figure" in words.split("FAILED: does not hold")[1]
    row = rows["mean AP reaches the published figure"]
    assert row["limit"] == pytest.approx(1)
    assert "--baseline: source model on the host CPU" in row["source"]
    assert "skipped" not in words.split("FAILED: does not hold")[1]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda path, target: target.write_text('{"format": "rfcn gpu baseline 3"}'),
            "is JSON, as the GPU baselines of older",
        ),
        (lambda path, target: target.write_bytes(path.read_bytes()[:-100]), "is no complete reference packet"),
        (lambda path, target: shutil.copy(path, target), "has no rates, as a run on a host writes it"),
    ],
    ids=["an old baseline", "cut", "without rates"],
)
def test_a_file_that_is_no_baseline_is_refused_with_how_to_make_one(written, dumps, tmp_path, make, said):
    make(written[0], tmp_path / "baseline.zip")
    code, words = run(
        tmp_path / "store",
        LIMIT,
        f"--reference={written[0]}",
        f"--baseline={tmp_path / 'baseline.zip'}",
        f"--dumps={dumps}",
        IN_FLOAT32,
    )

    assert code == NOT_JUDGED
    assert said in words
    assert "`pytest -m gpu`" in words
    assert "NOT JUDGED" in words
