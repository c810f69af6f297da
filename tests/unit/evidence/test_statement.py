"""The in-toto Statement: valid by the in-toto project's own library, and never better than the exit status."""

import json

import pytest
from google.protobuf.json_format import Parse
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as Predicate
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Message

from rfcn_lib.evidence.statement import PREDICATE_TYPE, RESULT, statement_of
from rfcn_lib.verdict.status import EXIT_STATUS
from tests.support.evidence import said_of

MEMBERS = {"run.json": "1" * 64, "candidate/dumps.txt": "2" * 64}


def content(said=None, members=None, exhibits=None):
    return json.loads(statement_of(said or said_of(), members or MEMBERS, exhibits or {"adapted": "3" * 64}))


def subjects(**exhibits):
    names = {name.replace("_", " "): sha256 * 64 for name, sha256 in exhibits.items()}
    return {one["name"]: one["digest"]["sha256"] for one in content(exhibits=names)["subject"]}


def test_the_libraries_of_in_toto_read_it():
    data = statement_of(said_of(), MEMBERS, {"om": "3" * 64})
    found = Statement.copy_from_pb(Parse(data, Message()))
    found.validate()

    assert json.loads(data)["_type"] == "https://in-toto.io/Statement/v1"
    assert found.pb.predicate_type == PREDICATE_TYPE
    predicate = Parse(json.dumps(json.loads(data)["predicate"]), Predicate())
    assert predicate.result == "PASSED"
    assert {one.name: one.digest["sha256"] for one in predicate.configuration} == MEMBERS


def test_its_subjects_are_the_compiled_model_and_the_dumps():
    assert subjects(om="7", adapted="8", onnx="9") == {"om": "7" * 64, "candidate/dumps.txt": "2" * 64}
    assert subjects(om_512x512="7", om_688x512="8") == {
        "om 512x512": "7" * 64,
        "om 688x512": "8" * 64,
        "candidate/dumps.txt": "2" * 64,
    }
    assert subjects(adapted="8", onnx="9", twin="1") == {"adapted": "8" * 64, "candidate/dumps.txt": "2" * 64}
    assert subjects(weights="5") == {"candidate/dumps.txt": "2" * 64}


@pytest.mark.parametrize("status", EXIT_STATUS)
def test_only_what_ends_with_0_is_passed_or_warned(status):
    result = content(said_of(status=status))["predicate"]["result"]

    assert (result == "FAILED") == (EXIT_STATUS[status] != 0)
    assert (result == "PASSED") == (status in ("ACCEPTED", "PASSED"))
    assert result == RESULT[status]


def test_each_criterion_is_in_one_list():
    outcomes = ("passed", "failed", "undecided", "error", "skipped")
    predicate = content(said_of(criteria=[{"name": f"c {one}", "outcome": one} for one in outcomes]))["predicate"]

    assert predicate["passedTests"] == ["c passed"]
    assert predicate["warnedTests"] == ["c undecided", "c skipped"]
    assert predicate["failedTests"] == ["c failed", "c error"]
