"""Which NPUs are there: the table of `npu-smi info`, read in every form it is known in, and refused in any other.

    | NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
    | Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
    +===============================+=================+======================================================+
    | 0       310P3                 | OK              | 15.8         42                0     / 0             |
    | 0       0                     | 0000:82:00.0    | 0            1074  / 21534                           |

Two lines a chip. The second column of the second line is `Device` (310, 310P), `Phy-ID` (A3) or not there (910B).
A second table, of newer versions, lists the processes on the chips, and names every NPU of the first. Widths differ from
version to version; a border of `=` ends a card and each table, one of `-` stands between the chips of a card. So a text that
was cut is noticed, unless it ends with a whole card and its version prints one table only.
"""

import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock

from rfcn_lib.command import CommandError, explain, run

BORDER = re.compile(r"\+[-=+]*\+")
ID_COLUMNS = {("Chip", "Device"), ("Chip", "Phy-ID"), ("Chip",)}
TIMEOUT_S = 60.0
MOST_CHIPS = 1024


class NpuSmiError(RuntimeError):
    """`npu-smi info` could not be run, or says something this module does not know; the message quotes it."""


class NoAnswerError(NpuSmiError):
    """`npu-smi info` ended with a failure of its own, or its table has no row."""


@dataclass(frozen=True, slots=True)
class Npu:
    """One chip, that is one device for an inference tool.

    device_id  what `-device_id` and `--device` take: the Device or Phy-ID column, or else the chip's place in the table
    npu_id     the NPU column, a card's own number (2048 on some hosts); chip: the chip on that card
    name       310, 310P3, 910B4, Ascend910 ...; health: OK, Warning, Alarm, Critical, UNKNOWN
    busy       a sentence for each sign that somebody else uses it
    version    of npu-smi, which comes with the driver; empty where the table has no title row
    """

    device_id: int
    npu_id: int
    chip: int
    name: str
    health: str
    busy: tuple[str, ...] = ()
    version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class _Chip:
    npu: Npu
    bus: str


def devices(tool: str | Path | None = None) -> tuple[Npu, ...]:
    """Ask `npu-smi info`; `tool` is another npu-smi than the one on PATH.

    Raises:
        NoAnswerError: it ends with a failure, or lists nothing.
        NpuSmiError: it is not there, hangs, or says what `parse` does not know.
    """
    # the vendor forbids running it twice at once; pytest may run in several processes
    lock = Path(tempfile.gettempdir()) / f"rfcn-npu-smi-{os.getuid()}.lock"
    try:
        with FileLock(lock):
            done = run([tool or "npu-smi", "info"], cwd=Path.cwd(), timeout_s=TIMEOUT_S)
    except CommandError as error:
        raise NpuSmiError(f"the NPUs of this host cannot be asked: {error}") from error
    if done.returncode != 0:
        hint = "\n  try:     is the driver loaded (ls /dev/davinci*), and may this user and this container use it?"
        raise NoAnswerError(explain(done, "the NPUs of this host cannot be asked") + hint)
    try:
        return parse(done.stdout)
    except NpuSmiError as error:
        raise type(error)(f"{error}\n  by hand: {done.typed}") from error


def parse(text: str) -> tuple[Npu, ...]:
    """The chips in the text of `npu-smi info`, in its order.

    Raises:
        NpuSmiError: not a table of a known form, cut in the middle, or two chips of one device id; quotes the line.
    """
    # before the first row a driver may print warnings; from there on every line counts
    lines = [line.strip() for line in text.splitlines()]
    start = next((index for index, line in enumerate(lines) if line.startswith("|")), len(lines))
    rows = [line for line in lines[start:] if line and not BORDER.fullmatch(line)]
    if not rows:
        first = next((line for line in lines if line), "")
        raise NpuSmiError(f"npu-smi info should print a table, but its first line is {_quoted(first)}")
    last = next(line for line in reversed(lines) if line)
    if not (BORDER.fullmatch(last) and "=" in last):
        raise _unknown(last, "followed by the lower border of the table, +===+; the text is cut")
    heads = [index for index, row in enumerate(rows) if _cells(row)[0].split()[:1] == ["NPU"]]
    ends = [*heads[1:], len(rows)]
    if not heads:
        raise NpuSmiError(f"npu-smi info prints no table of NPUs; its first row is {_quoted(rows[0])}")
    chips = _chips(rows[heads[0] : ends[0]])
    title = re.match(r"npu-smi +([A-Za-z0-9._-]{1,50})", _cells(rows[0])[0])
    chips = [replace(chip, npu=replace(chip.npu, version=title[1] if title else "")) for chip in chips]
    if len(heads) > 2:
        raise NpuSmiError(f"npu-smi info prints a third table, unknown here: {_quoted(rows[heads[2]])}")
    if len(heads) == 1:
        return tuple(chip.npu for chip in chips)
    idle, busy = _processes(rows[heads[1] : ends[1]])
    _expect_same_npus(chips, idle, busy, rows[-1])
    return tuple(replace(c.npu, busy=c.npu.busy + busy.get((c.npu.npu_id, c.npu.chip), ())) for c in chips)


def chips_on_card(npus: Iterable[Npu], npu: Npu) -> int:
    """How many chips the card of `npu` has, by the table: four on an Atlas 300I, two on a 300I Duo."""
    return sum(other.npu_id == npu.npu_id for other in npus)


def number(word: str) -> int | None:
    """The whole number that a word of up to six ASCII digits says, or else None."""
    return int(word) if re.fullmatch(r"[0-9]{1,6}", word) else None


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


