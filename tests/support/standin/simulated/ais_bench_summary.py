"""`ais_bench`'s figures: the log's last lines, and `<folder of results>_summary.json` beside the folder.

summary.py of tools-2025-12 and, with STANDIN_STYLE=2023, of tools-2023-06; seen in runs of both. Its times are what C++ measures.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from . import SENTENCE, style
from .ais_bench_log import info
from .ais_bench_paths import opener
from .om import Model


@dataclass
class Times:
    """Milliseconds of each inference as (start, end), and of each copy to the device."""

    runs_ms: list[tuple[float, float]] = field(default_factory=list)
    moved_ms: list[float] = field(default_factory=list)
    clock_ms: float = 0.0

    def add(self, run_s: float, moved_s: float | None = None) -> None:
        if moved_s is not None:
            self.moved_ms.append(moved_s * 1000)
        start = self.clock_ms + (moved_s or 0.0) * 1000
        self.clock_ms = start + run_s * 1000
        self.runs_ms.append((start, self.clock_ms))

    def computed(self) -> list[float]:
        """C++ gives float32: each time until 2023, since 2024 start and end, which Python subtracts."""
        if style() == "2025":
            return [float(np.float32(end)) - float(np.float32(start)) for start, end in self.runs_ms]
        return [float(np.float32(end - start)) for start, end in self.runs_ms]


def report(
    args: argparse.Namespace,
    prefix: str | None,
    filesinfo: dict[str, dict[str, list[str]]],
    took: Times,
    model: Model,
    faults: dict[str, str],
) -> None:
    """Log the figures; write the summary where there is a folder of results.

    Source: summary.py of tools-2023-06 and tools-2025-12, seen.
    """
    times = took.computed()
    if "perf_count" in faults:
        times = times[:-1]
    compute = _statistics(times)
    back = [time_ms for time_ms in took.moved_ms for _ in model.outputs]  # a copy for each output
    batch = args.batchsize or model.input_shape[0]
    rate = 1000 * batch / compute["mean"] if compute["mean"] else 0
    info("-----------------Performance Summary------------------")
    if args.display_all_summary:
        info(_line("H2D_latency", _statistics(took.moved_ms)))
    info(_line("NPU_compute_time", compute))
    if args.display_all_summary:
        info(_line("D2H_latency", _statistics(back)))
    info(f"throughput 1000*batchsize.mean({batch})/NPU_compute_time.mean({compute['mean']}): {rate}")
    info("------------------------------------------------------")
    if prefix is None or "no_perf" in faults:
        return
    ends = {"npu_compute_time_list": times, "throughput": rate}
    if style() == "2023":
        ends = dict(reversed(ends.items()))
    summary = {
        "SIMULATED": SENTENCE,
        "filesinfo": filesinfo,
        "args": sys.argv,
        "NPU_compute_time": compute,
        "H2D_latency": _statistics(took.moved_ms),
        "D2H_latency": _statistics(back),
        **ends,
        "pid": os.getpid(),
    }
    with open(f"{prefix}_summary.json", "w", encoding="utf-8", opener=opener()) as file:
        json.dump(summary, file)


def _statistics(numbers: Sequence[float]) -> dict[str, float]:
    has = list(numbers) or [0.0]
    return {
        "min": float(np.min(has)),
        "max": float(np.max(has)),
        "mean": float(np.mean(has)),
        "median": float(np.median(has)),
        "percentile(99%)": float(np.percentile(has, 99)),
        "count": len(numbers),
    }


def _line(name: str, numbers: dict[str, float]) -> str:
    shown = ", ".join(f"{key} = {value}" for key, value in numbers.items() if key != "count")
    return f"{name} (ms): {shown}"
