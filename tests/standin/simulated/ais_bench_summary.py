"""What `ais_bench` logs, and its summary: log lines, and `<output folder>_summary.json` beside the folder."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

import numpy as np

from . import SENTENCE, style

FOREIGN = '{"吞吐率": "3.6 张每秒"}\n'


def info(sentence: str) -> None:
    """A line of the tool's logger, which writes to stdout."""
    print(f"[INFO] {sentence}", flush=True)


def failed(sentence: str, raised: str = "") -> RuntimeError:
    """The line that the tool logs before its traceback. What it raises has no word of its own, or that of the C++ below it."""
    print(f"[ERROR] {sentence}", flush=True)
    return RuntimeError(raised) if raised else RuntimeError()


def report(
    args: argparse.Namespace,
    prefix: str | None,
    filesinfo: dict[str, dict[str, list[str]]],
    times: list[float],
    moved: list[float],
    batch: int,
    outputs: int,
    faults: dict[str, str],
) -> None:
    if "perf_count" in faults:
        times = times[:-1]
    times = [float(np.float32(time_ms)) for time_ms in times]  # C++ gives float32
    compute = _statistics(times)
    back = [time_ms for time_ms in moved for _ in range(outputs)]  # summary.py: one copy per output
    rate = 1000 * (args.batchsize or batch) / compute["mean"] if compute["mean"] else 0
    info("-----------------Performance Summary------------------")
    if args.display_all_summary:
        info(_line("H2D_latency", _statistics(moved)))
    info(_line("NPU_compute_time", compute))
    if args.display_all_summary:
        info(_line("D2H_latency", _statistics(back)))
    if "old_throughput" in faults:
        # tools-2022-11, seen
        info(f"throughput 1000*batchsize({args.batchsize or batch})/NPU_compute_time.mean({compute['mean']}): {rate}")
    else:
        info(
            f"throughput 1000*batchsize.mean({args.batchsize or batch})/NPU_compute_time.mean({compute['mean']}): {rate}"
        )
    info("------------------------------------------------------")
    if prefix is None or "no_perf" in faults:
        return
    summary = {
        "SIMULATED": SENTENCE,
        "filesinfo": filesinfo,
        "args": sys.argv,
        "NPU_compute_time": compute,
        "H2D_latency": _statistics(moved),
        "D2H_latency": _statistics(back),
        "npu_compute_time_list": times,
        "throughput": rate,
        "pid": os.getpid(),
    }
    if style() == "2023":
        summary["npu_compute_time_list"] = summary.pop("npu_compute_time_list")  # after throughput, until 2024
    text = json.dumps(summary)
    if "cut_perf" in faults:
        text = text[: len(text) // 2]
    text = "" if "empty_perf" in faults else FOREIGN if "foreign_perf" in faults else text
    with open(f"{prefix}_summary.json", "w", encoding="utf-8", opener=private) as file:
        file.write(text)


def private(path: str, flags: int) -> int:
    """Open a file with the mode that the tool gives its own: 0o640 since 2024, the umask's before."""
    return os.open(path, flags, 0o640 if style() == "2025" else 0o666)


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
