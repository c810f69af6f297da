"""Which NPUs are there: the table of `npu-smi info`, read in every form it is known in.

    | NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
    | Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
    +===============================+=================+======================================================+
    | 0       310P3                 | OK              | 15.8         42                0     / 0             |
    | 0       0                     | 0000:82:00.0    | 0            1074  / 21534                           |

Two lines a chip. The second column of the second line is `Device` (310, 310P), `Phy-ID` (A3) or not there (910B). `Device` is
the id that the tools take. `Phy-ID` is the host's number: a container counts what it sees from 0, so there, and where no
column is, the chip's place in the table is its id (vllm-ascend pull request 16256, sgl-project pull request 14266).
A second table, of newer versions, lists the processes on the chips. Widths differ from version to version; a border of `=`
ends a card and each table, one of `-` stands between the chips of a card. So a text that was cut is noticed, unless it ends
with a whole card and its version prints one table only. What is printed besides, and rows that nobody here knows, become
doubts: sentences that every chip carries, for the verdict.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rfcn_lib.ascend.npu_lines import cells, in_one_layout, lines_of, number, quoted, reason_in
from rfcn_lib.ascend.npu_processes import Processes, contradictions, processes_of, silent_npu
from rfcn_lib.command import CommandError, explain, run
from rfcn_lib.errors import SuiteError

DEVICE_COLUMN = ("Chip", "Device")
ID_COLUMNS = {DEVICE_COLUMN, ("Chip", "Phy-ID"), ("Chip",)}
SLICE = re.compile(
    r"[-_]?(vir[0-9]{2}(?:_[0-9a-z]+)*)$"
)  # a template of the vendor's for virtual NPUs: vir02, vir04_3c
TIMEOUT_S = 60.0
MOST_CHIPS = 1024


class NpuSmiError(SuiteError):
    """`npu-smi info` could not be run, or says something this module does not know; the message quotes it."""


class NoAnswerError(NpuSmiError):
    """`npu-smi info` ended with a failure of its own, or its table has no row."""


@dataclass(frozen=True, slots=True)
class Npu:
    """One chip, that is one device for an inference tool.

    device_id  what `-device_id` and `--device` take: the Device column, or else the chip's place in the table
    npu_id     the NPU column, a card's own number (2048 on some hosts); chip: the chip on that card
    name       310, 310P3, 910B4, Ascend910 ...; health: OK, Warning, Alarm, Critical, UNKNOWN
    busy       a sentence for each sign that somebody else uses it
    slice      the template of a virtual NPU, such as vir02: a part of a chip; "" of a whole one
    doubts     a sentence for each thing that npu-smi printed and nobody here knows; the same on every chip
    version    of npu-smi, which comes with the driver; empty where the table has no title row
    """

    device_id: int
    npu_id: int
    chip: int
    name: str
    health: str
    busy: tuple[str, ...] = ()
    slice: str = ""
    version: str = field(default="", compare=False)
    doubts: tuple[str, ...] = field(default=(), compare=False)

    @property
    def called(self) -> str:
        """`device 1 (NPU 4 chip 0, 910A)`: the tools' number, and the one that npu-smi shows."""
        return f"device {self.device_id} (NPU {self.npu_id} chip {self.chip}, {self.name})"


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
    try:
        with _one_at_a_time(tool):
            done = run([tool or "npu-smi", "info"], cwd=Path.cwd(), timeout_s=TIMEOUT_S)
    except CommandError as error:
        raise NpuSmiError(f"the NPUs of this host cannot be asked: {error}") from error
    if done.returncode != 0:
        reason = reason_in([*done.stdout.splitlines(), *done.stderr.splitlines()])
        hint = f"\n  reason:  {reason}" if reason else ""
        hint += "\n  try:     is the driver loaded (ls /dev/davinci*), and may this user and this container use it?"
        raise NoAnswerError(explain(done, "the NPUs of this host cannot be asked") + hint)
    try:
        return parse(done.stdout)
    except NpuSmiError as error:
        raise type(error)(f"{error}\n  by hand: {done.typed}") from error


@contextmanager
def _one_at_a_time(tool: str | Path | None) -> Iterator[None]:
    """Wait until no other process of this suite runs npu-smi; the vendor forbids running it twice at once.

    The lock is on the tool's own file, so no lock file is left anywhere. Without a tool that this user may read, there is
    no lock.
    """
    path = tool or shutil.which("npu-smi")
    opened = None
    if path:
        with suppress(OSError):
            opened = os.open(path, os.O_RDONLY)
    try:
        if opened is not None:
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        if opened is not None:
            os.close(opened)


