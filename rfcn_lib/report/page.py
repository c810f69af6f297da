"""The report: one page of HTML, readable offline, without script. Values in, text out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rfcn_lib.report import figures
from rfcn_lib.report.comparisons import protocol_dots, rate_bars
from rfcn_lib.report.drawn import ClassCurves, Drawn, Pace
from rfcn_lib.report.labels import STROKES, placed
from rfcn_lib.report.pipeline import GROUPS, lines, steps
from rfcn_lib.report.scatter import pairs_figures, pairs_in_words
from rfcn_lib.report.words import TONE, not_proved, on_trial
from rfcn_lib.verdict.trial import Trial
from rfcn_lib.verdict.verdict import THROUGHPUT, Verdict

ROWS_SHOWN: Final = 6  # of a group's figures
ALONE_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one candidate.

    device  "host", "rehearsal" or "npu"
    trial   None where the run did not get that far
    speed   of an NPU: `paces` and `latencies` as plain values, see `rfcn_lib.suite.speed`
    times   exhibit -> how long it took to make, in words
    checks  lines for a shell that check the digests
    """

    device: str
    found: Verdict
    trial: Trial | None
    drawn: Drawn | None
    speed: Mapping[str, Any] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    checks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What is the same for every candidate of a run.

    made      when, ISO 8601
    command   the line for a shell that starts the same run again
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
    environment.globals.update(placed=placed, STROKES=STROKES)
    return environment.get_template("page.html.j2").render(parts=[_part(one) for one in judgements], run=run)


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
        "lines": lines(trial) if trial else [],
        "times": {exhibit: one.times.get(exhibit, "") for exhibit in trial.exhibits} if trial else {},
        "steps": steps(trial, one.found) if trial else [],
        "pairs": pairs_figures(drawn.pairs, f"{name}-pairs") if drawn and drawn.pairs else [],
        "pairs_words": pairs_in_words(drawn.pairs) if drawn and drawn.pairs else "",
        "protocols": protocol_dots(drawn.protocols, f"{name}-protocols") if drawn and drawn.protocols else None,
        **_speed(one),
        "checks": one.checks,
    }


def _speed(one: Judgement) -> dict[str, Any]:
    """The GPU's rates, then the NPU's, and the limit where it was judged."""
    gpu = one.drawn.gpu if one.drawn else ()
    measured = [Pace(**pace) for pace in one.speed.get("paces", ())]
    paces = [*gpu, *measured]
    limit = next((row["limit"] for row in one.found.criteria if row["name"] == THROUGHPUT), None)
    bars = rate_bars(paces, len(gpu), limit, f"{one.device}-rates") if paces else None
    latencies = one.speed.get("latencies", ())
    return {"measured": measured, "paces": paces, "limit": limit, "bars": bars, "latencies": latencies}


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
