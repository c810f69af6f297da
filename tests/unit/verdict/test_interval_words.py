"""The interval in words, and where it judges: on a part, with --gate=interval, and never of what no device made."""

import dataclasses

import pytest

from rfcn_lib.score.intervals import ClassInterval, Intervals
from rfcn_lib.score.paired import Paired
from rfcn_lib.verdict import interval_words
from rfcn_lib.verdict.criterion import Criterion, UndecidedError
from rfcn_lib.verdict.page import page
from rfcn_lib.verdict.verdict import ACCURACY, ELSEWHERE, HOST, NPU, REHEARSED, SIMULATED, verdict
from tests.unit.verdict.test_verdict import TRIAL, judged

CAT = ClassInterval("INCONCLUSIVE", 0.12, -0.01, 0.4, 14, 303)
DOG = ClassInterval("PASS", 0.0, 0.0, 0.09, 40, None)
COW = ClassInterval("FAIL", 0.5, 0.3, 0.7, 40, None)
DROP = Intervals(
    decision="INCONCLUSIVE",
    drop=0.0059,
    resampled_drop=0.005,
    lower=-0.0249,
    upper=0.0353,
    low_95=-0.031,
    high_95=0.042,
    area=(0.005, -0.039, 0.049),
    needed=1590,
    lost_a_class=0.0,
    pictures=140,
    resamples=2000,
    seed=2007,
    unseen=4 / 3,
    margin=0.01,
    class_margin=0.1,
    classes={"cat": CAT, "dog": DOG},
)


def trial_with(drop=DROP, **changes):
    return dataclasses.replace(TRIAL, paired=dataclasses.asdict(Paired(136, 2, 2, drop)), **changes)


@pytest.mark.parametrize(
    ("gate", "partial", "on", "judges"),
    [
        ("point", False, HOST, False),
        ("point", False, NPU, False),
        ("point", True, HOST, True),
        ("point", True, NPU, True),
        ("point", True, ELSEWHERE, True),
        ("point", True, REHEARSED, False),
        ("point", True, SIMULATED, False),
        ("interval", False, NPU, True),
        ("interval", True, REHEARSED, True),
    ],
)
def test_where_the_interval_judges(gate, partial, on, judges):
    trial = trial_with(gate=gate, candidate_on=on, set_size=3 if partial else 2)

    assert trial.by_interval is judges
    assert not dataclasses.replace(trial, paired=None).by_interval, "there is no pairing with a published mean"


@pytest.mark.parametrize(
    ("lower", "upper", "holds", "undecided"),
    [
        (-0.02, 0.009, True, False),
        (-0.02, 0.01, False, True),
        (0.01, 0.02, False, True),
        (0.011, 0.02, False, False),
        (float("nan"), float("nan"), False, False),
    ],
)
def test_an_interval_holds_only_below_the_limit(lower, upper, holds, undecided):
    found = Criterion("drop", 0.0, "<=", 0.01, "somebody", lower, upper)

    assert (found.holds(), found.undecided()) == (holds, undecided)
    if undecided:
        with pytest.raises(UndecidedError, match="not enough pictures to tell: drop: 0"):
            found.expect_decided()
    else:
        found.expect_decided()


def test_a_number_without_an_interval_is_never_undecided():
    assert not Criterion("drop", 0.01, "<=", 0.01, "somebody").undecided()
    assert Criterion("drop", 0.005, "<=", 0.01, "somebody").holds()


def test_what_cannot_be_told_is_inconclusive_and_says_how_many_pictures_would_decide():
    said = interval_words.undecided(trial_with().paired, by_class=False)
    trial = trial_with(set_size=3, undecided=said)
    found = verdict(trial, *undecided_at("mean AP drop, relative"), accept=True)

    assert found.status == "INCONCLUSIVE"
    assert "not enough pictures to tell in 2 of 3" in found.words
    assert "about 1,600 pictures would decide" in found.words
    assert "ccept" not in found.words
    rows = {row["name"]: row["outcome"] for row in found.criteria}
    assert rows["mean AP drop, relative"] == "undecided"


def undecided_at(name, **outcomes):
    """Criteria and outcomes, all passed but the one that could not tell."""
    criteria, tests = judged(ACCURACY, **outcomes)
    criteria[f"t::{name}"] = [Criterion(name, 0.005, "<=", 0.01, "somebody", -0.02, 0.03)]
    return criteria, {**tests, f"t::{name}": "undecided"}


def test_a_test_that_could_not_tell_is_never_a_pass():
    found = verdict(TRIAL, *undecided_at("no class lost"), accept=False)

    assert found.status == "INCONCLUSIVE"
    assert "no class lost" in found.words


