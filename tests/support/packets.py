"""Reference packets for tests: of invented pictures, and of the specimen's first pictures, with the code that a GPU runs."""

import numpy as np

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Detections
from rfcn_lib.score.packet_records import Facts, Maker, Origin, PictureFiles, Rates
from rfcn_lib.store.store import Store
from rfcn_lib.suite.gpu import measure
from rfcn_lib.suite.packets import origin_of
from tests.support.places import SPECIMEN

PORT = read_port(PUBLISHED)
MAKER = Maker(machine="a machine, a processor, 2 cores", device="a device", driver="1", versions={"torch": "2.13.0"})
RATES = Rates(timed=2, device_fps=4.5, script_fps=3.25)


def sha256_of_digit(digit):
    return str(digit) * 64


def origin_with(ids, **changes):
    """What a packet of these pictures was made of; digests are those of nothing."""
    files = {id: PictureFiles(jpeg=sha256_of_digit(1), annotation=sha256_of_digit(2)) for id in ids}
    made_of = {
        "weights": sha256_of_digit(3),
        "port": PORT.model_dump(mode="json", exclude={"name", "criteria"}),
        "pictures": files,
        "code": {"rfcn_lib/boxes.py": sha256_of_digit(4)},
    }
    return Origin(**{**made_of, **changes})


def facts_with(ids, **changes):
    facts = {
        "origin": origin_with(ids),
        "maker": MAKER,
        "protocol": "a protocol",
        "mean_ap": 0.75,
        "ap": {"cat": 0.75},
        "outputs_sha256": sha256_of_digit(5),
        "rates": RATES,
    }
    return Facts(**{**facts, **changes})


def detections_of(ids, seed=0, most=5):
    """Id -> a few detections, none in the first picture."""
    random = np.random.default_rng(seed)
    found = {}
    for number, id in enumerate(ids):
        count = int(random.integers(1, most + 1)) if number else 0
        corner = random.uniform(0, 300, (count, 2))
        boxes = np.hstack([corner, corner + random.uniform(1, 200, (count, 2))]).astype(np.float32)
        scores = np.sort(random.uniform(0, 1, count).astype(np.float32))[::-1].copy()
        found[id] = Detections(boxes, scores, random.integers(0, len(PORT.classes), count))
    return found


def measured_on_the_cpu(root, count):
    """Measure the specimen's first `count` pictures with a store in `root` -> the packet's file, what is in it."""
    store, port = Store(root), read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=count)
    pictures = Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, store.digests.of_each)
    weights = SPECIMEN / "rfcn_specimen.pth"
    origin, target = origin_of(store, weights, port, devkit), root / "gpu_reference.zip"
    return target, measure(store, "the CPU, for a test", "cpu", weights, pictures, origin, target)
