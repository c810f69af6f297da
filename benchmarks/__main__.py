"""`make bench`: every stage, or those named: `make bench ARGS="score warm"`. Ratios within one run are what counts.

Stages are measured here and in the published pipeline's own way (`benchmarks/published.py`), turn by turn in one process.
"""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.common import FOLDER, BenchError, Row, describe_machine, show, write_json

STAGES = {
    "preprocess": "pictures to tensors",
    "score": "outputs to detections, detections to average precision",
    "full_size": "the full-size graph: source model, published canvas, fitted canvases",
    "busy": "a picture of the specimen alone and beside busy processes",
    "whole_set": "disk and memory of a 4,952-picture run, killed half way and taken up again",
    "evidence": "a file of --evidence of 4,952 pictures: its size, and judging it again without PyTorch",
    "warm": "pytest -m accuracy when nothing has changed",
}


def main(words: Sequence[str] | None = None) -> None:
    """Measure the stages named, all of them by default; tables on the terminal, numbers as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="stage", help="; ".join(f"{n}: {t}" for n, t in STAGES.items()))
    parser.add_argument("--json", type=Path, default=FOLDER / "bench.json", help="default: %(default)s")
    given = parser.parse_args(words)
    strange = [name for name in given.stages if name not in STAGES]
    if strange:
        parser.error(f"there is no stage {', '.join(strange)}, but there are {', '.join(STAGES)}; name some, or none")
    console = Console(width=118)
    machine = describe_machine()
    console.print(
        f"{machine['cpu']}, {machine['cores_usable']} cores, load average {machine['load_average_at_start'][0]}"
    )
    rows: dict[str, Sequence[Row]] = {}
    for name in given.stages or STAGES:
        try:
            rows[name] = importlib.import_module(f"benchmarks.{name}").measure(console)
        except BenchError as error:
            raise SystemExit(f"{name}: {error}") from error
        show(console, STAGES[name], rows[name])
        write_json(given.json, rows, machine)  # after each stage: a later one cannot lose it
    console.print(f"{given.json} holds these numbers", highlight=False)


if __name__ == "__main__":
    main()
