"""A run beside an earlier one: every difference is named, and only those."""

import re

import pytest

from rfcn_lib.verdict.comparison import as_json, comparison
from rfcn_lib.verdict.comparison_page import comparison_page
from rfcn_lib.verdict.earlier import read_earlier
from rfcn_lib.verdict.verdict import REHEARSED
from tests.support.records import judged_trial, protocol_of, record_of, written
from tests.support.trials import EXHIBIT, criterion_of, verdict_of


@pytest.fixture
def compared(tmp_path):
    """compared(record of now): with the verdict of judged_trial()."""
    old = read_earlier(written(tmp_path / "old.json"))
    return lambda record: comparison(old, record)


def now_with(rows=None, status="FAILED", **changes):
    return record_of(verdict_of(judged_trial(**changes), rows, status))


def test_the_same_run_again_differs_in_nothing(compared):
    found = compared(record_of())
    (one,) = found.candidates

    assert (found.versions, found.options, one.inputs, one.unlike, one.refused) == ([], [], [], "", "")
    assert {*one.alike} == {"weights", "onnx", "pictures", "candidate dumps", "reference dumps"}
    assert one.numbers_changed == 0
    assert len(one.criteria) == 3


def test_a_number_an_outcome_and_a_limit_that_changed(compared):
    rows = [
        criterion_of("mean AP drop, relative", 0.005, "passed", limit=0.02),
        criterion_of("every picture judged", 2.0, "passed", relation="==", limit=2.0),
        criterion_of("a new one", 1.0),
    ]
    (one,) = compared(now_with(rows, "PASSED")).candidates
    found = {row.name: row for row in one.criteria}
    drop = found["mean AP drop, relative"]

    assert (drop.earlier, drop.now, drop.difference) == (0.2, 0.005, pytest.approx(-0.195))
    assert (drop.earlier_outcome, drop.now_outcome) == ("failed", "passed")
    assert (drop.earlier_limit, drop.now_limit) == ("<= 0.01", "<= 0.02")
    assert not found["every picture judged"].changed
    assert (found["a new one"].earlier, found["a new one"].earlier_outcome) == (None, "not judged")
    assert (found["heads agree"].now, found["heads agree"].now_outcome) == (None, "not judged")
    assert (one.earlier_status, one.now_status) == ("FAILED", "PASSED")


def test_classes_come_with_the_largest_fall_first(compared):
    (one,) = compared(now_with(candidate_ap={"cat": 0.85, "dog": 0.2}, candidate_mean_ap=0.525)).candidates

    assert [(row.name, pytest.approx(row.difference)) for row in one.classes] == [("dog", -0.5), ("cat", 0.05)]
    assert [row.changed for row in one.reference_classes] == [False, False]
    assert one.means[1].difference == pytest.approx(-0.175)


def test_an_input_a_version_and_an_option_that_changed(compared):
    other = {**EXHIBIT, "sha256": "cd" * 32}
    exhibits = {"weights": EXHIBIT, "onnx": other, "om": other, "pictures": EXHIBIT, "candidate dumps": EXHIBIT}
    trial = judged_trial(exhibits=exhibits)
    record = record_of(
        verdict_of(trial), options={"limit": "40", "verdict": "new.json"}, suite={"commit": "beef", "sha256": "d1" * 32}
    )
    found = compared(record)
    (one,) = found.candidates

    assert {(each.what, each.earlier, each.now) for each in one.inputs} == {
        ("onnx", "ab" * 6, "cd" * 6),
        ("om", "not noted", "cd" * 6),
        ("reference dumps", "ab" * 6, "not noted"),
    }
    assert [(each.what, each.earlier, each.now) for each in found.versions] == [("suite commit", "c0ffee", "beef")]
    assert [(each.what, each.earlier, each.now) for each in found.options] == [("limit", "not given", "40")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"candidate_on": REHEARSED, "device": "rehearsal"},
            "different kinds of device.*host stand-in earlier, REHEARSED",
        ),
        ({"chip": "Ascend310"}, "different chips are compared: not noted earlier, Ascend310 now"),
    ],
)
def test_another_device_or_chip_is_said(compared, changes, words):
    (one,) = compared(now_with(**changes)).candidates

    assert re.search(words, one.unlike)
    assert one.unlike in " ".join(comparison_page(compared(now_with(**changes)), 120).split())


def test_numbers_of_another_protocol_are_not_compared(compared):
    found = compared(now_with(protocol=protocol_of(canvas="800x800")))
    (one,) = found.candidates

    assert "canvas: 1344x1344 earlier, 800x800 now" in one.refused
    assert (one.means, one.criteria, one.classes) == ([], [], [])
    assert one.refused in " ".join(comparison_page(found, 120).split())


def test_what_is_not_known_on_one_side_is_compared(compared):
    (one,) = compared(now_with(protocol=protocol_of(clip="unknown"))).candidates

    assert one.refused == "" and one.criteria


def test_a_run_that_judged_nothing_has_no_numbers(compared):
    found = compared(record_of(verdict_of(None, [criterion_of("x")], "NOT JUDGED", "an error")))

    assert (found.earlier_status, found.now_status, found.candidates) == ("FAILED", "NOT JUDGED", [])
    assert "no number is compared" in comparison_page(found, 100)


def test_the_page_and_the_file_say_the_same(compared):
    found = compared(now_with(candidate_ap={"cat": 0.85, "dog": 0.2}))
    page, content = comparison_page(found, 120), as_json(found)

    assert content["candidates"][0]["classes"][0] == {
        "name": "dog",
        "earlier": 0.7000000000000001,
        "now": 0.2,
        "difference": pytest.approx(-0.5),
        **dict.fromkeys(("earlier_outcome", "now_outcome", "earlier_limit", "now_limit"), ""),
    }
    for words in ("dog", "-0.5000", "2 moved", "0 are the same", "changes no verdict", found.file):
        assert words in page
