"""Pictures and a model simple enough to read, without any framework: outputs are a function of the picture alone."""

import hashlib

import numpy as np

from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Outputs, Picture
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.local import LocalEngine
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.score.dumps import shapes

IDS = ("000001", "000002", "000005", "2008_000003")
CANVAS_WH = (112, 80)


def port_of(kept):
    """The published port with three classes and few proposals."""
    published = read_port(PUBLISHED)
    proposals = published.proposals.model_copy(update={"kept": kept})
    return published.model_copy(update={"classes": published.classes[:3], "proposals": proposals})


PORT = port_of(40)


def outputs_of(im_data):
    draws = np.random.default_rng(int(im_data.sum()))
    rois, scores, deltas = (draws.random(shape).astype(np.float32) for shape in shapes(PORT))
    rois[:, 0] = 0
    return Outputs(rois, scores / scores.sum(1, keepdims=True), deltas)


class FakePictures:
    """Stands for `rfcn_lib.pictures.loading.Pictures`: all on one canvas, or on those of `by_canvas`.

    jpeg_sha256  id -> digest of a JPEG; change one, and that JPEG has changed
    loaded       ids in the order in which they were loaded
    """

    def __init__(self, ids=IDS, port=PORT, by_canvas=None):
        self.port, self.by_canvas = port, by_canvas or {CANVAS_WH: tuple(ids)}
        self.ids = tuple(id for ids in self.by_canvas.values() for id in ids)
        self.jpeg_sha256 = {id: hashlib.sha256(id.encode()).hexdigest() for id in self.ids}
        self.loaded = []

    def port_on(self, canvas_wh):
        numbers = self.port.pictures.model_copy(update={"canvas_wh_px": canvas_wh})
        return self.port.model_copy(update={"pictures": numbers})

    def canvas_of(self, id):
        return next(canvas_wh for canvas_wh, ids in self.by_canvas.items() if id in ids)

    def record(self, id):
        return Picture(id, (100, 64), (100, 64), self.canvas_of(id), 1.0)

    def load(self, id):
        self.loaded.append(id)
        number = IDS.index(id) + 1 if id in IDS else int(id)
        return np.full((1, 3, 2, 2), number, np.float32), self.record(id)

    def digests(self, ids):
        return [self.jpeg_sha256[id] for id in ids]


class FakeModel:
    """Stands for a model on this machine; remembers what it ran. `fails_at`: the id that it cannot run."""

    def __init__(self, fails_at=None):
        self.started, self.ran, self.fails_at = 0, [], fails_at

    def load_model(self, canvas_wh):
        self.started += 1
        return self.run

    def run(self, im_data, picture):
        if picture.id == self.fails_at:
            raise RuntimeError("the device fell over")
        self.ran.append(picture.id)
        return outputs_of(im_data)


def make_dumps(folder, pictures=None, model=None, name="dumps", port=PORT, **options):
    """Make the dumps that the folder lacks; returns how many."""
    engine = LocalEngine((model or FakeModel()).load_model)
    return run_missing(RunFolder(folder, port), pictures or FakePictures(), engine, name, **options)
