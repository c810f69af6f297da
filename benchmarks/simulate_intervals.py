"""How often the interval of the drop errs: simulated pairs of detectors, sets drawn again and again, limits against the truth.

    make intervals                                     # every cell
    make intervals ARGS="--samples=50 --pictures 300"  # some, from fewer samples

- The truth of a cell is the mean of the drop over its samples and as many more: what sets of that size show on average.
- size: share of samples whose upper limit lies below the truth. Each would PASS at a margin that is the true drop.
- wrong FAIL: share whose lower limit lies above the truth. Each would FAIL although the drop is the margin, no more.
- coverage: share whose two-sided interval of 95 % holds the truth.
"""

import argparse
import json
import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.synthetic_pairs import PAIRS, Pair, Sample, sample
from rfcn_lib.processors import usable_processors
from rfcn_lib.score import resampled
from rfcn_lib.score.intervals import intervals

PICTURES: Final = (300, 1000, 2000)
SAMPLES: Final = 300
RESAMPLES: Final = 500
MOST_SIZE: Final = 0.055
LEAST_COVERAGE: Final = 0.95
MONTE_CARLO: Final = 2.0  # standard errors
NAMES: Final = tuple(f"class {number}" for number in range(20))
MARGIN: Final = 0.01


@dataclass(frozen=True, slots=True)
class Drawn:
    """One sample: its drop, and its limits where they were computed."""

    drop: float
    lower: float = math.nan
    upper: float = math.nan
    low_95: float = math.nan
    high_95: float = math.nan


@dataclass(frozen=True, slots=True)
class Cell:
    """What the samples of one pair at one number of pictures showed. Shares are 0 to 1; passes, fails: at a margin of 1 %."""

    pair: str
    pictures: int
    samples: int
    true_drop: float
    size: float
    wrong_fail: float
    coverage: float
    half_width: float
    passes: float
    fails: float

    def faults(self) -> list[str]:
        """What is worse than it may be by more than the simulation's own error, a sentence each."""
        said = []
        if self.size > MOST_SIZE + MONTE_CARLO * _error(MOST_SIZE, self.samples):
            said.append(f"size {self.size:.1%}, but should be at most {MOST_SIZE:.1%}")
        if self.coverage < LEAST_COVERAGE - MONTE_CARLO * _error(LEAST_COVERAGE, self.samples):
            said.append(f"coverage {self.coverage:.1%}, but should be at least {LEAST_COVERAGE:.0%}")
        return [f"{self.pair}, {self.pictures} pictures: {one}" for one in said]


def drop_of(drawn: Sample) -> float:
    """The drop of one sample, without limits; classes without an object are left out."""
    ones = np.ones((drawn.objects_cp.shape[1], 1), np.float32)
    marks = resampled.class_by_class((drawn.reference, drawn.candidate), drawn.objects_cp, ones)[0, :, 0]
    reference, candidate = np.nanmean(marks, axis=1)
    return float(1 - candidate / reference)


def limits_of(drawn: Sample, resamples: int) -> Drawn:
    """The limits of one sample by the suite's own function; a margin of 1 keeps it from drawing more resamples."""
    there = np.flatnonzero(drawn.objects_cp.any(axis=1))
    reference, candidate = ([side[label] for label in there] for side in (drawn.reference, drawn.candidate))
    names = [NAMES[label] for label in there]
    found = intervals(
        reference, candidate, drawn.objects_cp[there], names, margin=1.0, class_margin=1.0, resamples=resamples
    )
    return Drawn(found.drop, found.lower, found.upper, found.low_95, found.high_95)


def draw(pair: Pair, pictures: int, numbers: Sequence[int], resamples: int) -> list[Drawn]:
    """Samples by their numbers, each with limits and one more sample without: equal numbers, equal samples."""
    found = []
    for number in numbers:
        random = np.random.default_rng([2007, PAIRS.index(pair), pictures, number])
        found.append(limits_of(sample(pair, pictures, random), resamples))
        found.append(Drawn(drop_of(sample(pair, pictures, random))))
    return found


def cell_of(pair: Pair, pictures: int, drawn: Iterable[Drawn]) -> Cell:
    """The shares of a cell."""
    table = np.array([[one.drop, one.lower, one.upper, one.low_95, one.high_95] for one in drawn])
    truth = float(table[:, 0].mean())
    _, lower, upper, low_95, high_95 = table[~np.isnan(table[:, 1])].T
    return Cell(
        pair.name,
        pictures,
        len(lower),
        truth,
        size=float((upper < truth).mean()),
        wrong_fail=float((lower > truth).mean()),
        coverage=float(((low_95 <= truth) & (truth <= high_95)).mean()),
        half_width=float(np.median(high_95 - low_95) / 2),
        passes=float((upper < MARGIN).mean()),
        fails=float((lower > MARGIN).mean()),
    )


def simulate(pictures: Sequence[int], samples: int, resamples: int, workers: int) -> list[Cell]:
    """Every pair at every number of pictures."""
    cells = []
    with ProcessPoolExecutor(workers) as pool:
        for pair in PAIRS:
            for count in pictures:
                parts = [range(first, samples, 4 * workers) for first in range(4 * workers)]
                jobs = [pool.submit(draw, pair, count, part, resamples) for part in parts]
                cells.append(cell_of(pair, count, [one for job in jobs for one in job.result()]))
                print(line_of(cells[-1]), flush=True)
    return cells


HEADINGS: Final = (
    "pair", "pictures", "true drop", "size", "wrong FAIL", "coverage", "half-width", "PASS at 1 %", "FAIL at 1 %",
)  # fmt: skip


def line_of(cell: Cell) -> str:
    """A row of the table in docs/intervals.md."""
    shares = (f"{100 * share:.1f} %" for share in (cell.size, cell.wrong_fail, cell.coverage))
    ends = (f"{100 * share:.0f} %" for share in (cell.passes, cell.fails))
    row = (
        cell.pair,
        f"{cell.pictures:,}",
        f"{100 * cell.true_drop:+.2f} %",
        *shares,
        f"{100 * cell.half_width:.2f} %",
        *ends,
    )
    return f"| {' | '.join(row)} |"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table, write it as JSON, and end with 1 where a cell is worse than it may be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate_intervals", description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="of each cell; default: %(default)s")
    parser.add_argument("--resamples", type=int, default=RESAMPLES, help="of each sample; default: %(default)s")
    parser.add_argument("--pictures", type=int, nargs="+", default=PICTURES, help="of a sample; default: %(default)s")
    parser.add_argument("--workers", type=int, default=usable_processors(), help="processes; default: %(default)s")
    parser.add_argument(
        "--json", type=Path, default=Path(".benchmarks") / "intervals.json", help="default: %(default)s"
    )
    given = parser.parse_args(words)
    start = time.monotonic()
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    cells = simulate(given.pictures, given.samples, given.resamples, given.workers)
    seconds = time.monotonic() - start
    given.json.parent.mkdir(parents=True, exist_ok=True)
    content = {"seconds": round(seconds), "resamples": given.resamples, "cells": [asdict(cell) for cell in cells]}
    given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(
        f"{seconds:.0f} s, {given.samples} samples a cell, {given.resamples} resamples each; {given.json} holds the numbers"
    )
    faults = [fault for cell in cells for fault in cell.faults()]
    if faults:
        raise SystemExit("\n".join(faults))


def _error(share: float, samples: int) -> float:
    return math.sqrt(share * (1 - share) / samples)


if __name__ == "__main__":
    main()
