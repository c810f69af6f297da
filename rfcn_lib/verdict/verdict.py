"""From the criteria that the tests judged to a status and a sentence. Values in, text out.

ACCEPTED is possible only for the whole of VOC2007 test, with every criterion judged, on an NPU of this host. Dumps that were
made elsewhere do not say which device made them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypedDict

from rfcn_lib.verdict import interval_words
from rfcn_lib.verdict.criterion import Criterion as Criterion
from rfcn_lib.verdict.criterion import Outcome as Outcome
from rfcn_lib.verdict.criterion import Relation as Relation
from rfcn_lib.verdict.criterion import contradictions, outcome_of, weighed
from rfcn_lib.verdict.status import Status

CandidateOn = Literal["NPU", "dumps made elsewhere", "host stand-in", "REHEARSED", "SIMULATED"]

NPU: Final = "NPU"
ELSEWHERE: Final = "dumps made elsewhere"
HOST: Final = "host stand-in"  # ONNX Runtime on the CPU
REHEARSED: Final = "REHEARSED"  # the chip's arithmetic, computed on the CPU
SIMULATED: Final = "SIMULATED"  # test equipment in the place of the vendor's tools

BY_CLASS: Final = "no class lost"
ACCURACY: Final = ("every picture judged", BY_CLASS, "mean AP drop, relative", "mean AP drop, absolute")
AGREEMENT: Final = {  # group of figures -> criterion
    "proposals": "proposals agree",
    "rows": "rows agree",
    "heads": "heads agree on the same proposals",
    "detections": "detections agree",
    "pictures": "no picture goes wrong alone",
}
PUBLISHED: Final = "mean AP reaches the published figure"
THROUGHPUT: Final = "throughput, interface x chips"


class Exhibit(TypedDict):
    """A file or folder that was used: where it lies, sha256 (hex) of its content, its size."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that took part in a judgement, so that another person can judge the same files again.

    device        "host", "rehearsal" or "npu": which of the run's candidates this is
    exhibits      name -> every file that was used
    commands      external commands, ready to paste
    paired        both sides picture by picture, as `score.paired.Paired` has it; None where the reference is a mean alone
    ties          "reference", "candidate" -> mean AP in the worst and best order of equal scores, as `score.ties.TieBracket`
    gate          what judges the drop on the whole set: the point comparison, or its interval
    loosened      limits that ask for less than the published ones
    unpublished   flags given to the compiler besides the published ones
    set_name      which set of the devkit
    tolerated     what of the set is not as VOC2007 has it and was read all the same -> how many annotations or pictures
    canvas        which canvases: the published port's own, or some that fit the pictures
    canvases      `<width>x<height>` -> pictures shown on it
    canvas_area   area of all pictures' canvases over that of as many published ones
    clip          what the graph clips proposals to: the canvas, nothing, or a size that was frozen in
    notes         what is unlike this suite's own graphs, a sentence each
    set_size      how many pictures the set has; where the set is shortened against what fixes it, how many it should have
    set_standing  how the set stands to what fixes it, in words
    set_missing   how many pictures of what fixes the set are not in it
    set_changed   judged pictures that are not as what fixes the set has them: other objects, or another id
    undecided     what the pictures are too few to tell, a sentence each; such a run is INCONCLUSIVE
    """

    port: str
    device: str
    candidate_on: CandidateOn
    candidate_device: str
    reference_device: str
    exhibits: Mapping[str, Exhibit]
    commands: Sequence[str]
    ids: Sequence[str]
    set_name: str
    set_size: int
    tolerated: Mapping[str, int]
    protocol: Mapping[str, str]
    reference_mean_ap: float
    reference_ap: Mapping[str, float]
    candidate_mean_ap: float
    candidate_ap: Mapping[str, float]
    paired: Mapping[str, float] | None
    cropped: Mapping[str, float]
    loosened: Sequence[str]
    unpublished: Sequence[str]
    published_port: bool
    voc2007_test: bool
    published_applies: bool
    throughput_applies: bool
    canvas: Literal["published", "fitted"]
    canvases: Mapping[str, int]
    canvas_area: float
    clip: Literal["canvas", "none", "frozen", "unknown"] = "unknown"
    notes: Sequence[str] = ()
    undecided: Sequence[str] = ()
    ties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gate: Literal["point", "interval"] = "point"
    set_standing: str = ""
    set_missing: int = 0
    set_changed: int = 0

    @property
    def by_interval(self) -> bool:
        """Whether the interval judges the drop in place of the point comparison.

        On the whole set the point comparison has no sampling error; a part stands for pictures that were not judged. What no
        device made accepts nothing on any number of pictures, so there the point stays.
        """
        part = self.partial and self.candidate_on not in (SIMULATED, REHEARSED)
        return self.paired is not None and (self.gate == "interval" or part)

    @property
    def partial(self) -> bool:
        """Whether pictures of the set were left out."""
        return len(self.ids) < self.set_size


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
    """
    outcomes = {test: weighed(criteria.get(test, ()), outcome) for test, outcome in tests.items()}
    rows = [
        {**asdict(c), "test": test, "outcome": outcome_of(c, outcomes[test])}
        for test, found in criteria.items()
        for c in found
    ]
    told = [words for test, found in criteria.items() for words in contradictions(found, tests[test])]
    status, words = _words(trial, rows, outcomes, accept, ended, told)
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
    passed = {row["name"] for row in rows if row["outcome"] == "passed"}
    undecided = {row["name"] for row in rows if row["outcome"] == "undecided"}
    left_out = sorted(_wanted(trial) - passed - undecided)
    if trial is None or left_out:
        return "NOT JUDGED", f"not asked in this run: {'; '.join(left_out)}"
    held = f"{len(passed)} criteria hold over {len(trial.ids)} pictures"
    held += f", under LOOSENED limits ({'; '.join(trial.loosened)})" if trial.loosened else ""
    held += f", compiled with {' '.join(trial.unpublished)} besides the published flags" if trial.unpublished else ""
    held += f", on {len(trial.canvases)} FITTED canvases" if trial.canvas == "fitted" else ""
    if trial.undecided or undecided or "undecided" in tests.values():
        what = "; ".join(trial.undecided or sorted(undecided) or ("a test says so",))
        part = f" in {len(trial.ids)} of {trial.set_size}" if trial.partial else ""
        return "INCONCLUSIVE", f"not enough pictures to tell{part} ({trial.candidate_device}): {what}"
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
            + (f"; of the set itself, {trial.set_standing}" if trial.set_missing else "")
            + interval_words.so_far(trial.paired)
            + (f"; LOOSENED limits ({'; '.join(trial.loosened)})" if trial.loosened else ""),
        )
    if trial.candidate_on == HOST:
        return "PASSED", f"{held} on the host stand-in ({trial.candidate_device}); no NPU was judged"
    everything = {*ACCURACY, *AGREEMENT.values(), PUBLISHED, THROUGHPUT} <= passed and "skipped" not in tests.values()
    as_published = trial.published_port and trial.voc2007_test and trial.canvas == "published"
    if accept and everything and as_published and trial.candidate_on == NPU:
        return "ACCEPTED", f"{held}, {trial.candidate_on}, nothing skipped"
    full = "a full acceptance is `pytest -m npu --accept` over VOC2007 test, with mean AP and throughput"
    return "PASSED", f"{held}, {trial.candidate_on}; {full}"


def _wanted(trial: Trial | None) -> set[str]:
    """Names of the criteria without which there is no verdict. The trial says which of the optional ones apply."""
    wanted = {*ACCURACY, *AGREEMENT.values()}
    if trial is not None:
        wanted |= {PUBLISHED} if trial.published_applies else set()
        wanted |= {THROUGHPUT} if trial.throughput_applies else set()
        wanted -= set() if trial.reference_ap else {BY_CLASS, *AGREEMENT.values()}
    return wanted
