"""Read the second table of `npu-smi info`: which processes run on which chip.

Newer versions of npu-smi print this table. It has a line for every NPU, also for an NPU without a process.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rfcn_lib.ascend.npu_lines import cells, number, printable, quoted

ChipPlace = tuple[int, int]  # NPU id, chip
HEADING = [["NPU", "Chip"], ["Process", "id"], ["Process", "name"], ["Process", "memory(MB)"]]


@dataclass(slots=True)
class Processes:
    """What the table says.

    idle      ids of the NPUs without a process
    busy      chip -> one sentence for each process on it
    warnings  one sentence for each line that this module cannot read
    """

    idle: set[int] = field(default_factory=set)
    busy: dict[ChipPlace, tuple[str, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def processes_of(rows: Sequence[str]) -> Processes:
    """Read the rows; the first is the heading. Columns: NPU Chip, Process id, Process name, Process memory(MB), perhaps more."""
    found = Processes()
    heading = [cell.split() for cell in cells(rows[0])]
    if heading[:4] != HEADING:
        found.warnings.append(
            f"npu-smi info prints {quoted(rows[0])}, but this line should be the heading 'NPU Chip | Process id | Process name "
            "| Process memory(MB)': the suite does not know which processes run on the chips"
        )
        return found
    for row in rows[1:]:
        inside = cells(row)
        none = re.fullmatch(r"No running processes found in NPU ([0-9]{1,6})", inside[0])
        if none and len(inside) == 1:
            found.idle.add(int(none[1]))
            continue
        place = [number(word) for word in inside[0].split()]
        if len(inside) < 4 or len(place) != 2 or None in place or not re.fullmatch("[0-9]{1,10}", inside[1]):
            found.warnings.append(
                f"npu-smi info prints {quoted(row)}, but this line should be a process, or 'No running processes found in NPU N'"
            )
            continue
        named = printable(inside[2:3])[:100] or "no name"
        key = int(place[0] or 0), int(place[1] or 0)
        sentence = f"process {inside[1]} ({named}), {printable(inside[3:4])[:100]} MB"
        found.busy[key] = (*found.busy.get(key, ()), sentence)
    return found


def contradictions(places: set[ChipPlace], found: Processes) -> list[str]:
    """One sentence for each chip that is in the second table, but not in the first one (`places`)."""
    npus, result = {npu for npu, _ in places}, []
    for place, sentences in found.busy.items():
        if place not in places:
            result.append(
                f"npu-smi info lists {sentences[0]} on NPU {place[0]} chip {place[1]}, which its first table does not have"
            )
    return result + [
        f"npu-smi info says that NPU {npu} is idle, but its first table has no such NPU"
        for npu in sorted(found.idle - npus)
    ]


def npu_without_entry(places: set[ChipPlace], found: Processes) -> int | None:
    """The first NPU without a line in the second table: the text is incomplete. None if there is none, or with warnings."""
    absent = sorted({npu for npu, _ in places} - found.idle - {npu for npu, _ in found.busy})
    return absent[0] if absent and not found.warnings else None
