"""What may be said after a run: every status reached, and the words of an acceptance never by a lesser run."""

import dataclasses
import math

import pytest

from rfcn_lib.verdict.criterion import Criterion
from rfcn_lib.verdict.page import page
from rfcn_lib.verdict.verdict import (
    ACCURACY,
    ELSEWHERE,
    HOST,
    NPU,
    PUBLISHED,
    REHEARSED,
    SIMULATED,
    THROUGHPUT,
    Trial,
    verdict,
)

WANTED = ACCURACY
TRIAL = Trial(
    port="a port",
    device="host",
    candidate_on=HOST,
    candidate_device="ONNX Runtime",
    reference_device="PyTorch",
    exhibits={},
    commands=(),
    ids=("000001", "000002"),
    set_name="test",
    set_size=2,
    tolerated={},
    protocol={"name": "VOC07"},
    reference_mean_ap=0.7,
    reference_ap={"cat": 0.7},
    candidate_mean_ap=0.7,
    candidate_ap={"cat": 0.7},
    paired=None,
    cropped={},
    loosened=(),
    unpublished=(),
    published_port=True,
    voc2007_test=True,
    published_applies=False,
    throughput_applies=False,
    canvas="published",
    canvases={"1344x1344": 2},
    canvas_area=1.0,
)
WHOLE = dataclasses.replace(TRIAL, candidate_on=ELSEWHERE, published_applies=True)


def judged(names, *, failed=()):
    """Criteria by test and outcomes by test; all hold and passed but those that failed."""
    criteria = {f"t::{name}": [Criterion(name, 2.0 * (name in failed), "<=", 1.0, "somebody")] for name in names}
    return criteria, {test: "failed" if test.removeprefix("t::") in failed else "passed" for test in criteria}


def status(trial, names=WANTED, accept=False):
    return verdict(trial, *judged(names), accept=accept).status


@pytest.mark.parametrize(
    ("number", "relation", "limit", "holds"),
    [
        (0.01, "<=", 0.01, True),
        (math.nextafter(0.01, 1), "<=", 0.01, False),
        (0.6986, ">=", 0.6986, True),
        (math.nextafter(0.6986, 0), ">=", 0.6986, False),
        (140, "==", 140, True),
        (139, "==", 140, False),
        (math.nan, "<=", 1, False),
        (math.nan, ">=", 0, False),
        (math.nan, "==", math.nan, False),
    ],
)
def test_a_criterion_holds_at_its_limit_and_never_for_nan(number, relation, limit, holds):
    assert Criterion("c", number, relation, limit, "s").holds() is holds


def test_the_host_stand_in_passes_without_the_words_of_an_acceptance():
    found = verdict(TRIAL, *judged(WANTED), accept=True)

    assert found.status == "PASSED"
    assert "host stand-in" in found.words
    assert "no NPU was judged" in found.words
    assert "ccept" not in found.words


def test_a_limited_run_is_partial_whatever_it_found():
    part = dataclasses.replace(WHOLE, set_size=3)
    found = verdict(part, *judged((*WANTED, PUBLISHED)), accept=True)

    assert found.status == "PARTIAL"
    assert "2 of 3 pictures" in found.words
    assert "nothing can be accepted" in found.words


def test_dumps_made_elsewhere_pass_at_most():
    assert status(WHOLE, (*WANTED, PUBLISHED), accept=True) == "PASSED"
    assert status(WHOLE, (*WANTED, PUBLISHED, THROUGHPUT), accept=True) == "PASSED"
    assert status(WHOLE, WANTED, accept=True) == "NOT JUDGED"


@pytest.mark.parametrize("name", WANTED)
def test_one_failed_criterion_fails_the_run_and_is_named(name):
    found = verdict(TRIAL, *judged(WANTED, failed=[name]), accept=False)

    assert found.status == "FAILED"
    assert name in found.words


@pytest.mark.parametrize("name", WANTED)
def test_one_criterion_left_out_is_no_verdict(name):
    assert status(TRIAL, [other for other in WANTED if other != name]) == "NOT JUDGED"


def test_loosened_limits_are_said_in_the_verdict():
    loose = dataclasses.replace(TRIAL, loosened=("mean_ap_drop 1, published 0.01",))

    found = verdict(loose, *judged(WANTED), accept=False)
    assert found.status == "LOOSENED"
    assert "LOOSENED limits (mean_ap_drop 1, published 0.01)" in found.words


@pytest.mark.parametrize("on", [HOST, ELSEWHERE, NPU, SIMULATED, REHEARSED])
@pytest.mark.parametrize("set_size", [2, 3])
def test_loosened_limits_never_pass_accept(on, set_size):
    loose = dataclasses.replace(ON_NPU, candidate_on=on, set_size=set_size, loosened=("mean_ap 0, published 0.6986",))
    found = verdict(loose, *judged(EVERYTHING), accept=True)

    assert found.status == "LOOSENED"
    assert "mean_ap 0, published 0.6986" in found.words


