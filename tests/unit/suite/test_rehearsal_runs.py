"""A rehearsal of some pictures and one of all fill the same folder, on a network of a few thousand weights."""

import numpy as np
import pytest

from rfcn_lib.devices import rehearsal
from rfcn_lib.graph.rehearsal.measuring import MEASURED
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.rehearsal_folder import measured_of
from rfcn_lib.suite.rehearsal import rehearsed_graphs, run_rehearsed
from rfcn_lib.suite.rehearsal_figures import headroom_of
from tests.support import tiny
from tests.support.small_rehearsal import rehearse, small_rehearsal

WHOLE = 6


@pytest.fixture
def run(tmp_path, tiny_exported, monkeypatch):
    """`shown` lists what the network was shown."""
    shown, run_one = [], rehearsal.run
    monkeypatch.setattr(rehearsal, "run", lambda *given: shown.append(given[-1].id) or run_one(*given))
    found = small_rehearsal(tmp_path / "store", tiny_exported, WHOLE)
    found.shown = shown
    return found


def test_a_sample_and_the_whole_share_a_folder_and_no_picture_is_run_twice(run, capsys):
    ids = run.pictures.ids
    few = rehearse(run, ids[1:3])
    assert run.shown == [*ids[1:3]]
    assert RunFolder(few, tiny.PORT).finished(ids) == ids[1:3]
    assert rehearse(run, ids[:3]) == few
    other = rehearse(run, ids[:3], ties="last")
    assert RunFolder(other, tiny.PORT).finished(ids) == ids[:3]
    assert other != few
    graphs = rehearsed_graphs(run.store, run.canvases, run.adapted, run.chip)
    assert run_rehearsed(run.store, run.canvases, graphs, run.pictures, run.options).all() == few
    assert sorted(run.shown) == sorted(ids)
    said = capsys.readouterr().err
    assert "REHEARSED Ascend310 dumps/rehearsed: 2 pictures to do" in said


def test_headroom_is_that_of_every_picture_rehearsed(run, tiny_exported, tmp_path):
    twin = tmp_path / "twin.onnx"
    twin_from_vendor(twin, tiny_exported)
    dumps = rehearse(run, run.pictures.ids)
    rows = headroom_of({tiny.CANVAS_WH: twin}, dumps, run.pictures)

    measured = {id: measured_of(dumps, id) for id in run.pictures.ids}
    computed = [row for row in rows if not row.weight]
    assert len(computed) == len(measured[run.pictures.ids[0]])
    for row in computed:
        ends = {id: np.abs(found[MEASURED + row.tensor][:2]).max() for id, found in measured.items()}
        assert row.largest == max(ends.values())
        assert row.picture == max(ends, key=ends.__getitem__)
        assert row.numbers == sum(found[MEASURED + row.tensor][5] for found in measured.values())
    assert [row.largest for row in rows] == sorted((row.largest for row in rows), reverse=True)


def test_a_picture_that_is_not_of_the_run_is_refused(run):
    with pytest.raises(PictureError, match="999999"):
        rehearse(run, ["999999"])
