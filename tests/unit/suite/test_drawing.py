"""From detections to drawings, on three of the specimen's pictures."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import read_port
from rfcn_lib.records import Detections
from rfcn_lib.score.arrays import classes_with_truth
from rfcn_lib.score.average_precision import evaluate
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.suite.drawing import LONGEST_PX, drawn_of
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.verdict.verdict import HOST
from tests.support.places import SPECIMEN


@pytest.fixture(scope="module")
def pictures():
    port = read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=3)
    return Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, lambda paths: [])


def judged(pictures, but=None):
    """Detections that are the truth; of the picture `but` nothing is found."""
    truth, classes = pictures.devkit.truth, pictures.port.classes
    found = {
        id: Detections(
            one.boxes_xyxy.astype(np.float32)[: 0 if id == but else None],
            np.full(len(one.labels), 0.9, np.float32)[: 0 if id == but else None],
            one.labels[: 0 if id == but else None],
        )
        for id, one in truth.items()
    }
    evaluation = evaluate(found, truth, classes, judged=classes_with_truth(truth, classes))
    return Judged(evaluation, Path("nowhere"), "", 0, found)


def test_the_picture_that_lost_is_drawn_as_a_thumbnail_with_boxes_of_its_own_size(pictures):
    id = pictures.devkit.ids[1]
    got, want = judged(pictures, but=id), judged(pictures)
    drawn = drawn_of(Candidate("host", HOST, "x", got), Reference("y", 1.0, want.evaluation.ap, want), pictures)
    (lost,) = drawn.pictures
    thumbnail = Image.open(BytesIO(b64decode(lost.jpeg_base64)))

    assert (lost.id, lost.why, drawn.losing) == (id, "missed", 1)
    assert lost.size_wh == thumbnail.size and max(thumbnail.size) <= LONGEST_PX
    assert len(lost.panels["truth"]) == len(lost.panels["reference"]) > 0 == len(lost.panels["candidate"])
    scale = thumbnail.width / pictures.devkit.sizes_wh[id][0]
    corners = np.array([box.xyxy for box in lost.panels["truth"]])
    np.testing.assert_allclose(corners, pictures.devkit.truth[id].boxes_xyxy * scale, rtol=1e-6)
    assert drawn.errors["candidate"].counts["missed"] == (~pictures.devkit.truth[id].difficult.astype(bool)).sum()
    assert [one.name for one in drawn.curves] == list(got.evaluation.ap)


def test_without_the_reference_s_detections_only_the_candidate_is_drawn(pictures):
    drawn = drawn_of(Candidate("host", HOST, "x", judged(pictures)), Reference("published", 0.7, {}), pictures)

    assert (drawn.losing, drawn.pictures, list(drawn.errors)) == (None, (), ["candidate"])
    assert all(one.reference is None and one.candidate.recall[-1] == 1 for one in drawn.curves)