@pytest.mark.parametrize("on", [HOST, NPU])
@pytest.mark.parametrize("accept", [False, True])
def test_too_few_pictures_to_tell_is_neither_passed_nor_failed(on, accept):
    few = dataclasses.replace(ON_NPU, candidate_on=on, undecided=("mean AP drop: about 900 pictures would decide",))
    found = verdict(few, *judged(EVERYTHING), accept=accept)

    assert found.status == "INCONCLUSIVE"
    assert "about 900 pictures would decide" in found.words
    assert verdict(few, *judged(EVERYTHING, failed=["no class lost"]), accept=accept).status == "FAILED"
    criteria, tests = judged(EVERYTHING)
    assert verdict(few, criteria, {**tests, "t::no class lost": "error"}, accept=accept).status == "NOT JUDGED"


def test_an_error_is_no_verdict_and_no_failure():
    criteria, tests = judged(WANTED)

    assert verdict(TRIAL, criteria, {**tests, "t::other": "error"}, accept=False).status == "NOT JUDGED"
    assert verdict(None, {}, {"t::x": "error"}, accept=False).status == "NOT JUDGED"
    assert verdict(None, {}, {}, accept=False).status == "NOT JUDGED"


def test_a_failure_beside_an_error_is_a_failure_that_says_so():
    criteria, tests = judged(WANTED, failed=["no class lost"])
    found = verdict(TRIAL, criteria, {**tests, "t::other": "error"}, accept=False)

    assert found.status == "FAILED"
    assert "1 more could not be judged" in found.words


def test_a_published_reference_has_no_classes_to_lose():
    mean_only = dataclasses.replace(TRIAL, reference_ap={})
    names = [name for name in ACCURACY if name != "no class lost"]

    assert status(mean_only, names) == "PASSED"


EVERYTHING = (*WANTED, PUBLISHED, THROUGHPUT)
ON_NPU = dataclasses.replace(WHOLE, candidate_on=NPU, device="npu", throughput_applies=True)


def test_an_npu_is_accepted_only_with_its_throughput():
    assert status(ON_NPU, EVERYTHING, accept=True) == "ACCEPTED"
    assert status(ON_NPU, (*WANTED, PUBLISHED), accept=True) == "NOT JUDGED"


def test_a_full_acceptance_needs_everything_at_once():
    for change in (
        {"voc2007_test": False},
        {"published_port": False},
        {"canvas": "fitted"},
        {"loosened": ("mean_ap 0.05 of --baseline, published 0.6986",)},
        {"candidate_on": HOST},
        {"candidate_on": ELSEWHERE},
        {"candidate_on": SIMULATED},
        {"candidate_on": REHEARSED},
        {"set_size": 3},
    ):
        assert status(dataclasses.replace(ON_NPU, **change), EVERYTHING, accept=True) != "ACCEPTED", change
    assert status(ON_NPU, EVERYTHING, accept=False) == "PASSED"
    mean_only = dataclasses.replace(ON_NPU, reference_ap={})
    assert status(mean_only, [name for name in EVERYTHING if name != "no class lost"], accept=True) == "PASSED"
    criteria, tests = judged(EVERYTHING)
    assert verdict(ON_NPU, criteria, {**tests, "t::other": "skipped"}, accept=True).status == "PASSED"


def test_flags_that_are_not_the_published_ones_are_said():
    found = verdict(dataclasses.replace(ON_NPU, unpublished=("--x=1",)), *judged(EVERYTHING), accept=True)

    assert found.status == "ACCEPTED"
    assert "compiled with --x=1 besides the published flags" in found.words


def test_fitted_canvases_are_said_and_never_accepted():
    fitted = dataclasses.replace(ON_NPU, canvas="fitted", canvases={"688x512": 1, "512x688": 1}, canvas_area=0.2)
    found = verdict(fitted, *judged(EVERYTHING), accept=True)

    assert found.status == "PASSED"
    assert "on 2 FITTED canvases" in found.words
    assert found.trial["canvases"] == {"688x512": 1, "512x688": 1}
    assert "FITTED" not in verdict(ON_NPU, *judged(EVERYTHING), accept=True).words


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("set_size", [2, 3])
@pytest.mark.parametrize(("on", "said"), [(SIMULATED, "no device was judged"), (REHEARSED, "no NPU was judged")])
def test_what_no_device_made_never_gets_the_words_of_an_acceptance(on, said, accept, set_size):
    made = dataclasses.replace(ON_NPU, candidate_on=on, set_size=set_size, candidate_device=f"{on} Ascend310")
    found = verdict(made, *judged(EVERYTHING), accept=accept)

    assert found.status == on
    assert said in found.words
    assert "ccept" not in found.words

    failed = verdict(made, *judged(EVERYTHING, failed=[THROUGHPUT]), accept=accept)
    assert failed.status == "FAILED"
    assert f"{on} Ascend310" in failed.words


