"""A part of the pictures of a run keeps the canvases of the run."""

import pytest

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.port import read_port
from tests.support.places import SPECIMEN


@pytest.fixture(scope="module")
def specimen():
    """The specimen's pictures on two canvases."""
    port = read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes)
    by_canvas = {(352, 192): devkit.ids[:3], (512, 512): devkit.ids[3:]}
    return Pictures(devkit, port, by_canvas, lambda paths: [path.name for path in paths])


@pytest.mark.parametrize("count", [1, 5, 140])
def test_a_part_has_its_pictures_truth_and_sizes_and_every_canvas(specimen, count):
    ids = specimen.ids[:count]
    part = specimen.only(ids[::-1])

    assert part.ids == part.devkit.ids == tuple(part.devkit.truth) == tuple(part.devkit.sizes_wh) == ids
    assert part.devkit.all_ids == specimen.devkit.all_ids
    assert list(part.by_canvas) == list(specimen.by_canvas)
    assert part.records == {id: specimen.records[id] for id in ids}
    assert part.devkit.truth == {id: specimen.devkit.truth[id] for id in ids}


def test_a_part_of_nothing_is_empty(specimen):
    assert specimen.only(()).ids == ()
    assert specimen.only(()).records == {}


def test_a_picture_of_another_run_is_refused(specimen):
    with pytest.raises(PictureError, match="999999: not among the 140 pictures"):
        specimen.only((*specimen.ids[:2], "999999"))
