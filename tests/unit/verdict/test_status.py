"""The table of statuses: each means one thing to a script, and pytest's own numbers keep their meaning."""

from typing import get_args

import pytest

from rfcn_lib.verdict.status import EXIT_STATUS, PYTESTS_OWN, Status, exit_status, worst
from tests.support import exit_statuses
from tests.support.places import ROOT


def test_of_several_candidates_the_worst_counts():
    assert worst(["ACCEPTED", "FAILED", "PASSED"]) == "FAILED"
    assert worst(["PASSED", "SIMULATED"]) == "SIMULATED"
    assert worst(["PASSED", "NOT JUDGED"]) == "NOT JUDGED"
    assert worst(["LOOSENED", "INCONCLUSIVE", "SIMULATED"]) == "INCONCLUSIVE"
    assert worst([]) == "NOT JUDGED"


def test_every_status_has_an_exit_status():
    assert EXIT_STATUS.keys() == set(get_args(Status))
    assert EXIT_STATUS["NOT JUDGED"] == exit_statuses.NOT_JUDGED
    assert EXIT_STATUS["INCONCLUSIVE"] == exit_statuses.INCONCLUSIVE
    assert EXIT_STATUS["LOOSENED"] == exit_statuses.LOOSENED


def test_what_pytest_never_says_is_said_by_one_status_alone():
    own = {status: code for status, code in EXIT_STATUS.items() if code > 1}

    assert len(set(own.values())) == len(own) == 3
    assert min(own.values()) > max(pytest.ExitCode)
    assert {0, 1, *PYTESTS_OWN} == set(pytest.ExitCode)


@pytest.mark.parametrize(
    ("pytests", "statuses", "others_failed", "ends"),
    [
        (0, ["PASSED"], False, 0),
        (0, ["ACCEPTED", "PASSED"], False, 0),
        (0, ["PARTIAL"], False, 0),
        (0, ["NOT JUDGED"], False, 10),
        (1, ["NOT JUDGED"], False, 10),
        (1, ["PASSED", "INCONCLUSIVE"], False, 11),
        (0, ["LOOSENED"], False, 12),
        (1, ["FAILED", "NOT JUDGED"], False, 1),
        (0, ["FAILED"], False, 1),
        (1, ["PASSED"], False, 1),  # a test failed that the verdict does not weigh
        (1, [], False, 1),
        (1, ["LOOSENED"], True, 1),  # a test of the suite itself failed
        (0, [], False, 0),
        *((code, ["FAILED"], False, code) for code in PYTESTS_OWN),
    ],
)
def test_the_exit_status_is_the_worst_verdict_s_where_pytest_ran_to_the_end(pytests, statuses, others_failed, ends):
    assert exit_status(pytests, statuses, others_failed=others_failed) == ends


def test_the_page_has_the_same_table():
    rows = [line.split("|") for line in (ROOT / "docs" / "exit-codes.md").read_text().splitlines() if line[:2] == "| "]
    found = {word.strip(" `"): int(row[1]) for row in rows if row[1].strip().isdigit() for word in row[2].split(",")}

    assert {status: found.get(status) for status in EXIT_STATUS} == dict(EXIT_STATUS)
    assert {int(row[1]) for row in rows if row[1].strip().isdigit()} == {*EXIT_STATUS.values(), *PYTESTS_OWN}
