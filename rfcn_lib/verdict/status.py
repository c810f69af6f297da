"""The statuses of a verdict and the exit status of a run, in one table.

pytest itself ends with 0 to 6, and plugins of pytest may use the next ones. So what only this suite says begins at 10, and each
has a number of its own: a script can tell "the port is worse" (1) from "nobody can tell yet" (11) without reading a word.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

Status = Literal[
    "ACCEPTED",
    "PASSED",
    "PARTIAL",
    "REHEARSED",
    "SIMULATED",
    "LOOSENED",
    "INCONCLUSIVE",
    "NOT JUDGED",
    "FAILED",
]

PYTEST_PASSED: Final = 0
PYTEST_FAILED: Final = 1
WRONG_USAGE: Final = 4
PYTESTS_OWN: Final = {  # these say that pytest did not run the tests to their end, so they stay whatever was judged
    2: "interrupted: by Ctrl-C, or by an error while tests were collected",
    3: "internal error of pytest",
    4: "wrong usage: an option, or options that cannot go together",
    5: "no test was selected",
    6: "more warnings than --max-warnings allows",
}

# From the best to the worst: `worst` uses this order. PARTIAL, REHEARSED and SIMULATED accept nothing, and say so; they end with
# 0 because a first look, a prediction and a rehearsal of the tools are what was asked for.
EXIT_STATUS: Final[Mapping[Status, int]] = MappingProxyType(
    {
        "ACCEPTED": 0,
        "PASSED": 0,
        "PARTIAL": 0,
        "REHEARSED": 0,
        "SIMULATED": 0,
        "LOOSENED": 12,  # everything holds, but under limits that ask for less than the published ones
        "INCONCLUSIVE": 11,  # everything was judged, and the pictures are too few to tell
        "NOT JUDGED": 10,  # an error, or a criterion that was not asked: no number was weighed
        "FAILED": 1,  # as pytest has it for a failed test
    }
)

MEANING: Final[Mapping[Status, str]] = MappingProxyType(
    {
        "ACCEPTED": "The port is accepted: every criterion holds on this host's own NPU.",
        "PASSED": "Every criterion of the run holds.",
        "PARTIAL": "Nothing failed, but pictures were left out.",
        "REHEARSED": "Every criterion holds for the chip's arithmetic: a prediction.",
        "SIMULATED": "A stand-in ran instead of the vendor's tools: no device was judged.",
        "LOOSENED": "Every criterion holds, but the limits ask for less than the published ones.",
        "INCONCLUSIVE": "Everything was judged, but the pictures are too few to tell.",
        "NOT JUDGED": "An error prevented a verdict, or a criterion was left out. This says nothing about the port.",
        "FAILED": "A number is beyond its limit.",
    }
)


def worst(statuses: Sequence[Status]) -> Status:
    """The one to act on when several candidates were judged; NOT JUDGED when there is none."""
    order = list(EXIT_STATUS)
    return max(statuses, key=order.index, default="NOT JUDGED")


def exit_status(pytests: int, statuses: Sequence[Status], *, others_failed: bool) -> int:
    """The exit status of a run.

    Args:
        pytests: what pytest would end with.
        statuses: of each candidate that was judged; none where the run judged no candidate.
        others_failed: whether a test failed that belongs to no candidate, such as one of the suite's own.
    """
    if pytests not in (PYTEST_PASSED, PYTEST_FAILED) or not statuses:
        return pytests
    if pytests == PYTEST_FAILED and others_failed:
        return pytests
    return EXIT_STATUS[worst(statuses)] or pytests
