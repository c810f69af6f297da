"""A run beside an earlier one: what changed in inputs, versions, options and numbers. It is information, and judges nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rfcn_lib.score.fingerprint import differing
from rfcn_lib.verdict.earlier import FIELDS, Earlier, EarlierTrial, EarlierVerdict, protocol_of, versions_of

NOT_NOTED: Final = "not noted"
NOT_JUDGED: Final = "not judged"
DIGEST_SHOWN: Final = 12
OUTPUTS: Final = (  # options that say where something is written, or what is compared
    *("verdict", "report", "summary", "compare", "protocols", "write-reference", "store"),
    *("evidence", "evidence-dumps"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is not as it was: its name, how it was, how it is."""

    what: str
    earlier: str
    now: str


@dataclass(frozen=True, slots=True)
class NumberChange:
    """A number of both runs; None where a run has no finite one. `outcome` and `limit` are of criteria, else ""."""

    name: str
    earlier: float | None
    now: float | None
    earlier_outcome: str = ""
    now_outcome: str = ""
    earlier_limit: str = ""
    now_limit: str = ""

    @property
    def difference(self) -> float | None:
        """Now less earlier."""
        return None if self.earlier is None or self.now is None else self.now - self.earlier

    @property
    def changed(self) -> bool:
        """Whether anything of it is not as it was."""
        earlier = (self.earlier, self.earlier_outcome, self.earlier_limit)
        return earlier != (self.now, self.now_outcome, self.now_limit)


