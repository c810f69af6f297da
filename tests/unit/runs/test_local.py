"""A model on this machine: the next picture is prepared while this one runs, and one model is loaded at a time."""

import gc
import threading
import weakref

import numpy as np
import pytest

from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.runs.folder import RunFolder
from tests.support.fake_device import IDS, PORT, FakeModel, FakePictures, make_dumps, outputs_of

LONG_S = 30  # of waiting for what happens at once


@pytest.fixture
def folder(tmp_path):
    """The folder of dumps; made.txt lies beside it."""
    (tmp_path / "dumps").mkdir()
    return tmp_path / "dumps"


def test_the_next_picture_is_prepared_while_the_model_runs_and_no_more(folder):
    pictures, model, begun = FakePictures(), FakeModel(), {id: threading.Event() for id in IDS}
    load, run = pictures.load, model.run

    def noted(id):
        begun[id].set()
        return load(id)

    def waiting(im_data, picture):
        at = IDS.index(picture.id)
        if at + 1 < len(IDS):
            assert begun[IDS[at + 1]].wait(LONG_S), "the model waits for the next picture, and it is on its way"
        if at + 2 < len(IDS):
            assert not begun[IDS[at + 2]].wait(0.05), "and the one after it is not"
        return run(im_data, picture)

    pictures.load, model.run = noted, waiting
    assert make_dumps(folder, pictures, model) == len(IDS)
    assert model.ran == list(IDS)


def test_two_prepared_pictures_are_in_memory_whatever_their_number(folder):
    pictures, model = FakePictures([f"{k:06}" for k in range(40)]), FakeModel()
    alive, most = weakref.WeakSet(), []

    class Canvas(np.ndarray):
        """An array that can be counted."""

    def counted(id):
        canvas = np.full((1, 3, 2, 2), int(id), np.float32).view(Canvas)
        alive.add(canvas)
        most.append(len(alive))
        return canvas, pictures.record(id)

    Canvas.__hash__ = object.__hash__
    Canvas.__eq__ = object.__eq__
    gc.collect()
    pictures.load, model.run = counted, lambda im_data, picture: outputs_of(np.asarray(im_data))
    make_dumps(folder, pictures, model)
    assert len(most) == 40
    assert max(most) == 2


def test_stopping_does_not_wait_for_the_picture_that_is_being_prepared(folder):
    pictures, model, begun, release = FakePictures(), FakeModel(), threading.Event(), threading.Event()
    load = pictures.load

    def slow(id):
        if id == IDS[1]:
            begun.set()
            release.wait(LONG_S)
        return load(id)

    def interrupted(im_data, picture):
        begun.wait(LONG_S)
        raise KeyboardInterrupt

    pictures.load, model.run = slow, interrupted
    try:
        with pytest.raises(KeyboardInterrupt):
            make_dumps(folder, pictures, model)
        assert pictures.loaded == [IDS[0]], "the second one is still under way"
    finally:
        release.set()


def test_a_jpeg_that_changes_while_it_is_read_is_not_kept_under_the_old_name(folder):
    pictures = FakePictures()
    load = pictures.load

    def overtaken(id):
        if id == IDS[1]:
            pictures.jpeg_sha256[id] = "0" * 64
        return load(id)

    pictures.load = overtaken
    with pytest.raises(PictureError, match=f"the JPEG of {IDS[1]} changed while it was read"):
        make_dumps(folder, pictures)
    assert tuple(RunFolder(folder, PORT).digests()) == IDS[:1]
    pictures.load = load
    assert make_dumps(folder, pictures) == 3


def test_one_model_is_loaded_at_a_time_and_released_before_the_next_one(folder):
    log = []

    class Model:
        def __init__(self, canvas_wh):
            self.canvas_wh = canvas_wh
            log.append(f"load {canvas_wh}")

        def __del__(self):
            log.append(f"release {self.canvas_wh}")

        def __call__(self, im_data, picture):
            return outputs_of(im_data)

    pictures, model = FakePictures(by_canvas={(16, 16): IDS[:2], (32, 16): IDS[2:]}), FakeModel()
    model.load_model = Model
    make_dumps(folder, pictures, model)
    assert log == ["load (16, 16)", "release (16, 16)", "load (32, 16)", "release (32, 16)"]
