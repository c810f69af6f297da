"""Split the text of `npu-smi info` into the rows of its tables and all other lines, and bring the rows into one layout.

npu-smi prints another layout for Ascend950: `NPU ID | Name | Health` over `| | Bus-Id | NPU Util(%)`, and processes by NPU
ID alone (npu-smi 25.6.rc1, public logs). `to_older_layout` rewrites these rows; a chip of the 950 becomes chip 0 of its NPU.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

BORDER: Final = re.compile(r"\+[-=+]*\+")
REASON: Final = re.compile(r"ret is -?\d+|no npu|not? found|fail|error|denied|busy|is used", re.IGNORECASE)
MEANINGS: Final = {  # error code of the driver's interface (dcmi) -> what it means, according to public logs
    "-8005": "the driver shows no device to this container or user: is /dev/davinci* mounted, with the driver's folder?",
    "-8020": "another container or process uses the device: end it, or choose a device that is free",
}


@dataclass(frozen=True, slots=True)
class Lines:
    """The parts of the text.

    rows     the rows of all tables, without the borders
    others   the lines that are not rows
    last     the last line of the last table, a row or a border
    damaged  a line inside a table that contains `|` but does not begin with it, so rows may be missing; "" if there is none
    """

    rows: tuple[str, ...]
    others: tuple[str, ...]
    last: str
    damaged: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether the last table ends without its lower border, +===+."""
        return not (BORDER.fullmatch(self.last) and "=" in self.last)


def lines_of(text: str) -> Lines:
    """Split the text. A row starts with `|`. Of the lines before the first row only [WARNING] and [ERROR] lines are kept."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    start = next((index for index, line in enumerate(lines) if line.startswith("|")), None)
    if start is None:
        return Lines((), tuple(lines), "")
    table = [line for line in lines[start:] if line.startswith("|") or BORDER.fullmatch(line)]
    before = [line for line in lines[:start] if re.match(r"\[(WARNING|ERROR)", line)]
    after = [line for line in lines[start:] if not (line.startswith("|") or BORDER.fullmatch(line))]
    damaged = next((line for line in after if "|" in line), "")
    return Lines(tuple(line for line in table if line.startswith("|")), (*before, *after), table[-1], damaged)


def failure_reason(lines: Sequence[str]) -> str | None:
    """The last line that gives a reason, and what its error code means; None if no line does. For a text without a table."""
    found = [line for line in lines if REASON.search(line) and "ConsoleLogLevel" not in line]
    if not found:
        return None
    with_code = [line for line in found if "ret is" in line]
    reason = (with_code or found)[-1]
    meaning = next((meaning for code, meaning in MEANINGS.items() if f"ret is {code}" in reason), "")
    return f"{quoted(reason)}{f'; {meaning}' if meaning else ''}"


def to_older_layout(rows: Sequence[str]) -> list[str]:
    """The rows in the older layout. Rows in the 950's layout are rewritten, others are returned as they are."""
    heads = [cells(row) for row in rows[1:3]]
    if len(heads) < 2 or heads[0][:3] != ["NPU ID", "Name", "Health"] or heads[1][:3] != ["", "", "Bus-Id"]:
        return list(rows)
    return [rows[0], *(_rewritten(row) for row in rows[1:])]


def _rewritten(row: str) -> str:
    found = cells(row)
    match found:
        case ["NPU ID", "Name", *rest]:
            found = ["NPU Name", *rest]
        case ["NPU ID", *rest]:
            found = ["NPU Chip", *rest]
        case ["", "", "Bus-Id", usage, *rest]:
            found = ["Chip", "Bus-Id", usage.replace("NPU Util(%)", "AICore(%)"), *rest]
        case ["", "", bus, *rest]:
            found = ["0", bus, *rest]
        case [npu, process, _, _, _] if number(npu) is not None and number(process) is not None:
            found = [f"{npu} 0", *found[1:]]
        case [npu, name, *rest] if number(npu) is not None:
            found = [f"{npu} {name}", *rest]
    return f"| {' | '.join(found)} |"


def cells(row: str) -> list[str]:
    """The texts between the bars of a row."""
    return [cell.strip() for cell in row.strip("|").split("|")]


def number(word: str) -> int | None:
    """A word of one to six ASCII digits as a number; None for another word."""
    return int(word) if re.fullmatch(r"[0-9]{1,6}", word) else None


def quoted(line: str) -> str:
    """A line for a message: in quotes, at most 200 characters, without control characters."""
    shown = printable([line])
    return repr(shown if len(shown) <= 200 else shown[:200] + "...")


def printable(texts: Iterable[str]) -> str:
    """The texts joined, with `?` for every character that a terminal cannot show."""
    return "".join(letter if letter.isprintable() else "?" for letter in "".join(texts))
