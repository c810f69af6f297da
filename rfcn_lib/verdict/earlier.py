"""A verdict that an earlier run wrote with --verdict: read, with nothing in it believed to have the right shape."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded
from rfcn_lib.score.fingerprint import Fingerprint
from rfcn_lib.verdict.status import Status

LARGEST_BYTES: Final = 100_000_000  # a verdict names every id and every command
FIELDS: Final = tuple(field.name for field in fields(Fingerprint))
FAULTS_SHOWN: Final = 3
MOST: Final = 1_000  # of criteria, classes, files; a page shows them
LONGEST: Final = 2_000  # characters of a text that are kept
NEXT: Final = "name the file that --verdict=FILE of an earlier run wrote, or leave out --compare"


class EarlierError(SuiteError):
    """A file is no verdict that a run can be compared with."""


class _Record(BaseModel):
    """What is read of the file; it may hold more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EarlierExhibit(_Record):
    """A file that took part."""

    path: str
    sha256: str


class EarlierTrial(_Record):
    """What was on trial, see `rfcn_lib.verdict.trial.Trial`."""

    device: str
    candidate_on: str
    candidate_device: str
    reference_device: str
    chip: str | None = None
    exhibits: Mapping[str, EarlierExhibit] = Field(max_length=MOST)
    protocol: Mapping[str, str]
    reference_protocol: Mapping[str, str] = {}
    reference_mean_ap: float
    reference_ap: Mapping[str, float] = Field(max_length=MOST)
    candidate_mean_ap: float
    candidate_ap: Mapping[str, float] = Field(max_length=MOST)


class EarlierCriterion(_Record):
    """A criterion; a number that was not finite is None."""

    name: str
    number: float | None
    relation: str
    limit: float | None
    outcome: str


class EarlierVerdict(_Record):
    """The verdict on one candidate."""

    status: Status
    words: str
    trial: EarlierTrial | None
    criteria: Sequence[EarlierCriterion] = Field(max_length=MOST)


class Earlier(_Record):
    """The file of a run.

    file, sha256  of the file itself
    candidates    verdicts that have something on trial, the main one first; at least one
    versions      of libraries, by name; empty where an edition of this suite did not write them
    """

    file: str
    sha256: str
    made: str
    status: Status
    words: str
    options: Mapping[str, Any] = Field(max_length=MOST)
    versions: Mapping[str, str] = Field(max_length=MOST)
    candidates: Sequence[EarlierVerdict] = Field(min_length=1)

    def of(self, device: str) -> EarlierVerdict:
        """The verdict on the candidate of that kind, else the main one."""
        return next((one for one in self.candidates if one.trial and one.trial.device == device), self.candidates[0])

    @property
    def protocol(self) -> dict[str, str]:
        """Of the main candidate's numbers, as `score.fingerprint.expect_same` takes it; all candidates of a run have the same."""
        return protocol_of(self.candidates[0])


def protocol_of(verdict: EarlierVerdict) -> dict[str, str]:
    """The fields of the fingerprint of one candidate's numbers."""
    protocol = verdict.trial.protocol if verdict.trial else {}
    return {name: protocol[name] for name in FIELDS if name in protocol}


def read_earlier(path: Path) -> Earlier:
    """Read the file of an earlier --verdict.

    Raises:
        EarlierError: it is too large, no JSON, no verdict, of an edition without fingerprints, or has nothing on trial.
    """
    try:
        data = read_bounded(path, LARGEST_BYTES)
    except OSError as error:
        raise EarlierError(f"--compare={path} cannot be read: {error.strerror}; {NEXT}") from error
    if data is None:
        raise EarlierError(
            f"--compare={path} has more than the {LARGEST_BYTES:,} bytes that a verdict may have; {NEXT}"
        )
    content = _parsed(data, path)
    missing = sorted({"status", "words", "criteria", "tests", "on_trial"} - content.keys())
    if missing:
        raise EarlierError(f"--compare={path} is no verdict: it lacks {', '.join(missing)}; {NEXT}")
    return _checked(content, hashlib.sha256(data).hexdigest(), path)


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise EarlierError(f"--compare={path} is not JSON ({said:.200}), but should be a verdict; {NEXT}") from error
    if not isinstance(content, dict):
        raise EarlierError(
            f"--compare={path} holds a {type(content).__name__}, but should hold a verdict's object; {NEXT}"
        )
    return content


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _checked(content: Mapping[str, Any], sha256: str, path: Path) -> Earlier:
    others, main = content.get("also judged"), {**content, "trial": content["on_trial"]}
    candidates = [main, *others] if isinstance(others, list) else [main]
    verdicts = [one for one in candidates if isinstance(one, dict) and one.get("trial") is not None]
    if not verdicts:
        raise EarlierError(
            f"--compare={path} has nothing on trial ({_printable(str(content['words']))[:300]}), so there is no number "
            "to compare with; name the verdict of a run that came to its end"
        )
    try:
        found = Earlier.model_validate(
            _printable(
                {
                    **{name: content.get(name) for name in ("made", "status", "words", "options")},
                    "file": str(path),
                    "sha256": sha256,
                    "versions": versions_of(content),
                    "candidates": verdicts,
                }
            )
        )
    except (ValidationError, AttributeError, TypeError, RecursionError) as error:
        raise EarlierError(
            f"--compare={path} is not as this edition writes a verdict: {_first(error)}; {NEXT}"
        ) from error
    for one in found.candidates:
        lacking = [name for name in FIELDS if name not in protocol_of(one)]
        if lacking:
            raise EarlierError(
                f"--compare={path} was written by an edition of this suite that did not note the protocol of its numbers: "
                f"it lacks {', '.join(lacking)}. So nobody can tell whether they may be compared. Judge the same files again "
                "with this edition, and compare with that verdict"
            )
    return found


def versions_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Of libraries, Python, pytest and the suite itself, as far as the file notes them."""
    suite, pytests = content.get("suite") or {}, content.get("pytest") or {}
    found = {
        "suite commit": suite.get("commit"),
        "suite code": suite.get("sha256"),
        "python": content.get("python"),
        "pytest": pytests.get("version"),
        **(content.get("versions") or {}),
    }
    return {name: version for name, version in found.items() if version is not None}


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)[:200]
    shown = error.errors(include_url=False, include_context=False)[:FAULTS_SHOWN]
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in shown)


def _printable(value: Any) -> Any:
    """Texts without characters that would move a terminal's cursor, and not longer than a page shows."""
    if isinstance(value, str):
        value = value[:LONGEST]
        return value if value.isprintable() else "".join(sign if sign.isprintable() else " " for sign in value)
    if isinstance(value, dict):
        return {_printable(name): _printable(item) for name, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value
