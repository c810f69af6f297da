"""A file of evidence of a whole set, made up: its size, and how long judging it again takes in a process without torch."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.common import FOLDER, BenchError, Row, seconds
from rfcn_lib import spec
from rfcn_lib.agreement.figures import GROUPS, Measure, Sums
from rfcn_lib.agreement.measurements import Measurements
from rfcn_lib.agreement.pictures import Apart
from rfcn_lib.evidence.archive import Content, write_archive
from rfcn_lib.evidence.contents import RUN, STATEMENT, VERDICT, Judged, as_bytes, dumps_text, members_of
from rfcn_lib.evidence.records import CandidateFacts, Canvas, Exhibits, File, ReferenceFacts, Run, Set, Side, Verdict
from rfcn_lib.evidence.statement import statement_of
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Detections, Truth
from rfcn_lib.verdict.status import EXIT_STATUS

HERE: Final = FOLDER / "evidence"
PER_PICTURE, OBJECTS, SAMPLE, MEASURES = 100, 3, 100, 100
AT_MOST_BYTES, AT_MOST_S = 60e6, 20.0
ROUNDS: Final = 3
AGAIN: Final = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import pytest
import rfcn_lib.suite.evidence_compared as given
if sys.argv[1] == "learn":
    given.contradiction = lambda *values: ""
sys.exit(int(pytest.main(["-q", "-m", "accuracy", "tests/test_accuracy.py", *sys.argv[2:]])))
"""


def measure(console: Console) -> list[Row]:
    """Bytes of the file and seconds of judging it again. The verdict in it is the one that judging it gave first."""
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    path, said = HERE / "evidence.zip", HERE / "verdict.json"
    members = members_of(whole_set(spec.VOC_TEST_COUNT))
    write(path, members, Verdict(status="PASSED", words="", trial=None, criteria=[], tests={}))
    _judge("learn", path, f"--verdict={said}")
    found = json.loads(said.read_text(encoding="utf-8"))
    trial = found["on_trial"]
    write(
        path, members, Verdict(trial=trial, **{name: found[name] for name in ("status", "words", "criteria", "tests")})
    )
    times = [seconds(lambda: _judge("again", path, status=EXIT_STATUS[found["status"]])) for _ in range(ROUNDS)]
    console.print(f"judged again: {found['status']}, mean AP {trial['candidate_mean_ap']:.4f}", highlight=False)
    words = f"{spec.VOC_TEST_COUNT:,} pictures x {PER_PICTURE} detections on both sides"
    return [
        Row(f"evidence of {words}", "MB", [path.stat().st_size / 1e6], at_most=AT_MOST_BYTES / 1e6),
        Row(f"pytest -m accuracy --evidence-from, {words}, without torch", "s", times, at_most=AT_MOST_S),
    ]


def whole_set(count: int) -> Judged:
    """Evidence of so many pictures: three objects each, and on both sides 100 detections that find most of them."""
    random, port = np.random.default_rng(2007), read_port(PUBLISHED)
    ids = [f"{number:06d}" for number in range(1, count + 1)]
    truth = {id: _truth(random, len(port.classes)) for id in ids}
    detections = {side: {id: _found(random, truth[id]) for id in ids} for side in ("candidate", "reference")}
    dumps = {side: {id: hashlib.sha256(f"{side} {id}".encode()).hexdigest() for id in ids} for side in detections}
    outputs = {side: _side(dumps[side], count) for side in detections}
    set_txt, port_toml = "".join(f"{id}\n" for id in ids).encode(), PUBLISHED.read_bytes()
    digests = {
        "adapted": "0" * 64,
        "port": hashlib.sha256(port_toml).hexdigest(),
        "set": hashlib.sha256(set_txt).hexdigest(),
        **{f"{side} dumps": one.sha256 for side, one in outputs.items()},
    }
    sample = ids[:SAMPLE]
    return Judged(
        port_toml=port_toml,
        set_txt=set_txt,
        pictures=Set(
            devkit="VOCdevkit",
            set_name="test",
            ids=ids,
            all_ids=ids,
            sizes_wh=[(500, 375)] * count,
            objects=[OBJECTS] * count,
            files={},
            tolerated={},
            canvases=[Canvas(wh=port.pictures.canvas_wh_px, ids=ids)],
            fitted=False,
        ),
        truth=truth,
        exhibits=Exhibits(files={name: File(path=name, sha256=one, bytes=1) for name, one in digests.items()}),
        candidate=CandidateFacts(
            on="host stand-in",
            description="made up",
            outputs=outputs["candidate"],
            commands=[],
            unpublished=[],
            chip=None,
            precision_mode=None,
            clip="canvas",
            notes=[],
        ),
        reference=ReferenceFacts(device="made up", outputs=outputs["reference"], packet=None),
        detections=detections,
        dumps=dumps,
        floor="made up",
        sample=sample,
        measurements=_measurements(random, ids, sample),
    )