def _quoted(line: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    return repr(shown if len(shown) <= 200 else shown[:200] + "...")


def _unknown(line: str, should: str) -> NpuSmiError:
    return NpuSmiError(f"npu-smi info prints {_quoted(line)}, but this line should be {should}")


def _chips(rows: Sequence[str]) -> list[_Chip]:
    first, second = _cells(rows[0]), _cells(rows[1]) if len(rows) > 1 else [""]
    if [cell.split() for cell in first[:2]] != [["NPU", "Name"], ["Health"]]:
        raise _unknown(rows[0], "the heading 'NPU Name | Health | ...'")
    columns = tuple(second[0].split())
    if columns not in ID_COLUMNS or second[1:2] != ["Bus-Id"] or not "".join(second[2:3]).startswith("AICore(%)"):
        raise _unknown(rows[min(1, len(rows) - 1)], "the heading 'Chip [Device|Phy-ID] | Bus-Id | AICore(%) ...'")
    body = rows[2:]
    if not body:
        error = _unknown(rows[1], "followed by two lines for each chip; the table is cut, or no NPU is visible here")
        raise NoAnswerError(str(error))
    if len(body) > 2 * MOST_CHIPS:
        raise NpuSmiError(f"npu-smi info lists {len(body) // 2} chips, but a host has {MOST_CHIPS} at most")
    if len(body) % 2:
        raise _unknown(body[-1], "followed by the chip's second line; the table is cut")
    found: dict[int, _Chip] = {}
    for upper, lower in zip(body[::2], body[1::2], strict=True):
        chip = _chip(upper, lower, columns, len(found))
        twin = found.setdefault(chip.npu.device_id, chip)
        # a chip shared out by software is printed once for each of its dies, the same bus id and device id twice
        if twin is not chip and (twin.bus != chip.bus or chip.bus == "NA"):
            raise _unknown(lower, f"another device id than that of the chip on bus {twin.bus}")
    return list(found.values())


def _chip(upper: str, lower: str, columns: tuple[str, ...], place: int) -> _Chip:
    named, health = (*_cells(upper), "", "")[:2]
    npu_id, _, name = named.partition(" ")
    if (
        number(npu_id) is None
        or not re.fullmatch(r"[A-Za-z0-9_.-]+", name.strip())
        or not re.fullmatch(r"[A-Za-z]+", health)
    ):
        raise _unknown(upper, "'NPU Name | Health | ...' of a chip")
    numbered, bus, usage = (*_cells(lower), "", "", "")[:3]
    numbers = [number(word) for word in numbered.split()]
    if len(numbers) != len(columns) or None in numbers or not re.fullmatch(r"[0-9A-Fa-f:.]+|NA|N/A|-", bus):
        raise _unknown(lower, f"'{' '.join(columns)} | Bus-Id | ...' of a chip")
    load = (usage.split() or [""])[0]
    if not re.fullmatch(r"[0-9]{1,3}|NA|N/A|-", load):
        raise _unknown(lower, "'... | AICore(%) ...', a number, NA or -")
    busy = (f"AICore at {load} %",) if (number(load) or 0) > 0 else ()
    chip, device = int(numbers[0] or 0), numbers[-1] if len(columns) == 2 else place
    return _Chip(Npu(int(device or 0), int(npu_id), chip, name.strip(), health, busy), bus)


def _processes(rows: Sequence[str]) -> tuple[set[int], dict[tuple[int, int], tuple[str, ...]]]:
    """NPUs said to be idle, and sentences by (NPU, chip).

    Columns: NPU Chip, Process id, Process name, Process memory(MB), perhaps more.
    """
    heading = [cell.split() for cell in _cells(rows[0])]
    if heading[:4] != [["NPU", "Chip"], ["Process", "id"], ["Process", "name"], ["Process", "memory(MB)"]]:
        raise _unknown(rows[0], "the heading 'NPU Chip | Process id | Process name | Process memory(MB)'")
    idle: set[int] = set()
    found: dict[tuple[int, int], tuple[str, ...]] = {}
    for row in rows[1:]:
        cells = _cells(row)
        none = re.fullmatch(r"No running processes found in NPU ([0-9]{1,6})", cells[0])
        if none and len(cells) == 1:
            idle.add(int(none[1]))
            continue
        place = [number(word) for word in cells[0].split()]
        if len(cells) < 4 or len(place) != 2 or None in place or not re.fullmatch("[0-9]{1,10}", cells[1]):
            raise _unknown(row, "a process, or 'No running processes found in NPU N'")
        named = _printable(cells[2:3]) or "of no name"
        key = int(place[0] or 0), int(place[1] or 0)
        found[key] = (*found.get(key, ()), f"process {cells[1]} ({named}), {_printable(cells[3:4])} MB")
    return idle, found


def _expect_same_npus(
    chips: Sequence[_Chip], idle: set[int], busy: dict[tuple[int, int], tuple[str, ...]], last: str
) -> None:
    """Both tables are of the same NPUs; otherwise one of them is cut."""
    places = {(chip.npu.npu_id, chip.npu.chip) for chip in chips}
    npus = {npu for npu, _ in places}
    for place, sentences in busy.items():
        if place not in places:
            raise NpuSmiError(f"npu-smi info lists {sentences[0]} on NPU {place[0]} chip {place[1]}, which it does not")
    strange = sorted(idle - npus)
    if strange:
        raise NpuSmiError(f"npu-smi info says that NPU {strange[0]} is idle, but its first table has no such NPU")
    silent = sorted(npus - idle - {npu for npu, _ in busy})
    if silent:
        raise _unknown(last, f"followed by the processes of NPU {silent[0]}, or that it has none; the text is cut")


def _printable(cells: Iterable[str]) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in "".join(cells))[:100]
