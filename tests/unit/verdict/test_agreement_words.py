"""The page says of each group the worst figure, which pictures went wrong alone, and what the departure is put down to."""

import dataclasses

import pytest

from rfcn_lib.verdict.agreement_words import ALONE_SHOWN, agreement_lines
from rfcn_lib.verdict.page import page
from rfcn_lib.verdict.verdict import verdict
from tests.unit.verdict.test_verdict import TRIAL, WANTED, judged


def row(figure, group, times, unit="1"):
    numbers = {"got": 0.25 * times, "arithmetic alone": 0.0625, "limit": 0.25, "times": times}
    return {"figure": figure, "group": group, "unit": unit, **numbers}


AGREES = {
    "floor": "REHEARSED Ascend310P3",
    "pictures": ["000001"],
    "figures": [
        row("moved in x", "proposals", 0.5, "px"),
        row("lost", "proposals", 0.25),
        row("scores", "heads", 0.75),
    ],
    "alone": [],
}
BLAME = {
    "stage": "proposals",
    "fault": "shifted",
    "sentence": "Anchors lie two pixels off.",
    "evidence": "moved in x: 2",
}


def test_a_run_that_agrees_names_the_nearest_figure_of_each_group():
    lines = agreement_lines(AGREES, None)

    assert len(lines) == 4
    assert "REHEARSED Ascend310P3" in lines[0]
    moved, scores = lines[1:3]
    assert moved.split()[0] == "proposals" and scores.split()[0] == "heads"
    assert "moved in x" in moved and "lost" not in moved
    for words in ("got 0.125 px", "arithmetic alone 0.0625", "limit 0.25"):
        assert words in moved
    assert "BEYOND" not in "".join(lines)


def test_figures_beyond_their_limits_are_counted_and_the_worst_is_named_whatever_the_order():
    figures = [row("lost", "proposals", 1.5), row("moved in x", "proposals", 8.0, "px"), row("scores", "heads", 0.75)]
    lines = agreement_lines({**AGREES, "figures": figures}, BLAME)

    assert "2 of 2 figures BEYOND" in lines[1]
    assert "moved in x: got 2 px" in lines[1]
    assert "BEYOND" not in lines[2]


@pytest.mark.parametrize("count", [1, ALONE_SHOWN, ALONE_SHOWN + 2])
def test_pictures_that_went_wrong_alone_are_named_once_worst_first(count):
    alone = [
        {"picture": f"{n:06}", "what": what, "times": n + 1.5} for n in range(count) for what in ("boxes", "scores")
    ]
    line = agreement_lines({**AGREES, "alone": alone}, None)[-1]

    assert f"{count} BEYOND a limit" in line
    shown = [f"{n:06}" for n in reversed(range(count))][:ALONE_SHOWN]
    assert [line.count(id) for id in shown] == [1] * len(shown)
    assert sorted(shown, key=line.index) == shown
    assert (f"{count - ALONE_SHOWN} more" in line) is (count > ALONE_SHOWN)


def test_the_culprit_is_named_with_its_evidence():
    lines = agreement_lines(AGREES, BLAME)

    assert lines[-2] == "culprit: proposals: Anchors lie two pixels off."
    assert lines[-1].strip() == "moved in x: 2"
    assert agreement_lines(AGREES, {**BLAME, "evidence": ""}) == lines[:-1]


def test_the_page_has_these_lines_and_none_where_there_is_nothing_to_agree_with():
    def shown(**changes):
        return page(dataclasses.replace(TRIAL, **changes), verdict(TRIAL, *judged(WANTED), accept=False), (), 100)

    with_both = " ".join(shown(agreement=AGREES, blame=BLAME).split())
    for line in agreement_lines(AGREES, BLAME):
        assert " ".join(line.split()) in with_both
    assert "culprit" not in shown(agreement=AGREES)
    assert "agreement  with" not in shown()
