"""The pages that a person reads: the verdict, and the scores under each protocol. Values in, text out."""

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table

from rfcn_lib.score.calibration import CalibrationRow
from rfcn_lib.score.protocols import ProtocolScore
from rfcn_lib.verdict.agreement_words import agreement_lines
from rfcn_lib.verdict.interval_words import interval_lines, tie_lines
from rfcn_lib.verdict.verdict import Trial, Verdict

CLIPPED = {
    "canvas": "clipped to the canvas",
    "none": "not clipped, as published",
    "frozen": "clipped to a size that was frozen in",
    "unknown": "how they are clipped is not known",
}


def page(
    trial: Trial | None, found: Verdict, rates: Sequence[str], width: int, run: Sequence[str] = (), root: str = ""
) -> str:
    """The verdict as a person reads it: class APs worst difference first, the means, the criteria, what was on trial.

    `run`: what else had a part in the run, a line each. `root`: digest of the evidence; "" where none was written.
    """
    console = _console(width)
    if trial is not None:
        console.print(f"average precision, {trial.protocol['name']}")
        console.print(_ap_table(trial))
    if found.criteria:
        console.print("criteria")
        console.print(_criteria_table(found))
        for source in dict.fromkeys(row["source"] for row in found.criteria):
            console.print(f"  {', '.join(row['name'] for row in found.criteria if row['source'] == source)}: {source}")
        console.print()
    if trial is not None:
        console.print(
            f"candidate  {trial.candidate_device}\nreference  {trial.reference_device}\nprotocol   {trial.protocol['name']}"
        )
        console.print(_fingerprints(trial))
        console.print(
            f"judged     {len(trial.ids)} of {trial.set_size} pictures of set {trial.set_name}; port: {trial.port}"
        )
        console.print(f"set        {trial.set_standing}")
        for what, count in trial.tolerated.items():
            console.print(f"tolerated  {count} {what}")
        on = ", ".join(f"{name} ({count})" for name, count in trial.canvases.items())
        area = f"; {trial.canvas_area:.1%} of the published canvas's area" if trial.canvas == "fitted" else ""
        console.print(f"canvas     {trial.canvas}: {on}{area}")
        console.print(f"proposals  {CLIPPED[trial.clip]}")
        for finding in filter(None, (trial.too_good, trial.explained and f"explained: {trial.explained}")):
            console.print(f"finding    {finding}")
        for note in trial.notes:
            console.print(f"note       {note}")
        if trial.cropped:
            named = ", ".join(f"{id} ({share:.1%})" for id, share in list(trial.cropped.items())[:10])
            console.print(
                f"cropped    {len(trial.cropped)} pictures exceed the canvas and lost part of their area: {named}"
            )
        for line in interval_lines(trial.paired, judges=trial.by_interval):
            console.print(line)
        for line in tie_lines(trial.ties, trial.paired, trial.reference_mean_ap):
            console.print(line)
        for line in agreement_lines(trial.agreement, trial.blame):
            console.print(line)
        for rate in rates:
            console.print(f"rate       {rate}")
        for name, exhibit in trial.exhibits.items():
            console.print(
                f"{name:<16} {exhibit['sha256'][:12]}  {exhibit['path']}", overflow="ignore", no_wrap=True, crop=False
            )
    for line in run:
        console.print(line)
    console.print(f"\n{found.status}: {found.words}{f'; evidence sha256 {root}' if root else ''}")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def protocols_page(
    reference: Sequence[ProtocolScore] | None, candidate: Sequence[ProtocolScore], width: int, *, by_class: bool
) -> str:
    """The same detections under each protocol, reference and candidate side by side.

    Args:
        reference: the source model's scores; None where its detections are not known (a published figure).
        candidate: the port's, under the same protocols in the same order.
        width: columns of the terminal; from 80 to 120 are used.
        by_class: whether a table of classes for each protocol follows the table of means.

    Raises:
        ValueError: the two sides have other protocols or classes.
    """
    pairs = list(zip(reference or candidate, candidate, strict=True))
    for want, got in pairs:
        if want.protocol != got.protocol or want.ap.keys() != got.ap.keys():
            raise ValueError(
                f"the reference's score is of {want.protocol!r} and {len(want.ap)} classes, but should be of "
                f"{got.protocol!r} and {len(got.ap)} classes, as the candidate's"
            )
    console = _console(width)
    console.print("mean average precision of the same detections under each protocol; the criteria use the first")
    table = _comparison("protocol")
    for want, got in pairs:
        table.add_row(got.protocol, *_compared(want.mean_ap if reference else None, got.mean_ap))
    console.print(table)
    for want, got in pairs if by_class else ():
        console.print(f"\n{got.protocol}")
        table = _comparison("class")
        for name, ap in got.ap.items():
            table.add_row(name, *_compared(want.ap[name] if reference else None, ap))
        table.add_section()
        table.add_row("mean", *_compared(want.mean_ap if reference else None, got.mean_ap))
        console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def explanation_page(lines: Sequence[Mapping[str, Any]], chip: str, assumed: Sequence[str], width: int) -> str:
    """What each effect of a chip costs: a line per run, the first one is the reference, the second one the twin.

    lines    `what`, `mean_ap`, and `ap` by class
    assumed  the rules that the rehearsal rests on, a sentence each
    """
    console = _console(width)
    console.print(f"{chip}: where the points go; differences from the reference and from the twin")
    table = Table("run", "mean AP", "reference", "twin", "classes that move most")
    reference, twin = lines[0], lines[1]
    for line in lines:
        table.add_row(
            line["what"],
            f"{line['mean_ap']:.4f}",
            "" if line is reference else f"{line['mean_ap'] - reference['mean_ap']:+.4f}",
            "" if line in (reference, twin) else f"{line['mean_ap'] - twin['mean_ap']:+.4f}",
            "" if line in (reference, twin) else _moved(line["ap"], twin["ap"]),
        )
    console.print(table)
    console.print("The rehearsal rests on:")
    for words in assumed:
        console.print(f"  - {words}")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def headroom_page(rows: Sequence[Mapping[str, Any]], width: int) -> str:
    """How near tensors come to the largest fp16 number, worst first. Rows as `rfcn_lib.graph.rehearsal.headroom.Headroom`."""
    console = _console(width)
    table = Table()
    table.add_column("node", overflow="fold")
    for heading in ("largest", "of 65504", "subnormal", "becomes 0", "picture"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        numbers = max(row["numbers"], 1)
        table.add_row(
            f"{row['node'] or row['tensor']} ({'weight of ' if row['weight'] else ''}{row['operator']})",
            f"{row['largest']:.6g}",
            f"{row['largest'] / 65504:.2%}",
            f"{row['subnormal'] / numbers:.2%}",
            f"{row['underflowed'] / numbers:.2%}",
            row["picture"],
        )
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def calibration_page(rows: Sequence[CalibrationRow], predicted: str, measured: str, width: int) -> str:
    """Each figure as it was predicted, with its interval, and as it was measured. `predicted`, `measured`: what was compared."""
    console = _console(width)
    console.print(f"predicted  {predicted}\nmeasured   {measured}")
    table = Table("figure")
    for heading in ("predicted", "interval", "measured", "inside"):
        table.add_column(heading, justify="right", no_wrap=True)
    shown = {None: "", True: "yes", False: "NO"}
    for row in rows:
        interval = "" if row.low is None or row.high is None else f"{row.low:.4g} .. {row.high:.4g}"
        numbers = ("" if number is None else f"{number:.4g}" for number in (row.predicted, row.measured))
        was, now = numbers
        table.add_row(row.figure, was, interval, now, shown[row.inside])
    console.print(table)
    inside = [row.inside for row in rows if row.inside is not None]
    console.print(f"{sum(inside)} of {len(inside)} measured figures lie in the predicted interval")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def _moved(ap: Mapping[str, float], other: Mapping[str, float], count: int = 3) -> str:
    by = {name: ap[name] - other[name] for name in ap if name in other and ap[name] != other[name]}
    worst = sorted(by, key=lambda name: -abs(by[name]))[:count]
    return ", ".join(f"{name} {by[name]:+.3f}" for name in worst)


def _console(width: int) -> Console:
    return Console(file=StringIO(), width=min(max(width, 80), 120), highlight=False, markup=False)


def _comparison(what: str) -> Table:
    table = Table(what)
    for heading in ("reference", "candidate", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _compared(want: float | None, got: float) -> tuple[str, str, str]:
    return ("", f"{got:.4f}", "") if want is None else (f"{want:.4f}", f"{got:.4f}", f"{got - want:+.4f}")


def _ap_table(trial: Trial) -> Table:
    table = _comparison("class")
    rows = {name: (trial.reference_ap.get(name), ap) for name, ap in trial.candidate_ap.items()}
    differences = {name: 0.0 if want is None else got - want for name, (want, got) in rows.items()}
    for name in sorted(rows, key=lambda name: (differences[name], rows[name][1])):
        table.add_row(name, *_compared(*rows[name]))
    table.add_section()
    table.add_row("mean", *_compared(trial.reference_mean_ap, trial.candidate_mean_ap))
    return table


def _fingerprints(trial: Trial) -> str:
    """The hashes of both sides' protocols, and what differs between them: the reference is always on the port's own canvas."""
    mine, theirs = trial.protocol, trial.reference_protocol
    apart = [name for name in theirs if name != "fingerprint" and theirs[name] != mine.get(name)]
    words = "; ".join(f"{name} {mine.get(name)}, reference {theirs[name]}" for name in apart)
    both = f", reference {theirs['fingerprint']}" if theirs else ""
    return f"           fingerprint: candidate {mine.get('fingerprint', 'none')}{both}{f' ({words})' if words else ''}"


def _criteria_table(found: Verdict) -> Table:
    table = Table("criterion")
    for heading in ("number", "limit"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    for row in found.criteria:
        number = f"{row['number']:.6g}"
        if row["upper"] is not None:
            number += f" ({row['lower']:.4g} .. {row['upper']:.4g})"
        table.add_row(row["name"], number, f"{row['relation']} {row['limit']:.6g}", row["outcome"])
    return table
