"""The Markdown summary of a run, of at most 30 lines: for the page that a CI server shows of a job. Values in, text out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rfcn_lib.report.markdown import code, escaped
from rfcn_lib.report.words import not_proved, on_trial
from rfcn_lib.verdict.comparison import Comparison
from rfcn_lib.verdict.comparison_page import CHANGES_NOTHING, numbers
from rfcn_lib.verdict.status import MEANING
from rfcn_lib.verdict.trial import Trial
from rfcn_lib.verdict.verdict import Verdict

MOST_LINES: Final = 30
ROWS_SHOWN: Final = 10
CHANGES_SHOWN: Final = 12


def summary(
    judged: Sequence[tuple[Verdict, Trial | None]],
    *,
    exit_code: int | None,
    command: str,
    commit: str | None = None,
    compared: Comparison | None = None,
) -> str:
    """The summary of a run.

    Args:
        judged: each candidate's verdict and trial, the one to be shown in full first; at least one.
        exit_code: of the run; None where it has not ended.
        command: what repeats the run.
        commit: of the suite.
        compared: with an earlier run.
    """
    (found, trial), *others = judged
    rows = _rows(found.criteria)
    return str(
        _template().render(
            status=found.status,
            words=found.words,
            meaning=MEANING[found.status],
            exit_code="not known yet" if exit_code is None else exit_code,
            on_trial=on_trial(trial) if trial else [],
            criteria=rows,
            left_out=len(found.criteria) - len(rows),
            culprit=f"{trial.blame['stage']}: {trial.blame['sentence']}" if trial and trial.blame else "",
            not_proved=" ".join(not_proved(trial, found.status)) if trial else "",
            compared=_compared(compared) if compared else "",
            also=[f"{one.status}: {one.words}" for one, _ in others],
            at=f"the suite at commit {commit[:12]}" if commit else "",
            command=command,
        )
    )


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # noqa: S701  this is Markdown; `md` and `code` escape each text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": escaped, "code": code}
    return environment.get_template("summary.md.j2")


def _rows(criteria: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Rows of the table in their order; where they are too many, those that did not hold come first."""
    shown = list(criteria)
    if len(shown) > ROWS_SHOWN:
        urgent = ("failed", "undecided", "error")
        shown = sorted(shown, key=lambda row: row["outcome"] not in urgent)[:ROWS_SHOWN]
    return [
        {
            "name": row["name"],
            "number": f"{row['number']:.6g}",
            "interval": "" if row["upper"] is None else f"{row['lower']:.4g} .. {row['upper']:.4g}",
            "limit": f"{row['relation']} {row['limit']:.6g}",
            "outcome": row["outcome"],
        }
        for row in shown
    ]


def _compared(found: Comparison) -> str:
    """What changed since the earlier run, in one paragraph."""
    said = [f"with {found.file}, made {found.made}: {found.earlier_status} -> {found.now_status}"]
    for one in found.candidates[:1]:
        said += [one.unlike or "the same kind of device", *([one.refused] if one.refused else [])]
        for row in one.means:
            said.append(f"{row.name} {' -> '.join(numbers(row)[:2])} ({numbers(row)[2]})")
        fallen = next((row for row in one.classes if row.difference is not None and row.difference < 0), None)
        said += [f"the class that fell most: {fallen.name} {' -> '.join(numbers(fallen)[:2])}"] if fallen else []
        moved = [row.name for row in (*one.criteria, *one.classes, *one.reference_classes) if row.changed]
        said.append(f"{len(moved)} numbers of criteria and classes differ" if moved else "no other number differs")
        said.append(f"inputs that differ: {_named([each.what for each in one.inputs])}")
    said.append(f"versions that differ: {_named([each.what for each in found.versions])}")
    said.append(f"options that differ: {_named([each.what for each in found.options])}")
    return f"{'; '.join(said)}. {CHANGES_NOTHING}"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - CHANGES_SHOWN} more" if len(names) > CHANGES_SHOWN else ""
    return f"{', '.join(names[:CHANGES_SHOWN])}{more}" if names else "none"
