"""What a rehearsal of the specimen's first pictures by the tiny network needs."""

from types import SimpleNamespace

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import read_port
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.rehearsal import chip_of, rehearse_sample
from tests.support import tiny
from tests.support.places import SPECIMEN


def small_rehearsal(folder, exported, pictures, dask=None):
    devkit = read_devkit(SPECIMEN / "VOCdevkit", read_port(SPECIMEN / "port.toml").classes, limit=pictures)
    canvas, store = tiny.CANVAS_WH, Store(folder)
    return SimpleNamespace(
        store=store,
        canvases=Canvases({canvas: devkit.ids}, canvas, fitted=False),
        adapted={canvas: exported},
        chip=chip_of("Ascend310", None),
        pictures=Pictures(devkit, tiny.PORT, {canvas: devkit.ids}, store.digests.of_each),
        options=SimpleNamespace(dask=dask, chip="Ascend910A"),
    )


def rehearse(run, ids, **more):
    return rehearse_sample(run.store, run.canvases, run.adapted, run.chip, run.pictures, ids, run.options, **more)