def parse(text: str) -> tuple[Npu, ...]:
    """The chips in the text of `npu-smi info`, in its order; each with the doubts that the text raises.

    Raises:
        NoAnswerError: no table, but a reason; or a table without a row.
        NpuSmiError: no table of a known form, one cut in the middle, no chip that can be read, or two of one device id.
    """
    lines = lines_of(text)
    if not lines.rows:
        reason = reason_in(lines.beside)
        if reason:
            raise NoAnswerError(f"npu-smi info prints no table, but says {reason}")
        raise NpuSmiError(f"npu-smi info should print a table, but its first line is {quoted((*lines.beside, '')[0])}")
    if lines.is_cut:
        raise _unknown(lines.last, "followed by the lower border of the table, +===+; the text is cut")
    if lines.damaged:
        raise _unknown(lines.damaged, "a row that begins with |; the text is damaged")
    rows = in_one_layout(lines.rows)
    heads = [index for index, row in enumerate(rows) if cells(row)[0].split()[:1] == ["NPU"]]
    ends = [*heads[1:], len(rows)]
    if not heads:
        raise NpuSmiError(f"npu-smi info prints no table of NPUs; its first row is {quoted(rows[0])}")
    chips, doubts = _chips(rows[heads[0] : ends[0]])
    processes = processes_of(rows[heads[1] : ends[1]]) if len(heads) > 1 else Processes()
    doubts += [*processes.doubts, *(f"npu-smi info says {quoted(line)}" for line in lines.beside)]
    if len(heads) > 1:
        places = {(chip.npu.npu_id, chip.npu.chip) for chip in chips}
        strange = contradictions(places, processes)
        doubts += strange
        silent = silent_npu(places, processes)
        if silent is not None and not strange:
            raise _unknown(rows[-1], f"followed by the processes of NPU {silent}, or that it has none; the text is cut")
    if len(heads) > 2:
        doubts.append(f"npu-smi info prints a third table, unknown here: {quoted(rows[heads[2]])}")
    title = re.match(r"npu-smi +([A-Za-z0-9._-]{1,50})", cells(rows[0])[0])
    return tuple(
        replace(
            chip.npu,
            busy=chip.npu.busy + processes.busy.get((chip.npu.npu_id, chip.npu.chip), ()),
            version=title[1] if title else "",
            doubts=tuple(dict.fromkeys(doubts)),
        )
        for chip in chips
    )


def chips_on_card(npus: Iterable[Npu], npu: Npu) -> int:
    """How many chips the card of `npu` has, by the table: four on an Atlas 300I, two on a 300I Duo."""
    return sum(other.npu_id == npu.npu_id for other in npus)


def _unknown(line: str, should: str) -> NpuSmiError:
    return NpuSmiError(f"npu-smi info prints {quoted(line)}, but this line should be {should}")


def _chips(rows: Sequence[str]) -> tuple[list[_Chip], list[str]]:
    """The chips of the first table, and a doubt for each pair of rows that could not be read; its place counts all the same."""
    first, second = cells(rows[0]), cells(rows[1]) if len(rows) > 1 else [""]
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
    found: dict[object, _Chip] = {}
    unread: list[NpuSmiError] = []
    for upper, lower in zip(body[::2], body[1::2], strict=True):
        place = len(found) + len(unread)
        try:
            chip, key = _chip(upper, lower, columns, place)
        except NpuSmiError as error:
            unread.append(error)
            continue
        twin = found.setdefault(key, chip)
        # a chip shared out by software is printed once for each of its dies, the same bus id and device id twice
        if twin is not chip and (twin.bus != chip.bus or chip.bus == "NA"):
            raise _unknown(lower, f"another device id than that of the chip on bus {twin.bus}")
    if not found:
        raise unread[0]
    return list(found.values()), [f"{error}; this chip is not counted" for error in unread]


def _chip(upper: str, lower: str, columns: tuple[str, ...], place: int) -> tuple[_Chip, object]:
    """A chip of two rows, and what tells it from every other one."""
    named, health = (*cells(upper), "", "")[:2]
    npu_id, _, name = named.partition(" ")
    if (
        number(npu_id) is None
        or not re.fullmatch(r"[A-Za-z0-9_.-]+", name.strip())
        or not re.fullmatch(r"[A-Za-z]+", health)
    ):
        raise _unknown(upper, "'NPU Name | Health | ...' of a chip")
    numbered, bus, usage = (*cells(lower), "", "", "")[:3]
    numbers = [number(word) for word in numbered.split()]
    if len(numbers) != len(columns) or None in numbers or not re.fullmatch(r"[0-9A-Fa-f:.]+|NA|N/A|-", bus):
        raise _unknown(lower, f"'{' '.join(columns)} | Bus-Id | ...' of a chip")
    load = (usage.split() or [""])[0]
    if not re.fullmatch(r"[0-9]{1,3}|NA|N/A|-", load):
        raise _unknown(lower, "'... | AICore(%) ...', a number, NA or -")
    busy = (f"AICore at {load} %",) if (number(load) or 0) > 0 else ()
    device = int(numbers[-1] or 0) if columns == DEVICE_COLUMN else place
    part = SLICE.search(name.strip())
    whole = name.strip()[: part.start()] if part else name.strip()
    npu = Npu(device, int(npu_id), int(numbers[0] or 0), whole, health, busy, part[1] if part else "")
    return _Chip(npu, bus), tuple(numbers[1:]) or place
