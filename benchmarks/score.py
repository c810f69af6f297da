"""Outputs to detections, and detections to average precision, against the published way and the two COCO tools.

Both sides must give the same numbers before a time counts. COCO tools compute another AP: here at the one IoU of 0.5, so
that their work is comparable, with 101 recall marks and COCO's own matching; their numbers are not held against ours.
"""

import contextlib
import io
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import faster_coco_eval
import numpy as np
import pycocotools.coco
import pycocotools.cocoeval
from rich.console import Console

from benchmarks import published
from benchmarks.common import BenchError, Row, in_unit, turn_by_turn
from benchmarks.preprocess import SIZE_WH, common_size
from benchmarks.whole_set import SPECIMEN, specimen_twin
from rfcn_lib import spec
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import picture_record, prepare
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Detections, Outputs, Truth
from rfcn_lib.score.arrays import Found, Objects
from rfcn_lib.score.average_precision import evaluate
from rfcn_lib.score.coco import ALL_SIZES, datasets
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.score.dumps import write_dump
from rfcn_lib.score.paired import paired
from rfcn_lib.score.postprocess import detections_from_outputs
from rfcn_lib.store.store import Store

PER_PICTURE = 100
WANTED = 20.0
CASES = {"spread out": (60.0, 2.0), "crowded": (3.0, 2.0), "scores alike": (60.0, 0.05), "sure of it": (20.0, 8.0)}
OUTPUTS_PER_CASE = 40  # a turn so long that what ran before it does not count
AP_ROUNDS = 3
INTERVAL_ROUNDS = 3
TEXT_PX = 1e-3  # torch and numpy round exp() differently in the last digit; the published text files keep 0.1 px


def measure(console: Console) -> list[Row]:
    """Post-processing first, then AP."""
    del console
    return [
        *postprocess_rows(read_port(PUBLISHED)),
        specimen_row(),
        *ap_rows(spec.VOC_TEST_COUNT, spec.VOC_CLASSES),
        *interval_rows(spec.VOC_TEST_COUNT, spec.VOC_CLASSES),
    ]


# -- outputs to detections ---------------------------------------------------------------------------------------------


def postprocess_rows(port: Port, count: int = OUTPUTS_PER_CASE) -> list[Row]:
    """From dump to detections, per picture; the published way opens the JPEG once more."""
    random = np.random.default_rng(20070714)
    every: dict[str, list[float]] = {"here": [], "loop": [], "compiled": []}
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        jpegs, dumps = common_size(Path(scratch), count), Path(scratch)
        for name, (spread_px, peak) in CASES.items():
            for jpeg in jpegs:
                write_dump(dumps, jpeg.stem, synthetic_outputs(random, port, spread_px, peak))
            ms = _timed(dict.fromkeys(jpegs, SIZE_WH), dumps, port)
            rows.append(Row(f"outputs -> detections, {name}", "ms", ms["here"], ms["loop"], WANTED))
            for way, turns in ms.items():
                every[way].append(statistics.median(turns))
    mean = {way: [statistics.mean(medians)] for way, medians in every.items()}
    note = "the published way with NMS compiled: what is left is mostly the JPEG, decoded and resized again"
    four = "outputs -> detections, mean of the four"
    return [
        *rows,
        Row(four, "ms", mean["here"], mean["loop"], WANTED),
        Row(f"{four}, compiled NMS there", "ms", mean["here"], mean["compiled"], note=note),
    ]


def specimen_row(count: int = OUTPUTS_PER_CASE) -> Row:
    """A trained network's own outputs: the specimen's, of its first pictures."""
    port = read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=count)
    with tempfile.TemporaryDirectory() as scratch:
        run = onnx_runtime.load_model(specimen_twin(Store(Path(scratch) / "store")))
        for id in devkit.ids:
            shown = prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], port.pictures)
            write_dump(Path(scratch), id, run(*shown))
        jpegs = {devkit.picture_path(id): devkit.sizes_wh[id] for id in devkit.ids}
        ms = _timed(jpegs, Path(scratch), port)
    note = "its pictures are small, so that opening them again costs the published way less than VOC's would"
    return Row("outputs -> detections, the specimen's own", "ms", ms["here"], ms["loop"], WANTED, note=note)


def _timed(jpegs: Mapping[Path, tuple[int, int]], dumps: Path, port: Port) -> dict[str, list[float]]:
    """ms per picture of each way, all giving the same; `jpegs`: JPEG -> its size."""
    for jpeg in jpegs:
        for nms in (published.nms_loop, published.nms_compiled):
            expect_same(jpeg, dumps, port, nms)
    runs = {
        "here": partial(_ours, jpegs, dumps, port),
        "loop": partial(_theirs, jpegs, dumps, port, published.nms_loop),
        "compiled": partial(_theirs, jpegs, dumps, port, published.nms_compiled),
    }
    return {way: in_unit(turns, 1e3 / len(jpegs)) for way, turns in turn_by_turn(runs).items()}