def write(path: Path, members: Mapping[str, Content], said: Verdict) -> None:
    """Write the file with a verdict."""
    run: dict[str, Any] = dict.fromkeys(("explained", "soc", "precision_mode"))
    run |= {name: {} for name in ("options", "environment", "suite")}
    run |= {name: [] for name in ("command", "commands", "notes", "rates")}
    told = Run(made="2026", marks="accuracy", device="host", here="", accept=False, gate="point", **run)
    everything = {**members, RUN: as_bytes(told), VERDICT: as_bytes(said)}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in everything.items() if isinstance(data, bytes)}
    write_archive(path, {**everything, STATEMENT: statement_of(said, digests, {"adapted": "0" * 64})})


def _judge(how: str, path: Path, *more: str, status: int | None = None) -> None:
    words = [sys.executable, "-c", AGAIN, how, f"--evidence-from={path.resolve()}", f"--store={HERE / 'store'}", *more]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
    if "Traceback" in done.stderr or (status is not None and done.returncode != status):
        raise BenchError(f"judging again ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}")


def _truth(random: np.random.Generator, classes: int) -> Truth:
    corner, size = random.integers(0, 250, (OBJECTS, 2)), random.integers(30, 120, (OBJECTS, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float64)
    return Truth(boxes, random.integers(0, classes, OBJECTS), random.random(OBJECTS) < 0.1)


def _found(random: np.random.Generator, truth: Truth) -> Detections:
    near = random.integers(0, OBJECTS, PER_PICTURE)
    near[:OBJECTS] = np.arange(OBJECTS)
    noise = np.where(np.arange(PER_PICTURE) < OBJECTS, 2.0, 60.0)[:, None]
    boxes = truth.boxes_xyxy[near] + random.normal(0, 1, (PER_PICTURE, 4)) * noise
    scores = np.where(
        np.arange(PER_PICTURE) < OBJECTS, random.uniform(0.4, 1, PER_PICTURE), random.uniform(0, 0.5, PER_PICTURE)
    )
    return Detections(boxes.astype(np.float32), scores.astype(np.float32), truth.labels[near])


def _side(dumps: Mapping[str, str], count: int) -> Side:
    sha256 = hashlib.sha256(dumps_text(dumps)).hexdigest()
    return Side(folder="dumps", sha256=sha256, size_bytes=1, counts=[PER_PICTURE] * count)


def _measurements(random: np.random.Generator, ids: list[str], sample: list[str]) -> Measurements:
    measures = [Measure(f"measure {at}", GROUPS[at % len(GROUPS)]) for at in range(MEASURES)]
    runs: list[list[Sums]] = [
        [{measure: (float(value), 1.0, 0.0) for measure, value in zip(measures, row, strict=True)} for row in numbers]
        for numbers in random.uniform(0.9, 1, (3, len(sample), MEASURES))
    ]
    each = {id: Apart(*row) for id, row in zip(ids, random.uniform(0, 0.01, (len(ids), 3)).tolist(), strict=True)}
    return Measurements(runs[0], runs[1:], each, [{id: each[id] for id in sample}] * 2)
