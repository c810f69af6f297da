"""From detections to what the report draws: curves, kinds of errors, and the pictures that lost with their thumbnails."""

from base64 import b64encode
from dataclasses import asdict
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import decode
from rfcn_lib.records import Ints
from rfcn_lib.report.drawn import Box, ClassCurves, Drawn, Errors, Line, Losing, Mark
from rfcn_lib.score.curves import curve_of
from rfcn_lib.score.error_kinds import error_kinds
from rfcn_lib.score.losses import Loss, losses
from rfcn_lib.score.marked import Marked, mark
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.score.partners import CONFIDENT
from rfcn_lib.suite.drawing_of_set import pairs_of, protocols_of
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.suite.speed import gpu_of

PICTURES: Final = 12
LONGEST_PX: Final = 360
QUALITY: Final = 80  # of a JPEG: a thumbnail of this size has about 20 kB
BOXES: Final = 20  # on one panel


def drawn_of(candidate: Candidate, reference: Reference, pictures: Pictures, baseline: Facts | None = None) -> Drawn:
    """Everything that needs detections. Raises PictureError where a picture that lost cannot be read.

    baseline: what the packet of --baseline says
    """
    names, truth = list(candidate.evaluation.ap), pictures.devkit.truth
    protocol, classes = candidate.evaluation.protocol, pictures.port.classes
    mine = mark(candidate.judged.detections, truth, classes, names, protocol)
    theirs = None
    if reference.judged is not None:
        theirs = mark(reference.judged.detections, truth, classes, names, protocol)
    sides = {"reference": theirs, "candidate": mine}
    curves = tuple(
        ClassCurves(name=name, reference=_line(theirs, at) if theirs else None, candidate=_line(mine, at))
        for at, name in enumerate(names)
    )
    errors = {side: Errors(**asdict(error_kinds(one))) for side, one in sides.items() if one is not None}
    protocols = protocols_of(candidate.judged, reference.judged, pictures.devkit, pictures.port)
    gpu = gpu_of(pictures.port, baseline)
    if theirs is None or reference.judged is None:
        return Drawn(curves=curves, errors=errors, pictures=(), losing=None, protocols=protocols, gpu=gpu)
    lost = losses(theirs, mine, classes)
    return Drawn(
        curves=curves,
        errors=errors,
        pictures=tuple(_losing(one, theirs, mine, pictures) for one in lost[:PICTURES]),
        losing=len(lost),
        pairs=pairs_of(candidate.judged.detections, reference.judged.detections),
        protocols=protocols,
        gpu=gpu,
    )


def _line(marked: Marked, at: int) -> Line:
    found = curve_of(marked.ranked[at])
    return Line(recall=found.recall.tolist(), precision=found.precision.tolist())


def _losing(loss: Loss, reference: Marked, candidate: Marked, pictures: Pictures) -> Losing:
    id = tuple(pictures.devkit.truth)[loss.picture]
    path, size_wh = pictures.source(id)
    picture = Image.fromarray(decode(path, size_wh))
    picture.thumbnail((LONGEST_PX, LONGEST_PX))
    jpeg = BytesIO()
    picture.save(jpeg, "JPEG", quality=QUALITY, optimize=True)
    scale = picture.width / size_wh[0]
    panels = {"truth": _objects(candidate, loss.picture, scale, pictures.port.classes)}
    left_out = {"truth": 0}
    for side, marked in (("reference", reference), ("candidate", candidate)):
        rows = _shown(marked, loss.picture)
        panels[side] = tuple(_box(marked, int(row), scale, pictures.port.classes) for row in rows[:BOXES])
        left_out[side] = len(rows) - len(panels[side])
    return Losing(
        id=id,
        size_wh=picture.size,
        jpeg_base64=b64encode(jpeg.getvalue()).decode(),
        loss=loss.loss,
        why=loss.why,
        fact=loss.fact,
        panels=panels,
        left_out=left_out,
    )


def _shown(marked: Marked, picture: int) -> Ints:
    """Rows of a picture's right detections and of its confident ones, best first."""
    found = marked.found
    rows = np.flatnonzero((found.pictures == picture) & (marked.right | (found.scores >= CONFIDENT)))
    return rows[np.argsort(-found.scores[rows], kind="stable")]


def _box(marked: Marked, row: int, scale: float, classes: tuple[str, ...]) -> Box:
    mark: Mark = "right" if marked.right[row] else "wrong" if marked.wrong[row] else "neither"
    found = marked.found
    return Box(
        xyxy=tuple((found.boxes_xyxy[row] * scale).tolist()),
        name=classes[int(found.labels[row])],
        score=float(found.scores[row]),
        mark=mark,
    )


def _objects(marked: Marked, picture: int, scale: float, classes: tuple[str, ...]) -> tuple[Box, ...]:
    objects = marked.objects
    return tuple(
        Box(
            xyxy=tuple((objects.boxes_xyxy[at] * scale).tolist()),
            name=classes[int(objects.labels[at])],
            score=None,
            mark="difficult" if objects.difficult[at] else "truth",
        )
        for at in np.flatnonzero(objects.pictures == picture)
    )
