"""Outputs in a file of evidence: held against the digests and the detections that lie beside them."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from rfcn_lib import spec
from rfcn_lib.evidence.archive import open_archive, write_archive
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.outputs import expect_outputs, has_outputs
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Detections, Outputs, Picture
from rfcn_lib.score.dumps import shapes
from rfcn_lib.score.postprocess import detections_from_outputs

PORT = read_port(PUBLISHED)
IDS = ("000001", "000002")
PICTURES = {id: Picture(id, (500, 375), (800, 600), (1344, 1344), 1.6) for id in IDS}


def outputs_of(seed):
    """Of a picture with something in it: (300, 5), (300, 21), (300, 84), float32."""
    random = np.random.default_rng(seed)
    rows, columns = shapes(PORT)[1]
    corner = random.uniform(0, 400, (rows, 2))
    rois = np.concatenate([np.zeros((rows, 1)), corner, corner + random.uniform(30, 200, (rows, 2))], axis=1)
    scores = random.dirichlet(np.full(columns, 0.1), rows)
    deltas = random.normal(0, 0.1, (rows, 4 * columns))
    return Outputs(*(np.ascontiguousarray(array, "<f4") for array in (rois, scores, deltas)))


@pytest.fixture(scope="module")
def made():
    """(members, digests, detections) of two pictures."""
    outputs = {id: outputs_of(at) for at, id in enumerate(IDS)}
    raw = {id: [getattr(one, name).tobytes() for name in spec.OUTPUTS] for id, one in outputs.items()}
    members = {
        f"candidate/dumps/{name}.f4": b"".join(raw[id][at] for id in IDS) for at, name in enumerate(spec.OUTPUTS)
    }
    digests = {id: hashlib.sha256(b"".join(parts)).hexdigest() for id, parts in raw.items()}
    return members, digests, {id: detections_from_outputs(outputs[id], PICTURES[id], PORT) for id in IDS}


def look(tmp_path, members, digests, detections):
    write_archive(tmp_path / "e.zip", members)
    expect_outputs(open_archive(tmp_path / "e.zip"), "candidate", digests, detections, PICTURES, PORT)


def test_outputs_that_give_the_detections_pass(tmp_path, made):
    members, digests, detections = made
    look(tmp_path, members, digests, detections)

    assert sum(len(one.labels) for one in detections.values()) > 20
    assert has_outputs(open_archive(tmp_path / "e.zip"), "candidate")
    assert not has_outputs(open_archive(tmp_path / "e.zip"), "reference")


@pytest.mark.parametrize("output", spec.OUTPUTS)
def test_one_number_of_another_value_is_named_with_its_picture(tmp_path, made, output):
    members, digests, detections = made
    name = f"candidate/dumps/{output}.f4"
    changed = bytearray(members[name])
    changed[-2] ^= 1
    with pytest.raises(EvidenceError, match=r"other outputs of picture 000002 than candidate/dumps\.txt says"):
        look(tmp_path, {**members, name: bytes(changed)}, digests, detections)


@pytest.mark.parametrize("field", ["boxes_xyxy", "scores", "labels"])
def test_one_detection_of_another_value_is_named_with_its_picture(tmp_path, made, field):
    members, digests, detections = made
    values = getattr(detections["000001"], field).copy()
    values.flat[-1] += 1
    changed = {**detections, "000001": replace(detections["000001"], **{field: values})}
    with pytest.raises(
        EvidenceError, match=rf"candidate/{field}\.\w+ has other numbers in picture 000001 than the outputs"
    ):
        look(tmp_path, members, digests, changed)


def test_a_detection_too_few_is_found(tmp_path, made):
    members, digests, detections = made
    one = detections["000002"]
    changed = {**detections, "000002": Detections(one.boxes_xyxy[1:], one.scores[1:], one.labels[1:])}
    with pytest.raises(EvidenceError, match="other numbers in picture 000002"):
        look(tmp_path, members, digests, changed)


def test_an_output_that_lacks_or_is_too_short_is_named(tmp_path, made):
    members, digests, detections = made
    name = "candidate/dumps/rois.f4"
    for changed in (
        {**members, name: members[name][:-4]},
        {other: data for other, data in members.items() if other != name},
    ):
        with pytest.raises(
            EvidenceError, match=r"member candidate/dumps/rois\.f4 (lacks|has 11,996 bytes), but should have 12,000"
        ):
            look(tmp_path, changed, digests, detections)
