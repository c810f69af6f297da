"""The text of `npu-smi info`, line by line: which lines are rows of a table, which are words beside it, and one layout for all.

Ascend950 prints another layout: `NPU ID | Name | Health` over `| | Bus-Id | NPU Util(%)`, and processes by NPU ID alone
(npu-smi 25.6.rc1, public logs). Its rows are rewritten into the older layout; a chip of the 950 is chip 0 of its NPU.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

BORDER: Final = re.compile(r"\+[-=+]*\+")
REASON: Final = re.compile(r"ret is -?\d+|no npu|not? found|fail|error|denied|busy|is used", re.IGNORECASE)
MEANINGS: Final = {  # a code of the driver's interface (dcmi) -> what it means, as people met it in public logs
    "-8005": "the driver shows no device to this container or user: is /dev/davinci* mounted, with the driver's folder?",
    "-8020": "another container or process holds the device: end it, or choose a device that is free",
}


@dataclass(frozen=True, slots=True)
class Lines:
    """A text in its parts: rows of all tables without borders, words that are no row, and the last line of a table.

    damaged  a line amid a table that has bars and does not begin with one, so that rows may be missing; "" is best
    """

    rows: tuple[str, ...]
    beside: tuple[str, ...]
    last: str
    damaged: str = ""

    @property
    def is_cut(self) -> bool:
        """Whether the last table ends without its lower border, +===+."""
        return not (BORDER.fullmatch(self.last) and "=" in self.last)


def lines_of(text: str) -> Lines:
    """Rows start with `|`. Before the first one a driver may print what it likes; only a [WARNING] or [ERROR] of it is kept."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    start = next((index for index, line in enumerate(lines) if line.startswith("|")), None)
    if start is None:
        return Lines((), tuple(lines), "")
    table = [line for line in lines[start:] if line.startswith("|") or BORDER.fullmatch(line)]
    before = [line for line in lines[:start] if re.match(r"\[(WARNING|ERROR)", line)]
    after = [line for line in lines[start:] if not (line.startswith("|") or BORDER.fullmatch(line))]
    damaged = next((line for line in after if "|" in line), "")
    return Lines(tuple(line for line in table if line.startswith("|")), (*before, *after), table[-1], damaged)


def failure_reason(words: Sequence[str]) -> str | None:
    """What a text without a table says of the reason: its last such line, and what the code in it means; None without one."""
    found = [line for line in words if REASON.search(line) and "ConsoleLogLevel" not in line]
    if not found:
        return None
    coded = [line for line in found if "ret is" in line]
    reason = (coded or found)[-1]
    meaning = next((meaning for code, meaning in MEANINGS.items() if f"ret is {code}" in reason), "")
    return f"{quoted(reason)}{f'; {meaning}' if meaning else ''}"


def to_older_layout(rows: Sequence[str]) -> list[str]:
    """The rows, those of the 950's layout rewritten into the older one."""
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
    """The whole number that a word of up to six ASCII digits says, or else None."""
    return int(word) if re.fullmatch(r"[0-9]{1,6}", word) else None


def quoted(line: str) -> str:
    """A line as a message shows it: at most 200 characters, none that moves the cursor."""
    shown = printable([line])
    return repr(shown if len(shown) <= 200 else shown[:200] + "...")


def printable(texts: Iterable[str]) -> str:
    """The texts as one, every character that a terminal does not show as `?`."""
    return "".join(letter if letter.isprintable() else "?" for letter in "".join(texts))