@dataclass(frozen=True, slots=True)
class CandidateComparison:
    """One candidate of this run beside one of the earlier run.

    earlier, now  which device made each one's outputs, in words
    unlike        a sentence where the two are of different kinds, or of different chips; "" where they are alike
    refused       why their numbers are not compared; "" where they are
    inputs        files whose digests differ, and files that only one of both has
    alike         names of the files that are the same, byte for byte
    means         mean AP of reference and candidate
    classes       AP of each class, of the candidate; `reference_classes` of the reference
    """

    device: str
    earlier_status: str
    now_status: str
    earlier: str
    now: str
    unlike: str
    refused: str
    inputs: Sequence[Change]
    alike: Sequence[str]
    means: Sequence[NumberChange]
    criteria: Sequence[NumberChange]
    classes: Sequence[NumberChange]
    reference_classes: Sequence[NumberChange]

    @property
    def numbers_changed(self) -> int:
        """How many numbers, outcomes or limits are not as they were."""
        return sum(one.changed for one in (*self.means, *self.criteria, *self.classes, *self.reference_classes))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside an earlier one: `file`, `sha256` and `made` say which one."""

    file: str
    sha256: str
    made: str
    earlier_status: str
    now_status: str
    versions: Sequence[Change]
    options: Sequence[Change]
    candidates: Sequence[CandidateComparison]


def comparison(earlier: Earlier, record: Mapping[str, Any]) -> Comparison:
    """What changed since the earlier run.

    Args:
        earlier: the earlier verdict.
        record: what the file of --verdict holds of this run. Candidates that have nothing on trial are left out.
    """
    main = {**record, "trial": record["on_trial"]}
    now = [one for one in (main, *record["also judged"]) if one["trial"] is not None]
    options, was = record["options"], earlier.options
    return Comparison(
        file=earlier.file,
        sha256=earlier.sha256,
        made=earlier.made,
        earlier_status=earlier.status,
        now_status=record["status"],
        versions=_changes(earlier.versions, {name: str(version) for name, version in versions_of(record).items()}),
        options=_changes(*({name: _shown(one[name]) for name in one if name not in OUTPUTS} for one in (was, options))),
        candidates=[_candidate(earlier.of(one["trial"]["device"]), one) for one in now],
    )


def as_json(found: Comparison) -> dict[str, Any]:
    """For the file of --verdict; each number with its difference."""
    content = asdict(found)
    for one, rows in zip(found.candidates, content["candidates"], strict=True):
        for name in ("means", "criteria", "classes", "reference_classes"):
            numbers: Sequence[NumberChange] = getattr(one, name)
            rows[name] = [{**asdict(number), "difference": number.difference} for number in numbers]
    return content


def _candidate(was: EarlierVerdict, now: Mapping[str, Any]) -> CandidateComparison:
    before, trial = was.trial, now["trial"]
    assert before is not None, "an earlier verdict without a trial is no candidate"  # noqa: S101  read_earlier leaves them out
    refused = _refused(was, trial)
    digests = {name: exhibit.sha256 for name, exhibit in before.exhibits.items()}
    mine = {name: exhibit["sha256"] for name, exhibit in trial["exhibits"].items()}
    alike = [name for name, digest in mine.items() if digests.get(name) == digest]
    return CandidateComparison(
        device=trial["device"],
        earlier_status=was.status,
        now_status=now["status"],
        earlier=_in_words(before.candidate_on, before.candidate_device),
        now=_in_words(trial["candidate_on"], trial["candidate_device"]),
        unlike=_unlike(before, trial),
        refused=refused,
        inputs=[
            Change(one.what, one.earlier[:DIGEST_SHOWN], one.now[:DIGEST_SHOWN]) for one in _changes(digests, mine)
        ],
        alike=alike,
        means=[] if refused else _means(before, trial),
        criteria=[] if refused else _criteria(was, now),
        classes=[] if refused else _numbers(before.candidate_ap, trial["candidate_ap"]),
        reference_classes=[] if refused else _numbers(before.reference_ap, trial["reference_ap"]),
    )


def _refused(was: EarlierVerdict, trial: Mapping[str, Any]) -> str:
    """Every field of the protocol that differs; found before the hours are spent, and looked at again here."""
    theirs, mine = protocol_of(was), {name: trial["protocol"][name] for name in FIELDS if name in trial["protocol"]}
    lines = [f"{name}: {theirs.get(name)} earlier, {mine.get(name)} now" for name in differing(mine, theirs)]
    return f"the numbers were made under different protocols: {'; '.join(lines)}" if lines else ""


def _in_words(kind: str, device: str) -> str:
    return device if device.startswith(kind) else f"{kind}: {device}"


def _unlike(before: EarlierTrial, trial: Mapping[str, Any]) -> str:
    kinds, chips = (before.candidate_on, trial["candidate_on"]), (before.chip, trial.get("chip"))
    if kinds[0] != kinds[1]:
        return f"different kinds of device are compared: {kinds[0]} earlier, {kinds[1]} now"
    if chips[0] != chips[1]:
        return f"different chips are compared: {chips[0] or NOT_NOTED} earlier, {chips[1] or NOT_NOTED} now"
    return ""


def _means(before: EarlierTrial, trial: Mapping[str, Any]) -> list[NumberChange]:
    return [
        NumberChange("mean AP of the reference", before.reference_mean_ap, trial["reference_mean_ap"]),
        NumberChange("mean AP of the candidate", before.candidate_mean_ap, trial["candidate_mean_ap"]),
    ]


def _criteria(was: EarlierVerdict, now: Mapping[str, Any]) -> list[NumberChange]:
    before = {one.name: one for one in was.criteria}
    after = {row["name"]: row for row in now["criteria"]}
    found = []
    for name in dict.fromkeys((*after, *before)):
        old, new = before.get(name), after.get(name)
        found.append(
            NumberChange(
                name,
                None if old is None else old.number,
                None if new is None else _in_json(new["number"]),
                NOT_JUDGED if old is None else old.outcome,
                NOT_JUDGED if new is None else new["outcome"],
                "" if old is None or old.limit is None else f"{old.relation} {old.limit:.6g}",
                "" if new is None else f"{new['relation']} {new['limit']:.6g}",
            )
        )
    return found


def _numbers(before: Mapping[str, float], after: Mapping[str, float]) -> list[NumberChange]:
    """By name, the largest fall first."""
    names = dict.fromkeys((*after, *before))
    found = [NumberChange(name, before.get(name), _in_json(after.get(name))) for name in names]
    return sorted(found, key=lambda one: one.difference or 0.0)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    return [
        Change(name, before.get(name, NOT_NOTED), after.get(name, NOT_NOTED))
        for name in dict.fromkeys((*after, *before))
        if before.get(name) != after.get(name)
    ]


def _in_json(number: float | None) -> float | None:
    """As the file of --verdict would have it."""
    return number if number is not None and math.isfinite(number) else None


def _shown(value: Any) -> str:
    """An option's value; None, which is its default, in a word."""
    return "not given" if value in (None, [], False) else str(value)