def _ours(jpegs: Mapping[Path, tuple[int, int]], dumps: Path, port: Port) -> None:
    for jpeg, size_wh in jpegs.items():
        record = picture_record(jpeg.stem, size_wh, port.pictures)
        detections_from_outputs(read_dump(dumps, jpeg.stem, port), record, port)


def _theirs(jpegs: Iterable[Path], dumps: Path, port: Port, nms: published.Nms) -> None:
    for jpeg in jpegs:
        published.detections(jpeg, dumps, jpeg.stem, port, nms)


def expect_same(jpeg: Path, dumps: Path, port: Port, nms: published.Nms) -> None:
    """Raise BenchError unless both ways find the same: classes and scores exactly, boxes within what text rounds away.

    Boxes of equal score may come in another order: the published way's sort is not stable.
    """
    picture = published.record(jpeg, jpeg.stem, port)
    got = detections_from_outputs(read_dump(dumps, jpeg.stem, port), picture, port)
    for label, want in enumerate(published.detections(jpeg, dumps, jpeg.stem, port, nms)):
        of_class = got.labels == label
        mine = np.column_stack([got.boxes_xyxy[of_class], got.scores[of_class]])
        mine, theirs = (found[np.lexsort((found[:, 0], -found[:, 4]))] for found in (mine, want))
        same = np.array_equal(mine[:, 4], theirs[:, 4])
        if not same or np.abs(mine - theirs).max(initial=0) > TEXT_PX:
            raise BenchError(
                f"detections of class {port.classes[label]} differ from the published way's ({nms.__name__}, "
                f"{jpeg.stem}): times mean nothing"
            )


def synthetic_outputs(random: np.random.Generator, port: Port, spread_px: float, peak: float) -> Outputs:
    """300 rois around six places; a small `spread_px` makes NMS drop nearly all, a small `peak` makes scores alike."""
    rows, columns = port.proposals.kept, len(port.classes) + 1
    place = random.uniform(80, 400, (6, 2))[random.integers(0, 6, rows)]
    centre, half = place + random.normal(0, spread_px, (rows, 2)), random.uniform(20, 110, (rows, 2))
    corners = np.clip(np.concatenate([centre - half, centre + half], axis=1), 0, 511)
    logits = random.normal(0, peak, (rows, columns))
    prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rois = np.concatenate([np.zeros((rows, 1)), corners], axis=1)
    deltas = random.normal(0, 0.5, (rows, 4 * columns))
    return Outputs(*(array.astype(np.float32) for array in (rois, prob, deltas)))


# -- detections to average precision -----------------------------------------------------------------------------------


class Case(NamedTuple):
    """One set in every form that a side reads: flat arrays and by id; the evaluator's own words are made of them."""

    ids: tuple[str, ...]
    found: Found
    objects: Objects
    detections: Mapping[str, Detections]
    truth: Mapping[str, Truth]


def synthetic_set(random: np.random.Generator, count: int, classes: int) -> Case:
    """Three objects a picture (one in ten difficult), 100 detections, half of them near an object.

    Numbers are those a result file can hold (3 decimals of score, 1 of a one-based corner), so both sides read the same.
    """
    owners = np.repeat(np.arange(count), 3)
    corner, size = random.integers(0, 250, (len(owners), 2)), random.integers(30, 240, (len(owners), 2))
    truth = np.concatenate([corner, corner + size], axis=1).astype(np.float64)
    labels = random.integers(0, classes, len(owners))
    objects = Objects(owners, truth, labels, random.random(len(owners)) < 0.1)
    pictures = np.repeat(np.arange(count), PER_PICTURE)
    near = pictures * 3 + random.integers(0, 3, len(pictures))
    one_based = np.maximum(np.round(truth[near] + random.normal(0, 12, (len(near), 4)) + 1, 1), 0.5)
    found_labels = np.where(random.random(len(near)) < 0.5, labels[near], random.integers(0, classes, len(near)))
    scores = np.round(random.random(len(near)), 3)
    found = Found(pictures, one_based - 1, scores, found_labels)
    ids = tuple(f"{number:06d}" for number in range(1, count + 1))
    by_id = {}
    for number, id in enumerate(ids):
        rows = slice(number * PER_PICTURE, (number + 1) * PER_PICTURE)
        by_id[id] = Detections(found.boxes_xyxy[rows], scores[rows], found_labels[rows])
    of = {
        id: Truth(truth[3 * n : 3 * n + 3], labels[3 * n : 3 * n + 3], objects.difficult[3 * n : 3 * n + 3])
        for n, id in enumerate(ids)
    }
    return Case(ids, found, objects, by_id, of)


