"""From the criteria that the tests judged to a status and a sentence. Values in, text out.

ACCEPTED is possible only for the whole of VOC2007 test, with every criterion judged, on an NPU of this host. Dumps that were
made elsewhere do not say which device made them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rfcn_lib.verdict import interval_words
from rfcn_lib.verdict.criterion import Criterion as Criterion
from rfcn_lib.verdict.criterion import Outcome as Outcome
from rfcn_lib.verdict.criterion import Relation as Relation
from rfcn_lib.verdict.criterion import contradictions, outcome_of, weighed
from rfcn_lib.verdict.status import Status
from rfcn_lib.verdict.trial import ELSEWHERE as ELSEWHERE
from rfcn_lib.verdict.trial import HOST as HOST
from rfcn_lib.verdict.trial import NPU as NPU
from rfcn_lib.verdict.trial import REHEARSED as REHEARSED
from rfcn_lib.verdict.trial import SIMULATED as SIMULATED
from rfcn_lib.verdict.trial import CandidateOn as CandidateOn
from rfcn_lib.verdict.trial import Exhibit as Exhibit
from rfcn_lib.verdict.trial import Trial as Trial

BY_CLASS: Final = "no class lost"
AGREEMENT: Final = {  # group of figures -> criterion
    "proposals": "proposals agree",
    "rows": "rows agree",
    "heads": "heads agree on the same proposals",
    "detections": "detections agree",
    "pictures": "no picture goes wrong alone",
}
ACCURACY: Final = (
    *("every picture judged", BY_CLASS, "mean AP drop, relative", "mean AP drop, absolute"),
    *AGREEMENT.values(),
)
PUBLISHED: Final = "mean AP reaches the published figure"
THROUGHPUT: Final = "throughput, interface x chips"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`status` for machines, `words` for people; `criteria` are rows with their test and its outcome."""

    status: Status
    words: str
    trial: Mapping[str, Any] | None
    criteria: Sequence[Mapping[str, Any]]
    tests: Mapping[str, Outcome]


def verdict(
    trial: Trial | None,
    criteria: Mapping[str, Sequence[Criterion]],
    tests: Mapping[str, Outcome],
    *,
    accept: bool,
    ended: str = "",
    code_differs: Sequence[str] = (),
) -> Verdict:
    """Status and sentence of a run.

    A test's outcome alone passes nothing: where it and the number that it recorded contradict each other, the criterion counts as
    an error. So a test whose assert is missing or turned round gives no verdict.

    Args:
        trial: of the accuracy tests; None when they did not get that far.
        criteria: by test, what it judged.
        tests: every test of the contract that ran, with its outcome.
        accept: whether the run had --accept.
        ended: why pytest did not run the tests to their end; "" where it did.
        code_differs: files of this suite that are not as in its commit.
    """
    outcomes = {test: weighed(criteria.get(test, ()), outcome) for test, outcome in tests.items()}
    rows = [
        {**asdict(c), "test": test, "outcome": outcome_of(c, outcomes[test])}
        for test, found in criteria.items()
        for c in found
    ]
    told = [words for test, found in criteria.items() for words in contradictions(found, tests[test])]
    status, words = _words(trial, rows, outcomes, accept, ended, told)
    if status == "ACCEPTED" and code_differs:
        names = f"{' '.join(code_differs[:5])}{' ...' if len(code_differs) > 5 else ''}"
        status, words = (
            "NOT JUDGED",
            f"this suite's own code differs from its commit in {len(code_differs)} files: {names}; restore or commit them",
        )
    return Verdict(status, words, asdict(trial) if trial else None, rows, outcomes)


def not_judged(words: str) -> Verdict:
    """The verdict of a run that has judged nothing, and why."""
    return Verdict("NOT JUDGED", words, None, [], {})


