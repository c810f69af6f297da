"""Figures of matched boxes, rates and protocols: each has its words, and none grows with the set."""

import numpy as np
import pytest

from rfcn_lib.report.comparisons import protocol_dots, rate_bars
from rfcn_lib.report.drawn import ProtocolMean
from rfcn_lib.report.scatter import pairs_figures, pairs_in_words
from rfcn_lib.suite.drawing_of_set import pairs_of
from tests.support.html_pages import Page, faults_of
from tests.support.trials import cells_of, pace_of, pairs_drawn


def alternative(svg):
    assert faults_of(str(svg)) == []
    return Page(str(svg)).named("svg")[0]["aria-label"]


def test_matched_boxes_say_how_far_scores_centres_and_sizes_are_apart():
    figures = pairs_figures(pairs_drawn(), "x")

    assert [caption for caption, _ in figures] == ["scores", "how far the centre moved", "how the size changed"]
    said = [alternative(svg) for _, svg in figures]
    assert "0.25 at most" in said[0]
    assert "12 px at most" in said[1] and "+1 px to the right and -2 px down" in said[1]
    assert "+3 px wider and -4 px higher" in said[2]
    assert "7 of the reference and 3 of the candidate have no partner" in pairs_in_words(pairs_drawn())


def test_a_figure_of_every_cell_is_small():
    side = np.linspace(0, 1, 40)
    x, y = (axis.ravel() for axis in np.meshgrid(side, side))
    full = cells_of(x, y, np.arange(len(x)) + 1)
    svg = pairs_figures(pairs_drawn().model_copy(update={"scores": full}), "x")[0][1]

    assert len(svg) < 150_000


@pytest.mark.parametrize("count", [1, 400])
def test_every_cell_has_a_dot(count):
    """A dot is a line without length: two equal points of a path."""
    few = cells_of(np.linspace(0.1, 0.9, count), np.full(count, 0.5), np.ones(count))
    with_dots = str(pairs_figures(pairs_drawn().model_copy(update={"scores": few}), "x")[0][1])
    without = str(pairs_figures(pairs_drawn().model_copy(update={"scores": cells_of([], [], [])}), "x")[0][1])

    assert with_dots.count("\nL ") - without.count("\nL ") == count


def test_no_pair_at_all_has_a_figure_too():
    assert "0 pairs" in alternative(pairs_figures(pairs_of({}, {}), "x")[0][1])


def test_rates_say_whose_they_are_and_what_the_limit_is():
    paces = [pace_of("T4", 3.61), pace_of("NPU", 4.93, "interface x chips (extrapolated)")]
    said = alternative(rate_bars(paces, 1, 3.61, "x"))

    assert "T4, whole script: 3.61; NPU, interface x chips (extrapolated): 4.93" in said
    assert "the limit is 3.61" in said
    assert "limit" not in alternative(rate_bars(paces[:1], 1, None, "x"))


def test_protocols_say_both_sides_and_a_side_that_is_not_known_is_left_out():
    rows = [ProtocolMean(protocol="VOC (a, b), IoU > 0.5", reference=0.75, candidate=0.5)]

    assert "VOC (a, b), IoU > 0.5: reference 0.7500, candidate 0.5000" in alternative(protocol_dots(rows, "x"))
    alone = [ProtocolMean(protocol="VOC", reference=None, candidate=0.5)]
    assert "reference" not in alternative(protocol_dots(alone, "x"))
