"""A small source model for the figures of agreement: heads that are smooth functions of a box, proposals on a grid."""

import numpy as np

from rfcn_lib.agreement.measured import sums_of
from rfcn_lib.records import Outputs, Picture
from tests.support import tiny

CLASSES = tuple(tiny.PORT.classes)
COLUMNS = len(CLASSES) + 1
ACROSS, DOWN, PADDED = 8, 5, 4
ROWS = ACROSS * DOWN
IDS = tuple(f"{n:06}" for n in range(1, 13))
WITH_HEADS = IDS[:8]


def picture_of(id="000001"):
    """600 x 400 px in the net frame, on a canvas of 640 x 640, of a JPEG half that size."""
    return Picture(id, (300, 200), (600, 400), (640, 640), 2.0)


PICTURES = {id: picture_of(id) for id in IDS}


def rois_of(seed):
    """(44, 5) float32: 40 proposals that do not touch, from 20 to 60 px, and 4 rows of padding."""
    draws = np.random.default_rng(seed)
    size_wh = draws.uniform(20, 60, (ROWS, 2))
    corner_xy = np.stack([np.tile(np.arange(ACROSS), DOWN) * 75, np.repeat(np.arange(DOWN), ACROSS) * 80], 1)
    corner_xy = corner_xy + draws.uniform(2, 10, (ROWS, 2))
    rois = np.zeros((ROWS + PADDED, 5), np.float32)
    rois[:ROWS, 1:] = np.concatenate([corner_xy, corner_xy + size_wh], 1)[draws.permutation(ROWS)]
    return rois


def logits_of(rois):
    draws = np.random.default_rng(7)
    turns, start = draws.normal(0, 1 / 60, (4, COLUMNS)), draws.uniform(0, 6, COLUMNS)
    return 4 * np.sin(rois[:, 1:].astype(np.float64) @ turns + start)


def deltas_of(rois):
    draws = np.random.default_rng(8)
    turns, start = draws.normal(0, 1 / 60, (4, 4 * COLUMNS)), draws.uniform(0, 6, 4 * COLUMNS)
    return 0.5 * np.sin(rois[:, 1:].astype(np.float64) @ turns + start)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def outputs_of(rois, temperature=1.0):
    """What the source model says of these proposals."""
    scores, deltas = softmax(logits_of(rois) / temperature), deltas_of(rois)
    return Outputs(rois, scores.astype(np.float32), deltas.astype(np.float32))


def source(id):
    return outputs_of(rois_of(int(id)))


def noisy(seed, px=0.02, scores=1e-3, deltas=1e-3):
    """id -> the source model in another arithmetic."""

    def run(id):
        draws = np.random.default_rng((seed, int(id)))
        rois = rois_of(int(id))
        rois[:ROWS, 1:] += draws.normal(0, px, (ROWS, 4)).astype(np.float32)
        logits = logits_of(rois) + draws.normal(0, scores, (len(rois), COLUMNS))
        moved = deltas_of(rois) + draws.normal(0, deltas, (len(rois), 4 * COLUMNS))
        return Outputs(rois, softmax(logits).astype(np.float32), moved.astype(np.float32))

    return run


def sums(got):
    """Of a run against the source model."""
    return sums_of(PICTURES, got, source, lambda id: outputs_of(got(id).rois), WITH_HEADS, tiny.PORT)


def changed(outputs, **arrays):
    """The same outputs with some arrays replaced."""
    old = {name: getattr(outputs, name) for name in ("rois", "cls_prob", "bbox_pred")}
    return Outputs(**{name: np.asarray(arrays.get(name, array), np.float32) for name, array in old.items()})


def rows(outputs, order):
    """Rows chosen by number."""
    return Outputs(outputs.rois[order], outputs.cls_prob[order], outputs.bbox_pred[order])


def boxes_changed(outputs, change):
    """The proposals without the padding through a function of (N, 4)."""
    rois = outputs.rois.astype(np.float64)
    real = rois[:, 1:].any(axis=1)
    rois[real, 1:] = change(rois[real, 1:])
    return changed(outputs, rois=rois)
