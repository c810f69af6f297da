"""With --accept, kept dumps of the reference must be what the source model gives now."""

from types import SimpleNamespace

import numpy as np
import pytest

from rfcn_lib.suite.judging import UnfairError
from rfcn_lib.suite.made_again import PICTURES, expect_same_again, faults_of
from tests.support import tiny
from tests.support.agreement_scenes import IDS, changed, picture_of, source

PORT = tiny.PORT


def kept(change, id="000001"):
    outputs = source(id)
    return changed(outputs, **change(outputs))


def nothing(outputs):
    return {}


def without_the_surest_row(outputs):
    scores = outputs.cls_prob.copy()
    row = scores[:, 1:].max(1).argmax()
    scores[row] = np.eye(scores.shape[1], dtype=np.float32)[0]
    return {"cls_prob": scores}


def lower_scores(outputs):
    scores = outputs.cls_prob.copy()
    scores[:, 1:] *= 0.97
    return {"cls_prob": scores}


def moved(outputs):
    return {"rois": outputs.rois + np.float32([0, 3, 3, 3, 3])}


@pytest.mark.parametrize("change", [without_the_surest_row, lower_scores, moved])
def test_a_dump_that_was_changed_is_told(change):
    assert list(faults_of(kept(change), source("000001"), picture_of(), PORT))


def test_the_same_dump_and_one_of_other_last_digits_are_not():
    assert not list(faults_of(source("000001"), source("000001"), picture_of(), PORT))
    tiny_noise = changed(source("000001"), cls_prob=source("000001").cls_prob * np.float32(1 + 1e-6))
    assert not list(faults_of(tiny_noise, source("000001"), picture_of(), PORT))


def run_of(ids):
    records = {id: picture_of(id) for id in ids}
    pictures = SimpleNamespace(ids=tuple(ids), records=records, port_on=lambda canvas_wh: PORT)
    return SimpleNamespace(pictures=pictures, again=source)


def test_pictures_are_chosen_anew_and_a_changed_dump_among_them_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("rfcn_lib.suite.made_again.read_dump", lambda folder, id, port: read[id])
    read = {id: source(id) for id in IDS}
    assert set(expect_same_again(run_of(IDS), tmp_path)) == set(IDS), (
        f"all of them, where there are {PICTURES} or fewer"
    )

    read[IDS[3]] = kept(lower_scores, IDS[3])
    with pytest.raises(UnfairError, match=IDS[3]):
        expect_same_again(run_of(IDS), tmp_path)