def test_a_set_that_needed_tolerance_says_so_with_counts():
    trial = dataclasses.replace(
        TRIAL, set_name="val", tolerated={"annotations of a kind": 78, "pictures that are PNG": 3}
    )
    found = verdict(trial, *judged(WANTED), accept=False)
    lines = page(trial, found, (), 100).splitlines()
    assert "tolerated  78 annotations of a kind" in lines
    assert "tolerated  3 pictures that are PNG" in lines
    assert any(line.startswith("judged     2 of 2 pictures of set val;") for line in lines)
    assert found.trial["tolerated"] == trial.tolerated
    assert not any(line.startswith("tolerated") for line in page(TRIAL, found, (), 100).splitlines())


@pytest.mark.parametrize("number", [1.5, math.nan])
@pytest.mark.parametrize("accept", [False, True])
def test_a_number_beyond_its_limit_is_no_passed_criterion_whatever_its_test_said(number, accept):
    """As when the assert of a test was commented out."""
    criteria, tests = judged(EVERYTHING)
    criteria["t::no class lost"] = [Criterion("no class lost", number, "<=", 1.0, "somebody")]
    found = verdict(ON_NPU, criteria, tests, accept=accept)

    assert found.status == "NOT JUDGED"
    assert "no class lost" in found.words
    assert {row["name"]: row["outcome"] for row in found.criteria}["no class lost"] == "error"
    assert found.tests["t::no class lost"] == "error"


def test_a_test_that_failed_although_its_number_holds_is_no_verdict_either():
    criteria, tests = judged(WANTED)
    found = verdict(TRIAL, criteria, {**tests, "t::no class lost": "failed"}, accept=False)

    assert found.status == "NOT JUDGED"
    assert "no class lost" in found.words


def test_of_several_numbers_of_a_failed_test_only_those_beyond_their_limits_are_named():
    criteria, tests = judged(WANTED)
    criteria["t::no class lost"] += [Criterion("cat", 2.0, "<=", 1.0, "somebody")]
    found = verdict(TRIAL, criteria, {**tests, "t::no class lost": "failed"}, accept=False)

    assert found.status == "FAILED"
    assert found.words.endswith(": cat")


def test_a_run_that_pytest_did_not_end_is_not_judged_even_if_all_criteria_hold():
    found = verdict(ON_NPU, *judged(EVERYTHING), accept=True, ended="interrupted")

    assert found.status == "NOT JUDGED"
    assert "interrupted" in found.words


TOO_GOOD = "TOO GOOD: mean AP 0.9970 is 9.06% above the reference's 0.9142"


@pytest.mark.parametrize("on", [HOST, NPU])
def test_a_number_that_is_too_good_is_said_and_not_accepted_until_explained(on):
    good = dataclasses.replace(ON_NPU, candidate_on=on, too_good=TOO_GOOD)
    explained = dataclasses.replace(good, explained="The reference ran on another checkpoint.")

    assert TOO_GOOD in verdict(good, *judged(EVERYTHING), accept=False).words
    found = verdict(good, *judged(EVERYTHING), accept=True)
    assert found.status == "NOT JUDGED"
    assert TOO_GOOD in found.words and "--explained=" in found.words
    found = verdict(explained, *judged(EVERYTHING), accept=True)
    assert found.status == ("ACCEPTED" if on == NPU else "PASSED")
    assert "explained: The reference ran on another checkpoint." in found.words


def test_a_suite_that_differs_from_its_commit_accepts_nothing():
    differs = ("tests/test_accuracy.py",)
    found = verdict(ON_NPU, *judged(EVERYTHING), accept=True, code_differs=differs)

    assert found.status == "NOT JUDGED"
    assert "tests/test_accuracy.py" in found.words
    assert verdict(TRIAL, *judged(WANTED), accept=True, code_differs=differs).status == "PASSED"
    assert verdict(ON_NPU, *judged(EVERYTHING), accept=True).status == "ACCEPTED"


def test_a_set_that_is_not_as_what_fixes_it_is_never_passed():
    changed = dataclasses.replace(
        ON_NPU, set_changed=5, set_standing="in 5 files the objects are not those of the port file"
    )
    short = dataclasses.replace(ON_NPU, set_size=7, set_missing=5, set_standing="5 of the 7 pictures are not in it")

    for accept in (False, True):
        found = verdict(changed, *judged(EVERYTHING), accept=accept)
        assert found.status == "NOT JUDGED"
        assert "in 5 files" in found.words
        found = verdict(short, *judged(EVERYTHING), accept=accept)
        assert found.status == "PARTIAL"
        assert "5 of the 7 pictures are not in it" in found.words
