"""The kinds of errors by their definition: one detection after the other."""

import numpy as np

from rfcn_lib.score.average_precision import VOC07, average_precision
from tests.support.definitions import iou as iou_of


def kinds_by_hand(detections, truth, judged):
    """-> (rows, missed): a row per detection that counts, best first, as dict; the missed objects as (id, number)."""
    rows = [
        {"id": id, "label": int(label), "score": float(score), "box": box, "at": (place, number)}
        for place, (id, one) in enumerate((id, detections[id]) for id in truth)
        for number, (box, score, label) in enumerate(zip(one.boxes_xyxy, one.scores, one.labels, strict=True))
        if label in judged
    ]
    rows.sort(key=lambda row: (-row["score"], row["at"]))
    taken = set()
    for row in rows:
        one = truth[row["id"]]
        mine = [k for k, label in enumerate(one.labels) if label == row["label"]]
        best = max(mine, key=lambda k: (iou_of(row["box"], one.boxes_xyxy[k]), -k), default=None)
        row["right"], row["kind"], row["target"] = False, None, None
        if best is not None and iou_of(row["box"], one.boxes_xyxy[best]) > 0.5:
            if one.difficult[best]:
                continue
            if (row["id"], best) not in taken:
                taken.add((row["id"], best))
                row["right"] = True
                continue
        row["kind"] = "to be found"
    pointed = set()
    for row in rows:
        if row["kind"] is None:
            continue
        one = truth[row["id"]]
        counted = [k for k, label in enumerate(one.labels) if not one.difficult[k] and label in judged]
        overlap = {k: iou_of(row["box"], one.boxes_xyxy[k]) for k in counted}
        same = max((k for k in counted if one.labels[k] == row["label"]), key=lambda k: (overlap[k], -k), default=None)
        other = max((k for k in counted if one.labels[k] != row["label"]), key=lambda k: (overlap[k], -k), default=None)
        s, o = (0.0 if k is None else overlap[k] for k in (same, other))
        if 0.1 <= s <= 0.5:
            row["kind"], row["target"] = "localisation", same
        elif o > 0.5:
            row["kind"], row["target"] = "classification", other
        elif s > 0.5:
            row["kind"] = "duplicate"
        elif s <= 0.1 and o <= 0.1:
            row["kind"] = "background"
        else:
            row["kind"] = "both"
        if row["target"] is not None:
            pointed.add((row["id"], row["target"]))
    everything = {
        (id, k)
        for id, one in truth.items()
        for k, label in enumerate(one.labels)
        if not one.difficult[k] and label in judged
    }
    return rows, everything - taken - pointed, everything, taken


def costs_by_hand(detections, truth, judged, kinds):
    """kind -> (count, rise of mean AP once its errors are mended)."""
    rows, missed, everything, taken = kinds_by_hand(detections, truth, judged)

    def mean_ap(rows, objects):
        aps = []
        for label in judged:
            mine = [row["right"] for row in rows if row["label"] == label]
            count = sum(truth[id].labels[k] == label for id, k in objects)
            right = np.array(mine, bool)
            aps.append(average_precision(right, ~right, count, VOC07) if count else 1.0)
        return sum(aps) / len(aps)

    counted = [row for row in rows if row["right"] or row["kind"]]
    before, found = mean_ap(counted, everything), {}
    for kind in kinds:
        if kind == "missed":
            found[kind] = (len(missed), mean_ap(counted, everything - missed) - before)
            continue
        mended, given = [], set(taken)
        for row in counted:
            if row["kind"] != kind:
                mended.append(row)
            elif kind in ("localisation", "classification") and (row["id"], row["target"]) not in given:
                given.add((row["id"], row["target"]))
                mended.append({**row, "right": True, "label": int(truth[row["id"]].labels[row["target"]])})
        found[kind] = (sum(row["kind"] == kind for row in counted), mean_ap(mended, everything) - before)
    return found
