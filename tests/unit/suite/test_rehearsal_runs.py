"""A rehearsal of some pictures and one of all fill the same folder, on a network of a few thousand weights."""

from types import SimpleNamespace

import pytest

from rfcn_lib.devices import rehearsal
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.port import read_port
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.rehearsal import chip_of, rehearse_sample, rehearsed_graphs, run_rehearsed
from tests.support import tiny
from tests.support.places import SPECIMEN

WHOLE = 6


@pytest.fixture
def run(tmp_path, tiny_exported, monkeypatch):
    """What a rehearsal of the specimen's first pictures by the tiny network needs; `shown` lists what the network was shown."""
    devkit = read_devkit(SPECIMEN / "VOCdevkit", read_port(SPECIMEN / "port.toml").classes, limit=WHOLE)
    canvas, shown, run_one = tiny.CANVAS_WH, [], rehearsal.run
    monkeypatch.setattr(rehearsal, "run", lambda *given: shown.append(given[-1].id) or run_one(*given))
    store = Store(tmp_path / "store")
    return SimpleNamespace(
        store=store,
        canvases=Canvases({canvas: devkit.ids}, canvas, fitted=False),
        adapted={canvas: tiny_exported},
        chip=chip_of("Ascend310", None),
        pictures=Pictures(devkit, tiny.PORT, {canvas: devkit.ids}, store.digests.of_each),
        options=SimpleNamespace(dask=None, chip="Ascend910A"),
        shown=shown,
    )


def sample_of(run, ids, **more):
    return rehearse_sample(run.store, run.canvases, run.adapted, run.chip, run.pictures, ids, run.options, **more)


def test_a_sample_and_the_whole_share_a_folder_and_no_picture_is_run_twice(run, capsys):
    ids = run.pictures.ids
    few = sample_of(run, ids[1:3])
    assert run.shown == [*ids[1:3]]
    assert RunFolder(few, tiny.PORT).finished(ids) == ids[1:3]
    assert sample_of(run, ids[:3]) == few
    graphs = rehearsed_graphs(run.store, run.canvases, run.adapted, run.chip)
    assert run_rehearsed(run.store, run.canvases, graphs, run.pictures, run.options).all() == few
    assert sorted(run.shown) == sorted(ids)
    said = capsys.readouterr().err
    assert "REHEARSED Ascend310 dumps/rehearsed: 2 pictures to do" in said


def test_the_other_order_of_equal_scores_has_a_folder_of_its_own(run):
    ids = run.pictures.ids[:1]
    assert sample_of(run, ids, ties="last") != sample_of(run, ids)


def test_a_picture_that_is_not_of_the_run_is_refused(run):
    with pytest.raises(PictureError, match="999999"):
        sample_of(run, ["999999"])
