"""The floors of a network of a few thousand weights: what float32 does, and what a chip's rehearsal does."""

from types import SimpleNamespace

import numpy as np
import pytest

from rfcn_lib.agreement.figures import figures
from rfcn_lib.agreement.heads import DELTAS, SCORES
from rfcn_lib.agreement.proposals import ALIVE, APART
from rfcn_lib.source.checkpoint import save_checkpoint
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.floors import Source, rehearsed_floors, source_floor
from rfcn_lib.suite.rehearsal import TIES
from tests.support import tiny
from tests.support.pictures import pictures_of

COUNT, WITH_HEADS = 3, 2


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("floors")
    save_checkpoint(folder / "rfcn.pth", tiny.network_of(), epoch=1)
    every = pictures_of(folder / "devkit", tiny.PORT, COUNT + 1)
    pictures = every.only(every.ids[:COUNT])
    canvases = Canvases({tiny.CANVAS_WH: pictures.ids}, tiny.CANVAS_WH, fitted=False)
    heads = pictures.ids[:WITH_HEADS]
    return Source(Store(folder / "store"), canvases, folder / "rfcn.pth", tiny.PORT, pictures, heads, "canvas")


@pytest.fixture(scope="module")
def floors(source):
    """Of float32, and of a chip."""
    return source_floor(source), rehearsed_floors(source, "Ascend310", None, SimpleNamespace(dask=None, chip=None))


def figures_of(floor):
    return {one.measure: one for one in figures(floor.sums, [floor.sums])}


def test_a_floor_has_every_picture_and_the_heads_of_some(floors):
    single, rehearsed = floors

    assert (len(single), len(rehearsed)) == (1, len(TIES))
    for floor in (*single, *rehearsed):
        assert [SCORES in sums for sums in floor.sums] == [True] * WITH_HEADS + [False] * (COUNT - WITH_HEADS)
        assert all(one.times < 1 for one in figures_of(floor).values())


def test_float32_is_nearer_to_float64_than_a_chip_to_float32(floors):
    """They are real differences: neither is 0, as it would be if a run were held against itself."""
    single, chip = figures_of(floors[0][0]), figures_of(floors[1][0])

    for measure in (APART, SCORES, DELTAS):
        assert 0 < single[measure].got < chip[measure].got / 10, measure
    assert single[ALIVE].got == chip[ALIVE].got == 0


def test_the_chip_is_held_against_the_source_model_clipped_as_the_graph_clips(source):
    """The canvas is 112 x 80 px and the pictures are smaller: upstream's clip is to the picture."""
    ids = source.sample.ids
    reach = max(source.outputs()(id).rois[:, 3].max() - source.sample.records[id].scaled_wh[0] for id in ids)

    assert reach > 0, "proposals reach outside the picture"
    assert all(source.outputs()(id).rois[:, 3].max() <= tiny.CANVAS_WH[0] - 1 for id in ids)


def test_the_heads_on_the_source_models_own_proposals_say_what_it_said(source):
    got = source.outputs()
    heads = source.heads(got, "0" * 64)

    for id in source.with_heads:
        assert np.array_equal(heads(id).rois, got(id).rois)
        assert np.abs(heads(id).cls_prob - got(id).cls_prob).max() < 1e-5
