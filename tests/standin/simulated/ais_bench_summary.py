"""What `ais_bench` logs, and its summary: log lines, and `<output folder>_summary.json` beside the folder."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import SENTENCE

FOREIGN = '{"吞吐率": "3.6 张每秒"}\n'


def info(sentence: str) -> None:
    """A line of the tool's logger, which writes to stdout."""
    print(f"[INFO] {sentence}", flush=True)


def failed(sentence: str) -> RuntimeError:
    """The line the tool logs before its traceback."""
    print(f"[ERROR] {sentence}", flush=True)
    return RuntimeError(sentence)


def report(
    args: argparse.Namespace,
    prefix: str | None,
    filesinfo: dict[str, dict[str, list[str]]],
    times: list[float],
    moved: list[float],
    batch: int,
    faults: dict[str, str],
) -> None:
    if "perf_count" in faults:
        times = times[:-1]
    compute = _statistics(times)
    rate = 1000 * (args.batchsize or batch) / compute["mean"] if compute["mean"] else 0
    info("-----------------Performance Summary------------------")
    if args.display_all_summary:
        info(_line("H2D_latency", _statistics(moved)))
    info(_line("NPU_compute_time", compute))
    if args.display_all_summary:
        info(_line("D2H_latency", _statistics(moved)))
    if "old_throughput" in faults:
        info(f"throughput (1000*batchsize/NPU_compute_time): {rate}")
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
        "D2H_latency": _statistics(moved),
        "throughput": rate,
        "npu_compute_time_list": times,
        "pid": os.getpid(),
    }
    text = json.dumps(summary)
    if "cut_perf" in faults:
        text = text[: len(text) // 2]
    text = "" if "empty_perf" in faults else FOREIGN if "foreign_perf" in faults else text
    Path(f"{prefix}_summary.json").write_text(text, encoding="utf-8")


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
