"""Which devices the simulated host has (STANDIN_DEVICES), and `npu-smi`, which shows them in that generation's table.

The tables are those of public logs: npu-smi 20.2.2 (four 310 on a card), 23.0.0 (310, 310P3), 24.1 (910B4, A3) and 25.5.1 (A3 in
a container). `info -l` and `info -m` follow the vendor's manual; `alarm`, `busy` and exit statuses are made up.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import SENTENCE
from .faults import planted

DEFAULT = "310x1"
_FORM = re.compile(r"(none|310P3|310|300IDuo|910B|A3container|A3)(?:x([1-8]))?")


@dataclass(frozen=True)
class Chip:
    """One row pair of the table. device: the id the tools take; column: False where the table does not show it."""

    npu: int
    chip: int
    device: int
    name: str
    bus: str
    column: bool = True
    power: str = "12.8"
    host_device: int | None = None  # Phy-ID, where a container's number is another one

    def runs(self, soc: str) -> bool:
        """An om runs on the chip it was compiled for."""
        if self.name == "Ascend910":
            return soc.startswith("Ascend910_93")
        return soc == f"Ascend{self.name}" or (soc == "Ascend710" and self.name.startswith("310P"))


@dataclass(frozen=True)
class Form:
    """One generation's table: npu-smi version, widths between the bars, width of the first number, two header rows."""

    version: str
    widths: tuple[int, int, int]
    first: int
    header: tuple[tuple[str, str, str], tuple[str, str, str]]
    usage: tuple[str, str]


OLD = Form(
    "20.2.2",
    (19, 17, 40),
    8,
    (
        ("NPU     Name", "Health", "Power(W)          Temp(C)"),
        ("Chip    Device", "Bus-Id", "AICore(%)         Memory-Usage(MB)"),
    ),
    ("{power:<18}46", "0                 2621 / 8192"),
)
NEW = Form(
    "23.0.0",
    (31, 17, 54),
    8,
    (
        ("NPU     Name", "Health", "Power(W)     Temp(C)           Hugepages-Usage(page)"),
        ("Chip    Device", "Bus-Id", "AICore(%)    Memory-Usage(MB)"),
    ),
    ("{power:<13}61                0     / 969", "0            577  / 7759"),
)
HBM = Form(
    "24.1.rc1",
    (27, 15, 52),
    6,
    (
        ("NPU   Name", "Health", "Power(W)    Temp(C)           Hugepages-Usage(page)"),
        ("Chip", "Bus-Id", "AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)"),
    ),
    ("{power:<12}30                0    / 0", "0           0    / 0          26838/ 32768"),
)
PHY = Form(HBM.version, HBM.widths, HBM.first, (HBM.header[0], ("Chip  Phy-ID", *HBM.header[1][1:])), HBM.usage)


