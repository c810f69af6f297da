"""What -m asks for, as far as options depend on it."""

import pytest

from rfcn_lib.suite.marks import asks_for
from tests.unit.suite.test_options import read_with


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("rehearsal", True),
        ("accuracy or rehearsal", True),
        ("rehearsal and not slow", True),
        ("not accuracy", True),
        ("", False),
        ("accuracy", False),
        ("accuracy and not rehearsal", False),
        ("not rehearsal", False),
        ("not (slow or rehearsal)", False),
        ("rehearsals", False),
        ("rehearsal or", False),
    ],
)
def test_a_mark_is_asked_for_where_a_test_with_it_would_run(expression, asked):
    assert asks_for(expression, "rehearsal") is asked


def test_what_is_said_of_a_rehearsal_is_not_said_where_it_is_left_out():
    assert read_with(marks="accuracy and not rehearsal", accept=True).accept
    assert read_with("--dumps=.", marks="accuracy and not rehearsal").dumps is not None
