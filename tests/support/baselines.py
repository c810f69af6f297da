"""A baseline of the specimen's first pictures, measured on the CPU under another name; the code is the GPU's."""

import hashlib

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import picture_record, prepare
from rfcn_lib.port import read_port
from rfcn_lib.store.store import Store
from rfcn_lib.suite.gpu import measure
from tests.support.places import SPECIMEN


def measured_on_the_cpu(root, count):
    """Measure `count` pictures with a store in `root` -> the file, what it says."""
    store, port = Store(root), read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=count)
    pictures = {id: picture_record(id, devkit.sizes_wh[id], port.pictures) for id in devkit.ids}
    weights = SPECIMEN / "rfcn_specimen.pth"
    year = SPECIMEN / "VOCdevkit" / "VOC2007"
    digests = {
        "weights_sha256": store.digests.of(weights),
        "jpegs_sha256": store.digests.of(year / "JPEGImages"),
        "annotations_sha256": store.digests.of(year / "Annotations"),
        "ids_sha256": hashlib.sha256("\n".join(devkit.ids).encode()).hexdigest(),
        "port_sha256": hashlib.sha256(port.model_dump_json(exclude={"name", "criteria"}).encode()).hexdigest(),
    }
    shown = lambda id: prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], port.pictures)  # noqa: E731
    found = measure(store, "the CPU, for a test", "cpu", weights, port, devkit, pictures, shown, digests)
    return root / "gpu_baseline.json", found
