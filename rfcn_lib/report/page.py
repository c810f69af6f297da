"""The report: one page of HTML, readable offline, without script. Values in, text out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rfcn_lib.report import figures
from rfcn_lib.report.drawn import ClassCurves, Drawn
from rfcn_lib.report.labels import STROKES, placed
from rfcn_lib.report.words import TONE, not_proved, on_trial
from rfcn_lib.verdict.trial import Trial
from rfcn_lib.verdict.verdict import Verdict

GROUPS: Final = ("proposals", "rows", "heads", "detections")
ROWS_SHOWN: Final = 6  # of a group's figures
ALONE_SHOWN: Final = 12
MADE, WITH = "→", "+"
OF_CANDIDATE: Final = (  # how it came about: an artifact is made of what stands before it
    (MADE, "weights"),
    (MADE, "onnx"),
    (MADE, "adapted"),
    (MADE, "twin"),
    (MADE, "rehearsed"),
    (MADE, "om"),
    (WITH, "tool"),
    (WITH, "pictures"),
    (MADE, "candidate dumps"),
)
OF_REFERENCE: Final = (
    (MADE, "weights"),
    (WITH, "pictures"),
    (MADE, "reference dumps"),
    (MADE, "reference packet"),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one candidate. device: "host", "rehearsal" or "npu". trial: None where the run did not get that far."""

    device: str
    found: Verdict
    trial: Trial | None
    drawn: Drawn | None
    rates: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What is the same for every candidate of a run.

    made      when, ISO 8601
    command   the words after `pytest`
    versions  name -> version of what took part
    notes     sentences that tests recorded
    commands  external commands, ready to paste
    """

    made: str
    command: str
    versions: Mapping[str, str]
    notes: Sequence[str]
    commands: Sequence[str]


def page(judgements: Sequence[Judgement], run: Run) -> str:
    """The report of a run, the verdict that matters most first. Every word from outside is escaped."""
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html.j2", globals={"placed": placed, "STROKES": STROKES})
    return template.render(parts=[_part(one) for one in judgements], run=run)


def _part(one: Judgement) -> dict[str, Any]:
    """What the template shows of one candidate."""
    trial, drawn, name = one.trial, one.drawn, one.device
    return {
        "device": name,
        "found": one.found,
        "tone": TONE[one.found.status],
        "trial": trial,
        "on_trial": on_trial(trial) if trial else [],
        "not_proved": not_proved(trial, one.found.status) if trial else [],
        "criteria": _criteria(one.found.criteria, name),
        "classes": _classes(trial) if trial else [],
        "intervals": _intervals(trial, name) if trial else None,
        "curves": _curves(drawn, trial, name) if drawn and trial else [],
        "drawn": drawn,
        "errors": figures.error_bars(drawn.errors, f"{name}-errors") if drawn else None,
        "agreement": _agreement(trial, name) if trial else [],
        "alone": trial.agreement["alone"][:ALONE_SHOWN] if trial and trial.agreement else [],
        "lines": _pipeline(trial) if trial else [],
        "rates": one.rates,
    }


def _criteria(rows: Sequence[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    return [{**row, "strip": figures.criterion_strip(row, f"{name}-criterion-{at}")} for at, row in enumerate(rows)]


def _classes(trial: Trial) -> list[dict[str, Any]]:
    """A row for each class: both APs, the difference, and the interval where there is one; worst difference first."""
    intervals = trial.paired["drop"]["classes"] if trial.paired else {}  # type: ignore[index]
    rows = [
        {
            "name": name,
            "reference": trial.reference_ap.get(name),
            "candidate": ap,
            "difference": None if name not in trial.reference_ap else ap - trial.reference_ap[name],
            "interval": intervals.get(name),
        }
        for name, ap in trial.candidate_ap.items()
    ]
    return sorted(rows, key=lambda row: (row["difference"] or 0.0, row["candidate"]))


def _intervals(trial: Trial, name: str) -> Markup | None:
    rows = [{"name": row["name"], **row["interval"]} for row in _classes(trial) if row["interval"]]
    if not rows or trial.paired is None:
        return None
    margin: float = trial.paired["drop"]["class_margin"]  # type: ignore[index]
    return figures.class_intervals(rows, margin, f"{name}-intervals")


def _curves(drawn: Drawn, trial: Trial, name: str) -> list[tuple[ClassCurves, Markup]]:
    by_name = {one.name: one for one in drawn.curves}
    order = [row["name"] for row in _classes(trial) if row["name"] in by_name]
    return [(by_name[cls], figures.class_curves(by_name[cls], f"{name}-curves-{at}")) for at, cls in enumerate(order)]


def _agreement(trial: Trial, name: str) -> list[dict[str, Any]]:
    """A block for each group of figures in the order of the pipeline, worst figure first."""
    rows = trial.agreement["figures"] if trial.agreement else []
    found = []
    for group in GROUPS:
        mine = sorted((row for row in rows if row["group"] == group), key=lambda row: -float(row["times"]))
        if mine:
            found.append(
                {
                    "group": group,
                    "rows": mine[:ROWS_SHOWN],
                    "count": len(mine),
                    "left_out": len(mine) - len(mine[:ROWS_SHOWN]),
                    "beyond": sum(float(row["times"]) > 1 for row in mine),
                    "dots": figures.agreement_dots(mine, group, f"{name}-agreement-{group}"),
                }
            )
    return found


def _pipeline(trial: Trial) -> list[tuple[str, list[tuple[str, str, Any]]]]:
    """Two lines of artifacts: how the candidate came about, and the reference. With fitted canvases a graph is several files."""
    sides = {"candidate": OF_CANDIDATE, "reference": OF_REFERENCE}
    return [
        (
            side,
            [
                (sign, found, exhibit)
                for sign, name in artifacts
                for found, exhibit in trial.exhibits.items()
                if found == name or found.startswith(f"{name} ")
            ],
        )
        for side, artifacts in sides.items()
        if side == "candidate" or any(name.startswith("reference") for name in trial.exhibits)
    ]
