"""A run beside an earlier one, as a person reads it: a section of the terminal's page, and a few lines of a summary."""

import re
from collections.abc import Sequence
from io import StringIO
from typing import Final

from rich.console import Console
from rich.table import Table

from rfcn_lib.verdict.comparison import DIGEST_SHOWN, CandidateComparison, Change, Comparison, NumberChange

CLASSES_SHOWN: Final = 20
DIGEST: Final = re.compile("[0-9a-f]{40,64}")
CHANGES_NOTHING: Final = "This is information. It changes no verdict."


def comparison_page(found: Comparison, width: int) -> str:
    """What is compared with what, then what changed: inputs, versions, options, numbers."""
    console = Console(file=StringIO(), width=min(max(width, 80), 120), highlight=False, markup=False)
    console.print(f"earlier    {found.file} (sha256 {found.sha256[:12]}), made {found.made}")
    console.print(f"status     {found.earlier_status} -> {found.now_status}")
    console.print(f"versions   {changed_words(found.versions)}")
    console.print(f"options    {changed_words(found.options)}")
    if not found.candidates:
        console.print("candidate  none was judged in this run, so no number is compared")
    for one in found.candidates:
        _print_candidate(console, one)
    console.print(CHANGES_NOTHING)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def changed_words(changes: Sequence[Change]) -> str:
    """Each change as `name: earlier -> now`."""
    return "; ".join(f"{one.what}: {_short(one.earlier)} -> {_short(one.now)}" for one in changes) or "the same"


def inputs_words(one: CandidateComparison) -> str:
    """Files that changed, by the beginning of their digests, and those that did not."""
    same = f"the same: {', '.join(one.alike)}" if one.alike else ""
    return "; ".join(filter(None, (changed_words(one.inputs) if one.inputs else "", same))) or "none"


def _short(text: str) -> str:
    """A digest's beginning; anything else whole."""
    return text[:DIGEST_SHOWN] if DIGEST.fullmatch(text) else text


def _print_candidate(console: Console, one: CandidateComparison) -> None:
    console.print(f"\ncandidate  earlier: {one.earlier}: {one.earlier_status}")
    console.print(f"           now:     {one.now}: {one.now_status}")
    if one.unlike:
        console.print(f"           {one.unlike}")
    console.print(f"inputs     {inputs_words(one)}")
    if one.refused:
        console.print(f"REFUSED    {one.refused}")
        return
    console.print(_criteria_table([*one.means, *one.criteria]))
    for side, rows in (("candidate", one.classes), ("reference", one.reference_classes)):
        moved = [row for row in rows if row.changed]
        if moved:
            console.print(_class_table(f"AP, {side}", moved[:CLASSES_SHOWN]))
        same = len(rows) - len(moved)
        console.print(f"classes    {side}: {len(moved)} moved, {same} are the same to the last bit")


def _criteria_table(rows: Sequence[NumberChange]) -> Table:
    table = Table("criterion")
    for heading in ("earlier", "now", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("outcome")
    for row in rows:
        outcome = row.now_outcome
        if row.earlier_outcome != row.now_outcome:
            outcome = f"{row.earlier_outcome} -> {row.now_outcome}"
        if row.earlier_limit and row.now_limit and row.earlier_limit != row.now_limit:
            outcome += f", limit {row.earlier_limit} -> {row.now_limit}"
        table.add_row(row.name, *numbers(row), outcome)
    return table


def numbers(row: NumberChange) -> tuple[str, str, str]:
    """Earlier, now, difference."""
    difference = "" if row.difference is None else f"{row.difference:+.4g}" if row.changed else "same"
    return _number(row.earlier), _number(row.now), difference if row.difference != 0 else "same"


def _class_table(heading: str, rows: Sequence[NumberChange]) -> Table:
    table = Table(heading)
    for name in ("earlier", "now", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        difference = "" if row.difference is None else f"{row.difference:+.4f}"
        shown = ["" if one is None else f"{one:.4f}" for one in (row.earlier, row.now)]
        table.add_row(row.name, *shown, difference)
    return table


def _number(number: float | None) -> str:
    return "none" if number is None else f"{number:.6g}"