@pytest.mark.parametrize("outcome", ["passed", "undecided"])
def test_a_test_and_its_interval_must_say_the_same(outcome):
    criteria, tests = undecided_at("no class lost")
    if outcome == "undecided":  # but its number holds
        criteria["t::no class lost"] = [Criterion("no class lost", 0.0, "<=", 0.01, "somebody", -0.02, 0.005)]
    found = verdict(TRIAL, criteria, {**tests, "t::no class lost": outcome}, accept=False)

    assert found.status == "NOT JUDGED"
    assert "contradict" in found.words


def test_a_failure_beside_what_cannot_be_told_is_a_failure():
    criteria, tests = undecided_at("mean AP drop, relative")
    criteria["t::no class lost"] = [Criterion("no class lost", 0.5, "<=", 0.1, "somebody")]

    assert (
        verdict(trial_with(set_size=3), criteria, {**tests, "t::no class lost": "failed"}, accept=False).status
        == "FAILED"
    )


def test_a_part_that_passes_stays_a_first_look_with_its_interval():
    passing = dataclasses.replace(DROP, decision="PASS", upper=0.008, needed=None)
    found = verdict(trial_with(passing, set_size=3), *judged(ACCURACY), accept=True)

    assert found.status == "PARTIAL"
    assert "nothing can be accepted; for pictures like these: PASS, mean AP drop +0.59 %, limits" in found.words
    assert interval_words.undecided(trial_with(passing).paired, by_class=False) == ()


def test_a_class_that_is_undecided_counts_where_that_is_asked():
    passing = trial_with(dataclasses.replace(DROP, decision="PASS")).paired

    assert interval_words.undecided(passing, by_class=False) == ()
    (said,) = interval_words.undecided(passing, by_class=True)
    assert "1 undecided, a class needs 30 pictures at least: cat +12 %" in said
    assert "14 pictures, about 310 would decide" in said
    decided = dataclasses.replace(DROP, decision="PASS", classes={"dog": DOG, "cow": COW})
    assert interval_words.undecided(trial_with(decided).paired, by_class=True) == ()


def test_a_margin_of_0_is_shown_by_no_number_of_pictures():
    none = dataclasses.replace(DROP, margin=0.0, class_margin=0.0)
    said = interval_words.undecided(trial_with(none).paired, by_class=True)

    assert "margin 0 %" in said[0]
    assert "a margin of 0 is shown by no number of pictures" in said[1]


def test_without_a_pairing_there_is_nothing_undecided_and_the_page_says_why():
    assert interval_words.undecided(None, by_class=True) == ()
    assert interval_words.so_far(None) == ""
    (line,) = interval_words.interval_lines(None, judges=False)
    assert "the reference is a published mean" in line


def test_the_page_has_the_interval_the_classes_and_the_ties():
    drop = dataclasses.replace(DROP, classes={"cat": CAT, "dog": DOG, "cow": COW})
    ties = {"reference": {"low": 0.91, "high": 0.9142, "widest_class": "cat", "width": 0.01}}
    trial = trial_with(drop, ties=ties)
    text = " ".join(page(trial, verdict(trial, *judged(ACCURACY), accept=False), (), 120).split())

    assert "for pictures like these: INCONCLUSIVE; this stands beside the criteria" in text
    assert "mean AP drop +0.59 %, limits -2.49 .. +3.53 % (95 %, one side each), margin 1 %" in text
    assert "136 pictures as the reference, 2 worse, 2 better" in text
    assert "1 of 3 are shown to lose less than 10 %; cow: shown to lose more; 1 undecided" in text
    assert "reference 0.9100 to 0.9142" in text
    assert (
        "warning equal scores of the reference move mean AP by 0.0042, most in cat: more than a tenth of the margin"
        in text
    )


def test_equal_scores_that_move_little_are_no_warning():
    narrow = {"candidate": {"low": 0.9141, "high": 0.9142, "widest_class": "cat", "width": 0.001}}

    assert len(interval_words.tie_lines(narrow, None, 0.9)) == 1
    assert len(interval_words.tie_lines(narrow, trial_with(dataclasses.replace(DROP, margin=0.0005)).paired, 0.9)) == 2
    assert interval_words.tie_lines({}, None, 0.9) == []


@pytest.mark.parametrize(("needed", "said"), [(27, "about 27 "), (1590, "about 1,600 "), (2001, "about 2,100 ")])
def test_the_number_is_an_estimate_rounded_up(needed, said):
    assert (
        said in interval_words.undecided(trial_with(dataclasses.replace(DROP, needed=needed)).paired, by_class=False)[0]
    )


def test_a_drop_at_the_margin_is_decided_by_no_number_of_pictures():
    drop = dataclasses.replace(DROP, needed=None)

    assert (
        "not even 10,000,000 pictures would decide"
        in interval_words.undecided(trial_with(drop).paired, by_class=False)[0]
    )
