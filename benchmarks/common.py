"""One row of a bench, the turns it was measured in, and the two ways it is said: a table and JSON."""

import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

import cpuinfo
from rich.console import Console
from rich.table import Table

from rfcn_lib.processors import usable_processors

FOLDER: Final = Path(".benchmarks")
LIBRARIES: Final = (
    "numpy", "torch", "onnxruntime", "opencv-python-headless", "pillow", "pycocotools", "faster-coco-eval",
)  # fmt: skip
ROUNDS: Final = 5


class BenchError(RuntimeError):
    """Nothing can be timed: the two sides differ, or what is needed is not there."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing done here and there, in turns of one process.

    here    what each turn took, in `unit`
    there   the same of the other side; empty when there is none
    wanted  least ratio there / here
    at_most limit of `here`
    """

    name: str
    unit: str
    here: Sequence[float]
    there: Sequence[float] = ()
    wanted: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as much the other side takes, median against median."""
        return statistics.median(self.there) / statistics.median(self.here) if self.there else None

    def as_json(self) -> dict[str, Any]:
        """Every number of the row, the turns summed up as min, median and max."""
        sides = {side: _spread(turns) for side, turns in (("here", self.here), ("there", self.there)) if turns}
        return {
            "name": self.name,
            "unit": self.unit,
            **sides,
            "ratio": self.ratio,
            "wanted": self.wanted,
            "at_most": self.at_most,
            "note": self.note,
        }


def _spread(turns: Sequence[float]) -> dict[str, float | int]:
    return {"min": min(turns), "median": statistics.median(turns), "max": max(turns), "turns": len(turns)}


def show(console: Console, title: str, rows: Sequence[Row]) -> None:
    """The table: medians, with smallest and largest of the turns beside them."""
    table = Table(title=title, title_justify="left")
    table.add_column("what", overflow="fold")
    for heading in ("here", "there", "ratio", "wanted"):
        table.add_column(heading, justify="right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g} x"
        wanted = f"{row.wanted:g} x" if row.wanted else f"<= {row.at_most:g} {row.unit}" if row.at_most else ""
        table.add_row(row.name, _said(row.here, row.unit), _said(row.there, row.unit), ratio, wanted)
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"{row.name}: {row.note}", highlight=False)


def _said(turns: Sequence[float], unit: str) -> str:
    if not turns:
        return ""
    least, median, most = (f"{value:.3g}" for value in (min(turns), statistics.median(turns), max(turns)))
    return f"{median} {unit}" if least == most else f"{median} {unit} ({least} - {most})"


def write_json(path: Path, rows: Mapping[str, Sequence[Row]], machine: Mapping[str, Any]) -> None:
    """Write what was measured, on what, and when."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stages = {stage: [row.as_json() for row in found] for stage, found in rows.items()}
    path.write_text(json.dumps({"machine": machine, "stages": stages}, indent=1) + "\n", encoding="utf-8")


def describe_machine() -> dict[str, Any]:
    """CPU, cores, versions, and how busy the machine was before anything ran."""
    return {
        "cpu": str(cpuinfo.get_cpu_info().get("brand_raw", platform.processor())),
        "cores": os.cpu_count(),
        "cores_usable": usable_processors(),
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def turn_by_turn(
    runs: Mapping[str, Callable[[], object]], rounds: int = ROUNDS, *, warm: bool = True
) -> dict[str, list[float]]:
    """Seconds of each run, interleaved; with `warm`, after one round that does not count."""
    if warm:
        for run in runs.values():
            run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run))
    return times


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_unit(turns: Sequence[float], factor: float) -> list[float]:
    """The turns in another unit."""
    return [turn * factor for turn in turns]