def _words(
    trial: Trial | None,
    rows: Sequence[Mapping[str, Any]],
    tests: Mapping[str, Outcome],
    accept: bool,
    ended: str,
    contradicting: Sequence[str],
) -> tuple[Status, str]:
    unjudged = [test for test, outcome in tests.items() if outcome == "error"]
    failed = [test for test, outcome in tests.items() if outcome == "failed"]
    if failed:
        names = [row["name"] for row in rows if row["outcome"] == "failed"] or [test.split("::")[-1] for test in failed]
        also = f"; {len(unjudged)} more could not be judged" if unjudged else ""
        by = f" ({trial.candidate_device})" if trial and trial.candidate_on in (SIMULATED, REHEARSED) else ""
        return "FAILED", f"does not hold{by}: {'; '.join(dict.fromkeys(names))}{also}"
    if ended:
        return "NOT JUDGED", f"pytest did not run the tests to their end: {ended}"
    if contradicting:
        return "NOT JUDGED", f"test and number contradict each other: {'; '.join(contradicting)}"
    if unjudged:
        what = ", ".join(test.split("::")[-1] for test in unjudged)
        return "NOT JUDGED", f"no verdict, because of errors and not of numbers: {what}"
    if trial and trial.set_changed:
        return "NOT JUDGED", f"the truth is not the agreed one: {trial.set_standing}"
    if trial and trial.too_good and accept and not trial.explained:
        return "NOT JUDGED", f'{trial.too_good}; find out why, then say it with --explained="SENTENCE"'
    passed = {row["name"] for row in rows if row["outcome"] == "passed"}
    undecided = {row["name"] for row in rows if row["outcome"] == "undecided"}
    left_out = sorted(_wanted(trial) - passed - undecided)
    if trial is None or left_out:
        return "NOT JUDGED", f"not asked in this run: {'; '.join(left_out)}"
    held = f"{len(passed)} criteria hold over {len(trial.ids)} pictures"
    held += f", under LOOSENED limits ({'; '.join(trial.loosened)})" if trial.loosened else ""
    held += f", compiled with {' '.join(trial.unpublished)} besides the published flags" if trial.unpublished else ""
    held += f", on {len(trial.canvases)} FITTED canvases" if trial.canvas == "fitted" else ""
    held += f"; {trial.too_good}" if trial.too_good else ""
    held += f" (explained: {trial.explained})" if trial.too_good and trial.explained else ""
    shortened = f"; of the set itself, {trial.set_standing}" if trial.set_missing else ""
    if trial.undecided or undecided or "undecided" in tests.values():
        what = "; ".join(trial.undecided or sorted(undecided) or ("a test says so",))
        part = f" in {len(trial.ids)} of {trial.set_size}" if trial.partial else ""
        return "INCONCLUSIVE", f"not enough pictures to tell{part} ({trial.candidate_device}): {what}{shortened}"
    lesser = trial.partial or trial.candidate_on in (
        SIMULATED,
        REHEARSED,
    )  # these accept nothing, whatever the limits are
    if trial.loosened and (accept or not lesser):
        return (
            "LOOSENED",
            f"{held}, {trial.candidate_on} ({trial.candidate_device}); nothing is accepted under such limits",
        )
    if trial.candidate_on == SIMULATED:
        return "SIMULATED", f"{held}, but no device was judged ({trial.candidate_device})"
    if trial.candidate_on == REHEARSED:
        part = f" of the set's {trial.set_size}" if trial.partial else ""
        return "REHEARSED", f"{held}{part}; a prediction, no NPU was judged ({trial.candidate_device})"
    if trial.partial:
        return (
            "PARTIAL",
            f"{len(trial.ids)} of {trial.set_size} pictures: a first look, from which nothing can be accepted"
            + shortened
            + interval_words.so_far(trial.paired)
            + (f"; LOOSENED limits ({'; '.join(trial.loosened)})" if trial.loosened else ""),
        )
    if trial.candidate_on == HOST:
        return "PASSED", f"{held} on the host stand-in ({trial.candidate_device}); no NPU was judged"
    everything = {*ACCURACY, PUBLISHED, THROUGHPUT} <= passed and "skipped" not in tests.values()
    as_published = trial.published_port and trial.voc2007_test and trial.canvas == "published"
    if accept and everything and as_published and trial.candidate_on == NPU:
        return "ACCEPTED", f"{held}, {trial.candidate_on}, nothing skipped"
    full = "a full acceptance is `pytest -m npu --accept` over VOC2007 test, with mean AP and throughput"
    return "PASSED", f"{held}, {trial.candidate_on}; {full}"


def _wanted(trial: Trial | None) -> set[str]:
    """Names of the criteria without which there is no verdict. The trial says which of the optional ones apply."""
    wanted = set(ACCURACY)
    if trial is not None:
        wanted |= {PUBLISHED} if trial.published_applies else set()
        wanted |= {THROUGHPUT} if trial.throughput_applies else set()
        wanted -= set() if trial.reference_ap else {BY_CLASS, *AGREEMENT.values()}
    return wanted
