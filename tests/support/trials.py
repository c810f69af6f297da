"""A trial, its verdict and its drawings, small and made up, for tests of what is written about them."""

from base64 import b64encode
from dataclasses import asdict
from io import BytesIO

import numpy as np
from PIL import Image

from rfcn_lib.report.drawn import Box, Cells, ClassCurves, Drawn, Errors, Line, Losing, Pace, Pairs, ProtocolMean
from rfcn_lib.score.error_kinds import KINDS
from rfcn_lib.verdict.verdict import HOST, Trial, Verdict

EXHIBIT = {"path": "/somewhere/file", "sha256": "ab" * 32, "bytes": 1234}
INTERVAL = {"decision": "INCONCLUSIVE", "drop": 0.1, "lower": -3.0, "upper": 2.0, "pictures": 4, "needed": 30}


def drop_of(names):
    """As `Paired` is kept in a trial; only what a report reads."""
    drop = {"decision": "FAIL", "drop": 0.2, "lower": 0.1, "upper": 0.3, "pictures": 9, "class_margin": 0.1}
    return {"drop": {**drop, "classes": dict.fromkeys(names, INTERVAL)}}


def figure_of(group, times, name="difference"):
    return {
        "figure": name,
        "group": group,
        "unit": "px",
        "got": 0.5,
        "arithmetic alone": 0.1,
        "limit": 0.2,
        "times": times,
    }


def trial_of(names=("cat", "dog"), **changes):
    values = {
        "port": "a port",
        "device": "host",
        "candidate_on": HOST,
        "candidate_device": "ONNX Runtime",
        "reference_device": "PyTorch",
        "exhibits": dict.fromkeys(("weights", "onnx", "pictures", "candidate dumps", "reference dumps"), EXHIBIT),
        "commands": ("atc --framework=5",),
        "ids": ("000001", "000002"),
        "set_name": "test",
        "set_size": 3,
        "tolerated": {},
        "protocol": {"name": "VOC07", "clip": "canvas"},
        "reference_mean_ap": 0.9,
        "reference_ap": dict.fromkeys(names, 0.9),
        "candidate_mean_ap": 0.7,
        "candidate_ap": {name: 0.8 - 0.1 * at for at, name in enumerate(names)},
        "paired": drop_of(names),
        "cropped": {},
        "loosened": (),
        "unpublished": (),
        "published_port": True,
        "voc2007_test": True,
        "published_applies": False,
        "throughput_applies": False,
        "canvas": "published",
        "canvases": {"1344x1344": 2},
        "canvas_area": 1.0,
        "agreement": {
            "floor": "float32 against float64",
            "pictures": ["000001"],
            "figures": [figure_of("proposals", 0.2), figure_of("heads", 3.5), figure_of("heads", float("inf"))],
            "alone": [{"picture": "000002", "what": "lost rows", "times": 4.0}],
        },
        "blame": {"stage": "heads", "fault": "x", "sentence": "only deltas depart", "evidence": "0.5, limit 0.2"},
    }
    return Trial(**{**values, **changes})


def criterion_of(name, number=0.2, outcome="failed", **changes):
    row = {"name": name, "number": number, "relation": "<=", "limit": 0.01, "source": "somebody", "test": "t::x"}
    return {**row, "lower": None, "upper": None, "outcome": outcome, **changes}


def verdict_of(trial, rows=None, status="FAILED", words="does not hold: mean AP drop"):
    rows = rows or [
        criterion_of("mean AP drop, relative", lower=0.1, upper=0.3),
        criterion_of("every picture judged", 2.0, "passed", relation="==", limit=2.0),
        criterion_of("heads agree", float("inf")),
    ]
    return Verdict(status, words, asdict(trial) if trial else None, rows, {})


def jpeg_base64(pixels=None):
    buffer = BytesIO()
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8) if pixels is None else pixels).save(buffer, "JPEG", quality=80)
    return b64encode(buffer.getvalue()).decode()


def cells_of(x, y, counts):
    x, y, counts = (np.asarray(values).tolist() for values in (x, y, counts))
    return Cells(x=x, y=y, counts=[int(count) for count in counts])


def pairs_drawn():
    return Pairs(
        count=1011,
        lost=7,
        extra=3,
        scores=cells_of([0.5, 0.9], [0.25, 0.9], [1, 1010]),
        centres=cells_of([0.0, 12.0], [0.0, -4.0], [1010, 1]),
        sizes=cells_of([0.0], [0.0], [1011]),
        score_apart=(0.001, 0.25),
        px_apart=(0.1, 12.0),
        mean_px=(1.0, -2.0, 3.0, -4.0),
    )


def pace_of(whose="T4", fps=3.61, scope="whole script"):
    return Pace(whose=whose, fps=fps, scope=scope, includes="all of it", source="a guide")


def protocols_drawn(reference=True):
    return tuple(
        ProtocolMean(protocol=name, reference=0.9 if reference else None, candidate=0.7)
        for name in ("VOC2007 AP", "COCO AP of boxes (pycocotools), IoU 0.50")
    )


def drawn_of(names=("cat", "dog"), reference=True):
    line = Line(recall=(0.5, 1.0), precision=(1.0, 0.5))
    curves = tuple(ClassCurves(name=name, reference=line if reference else None, candidate=line) for name in names)
    errors = Errors(counts=dict.fromkeys(KINDS, 3), costs=dict.fromkeys(KINDS, 0.01))
    sides = {"reference": errors, "candidate": errors} if reference else {"candidate": errors}
    box = Box(xyxy=(5, 5, 30, 30), name=names[0], score=None, mark="truth")
    found = box.model_copy(update={"score": 0.91, "mark": "right"})
    picture = Losing(
        id="000002",
        size_wh=(60, 40),
        jpeg_base64=jpeg_base64(),
        loss=0.91,
        why="missed",
        fact=f"{names[0]}, which the reference finds with score 0.91",
        panels={"truth": (box,), "reference": (found,), "candidate": ()},
        left_out={"truth": 0, "reference": 2, "candidate": 0},
    )
    return Drawn(
        curves=curves,
        errors=sides,
        pictures=(picture,) if reference else (),
        losing=1 if reference else None,
        pairs=pairs_drawn() if reference else None,
        protocols=protocols_drawn(reference),
        gpu=(pace_of(),),
    )
