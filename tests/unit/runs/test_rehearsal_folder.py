"""A rehearsed picture is finished when both orders' dumps and its measures are there, whatever a kill has left."""

import numpy as np
import pytest

from rfcn_lib.devices.rehearsal import RehearsedOutputs
from rfcn_lib.runs import disk, folder, rehearsal_folder
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.rehearsal_folder import RehearsalRunFolder, measured_of, other_order_of
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.score.dumps import DumpError
from tests.support.fake_device import IDS, PORT, FakePictures, outputs_of

MEASURED = {"headroom of im_data": (float("inf"), -2.5, 3.0, 2.0, 1.0, 24.0)}


@pytest.fixture
def places(tmp_path):
    """The folders of both orders, each in a folder of its own, as the store lays them out."""
    found = [tmp_path / order / "dumps" for order in ("first", "last")]
    for path in found:
        path.mkdir(parents=True)
    return found


@pytest.fixture
def pictures():
    return FakePictures()


def opened(places):
    first, last = places
    found = RehearsalRunFolder(first, PORT, RunFolder(last, PORT))
    found.begin()
    return found


def numbered(number):
    first, last = (outputs_of(np.full((1, 3, 2, 2), n, np.float32)) for n in (number, 100 + number))
    return RehearsedOutputs(first.rois, first.cls_prob, first.bbox_pred, last, MEASURED)


def test_one_picture_gives_two_dumps_and_its_measures(places, pictures):
    run = opened(places)
    assert run.missing(pictures) == IDS
    for number, id in enumerate(IDS):
        run.add(id, numbered(number), pictures.jpeg_sha256[id])
    assert opened(places).missing(pictures) == ()
    assert other_order_of(places[0]) == places[1]
    for number, id in enumerate(IDS):
        want = numbered(number)
        np.testing.assert_array_equal(read_dump(places[0], id, PORT).rois, want.rois)
        np.testing.assert_array_equal(read_dump(places[1], id, PORT).rois, want.other.rois)
        assert measured_of(places[0], id) == MEASURED
    for path in places:
        assert RunFolder(path, PORT).missing(pictures) == ()


def test_what_one_of_the_three_lacks_is_run_again(places, pictures):
    for id in IDS:
        opened(places).add(id, numbered(1), pictures.jpeg_sha256[id])
    (places[0] / f"{IDS[0]}_1.bin").unlink()
    (places[1] / f"{IDS[1]}_3.bin").unlink()
    (places[0].parent / "headroom" / f"{IDS[2]}.json").unlink()
    pictures.jpeg_sha256[IDS[3]] = "0" * 64
    assert opened(places).missing(pictures) == IDS


@pytest.mark.parametrize("killed_at", range(10))
@pytest.mark.parametrize("again", [False, True], ids=["first time", "JPEG changed"])
def test_a_kill_at_any_step_costs_this_picture_only(places, pictures, monkeypatch, killed_at, again):
    """`again`: dumps and measures of another JPEG are there, so each of them may be old or new when the run is killed."""
    ids = IDS[:2]
    opened(places).add(ids[0], numbered(0), pictures.jpeg_sha256[ids[0]])
    if again:
        opened(places).add(ids[1], numbered(7), "7" * 64)
    steps = iter(range(1000))

    def dying(function):
        def call(*given, **named):
            if next(steps) == killed_at:
                raise KeyboardInterrupt
            return function(*given, **named)

        return call

    run = opened(places)
    monkeypatch.setattr(rehearsal_folder, "write_whole", dying(rehearsal_folder.write_whole))
    monkeypatch.setattr(folder, "write_dump", dying(folder.write_dump))
    monkeypatch.setattr(folder, "digest_of", dying(folder.digest_of))
    monkeypatch.setattr(RunFolder, "_write_line", dying(RunFolder._write_line))
    try:
        run.add(ids[1], numbered(1), pictures.jpeg_sha256[ids[1]])
        killed = False
    except KeyboardInterrupt:
        killed = True
    monkeypatch.undo()

    assert killed == (killed_at < (9 if again else 7))
    left = [id for id in opened(places).missing(pictures) if id in ids]
    assert left == ([ids[1]] if killed else [])
    opened(places).add(ids[1], numbered(1), pictures.jpeg_sha256[ids[1]])
    assert set(opened(places).missing(pictures)) == {*IDS} - {*ids}
    np.testing.assert_array_equal(read_dump(places[1], ids[1], PORT).rois, numbered(1).other.rois)


def test_half_written_measures_are_swept(places):
    opened(places)
    left = places[0].parent / "headroom" / f".{IDS[0]}.json.part"
    left.write_text("{")
    opened(places)
    assert not left.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 3}', '{"a": [1, 2]}', '{"a": ["x", 1, 1, 1, 1, 1]}'])
def test_damaged_measures_are_named(places, text):
    opened(places).add(IDS[0], numbered(0), "0" * 64)
    (places[0].parent / "headroom" / f"{IDS[0]}.json").write_text(text)
    with pytest.raises(DumpError, match=rf"headroom/{IDS[0]}\.json should hold .*remove it"):
        measured_of(places[0], IDS[0])


def test_an_id_that_leads_elsewhere_writes_nothing(places, tmp_path):
    before = {*tmp_path.rglob("*"), *opened(places).path.parent.rglob("*")}
    with pytest.raises(DumpError, match="cannot name a dump"):
        opened(places).add("../000001", numbered(0), "0" * 64)
    assert {*tmp_path.rglob("*")} == before


def test_the_disk_must_have_room_for_both_orders(places, monkeypatch):
    run = opened(places)
    need = 10 * (2 * disk.dump_bytes(PORT) + rehearsal_folder.MEASURES_BYTES)
    for free, enough in ((need - 1, False), (need, True)):
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda path, free=free: type("", (), {"free": free}))
        if enough:
            disk.expect_room(run, 10, "rehearsed")
        else:
            with pytest.raises(DumpError, match="need"):
                disk.expect_room(run, 10, "rehearsed")
