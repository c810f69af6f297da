"""A baseline of the specimen's first pictures, measured on the CPU under another name; the code is the GPU's."""

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import read_port
from rfcn_lib.store.store import Store
from rfcn_lib.suite.gpu import baseline_digests, measure
from tests.support.places import SPECIMEN


def measured_on_the_cpu(root, count):
    """Measure `count` pictures with a store in `root` -> the file, what it says."""
    store, port = Store(root), read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=count)
    pictures = Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, store.digests.of_each)
    weights = SPECIMEN / "rfcn_specimen.pth"
    digests = baseline_digests.__wrapped__(store, weights, port, devkit)
    return root / "gpu_baseline.json", measure(store, "the CPU, for a test", "cpu", weights, pictures, digests)
