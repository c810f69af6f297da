"""The table of protocols as a person reads it."""

import pytest

from rfcn_lib.score.protocols import ProtocolScore
from rfcn_lib.verdict.page import protocols_page

LONG = "another protocol, whose name is so long that it takes more than one line of a terminal"
REFERENCE = (
    ProtocolScore("one protocol", 0.75, {"cat": 1.0, "dog": 0.5}),
    ProtocolScore(LONG, 0.5, {"cat": 0.6, "dog": 0.4}),
)
CANDIDATE = (
    ProtocolScore("one protocol", 0.7, {"cat": 1.0, "dog": 0.4}),
    ProtocolScore(LONG, 0.5, {"cat": 0.6, "dog": 0.4}),
)


def test_reference_and_candidate_stand_side_by_side_in_a_row_with_the_protocol_s_name():
    lines = protocols_page(REFERENCE, CANDIDATE, 80, by_class=False).splitlines()
    row = next(line for line in lines if "one protocol" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["one protocol", "0.7500", "0.7000", "-0.0500"]
    words = " ".join(line.split("│")[1].strip() for line in lines if line.startswith("│"))
    assert LONG in words, "a long name is folded, not cut"
    assert "cat" not in words
    assert all(len(line) <= 80 for line in lines[1:])


def test_the_classes_follow_protocol_by_protocol():
    text = protocols_page(REFERENCE, CANDIDATE, 120, by_class=True)
    first, second = text.split("\nanother protocol")
    for line in ("│ dog   │    0.5000 │    0.4000 │    -0.1000 │", "│ mean  │    0.7500 │    0.7000 │    -0.0500 │"):
        assert line in first
        assert line not in second
    assert "│ cat   │    0.6000 │    0.6000 │    +0.0000 │" in second


def test_a_reference_that_is_a_published_figure_has_no_column_of_numbers():
    text = protocols_page(None, CANDIDATE, 120, by_class=True)
    row = next(line for line in text.splitlines() if "one protocol" in line)
    assert [cell.strip() for cell in row.split("│")[2:-1]] == ["", "0.7000", ""]


@pytest.mark.parametrize("reference", [REFERENCE[::-1], REFERENCE[:1], (REFERENCE[0], ProtocolScore(LONG, 0.5, {}))])
def test_two_sides_that_are_not_alike_are_no_table(reference):
    with pytest.raises(ValueError, match=r"reference's score is of|zip\(\)"):
        protocols_page(reference, CANDIDATE, 120, by_class=False)
