"""The score room against the way it is usually written: `python -m benchmarks.score`.

The other side is the published evaluator's own shape, written plainly here: a Python loop over detections for AP, and
NMS class by class, box by box, for outputs -> detections. Both sides must give the same numbers before a time counts.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from rfcn_lib import boxes, spec
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Detections, Floats, Outputs, Picture
from rfcn_lib.score.arrays import Found, Objects
from rfcn_lib.score.average_precision import evaluate_arrays
from rfcn_lib.score.postprocess import detections_from_outputs

PER_PICTURE = 100
PICTURE = Picture("000001", (500, 375), (683, 512), (1344, 1344), 512 / 375)


def synthetic_set(random: np.random.Generator) -> tuple[Found, Objects]:
    """A full-size set: three objects a picture (one in ten difficult), 100 detections, half of them near an object."""
    count, classes = spec.VOC_TEST_COUNT, len(spec.VOC_CLASSES)
    owners = np.repeat(np.arange(count), 3)
    corner, size = random.integers(0, 250, (len(owners), 2)), random.integers(30, 240, (len(owners), 2))
    truth = np.concatenate([corner, corner + size], axis=1).astype(np.float64)
    labels = random.integers(0, classes, len(owners))
    objects = Objects(owners, truth, labels, random.random(len(owners)) < 0.1)
    pictures = np.repeat(np.arange(count), PER_PICTURE)
    near = pictures * 3 + random.integers(0, 3, len(pictures))
    found_xyxy = truth[near] + random.normal(0, 12, (len(near), 4))
    found_labels = np.where(random.random(len(near)) < 0.5, labels[near], random.integers(0, classes, len(near)))
    return Found(pictures, found_xyxy, random.random(len(near)).astype(np.float32), found_labels), objects


def loops_mean_ap(found: Found, objects: Objects) -> float:
    """VOC07 mean AP with one Python step per detection."""
    values = []
    for label in range(len(spec.VOC_CLASSES)):
        truth: dict[int, Any] = {}
        mine = objects.labels == label
        for picture in range(spec.VOC_TEST_COUNT):
            truth[picture] = ([], [], [])
        for picture, box, difficult in zip(
            objects.pictures[mine], objects.boxes_xyxy[mine], objects.difficult[mine], strict=True
        ):
            for column, value in zip(truth[picture], (box, difficult, False), strict=True):
                column.append(value)
        chosen = np.flatnonzero(found.labels == label)
        chosen = chosen[np.argsort(-found.scores[chosen], kind="stable")]
        right, wrong = np.zeros(len(chosen)), np.zeros(len(chosen))
        for rank, row in enumerate(chosen):
            theirs, difficult, taken = truth[found.pictures[row]]
            if theirs:
                overlaps = boxes.iou(found.boxes_xyxy[row], np.array(theirs))
                best = int(np.argmax(overlaps))
                if overlaps[best] > spec.MATCH_IOU:
                    if difficult[best]:
                        continue
                    if not taken[best]:
                        taken[best], right[rank] = True, 1
                        continue
            wrong[rank] = 1
        rights, wrongs = np.cumsum(right), np.cumsum(wrong)
        recall = rights / np.sum(~objects.difficult[mine])
        precision = rights / np.maximum(rights + wrongs, np.finfo(np.float64).eps)
        ap = 0.0
        for mark in np.arange(0.0, 1.1, 0.1):
            ap += (np.max(precision[recall >= mark]) if np.any(recall >= mark) else 0.0) / 11
        values.append(ap)
    return float(np.mean(values))


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


def loops_detections(outputs: Outputs, picture: Picture, port: Port) -> Detections:
    """Outputs -> detections class by class, NMS box by box, then the best of all."""
    rules = port.detections
    stds = np.tile(np.asarray(rules.delta_stds, np.float32), outputs.cls_prob.shape[1])
    decoded = boxes.clip(boxes.decode(outputs.rois[:, 1:], outputs.bbox_pred * stds), picture.scaled_wh)
    decoded = decoded / np.float32(picture.scale)
    parts: list[tuple[Floats, Floats, Any]] = []
    for column in range(1, outputs.cls_prob.shape[1]):
        rows = np.flatnonzero(outputs.cls_prob[:, column] > rules.score_above)
        rows = rows[np.argsort(-outputs.cls_prob[rows, column], kind="stable")]
        mine = decoded[:, 4 * column : 4 * column + 4]
        kept = []
        while len(rows):
            kept.append(rows[0])
            rows = rows[1:][boxes.iou(mine[rows[0]], mine[rows[1:]]) <= rules.nms_iou]
        parts.append((mine[kept], outputs.cls_prob[kept, column], np.full(len(kept), column - 1)))
    found_xyxy, scores, labels = (np.concatenate(one) for one in zip(*parts, strict=True))
    if len(scores) > rules.per_picture:
        enough = scores >= np.sort(scores)[-rules.per_picture]
        found_xyxy, scores, labels = found_xyxy[enough], scores[enough], labels[enough]
    order = np.argsort(-scores, kind="stable")
    return Detections(found_xyxy[order], scores[order], labels[order])


def median_s(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    random = np.random.default_rng(20070714)
    port = read_port(PUBLISHED)
    table = Table("what", "here", "plain loops", "ratio", "goal", title="score, one core")
    found, objects = synthetic_set(random)
    ids = [str(number) for number in range(spec.VOC_TEST_COUNT)]
    here, there = evaluate_arrays(found, objects, ids, spec.VOC_CLASSES).mean_ap, loops_mean_ap(found, objects)
    if here != there:
        raise SystemExit(
            f"mean AP is {here!r}, but should be {there!r}, as the plain loops have it: times mean nothing"
        )
    ours = median_s(lambda: evaluate_arrays(found, objects, ids, spec.VOC_CLASSES), 5)
    theirs = median_s(lambda: loops_mean_ap(found, objects), 1)
    table.add_row(
        f"AP, {len(ids):,} pictures x {PER_PICTURE}",
        f"{ours:.3f} s",
        f"{theirs:.1f} s",
        f"{theirs / ours:.0f} x",
        "1 s",
    )
    cases = {"spread out": (60.0, 2.0), "crowded": (3.0, 2.0), "scores alike": (60.0, 0.05), "sure of it": (20.0, 8.0)}
    for name, (spread_px, peak) in cases.items():
        every = [synthetic_outputs(random, port, spread_px, peak) for _ in range(20)]
        for outputs in every:
            got, want = detections_from_outputs(outputs, PICTURE, port), loops_detections(outputs, PICTURE, port)
            if not all(np.array_equal(getattr(got, f), getattr(want, f)) for f in ("boxes_xyxy", "scores", "labels")):
                raise SystemExit(f"detections differ from the plain loops' ({name}): times mean nothing")
        ours, theirs = (
            statistics.median(median_s(partial(way, outputs, PICTURE, port), 3) for outputs in every)
            for way in (detections_from_outputs, loops_detections)
        )
        table.add_row(
            f"outputs -> detections, {name}",
            f"{ours * 1e3:.2f} ms",
            f"{theirs * 1e3:.1f} ms",
            f"{theirs / ours:.1f} x",
            "5 ms",
        )
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