def chips() -> tuple[Chip, ...]:
    """The devices of this host; ends the process where STANDIN_DEVICES is misspelt.

    Source: ours, no tool says it.
    """
    given = os.environ.get("STANDIN_DEVICES") or DEFAULT
    match = _FORM.fullmatch(given)
    if match is None:
        sys.exit(
            f"SIMULATED: STANDIN_DEVICES is {given!r}, but should be none, or one of 310, 310P3, 300IDuo, 910B, A3, A3container, "
            "each with x1 to x8 for more of them (310x4: one card of four chips)"
        )
    kind, count = match[1], int(match[2] or 1)
    buses = [f"0000:{0x81 + k:02X}:00.0" for k in range(16)]
    if kind == "none":
        return ()
    if kind == "310":  # four chips to a card; the old tool numbers cards from 2048
        first = 0 if count == 1 else 2048
        return tuple(Chip(first + k // 4, k % 4, k, "310", buses[k]) for k in range(count))
    if kind == "310P3":
        return tuple(Chip(k, 0, k, "310P3", buses[k]) for k in range(count))
    if kind == "910B":
        return tuple(Chip(k, 0, k, "910B4", buses[k], column=False, power="88.2") for k in range(count))
    if kind == "A3container":  # one card of a host: npu-smi 25.5.1, NPU 4 with Phy-ID 8 and 9; the tools count from 0
        return tuple(
            Chip(4 + k // 2, k % 2, k, "Ascend910", buses[k], power=("170.4", "-")[k % 2], host_device=8 + k)
            for k in range(2 * count)
        )
    name, powers = ("310P3", ("NA", "NA")) if kind == "300IDuo" else ("Ascend910", ("170.4", "-"))
    return tuple(Chip(k // 2, k % 2, k, name, buses[k], power=powers[k % 2]) for k in range(2 * count))


def opened(device: int, faults: dict[str, str]) -> Chip | None:
    """The chip with this id, unless there is none or a fault keeps it shut."""
    found = next((chip for chip in chips() if chip.device == device), None)
    return None if found is None or _hit(faults, "open_fails", found) else found


def form_of(found: Sequence[Chip]) -> Form:
    """The table this generation's tool draws."""
    if not found[0].column:
        return HBM
    if found[0].name == "Ascend910":
        return PHY
    return OLD if found[0].npu >= 2048 else NEW


def main(arguments: Sequence[str]) -> int:
    """`npu-smi info`, `info -l`, `info -m`, `-v`.

    Source: public logs for a container without a device; the other words and every exit status are made up.
    """
    faults, found = planted("npu-smi"), chips()
    if list(arguments) in (["-v"], ["--version"]):
        print(f"npu-smi version: {(form_of(found) if found else NEW).version} ({SENTENCE})")
        return 0
    if not arguments or arguments[0] != "info" or arguments[1:] not in ([], ["-l"], ["-m"]):
        print(f"{SENTENCE}\nUsage: npu-smi info [-l|-m]; npu-smi -v")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 1
    if not found:
        # public logs of containers without a device; their exit status is unknown
        print(
            f"{SENTENCE}\nDrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)\ndcmi module initialize failed. ret is -8005"
        )
        return 255
    if arguments[1:] == ["-l"]:
        lines = _listed(found)
    elif arguments[1:] == ["-m"]:
        lines = _mapped(found)
    else:
        lines = _table(found, form_of(found), faults)
    print("\n".join(lines))
    return 0


def _listed(found: Sequence[Chip]) -> Iterator[str]:
    """Source: the vendor's manual, npu-smi info -l."""
    cards = sorted({chip.npu for chip in found})
    yield f"\tTotal Count                    : {len(cards)}\n"
    for card in cards:
        yield f"\tNPU ID                         : {card}"
        yield f"\tChip Count                     : {sum(chip.npu == card for chip in found)}\n"


def _mapped(found: Sequence[Chip]) -> Iterator[str]:
    """Source: the vendor's manual, npu-smi info -m."""
    yield "\tNPU ID                         Chip ID                        Chip Logic ID                  Chip Name"
    for chip in found:
        yield f"\t{chip.npu:<31}{chip.chip:<31}{chip.device:<31}Ascend {chip.name.removeprefix('Ascend')}"


def _table(found: Sequence[Chip], form: Form, faults: dict[str, str]) -> Iterator[str]:
    """Source: public logs, npu-smi 20.2.2 to 25.5.1."""

    def row(*cells: str) -> str:
        return "|" + "|".join(f" {cell}".ljust(width) for cell, width in zip(cells, form.widths, strict=True)) + "|"

    def rule(stroke: str) -> str:
        return "+" + "+".join(stroke * width for width in form.widths) + "+"

    whole = sum(form.widths) + 2
    yield f"+{'-' * whole}+"
    yield f"|{f' npu-smi {form.version} SIMULATED'.ljust(whole // 2)}{f'Version: {form.version}'.ljust(whole - whole // 2)}|"
    yield rule("-")
    yield from (row(*cells) for cells in form.header)
    yield rule("=")
    for number, chip in enumerate(found):
        if number:
            yield rule("-")
        health = "Alarm" if _hit(faults, "alarm", chip) else "OK"
        yield row(f"{chip.npu:<{form.first}}{chip.name}", health, form.usage[0].format(power=chip.power))
        shown = chip.device if chip.host_device is None else chip.host_device
        place = f"{chip.chip:<{form.first}}{shown}" if chip.column else str(chip.chip)
        yield row(place, chip.bus, form.usage[1])
    yield rule("=")
    left, middle, right = form.widths
    memory = min(24, right - 20)

    def process(place: str, number: str, name: str, mega_bytes: str) -> str:
        columns = (
            f" {place:<{left - 1}}",
            f" {number:<{middle - 1}}",
            f" {name:<{right - memory - 3}}| {mega_bytes:<{memory}}",
        )
        return f"|{'|'.join(columns)}|"

    yield rule("-")
    yield process("NPU     Chip", "Process id", "Process name", "Process memory(MB)")
    yield rule("=")
    for npu in dict.fromkeys(chip.npu for chip in found):
        busy = [chip for chip in found if chip.npu == npu and _hit(faults, "busy", chip)]
        yield from (process(f"{chip.npu:<8}{chip.chip}", "12345", "python3", "2621") for chip in busy)
        if not busy:
            yield f"|{f' No running processes found in NPU {npu}'.ljust(whole)}|"
        yield rule("=")


def _hit(faults: dict[str, str], name: str, chip: Chip) -> bool:
    return name in faults and (faults[name] or "0") == str(chip.device)
