"""List the NPUs of this host: run `npu-smi info` and read its table, in every form that we know.

    | NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
    | Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
    +===============================+=================+======================================================+
    | 0       310P3                 | OK              | 15.8         42                0     / 0             |
    | 0       0                     | 0000:82:00.0    | 0            1074  / 21534                           |

Each chip has two lines. The second column of the second line is `Device` (310, 310P), `Phy-ID` (A3) or absent (910B).
`Device` is the id that the tools take. `Phy-ID` is the number on the host, but a container counts its own devices from 0. So
with `Phy-ID`, or without a column, this module takes the chip's place in the table as its id (vllm-ascend pull request 16256,
sgl-project pull request 14266).

Newer versions print a second table, the processes on the chips. The widths of the columns differ between versions. A border
of `=` ends a card and each table; a border of `-` separates the chips of a card. So this module notices an incomplete text,
except when the text ends after a whole card and this version prints only one table.

Other lines, and rows of an unknown form, become warnings: sentences that every `Npu` carries, for the verdict.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rfcn_lib.ascend.npu_lines import cells, failure_reason, lines_of, number, quoted, to_older_layout
from rfcn_lib.ascend.npu_processes import Processes, contradictions, npu_without_entry, processes_of
from rfcn_lib.command import CommandError, explain, run
from rfcn_lib.errors import SuiteError

DEVICE_COLUMN = ("Chip", "Device")
ID_COLUMNS = {DEVICE_COLUMN, ("Chip", "Phy-ID"), ("Chip",)}
SLICE = re.compile(r"[-_]?(vir[0-9]{2}(?:_[0-9a-z]+)*)$")  # the vendor's templates of virtual NPUs: vir02, vir04_3c
TIMEOUT_S = 60.0
MAX_CHIPS = 1024


class NpuSmiError(SuiteError):
    """`npu-smi info` does not run, or prints text of an unknown form. The message quotes the text."""


class NoAnswerError(NpuSmiError):
    """`npu-smi info` ended with an error, or its table is empty."""


@dataclass(frozen=True, slots=True)
class Npu:
    """One chip. For an inference tool a chip is a device.

    device_id  the number for `-device_id` and `--device`: the Device column, or else the chip's place in the table
    npu_id     the NPU column, the number of the card (2048 on some hosts)
    chip       the number of the chip on its card
    name       310, 310P3, 910B4, Ascend910 ...
    health     OK, Warning, Alarm, Critical, UNKNOWN
    busy       one sentence for each sign that another process uses the chip
    slice      the template of a virtual NPU (a part of a chip), such as vir02; "" for a whole chip
    version    the version of npu-smi, which belongs to the driver; "" if the table has no title row
    warnings   one sentence for each thing that npu-smi printed and this module cannot read; the same for every chip
    """

    device_id: int
    npu_id: int
    chip: int
    name: str
    health: str
    busy: tuple[str, ...] = ()
    slice: str = ""
    version: str = field(default="", compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def description(self) -> str:
        """`device 1 (NPU 4 chip 0, 910A)`: the number that the tools take, then the numbers that npu-smi shows."""
        return f"device {self.device_id} (NPU {self.npu_id} chip {self.chip}, {self.name})"


@dataclass(frozen=True, slots=True)
class _Chip:
    npu: Npu
    bus: str


def devices(tool: str | Path | None = None) -> tuple[Npu, ...]:
    """Run `npu-smi info` and read its table. `tool`: path of npu-smi; None means the one on PATH.

    Raises:
        NoAnswerError: npu-smi ends with an error, or lists no chip.
        NpuSmiError: npu-smi is missing, hangs, or prints text that `parse` cannot read.
    """
    try:
        with _one_at_a_time(tool):
            result = run([tool or "npu-smi", "info"], cwd=Path.cwd(), timeout_s=TIMEOUT_S)
    except CommandError as error:
        raise NpuSmiError(f"cannot list the NPUs of this host: {error}") from error
    if result.returncode != 0:
        reason = failure_reason([*result.stdout.splitlines(), *result.stderr.splitlines()])
        hint = f"\n  reason:  {reason}" if reason else ""
        hint += "\n  try:     is the driver loaded (ls /dev/davinci*), and may this user and this container use it?"
        raise NoAnswerError(explain(result, "cannot list the NPUs of this host") + hint)
    try:
        return parse(result.stdout)
    except NpuSmiError as error:
        raise type(error)(f"{error}\n  by hand: {result.shell_line}") from error


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
            with suppress(OSError):  # a file system without locks
                fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        if opened is not None:
            os.close(opened)


def parse(text: str) -> tuple[Npu, ...]:
    """The chips in the text of `npu-smi info`, in the order of its table. Each chip carries all warnings about the text.

    Raises:
        NoAnswerError: the text has no table but a reason, or its table is empty.
        NpuSmiError: the text has no table of a known form, the table is incomplete, no chip is readable, or two chips
            contradict each other.
    """
    lines = lines_of(text)
    if not lines.rows:
        reason = failure_reason(lines.others)
        if reason:
            raise NoAnswerError(f"npu-smi info prints no table, but says {reason}")
        raise NpuSmiError(f"npu-smi info should print a table, but its first line is {quoted((*lines.others, '')[0])}")
    if lines.is_cut:
        raise _unexpected(lines.last, "followed by the lower border of the table, +===+; the text is cut")
    if lines.damaged:
        raise _unexpected(lines.damaged, "a row that begins with |; the text is damaged")
    rows = to_older_layout(lines.rows)
    heads = [index for index, row in enumerate(rows) if cells(row)[0].split()[:1] == ["NPU"]]
    ends = [*heads[1:], len(rows)]
    if not heads:
        raise NpuSmiError(f"npu-smi info prints no table of NPUs; its first row is {quoted(rows[0])}")
    chips, warnings = _chips(rows[heads[0] : ends[0]])
    processes = processes_of(rows[heads[1] : ends[1]]) if len(heads) > 1 else Processes()
    warnings += [*processes.warnings, *(f"npu-smi info says {quoted(line)}" for line in lines.others)]
    if len(heads) > 1:
        places = {(chip.npu.npu_id, chip.npu.chip) for chip in chips}
        contradicting = contradictions(places, processes)
        warnings += contradicting
        absent = npu_without_entry(places, processes)
        if absent is not None and not contradicting:
            raise _unexpected(
                rows[-1], f"followed by the processes of NPU {absent}, or by a line that it has none; the text is cut"
            )
    if len(heads) > 2:
        warnings.append(f"npu-smi info prints a third table, which this suite does not know: {quoted(rows[heads[2]])}")
    title = re.match(r"npu-smi +([A-Za-z0-9._-]{1,50})", cells(rows[0])[0])
    return tuple(
        replace(
            chip.npu,
            busy=chip.npu.busy + processes.busy.get((chip.npu.npu_id, chip.npu.chip), ()),
            version=title[1] if title else "",
            warnings=tuple(dict.fromkeys(warnings)),
        )
        for chip in chips
    )


def chips_on_card(npus: Iterable[Npu], npu: Npu) -> int:
    """Number of chips on the card of `npu`, counted in the table: 4 on an Atlas 300I, 2 on a 300I Duo."""
    return sum(other.npu_id == npu.npu_id for other in npus)


def _unexpected(line: str, should: str) -> NpuSmiError:
    return NpuSmiError(f"npu-smi info prints {quoted(line)}, but this line should be {should}")


def _chips(rows: Sequence[str]) -> tuple[list[_Chip], list[str]]:
    """The chips of the first table, and one warning for each pair of rows that is not readable.

    A pair that is not readable still counts as a place in the table, so later chips keep their ids.
    """
    first, second = cells(rows[0]), cells(rows[1]) if len(rows) > 1 else [""]
    if [cell.split() for cell in first[:2]] != [["NPU", "Name"], ["Health"]]:
        raise _unexpected(rows[0], "the heading 'NPU Name | Health | ...'")
    columns = tuple(second[0].split())
    if columns not in ID_COLUMNS or second[1:2] != ["Bus-Id"] or not "".join(second[2:3]).startswith("AICore(%)"):
        raise _unexpected(rows[min(1, len(rows) - 1)], "the heading 'Chip [Device|Phy-ID] | Bus-Id | AICore(%) ...'")
    body = rows[2:]
    if not body:
        error = _unexpected(rows[1], "followed by two lines for each chip; the table is cut, or no NPU is visible here")
        raise NoAnswerError(str(error))
    if len(body) > 2 * MAX_CHIPS:
        raise NpuSmiError(f"npu-smi info lists {len(body) // 2} chips, but a host has {MAX_CHIPS} at most")
    if len(body) % 2:
        raise _unexpected(body[-1], "followed by the chip's second line; the table is cut")
    found: dict[object, _Chip] = {}
    unread: list[NpuSmiError] = []
    for upper, lower in zip(body[::2], body[1::2], strict=True):
        place = len(found) + len(unread)
        try:
            chip, key = _chip(upper, lower, columns, place)
        except NpuSmiError as error:
            unread.append(error)
            continue
        same = found.setdefault(key, chip)
        # npu-smi prints a chip that software shares once for each of its dies, with the same bus id and device id
        if same is not chip and (same.bus != chip.bus or chip.bus == "NA"):
            raise _unexpected(lower, f"a chip with another device id than the one on bus {same.bus}")
    if not found:
        raise unread[0]
    return list(found.values()), [f"{error}; the suite does not count this chip" for error in unread]


def _chip(upper: str, lower: str, columns: tuple[str, ...], place: int) -> tuple[_Chip, object]:
    """The chip of two rows, and its key: the same key means the same chip."""
    named, health = (*cells(upper), "", "")[:2]
    npu_id, _, name = named.partition(" ")
    if (
        number(npu_id) is None
        or not re.fullmatch(r"[A-Za-z0-9_.-]+", name.strip())
        or not re.fullmatch(r"[A-Za-z]+", health)
    ):
        raise _unexpected(upper, "'NPU Name | Health | ...' of a chip")
    numbered, bus, usage = (*cells(lower), "", "", "")[:3]
    numbers = [number(word) for word in numbered.split()]
    if len(numbers) != len(columns) or None in numbers or not re.fullmatch(r"[0-9A-Fa-f:.]+|NA|N/A|-", bus):
        raise _unexpected(lower, f"'{' '.join(columns)} | Bus-Id | ...' of a chip")
    load = (usage.split() or [""])[0]
    if not re.fullmatch(r"[0-9]{1,3}|NA|N/A|-", load):
        raise _unexpected(lower, "'... | AICore(%) ...', a number, NA or -")
    busy = (f"AICore at {load} %",) if (number(load) or 0) > 0 else ()
    device = int(numbers[-1] or 0) if columns == DEVICE_COLUMN else place
    part = SLICE.search(name.strip())
    whole = name.strip()[: part.start()] if part else name.strip()
    npu = Npu(device, int(npu_id), int(numbers[0] or 0), whole, health, busy, part[1] if part else "")
    return _Chip(npu, bus), tuple(numbers[1:]) or place