def ap_rows(count: int, classes: Sequence[str]) -> list[Row]:
    """All sides on the same detections."""
    case = synthetic_set(np.random.default_rng(20070714), count, len(classes))
    evaluate_it = partial(evaluate, case.detections, case.truth, classes)
    recs, lines = recs_and_lines(case, classes)
    numbers = numbers_of(lines)
    ours = evaluate_it()
    theirs = {name: published.loop(*numbers[name], recs, name) for name in classes}
    from_text = {name: published.voc_eval(recs, lines[name], name) for name in classes}
    if dict(ours.ap) != theirs or theirs != from_text:
        raise BenchError("the APs differ from the published loops': times mean nothing")
    runs: dict[str, Any] = {
        "here": evaluate_it,
        "loops": lambda: [published.loop(*numbers[name], recs, name) for name in classes],
        "text": lambda: [published.voc_eval(recs, lines[name], name) for name in classes],
        **coco_runs(case, len(classes)),
    }
    times = turn_by_turn(runs, AP_ROUNDS, warm=False)  # they have all run once already
    said = f"{count:,} pictures x {PER_PICTURE}"
    other = "another AP: IoU 0.5, 101 recall marks; its own reading of the detections is not counted"
    return [
        Row(f"AP, {said}, against the published loops alone", "s", times["here"], times["loops"], WANTED),
        Row(f"AP, {said}, against voc_eval, which reads its lines too", "s", times["here"], times["text"], WANTED),
        Row(f"AP, {said}, against pycocotools", "s", times["here"], times["pycocotools"], note=other),
        Row(f"AP, {said}, against faster-coco-eval", "s", times["here"], times["faster-coco-eval"], note=other),
    ]


def interval_rows(count: int, classes: Sequence[str]) -> list[Row]:
    """Interval of the drop, matching included, of two sides with 100 detections a picture: CPU time, and memory on top."""
    case = synthetic_set(np.random.default_rng(20070714), count, len(classes))
    random = np.random.default_rng(1)
    other = {
        id: Detections(one.boxes_xyxy + random.normal(0, 0.5, one.boxes_xyxy.shape), one.scores, one.labels)
        for id, one in case.detections.items()
    }

    def run() -> None:
        paired(case.detections, other, case.truth, classes, classes, margin=0.01, class_margin=0.1)

    cpu_s = []
    for _ in range(INTERVAL_ROUNDS):
        start = time.process_time()
        run()
        cpu_s.append(time.process_time() - start)
    tracemalloc.start()
    run()
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    said = f"interval of the drop, 2 x {count * PER_PICTURE:,} boxes, {count:,} pictures"
    return [
        Row(f"{said}: CPU time", "s", cpu_s, at_most=5.0, note="2,000 resamples, 10,000 near the margin"),
        Row(f"{said}: memory", "MB", [peak_mb], at_most=250.0, note="what numpy allocates besides the detections"),
    ]


def recs_and_lines(case: Case, classes: Sequence[str]) -> tuple[dict[str, list[dict[str, Any]]], dict[str, list[str]]]:
    """The set in the published evaluator's words: objects by id, and the lines of each class's result file."""
    recs: dict[str, list[dict[str, Any]]] = {id: [] for id in case.ids}
    objects = case.objects
    for owner, box, label, hard in zip(
        objects.pictures, (objects.boxes_xyxy + 1).astype(int).tolist(), objects.labels, objects.difficult, strict=True
    ):
        recs[case.ids[owner]].append({"name": classes[label], "difficult": int(hard), "bbox": box})
    lines: dict[str, list[str]] = {name: [] for name in classes}
    found = case.found
    for owner, box, score, label in zip(
        found.pictures, (found.boxes_xyxy + 1).tolist(), found.scores.tolist(), found.labels, strict=True
    ):
        lines[classes[label]].append("{} {:.3f} {:.1f} {:.1f} {:.1f} {:.1f}\n".format(case.ids[owner], score, *box))
    return recs, lines


def numbers_of(lines: Mapping[str, Sequence[str]]) -> dict[str, tuple[list[str], Any, Any]]:
    """The lines read already: ids, scores, one-based corners of each class."""
    words = {name: [line.split() for line in of_class] for name, of_class in lines.items()}
    return {
        name: ([w[0] for w in rows], np.array([float(w[1]) for w in rows]), np.array([w[2:] for w in rows], float))
        for name, rows in words.items()
    }


def coco_runs(case: Case, classes: int) -> dict[str, Any]:
    """Each COCO tool's evaluate and accumulate, its two sides read and indexed beforehand."""
    right, given = datasets(case.found, case.objects, len(case.ids), classes)
    runs = {}
    for name, coco, evaluator in (
        ("pycocotools", pycocotools.coco.COCO, pycocotools.cocoeval.COCOeval),
        ("faster-coco-eval", faster_coco_eval.COCO, faster_coco_eval.COCOeval_faster),
    ):
        with contextlib.redirect_stdout(io.StringIO()):
            sides = [coco(), coco()]
            for side, dataset in zip(sides, (right, given), strict=True):
                side.dataset = dataset
                side.createIndex()
        runs[name] = partial(_coco_run, evaluator, sides, name)
    return runs


def _coco_run(evaluator: Any, sides: list[Any], name: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        run = evaluator(*sides, iouType="bbox")
        run.params.iouThrs = np.array([spec.MATCH_IOU])
        run.params.maxDets = [PER_PICTURE]
        run.params.areaRng, run.params.areaRngLbl = [ALL_SIZES], ["all"]
        run.evaluate()
        run.accumulate()
    if not 0 < float(np.mean(run.eval["precision"])) < 1:
        raise BenchError(f"{name} gives no AP on these detections; times mean nothing")
