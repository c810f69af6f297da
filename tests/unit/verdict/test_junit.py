"""A JUnit file says of each criterion what its test judged, and of a run what it came to."""

from dataclasses import asdict

import pytest

from rfcn_lib.suite.verdict_file import as_json
from rfcn_lib.verdict.junit import criterion_properties, criterion_text, run_properties
from tests.support.trials import criterion_of, trial_of, verdict_of

NAMES = ["name", "number", "interval", "limit", "outcome", "source"]


def test_a_criterion_is_six_properties_with_every_digit():
    found = dict(criterion_properties([criterion_of("mean AP drop", 0.1 + 0.2)], "failed", ""))

    assert [*found] == [f"criterion.{name}" for name in NAMES]
    assert float(found["criterion.number"]) == 0.1 + 0.2
    assert found["criterion.limit"] == "<= 0.01"
    assert (found["criterion.outcome"], found["criterion.source"]) == ("failed", "somebody")
    assert "none" in found["criterion.interval"]


def test_of_several_criteria_each_has_properties_of_its_own():
    rows = [criterion_of("a", 1.0, "passed"), criterion_of("b", 2.0, lower=-0.5, upper=0.25)]
    found = dict(criterion_properties(rows, "failed", ""))

    assert (found["criterion.name"], found["criterion2.name"]) == ("a", "b")
    assert (found["criterion.outcome"], found["criterion2.outcome"]) == ("passed", "failed")
    assert found["criterion2.interval"] == "-0.5 .. 0.25"
    assert all(fact in criterion_text(rows, "failed", "") for fact in ("a\n", "b\n", "-0.5 .. 0.25", "<= 0.01"))


@pytest.mark.parametrize("outcome", ["error", "skipped"])
def test_a_test_that_ended_before_its_number_says_so_and_why(outcome):
    found = dict(criterion_properties([], outcome, "no device is here"))

    assert found == {"criterion.outcome": f"not judged: {outcome}", "criterion.why": "no device is here"}
    assert "no device is here" in criterion_text([], outcome, "no device is here")


def test_a_run_names_status_means_protocol_code_and_every_digest():
    trial = trial_of(chip="Ascend310P3", protocol={"name": "VOC07", "fingerprint": "abc"})
    other = verdict_of(trial_of(device="npu"), status="PASSED", words="3 criteria\nhold")
    said = {"suite": {"commit": "c0ffee", "sha256": "d1"}}
    found = dict(run_properties(as_json(verdict_of(trial), [other], [], {}, said), 1))

    assert (found["verdict.status"], found["verdict.exit_code"]) == ("FAILED", "1")
    assert (found["suite.commit"], found["suite.code_sha256"]) == ("c0ffee", "d1")
    assert (found["host.chip"], found["npu.chip"]) == ("Ascend310P3", "none")
    assert (found["host.mean_ap.reference"], found["npu.mean_ap.candidate"]) == ("0.9", "0.7")
    assert (found["host.protocol"], found["host.pictures"]) == ("abc", "2 of 3")
    assert found["host.culprit"] == "heads: only deltas depart"
    for name, exhibit in asdict(trial)["exhibits"].items():
        assert found[f"host.sha256.{name}"] == exhibit["sha256"]
    assert not any("\n" in value for value in found.values())


def test_a_run_that_judged_nothing_has_its_status_alone():
    found = dict(run_properties(as_json(verdict_of(None, [criterion_of("a")], "NOT JUDGED", "x"), [], [], {}, {}), 10))

    assert found["verdict.status"] == "NOT JUDGED"
    assert not any(name.startswith("host.") for name in found)
