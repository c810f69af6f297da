"""What a run judged goes into a file and comes back to the last bit; each member that was changed is named."""

import json
import re
import struct
from dataclasses import fields

import numpy as np
import pytest

from rfcn_lib.evidence.archive import open_archive, write_archive
from rfcn_lib.evidence.comparison import contradiction
from rfcn_lib.evidence.contents import members_of
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.reading import expect_statement_of, judged_of, run_of
from rfcn_lib.evidence.records import NpuFacts, ReferenceFacts
from rfcn_lib.suite.evidence_compared import ALL
from tests.support import evidence as made


def read(path, members):
    write_archive(path, members)
    return judged_of(open_archive(path))


def same(one, other):
    """Equal to the last bit, also where a number is NaN."""
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_everything_comes_back_to_the_last_bit(tmp_path):
    want = made.judged_of(
        timings={"1.json": b"{}"}, npu=NpuFacts(simulated=True, chips_on_card=4, oms={"512x512": made.SHA}, npus=[])
    )
    got = read(tmp_path / "e.zip", made.all_members(want))

    for name in (
        "port_toml",
        "pictures",
        "truth",
        "candidate",
        "reference",
        "detections",
        "dumps",
        "timings",
        "npu",
        "floor",
    ):
        assert same(getattr(got, name), getattr(want, name)), name
    for name in ("each", "floor_each", "sums", "floor_sums"):
        assert same(getattr(got.measurements, name), getattr(want.measurements, name)), name
    assert run_of(open_archive(tmp_path / "e.zip")) == (made.run_of(), made.said_of())


def test_figures_and_limits_are_computed_again_to_the_last_bit(tmp_path):
    want = made.judged_of()
    got = read(tmp_path / "e.zip", made.all_members(want))

    assert same(got.measurements.figures(), want.measurements.figures())
    assert got.measurements.limits() == want.measurements.limits()


def test_a_published_reference_and_a_run_without_agreement_come_back(tmp_path):
    published = ReferenceFacts(device="published figure", outputs=None, packet=None)
    alone = {side: of for side, of in made.judged_of().detections.items() if side == "candidate"}
    dumps = {"candidate": made.judged_of().dumps["candidate"]}
    want = made.judged_of(reference=published, detections=alone, dumps=dumps, measurements=None)
    got = read(tmp_path / "e.zip", made.all_members(want))

    assert list(got.detections) == ["candidate"]
    assert (got.measurements, got.dumps, got.reference.outputs) == (None, dumps, None)


def cut(name):
    return lambda members: {**members, name: members[name][:-1]}


def left_out(name):
    return lambda members: {other: data for other, data in members.items() if other != name}


def replaced(name, old, new):
    return lambda members: {**members, name: members[name].replace(old, new)}


def refused(tmp_path, members):
    """What is said of members that were changed, in a zip whose manifest fits: what a forger without a key can write."""
    write_archive(tmp_path / "e.zip", members)
    archive = open_archive(tmp_path / "e.zip")
    with pytest.raises(EvidenceError) as caught:
        expect_statement_of(archive, run_of(archive)[1], judged_of(archive))
    return str(caught.value)


ARRAYS = [name for name in made.all_members() if re.search(r"[.][fu][1248]$", name)]


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_another_size_is_named(tmp_path, name):
    assert f"member {name} has" in refused(tmp_path, cut(name)(made.all_members()))


@pytest.mark.parametrize("name", made.all_members())
def test_a_member_that_lacks_is_named(tmp_path, name):
    members = left_out(name)(made.all_members())
    if name != "agreement/facts.json":
        assert f"no member {name}" in refused(tmp_path, members)
    else:  # then the others of agreement/ are of nothing
        assert "agreement/each.f8" in refused(tmp_path, members)


@pytest.mark.parametrize("name", ["notes.txt", "timings/folder/1.json", "dumps/rois.f4", "candidate/dumps/a/rois.f4"])
def test_a_member_too_many_is_named(tmp_path, name):
    assert f"a member {name}" in refused(tmp_path, {**made.all_members(), name: b"1"})


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("truth/difficult.u1", b"\1", b"\2", "truth/difficult.u1 has a byte of 2"),
        ("pictures.json", b"000002", b"000001", "pictures.json"),
        ("pictures.json", b'"fitted": false', b'"fitted": 0', "pictures.json: fitted"),
        ("candidate/facts.json", b'"on"', b'"off"', "candidate/facts.json"),
        ("candidate/dumps.txt", b"000002", b"000009", "candidate/dumps.txt"),
        ("run.json", b"accuracy", b"elephant", "run.json: marks"),
        ("exhibits.json", b"abab", b"xyxy", "exhibits.json"),
        ("verdict.json", b"{", b"[", "verdict.json"),
        ("statement.json", b"PASSED", b"WARNED", "statement.json says another thing"),
        ("statement.json", b"in-toto.io/Statement", b"elsewhere/Statement", "statement.json is no in-toto Statement"),
        ("statement.json", b'"subject"', b'"object"', "statement.json is no in-toto Statement"),
    ],
)
def test_a_record_that_is_not_as_it_should_be_is_named(tmp_path, name, old, new, words):
    assert words in refused(tmp_path, replaced(name, old, new)(made.all_members()))


def test_the_arrays_are_few_bytes(tmp_path):
    judged = made.judged_of()
    members = members_of(judged)
    detections = sum(len(one.labels) for one in judged.detections["candidate"].values())

    assert (
        sum(len(members[f"candidate/{name}"]) for name in ("boxes_xyxy.f4", "scores.f4", "labels.u2"))
        == 22 * detections
    )


def test_the_same_run_gives_the_same_members():
    assert made.all_members() == made.all_members()


def found_of(said):
    return {**json.loads(said.model_dump_json()), "rates": ["1 fps"]}


def test_the_same_verdict_contradicts_nothing(tmp_path):
    assert contradiction(tmp_path, found_of(made.said_of()), found_of(made.said_of()), ALL) == ""


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"words": "2 criteria hold"}, "words is '1 criterion holds', judged again '2 criteria hold'"),
        ({"status": "FAILED"}, "status is 'PASSED', judged again 'FAILED'"),
        ({"trial": {"candidate_ap": {"cat": 0.5 + 2**-53}}}, "trial.candidate_ap.cat is 0.5, judged again 0.500"),
        ({"trial": {"candidate_ap": {}}}, "trial.candidate_ap.cat is 0.5, judged again absent"),
        ({"trial": None}, "trial is "),
        ({"criteria": []}, "criteria is "),
        (
            {"criteria": [{**made.said_of().criteria[0], "limit": 0.3}]},
            r"criteria\[mean AP drop, relative\].limit is 0.2, judged again 0.3",
        ),
        ({"criteria": [{**made.said_of().criteria[0], "number": True}]}, "number is 0.1, judged again True"),
    ],
)
def test_what_differs_is_named_with_both_values(tmp_path, change, named):
    assert re.search(named, contradiction(tmp_path, found_of(made.said_of()), found_of(made.said_of(**change)), ALL))
