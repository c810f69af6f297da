"""What the suite does with figures: what it refuses, what it says, and what goes into the verdict's file."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rfcn_lib.agreement import proposals
from rfcn_lib.agreement.figures import Figure
from rfcn_lib.agreement.heads import DELTAS, SCORES
from rfcn_lib.agreement.pictures import LEAST, NAMES, Apart
from rfcn_lib.suite.agreement import NEARER, Agreed, beyond, clip_of, expect_device, in_words
from rfcn_lib.suite.judging import UnfairError
from rfcn_lib.verdict.verdict import ELSEWHERE, HOST, NPU, REHEARSED, SIMULATED
from tests.support.agreement_scenes import boxes_changed, picture_of, source

LIMITS = {**LEAST, "scores": 0.01}
FOUND = (Figure(proposals.LOST, 0.3, 0.05, 0.1, 600.0), Figure(SCORES, 1e-4, 1e-4, 2e-4, 32.0))


def agreed(each, found=FOUND, **more):
    given = {"runs": None, "soc": None, "precision_mode": None, "reference": None, "records": {}, **more}
    return Agreed("the floor in words", ("1",), found, each, LIMITS, **given)


def candidate_on(on):
    return SimpleNamespace(on=on, judged=SimpleNamespace(folder=Path("result")))


def scores(got, floor):
    return (Figure(DELTAS, 0.0, 1e-3, 2e-3, 32.0), Figure(SCORES, got, floor, 2 * floor, 32.0))


@pytest.mark.parametrize("on", [NPU, ELSEWHERE])
def test_outputs_nearer_to_float32_than_a_device_can_be_are_refused(on):
    for got in (0.0, 1e-3 / NEARER * 0.99):
        with pytest.raises(UnfairError, match=r"result: .* should|no device is 10 times nearer"):
            expect_device(scores(got, 1e-3), candidate_on(on))
    expect_device(scores(1e-3 / NEARER * 1.01, 1e-3), candidate_on(on))
    expect_device(scores(1e-2, 1e-3), candidate_on(on))
    expect_device(scores(0.0, 0.0), candidate_on(on))
    expect_device(scores(0.0, 1e-3)[:1], candidate_on(on))


@pytest.mark.parametrize("on", [HOST, REHEARSED, SIMULATED])
def test_what_does_not_claim_to_be_a_device_may_be_as_near_as_it_likes(on):
    expect_device(scores(0.0, 1e-3), candidate_on(on))


@pytest.mark.parametrize(
    ("of_graph", "option", "om", "moved", "clip"),
    [
        ("canvas", "canvas", None, 500, "canvas"),
        ("frozen", "canvas", None, 0, "canvas"),
        ("none", "canvas", None, 0, "none"),
        ("unknown", "none", None, 0, "none"),
        ("unknown", "canvas", None, 0, "canvas"),
        ("unknown", "canvas", None, 500, "canvas"),
        ("unknown", "canvas", "a.om", 0, "canvas"),
        ("unknown", "canvas", "a.om", 500, "none"),
    ],
)
def test_what_proposals_are_clipped_to(of_graph, option, om, moved, clip):
    """What the graph says first, then the option; of an om's graph nothing is known but its outputs."""
    sample = SimpleNamespace(ids=("1",), records={"1": picture_of("1")})
    got = boxes_changed(source("1"), lambda xyxy: xyxy + moved)
    found = clip_of(SimpleNamespace(clip=of_graph), lambda id: got, sample, SimpleNamespace(clip=option, om=om))
    assert found == clip


EACH = {"1": Apart(0.0, 0.02, 0.0), "2": Apart(0.0, 0.001, 0.0), "3": Apart(0.3, 0.05, 0.0)}


def test_the_worst_pictures_come_first_and_the_worst_number_judges():
    found = agreed(EACH)

    assert [id for id, *_ in found.alone] == ["3", "3", "1"]
    assert found.worst_picture_times == found.alone[0][2] == pytest.approx(0.3 / LEAST["uncovered"])
    assert agreed({"2": EACH["2"]}).worst_picture_times == pytest.approx(0.1)
    assert found.of("proposals") == FOUND[:1]
    assert "the floor in words" in found.source


def test_the_verdicts_file_has_every_figure_and_every_picture_beyond_a_limit():
    written = json.loads(json.dumps(agreed(EACH).as_json(), allow_nan=False))

    lost, near = written["figures"]
    assert lost["figure"] == proposals.LOST.name and lost["group"] == "proposals" and lost["unit"] == "share"
    assert (lost["got"], lost["arithmetic alone"], lost["limit"]) == (0.3, 0.05, 0.1)
    assert lost["times"] == pytest.approx(3) and near["times"] == pytest.approx(0.5)
    assert [row["picture"] for row in written["alone"]] == ["3", "3", "1"]
    assert {row["what"] for row in written["alone"]} == {NAMES["uncovered"], NAMES["scores"]}
    assert written["floor"] == "the floor in words" and written["pictures"] == ["1"]


def test_the_figures_are_in_numbers_that_pytest_xdist_carries_from_process_to_process():
    """numpy's float64 passes json, but not execnet: `pytest -n 2 -m accuracy` ended with an internal error."""
    each = {id: Apart(*map(np.float64, (one.uncovered, one.scores, one.deltas))) for id, one in EACH.items()}
    figures = tuple(dataclasses.replace(one, got=np.float64(one.got), limit=np.float64(one.limit)) for one in FOUND)
    written = dataclasses.replace(agreed(each), found=figures).as_json()

    for row in (*written["figures"], *written["alone"]):
        assert {type(value) for value in row.values()} == {str, float}


def test_only_figures_beyond_their_limits_are_said():
    assert beyond(FOUND).splitlines() == [str(FOUND[0])]
    assert beyond(FOUND[1:]) == ""


@pytest.mark.parametrize(("count", "lines"), [(0, 0), (10, 10), (12, 11)])
def test_of_many_pictures_the_first_are_said_and_the_others_counted(count, lines):
    said = in_words([(f"{n:06}", "scores", 3.0) for n in range(count)]).splitlines()

    assert len(said) == lines
    assert count <= 10 or "2 more" in said[-1]
    assert all(f"{n:06}" in line for n, line in enumerate(said[:10]))
