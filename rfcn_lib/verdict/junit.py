"""What a JUnit file says of a criterion and of a run: properties, and plain text for servers that show no properties."""

from collections.abc import Mapping, Sequence
from typing import Any

Property = tuple[str, str]
NO_INTERVAL = "none; the number judges"


def criterion_properties(rows: Sequence[Mapping[str, Any]], outcome: str, why: str) -> list[Property]:
    """Properties of the test that judges a criterion: `criterion.name`, `.number`, `.interval`, `.limit`, `.outcome`, `.source`.

    Args:
        rows: the test's criteria, as `Verdict.criteria` has them. The second one is `criterion2.name` and so on.
        outcome: of the test, for one that recorded no criterion: an error or a skip came before its number.
        why: what ended such a test.
    """
    if not rows:
        return [("criterion.outcome", f"not judged: {outcome}"), ("criterion.why", why or "nothing says why")]
    return [
        (f"criterion{'' if at == 1 else at}.{name}", value)
        for at, row in enumerate(rows, 1)
        for name, value in _facts(row, exact=True)
    ]


def criterion_text(rows: Sequence[Mapping[str, Any]], outcome: str, why: str) -> str:
    """The same as a few lines of plain text."""
    if not rows:
        return f"not judged: {outcome}\nwhy        {why or 'nothing says why'}\n"
    return "\n".join("".join(f"{name:<11}{value}\n" for name, value in _facts(row, exact=False)) for row in rows)


def run_properties(record: Mapping[str, Any], exit_code: int) -> list[Property]:
    """Properties of the whole run, each of them one line. Of several candidates, each has its own under `host.` and so on.

    Args:
        record: what the file of --verdict holds.
        exit_code: of the run.
    """
    suite = record.get("suite") or {}
    found = [
        ("verdict.status", record["status"]),
        ("verdict.exit_code", str(exit_code)),
        ("verdict.words", record["words"]),
        ("suite.commit", suite.get("commit") or "not known"),
        ("suite.code_sha256", suite.get("sha256", "not known")),
    ]
    for verdict in (record, *record["also judged"]):
        trial = verdict.get("on_trial") or verdict.get("trial")
        if trial:
            found += _of_trial(trial)
    return [(name, " ".join(str(value).split())) for name, value in found]


def _of_trial(trial: Mapping[str, Any]) -> list[Property]:
    name = trial["device"]
    found = [
        (f"{name}.candidate", trial["candidate_device"]),
        (f"{name}.candidate_on", trial["candidate_on"]),
        (f"{name}.chip", trial.get("chip") or "none"),
        (f"{name}.reference", trial["reference_device"]),
        (f"{name}.mean_ap.reference", repr(trial["reference_mean_ap"])),
        (f"{name}.mean_ap.candidate", repr(trial["candidate_mean_ap"])),
        (f"{name}.protocol", trial["protocol"].get("fingerprint", "none")),
        (f"{name}.pictures", f"{len(trial['ids'])} of {trial['set_size']}"),
    ]
    if trial.get("blame"):
        found.append((f"{name}.culprit", f"{trial['blame']['stage']}: {trial['blame']['sentence']}"))
    return found + [(f"{name}.sha256.{what}", exhibit["sha256"]) for what, exhibit in trial["exhibits"].items()]


def _facts(row: Mapping[str, Any], *, exact: bool) -> list[Property]:
    def shown(number: float) -> str:
        return repr(number) if exact else f"{number:.6g}"

    judged_by_interval = row["lower"] is not None and row["upper"] is not None
    return [
        ("name", row["name"]),
        ("number", shown(row["number"])),
        ("interval", f"{shown(row['lower'])} .. {shown(row['upper'])}" if judged_by_interval else NO_INTERVAL),
        ("limit", f"{row['relation']} {shown(row['limit'])}"),
        ("outcome", row["outcome"]),
        ("source", row["source"]),
    ]
