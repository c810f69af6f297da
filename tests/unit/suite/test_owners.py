"""Whose outputs a picture has that went wrong alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from rfcn_lib.records import Outputs
from rfcn_lib.suite import culprit
from tests.support.agreement_scenes import COLUMNS, IDS, PICTURES, outputs_of, rois_of, source
from tests.support.tiny import PORT

CALM, WRONG = IDS[2], IDS[5]


def nearly_nothing(outputs, least):
    """The same proposals; the background has nearly all of every row."""
    scores = np.full_like(outputs.cls_prob, least)
    scores[:, 0] = 1 - (COLUMNS - 1) * least
    return Outputs(outputs.rois, scores, outputs.bbox_pred)


def reference(id):
    return nearly_nothing(source(id), 0.001) if id == CALM else source(id)


@pytest.fixture
def owners(monkeypatch):
    """owners(outputs of WRONG) -> what it has of whom."""

    def found(outputs):
        monkeypatch.setattr(culprit, "reader", lambda judged, port: lambda id: outputs)
        agreement = SimpleNamespace(
            alone=[(WRONG, "scores", 9.0)], reference=reference, records=PICTURES, each=IDS,
            limits={"uncovered": 0.03}, runs=SimpleNamespace(port=PORT),
        )  # fmt: skip
        return culprit.owners_of(agreement, SimpleNamespace(judged=None))[WRONG]

    return found


def test_all_outputs_of_another_picture(owners):
    assert owners(source(IDS[7])) == ("outputs", IDS[7])


def test_only_the_scores_of_another_picture(owners):
    right, other = source(WRONG), source(IDS[7])

    assert owners(Outputs(right.rois, other.cls_prob, right.bbox_pred)) == ("scores", IDS[7])


def test_a_blind_network_has_the_scores_of_nobody_though_a_calm_picture_is_near(owners):
    assert owners(nearly_nothing(source(WRONG), 0.0)) == ("", WRONG)


def test_the_scores_of_a_calm_picture_are_its_own(owners):
    right = source(WRONG)

    assert owners(Outputs(right.rois, reference(CALM).cls_prob, right.bbox_pred)) == ("scores", CALM)


def test_a_picture_that_has_its_own(owners):
    assert owners(outputs_of(rois_of(int(WRONG)), temperature=1.01)) == ("", WRONG)
