"""A device simple enough to read, without any framework: its outputs are a function of the picture alone."""

import numpy as np

from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Outputs, Picture
from rfcn_lib.runs.filling import fill
from rfcn_lib.score.dumps import shapes

IDS = ("000001", "000002", "000005", "2008_000003")
CANVAS_WH = (112, 80)


def port_of(kept):
    """The published port with three classes and few proposals."""
    published = read_port(PUBLISHED)
    proposals = published.proposals.model_copy(update={"kept": kept})
    return published.model_copy(update={"classes": published.classes[:3], "proposals": proposals})


PORT = port_of(40)


def picture_of(id):
    return Picture(id, (100, 64), (100, 64), CANVAS_WH, 1.0)


def outputs_of(im_data):
    draws = np.random.default_rng(int(im_data.sum()))
    rois, scores, deltas = (draws.random(shape).astype(np.float32) for shape in shapes(PORT))
    rois[:, 0] = 0
    return Outputs(rois, scores / scores.sum(1, keepdims=True), deltas)


class Bench:
    """Prepares pictures and runs them, and remembers what it was asked for."""

    def __init__(self, fails_at=None):
        self.started, self.prepared, self.ran, self.fails_at = 0, [], [], fails_at

    def prepare(self, id):
        self.prepared.append(id)
        return np.full((1, 3, 2, 2), IDS.index(id) + 1, np.float32), picture_of(id)

    def device(self):
        self.started += 1
        return self.run

    def run(self, im_data, picture):
        if picture.id == self.fails_at:
            raise RuntimeError("the device fell over")
        self.ran.append(picture.id)
        return outputs_of(im_data)

    def fill(self, folder, ids=IDS, **options):
        return fill(folder, ids, PORT, self.prepare, self.device, "dumps", **options)
