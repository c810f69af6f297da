"""`pytest -m accuracy` on the specimen, from nothing and then again when nothing has changed."""

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.common import FOLDER, BenchError, Row, seconds

STORE: Final = FOLDER / "warm_store"
ROUNDS: Final = 3
WANTED_S: Final = 5.0
IMPORT: Final = re.compile(r"import time:\s+\d+ \|\s+(\d+) \| (\s*)(\S+)")


def measure(console: Console) -> list[Row]:
    """Wall and processor time; when it is too slow, what is imported."""
    shutil.rmtree(STORE, ignore_errors=True)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "accuracy", f"--store={STORE}"]
    cold_s = seconds(lambda: _passed(command))
    warm_s, cpu_s = [], []
    for _ in range(ROUNDS):
        before = _children_s()
        warm_s.append(seconds(lambda: _passed(command)))
        cpu_s.append(_children_s() - before)
    if min(warm_s) > WANTED_S:
        told = subprocess.run(
            [sys.executable, "-X", "importtime", *command[1:]], capture_output=True, text=True, check=False
        )
        for taken_ms, name in slowest_imports(told.stderr):
            console.print(f"  imports {name}: {taken_ms:.0f} ms", highlight=False)
    note = f"load average now {os.getloadavg()[0]:.1f}; read the processor time on a busy machine"
    return [
        Row("pytest -m accuracy again, against the first time", "s", warm_s, [cold_s], at_most=WANTED_S, note=note),
        Row("pytest -m accuracy again, processor time", "s", cpu_s),
    ]


def slowest_imports(text: str, most: int = 8) -> list[tuple[float, str]]:
    """Of `python -X importtime`: the top-level imports that take longest with all they bring in, ms."""
    found = [(int(m[1]) / 1e3, m[3]) for line in text.splitlines() if (m := IMPORT.match(line)) and not m[2]]
    return sorted(found, reverse=True)[:most]


def _passed(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-800:]}")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
