"""The loop makes the dumps that a folder lacks, once, says its plan and the time left, and keeps what was finished."""

import re
import resource
from collections import Counter

import pytest

from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.runs import announcements, local, loop
from rfcn_lib.runs.folder import RunFolder, noted_seconds
from rfcn_lib.score.dump_audit import audit
from rfcn_lib.score.dumps import DumpError, digest_of, file_names
from tests.support.fake_device import IDS, PORT, FakeModel, FakePictures, make_dumps, port_of


@pytest.fixture
def folder(tmp_path):
    """The folder of dumps; made.txt lies beside it."""
    (tmp_path / "dumps").mkdir()
    return tmp_path / "dumps"


def made(folder):
    return RunFolder(folder, PORT).digests()


def test_an_empty_folder_is_filled_in_the_order_of_the_ids(folder):
    pictures, model = FakePictures(), FakeModel()
    assert make_dumps(folder, pictures, model) == 4
    assert pictures.loaded == model.ran == list(IDS)
    assert made(folder) == {id: digest_of(folder, id) for id in IDS}
    assert set(audit(folder, IDS, PORT)) == set(IDS)


def test_the_engine_does_not_start_when_nothing_is_missing_and_nothing_is_said(folder, capsys):
    make_dumps(folder)
    capsys.readouterr()
    pictures, model = FakePictures(), FakeModel()
    assert make_dumps(folder, pictures, model) == 0
    assert (model.started, pictures.loaded) == (0, [])
    assert capsys.readouterr().err == ""


def test_each_run_notes_how_many_pictures_its_time_was_for(folder):
    with pytest.raises(RuntimeError, match="fell over"):
        make_dumps(folder, model=FakeModel(fails_at=IDS[2]))
    assert noted_seconds(folder)[1] == 2
    make_dumps(folder)
    assert noted_seconds(folder)[1] == len(IDS)
    make_dumps(folder)
    assert noted_seconds(folder)[1] == len(IDS)


def test_only_what_is_missing_is_made(folder):
    make_dumps(folder, FakePictures(IDS[:2]))
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    model = FakeModel()
    assert make_dumps(folder, model=model) == 2
    assert model.ran == list(IDS[2:])
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_an_exception_keeps_the_pictures_that_were_finished(folder):
    with pytest.raises(RuntimeError, match="fell over"):
        make_dumps(folder, model=FakeModel(fails_at=IDS[2]))
    assert sorted(path.name for path in folder.iterdir()) == sorted([*file_names(IDS[0]), *file_names(IDS[1])])
    again = FakeModel()
    assert make_dumps(folder, model=again) == 2
    assert again.ran == list(IDS[2:])


def test_a_file_left_half_written_is_not_mistaken_for_a_finished_one(folder):
    (folder / f".{file_names(IDS[0])[0]}.partial").write_bytes(b"half")
    assert make_dumps(folder) == 4
    assert set(audit(folder, IDS, PORT)) == set(IDS), "and it is gone afterwards"


def test_what_a_kill_left_of_pictures_that_are_not_asked_for_any_more_is_removed(folder):
    make_dumps(folder, FakePictures(IDS[:2]))
    (folder / f".{file_names(IDS[3])[0]}.partial").write_bytes(b"half")
    assert make_dumps(folder, FakePictures(IDS[:2])) == 0
    assert set(audit(folder, IDS[:2], PORT)) == set(IDS[:2])


def test_an_id_that_leads_out_of_the_folder_is_refused_before_the_engine_starts(folder):
    pictures, model = FakePictures(("../000001",)), FakeModel()
    with pytest.raises(DumpError, match="cannot name a dump"):
        make_dumps(folder, pictures, model)
    assert (model.started, pictures.loaded) == (0, [])


@pytest.mark.parametrize("at", range(len(IDS)))
def test_a_picture_that_cannot_be_prepared_costs_none_before_it_and_the_way_on_is_said(folder, at, capsys):
    pictures, model = FakePictures(), FakeModel()
    load = pictures.load

    def damaged(id):
        if id == IDS[at]:
            raise PictureError(f"{id}.jpg cannot be decoded")
        return load(id)

    pictures.load = damaged
    with pytest.raises(PictureError, match=rf"^{IDS[at]}.jpg cannot be decoded$"):
        make_dumps(folder, pictures, model)
    assert model.ran == list(IDS[:at])
    assert tuple(made(folder)) == IDS[:at]
    said = f"dumps: stopped with {at} of 4 pictures finished; they are kept in {folder}, and the same command goes on"
    assert said in capsys.readouterr().err
    again = FakeModel()
    assert make_dumps(folder, model=again) == len(IDS) - at
    assert again.ran == list(IDS[at:])


def test_a_jpeg_that_changes_after_its_turn_is_noticed_at_the_end_and_run_again(folder):
    pictures, model = FakePictures(), FakeModel()
    load = pictures.load

    def overtaken(id):
        if id == IDS[3]:
            pictures.jpeg_sha256[IDS[0]] = "0" * 64
        return load(id)

    pictures.load = overtaken
    with pytest.raises(PictureError, match=f"1 of 4 pictures changed after .*: {IDS[0]};"):
        make_dumps(folder, pictures, model)
    pictures.load = load
    assert make_dumps(folder, pictures, model) == 1
    assert model.ran[4:] == [IDS[0]]


# -- what is said ----------------------------------------------------------------------------------------------------


def test_the_plan_is_said_before_the_work(folder, capsys):
    make_dumps(folder, FakePictures(IDS[:1]))
    capsys.readouterr()
    model, heard = FakeModel(), []
    run = model.run
    model.run = lambda im_data, picture: (heard.append(capsys.readouterr().err), run(im_data, picture))[1]
    make_dumps(folder, model=model, name="dumps/torch")
    plan = r"dumps/torch: 3 pictures to do, 1 already there; canvas 112 x 80 px; 0\.0 MB of dumps, [\d.]+ [GM]B free;"
    assert re.match(plan, heard[0])
    assert heard[1:] == ["", ""]


@pytest.mark.parametrize(("shares", "after"), [((4,), 2), ((3, 1), 2), ((1, 3), 3)])
def test_how_long_it_will_take_is_said_after_the_second_picture_of_a_canvas(folder, capsys, monkeypatch, shares, after):
    """By this clock a picture takes one second, half of one on a canvas of half the area, ten more the first on each."""
    now, heard, model = [0.0], [], FakeModel()
    monkeypatch.setattr(local.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(announcements, "WORTH_SAYING_S", 0.1)
    monkeypatch.setattr(loop, "progress", lambda items, *_, **__: items)
    canvases = {(16, 16): IDS[: shares[0]], (16, 8): IDS[shares[0] :]}
    pictures = FakePictures(by_canvas={canvas: ids for canvas, ids in canvases.items() if ids})
    takes_s = {id: pictures.canvas_of(id)[1] / 16 for id in IDS}
    run = model.run

    def clocked(im_data, picture):
        heard.append(capsys.readouterr().err)
        now[0] += takes_s[picture.id] + 10 * (picture.id in (ids[0] for ids in canvases.values() if ids))
        return run(im_data, picture)

    model.run = clocked
    make_dumps(folder, pictures, model, "dumps/torch")
    heard.append(capsys.readouterr().err)
    left = IDS[after:]
    said = (
        f"{len(left)} pictures are left, about {sum(takes_s[id] for id in left):.0f} s at the pace of {IDS[after - 1]}"
    )
    assert [bool(err) for err in heard] == [at in (0, after) for at in range(len(IDS) + 1)]
    assert ("2 canvases;" in heard[0]) == (len(shares) == 2)
    assert heard[after] == f"dumps/torch: {said}\n"


def test_first_pictures_end_when_the_time_left_is_said_and_the_plan_is_not_said_twice(folder, capsys, monkeypatch):
    monkeypatch.setattr(announcements, "WORTH_SAYING_S", 0)
    model = FakeModel()
    assert make_dumps(folder, model=model, first_pictures=True) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in said[:1]] == ["dumps: 4 pictures to do, 0 already there"]
    assert said[1:] == [f"dumps: 2 pictures are left, about 0 s at the pace of {IDS[1]}"]
    assert make_dumps(folder, model=model, say_plan_first=False) == 2
    assert capsys.readouterr().err == f"dumps: 0 pictures are left, about 0 s at the pace of {IDS[3]}\n"
    assert model.ran == list(IDS)
    assert max(Counter(model.ran).values()) == 1


# -- a full disk -----------------------------------------------------------------------------------------------------


def test_a_disk_that_cannot_hold_what_is_missing_is_said_before_anything_is_done(folder):
    pictures, model = FakePictures(), FakeModel()
    with pytest.raises(DumpError) as caught:
        make_dumps(folder, pictures, model, "dumps/torch", port=port_of(10**12))
    said = str(caught.value)
    assert said.startswith("dumps/torch: the dumps of 4 pictures need ")
    assert "--store=DIR on another disk" in said
    assert (model.started, pictures.loaded) == (0, [])


def test_a_file_that_may_not_grow_is_said_and_costs_none_before_it(folder):
    """The limit of a file's size stands for a quota: the third file of a picture is beyond it."""
    model, limits = FakeModel(), resource.getrlimit(resource.RLIMIT_FSIZE)
    run = model.run

    def limited(im_data, picture):
        if picture.id == IDS[2]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        return run(im_data, picture)

    model.run = limited
    try:
        with pytest.raises(DumpError) as caught:
            make_dumps(folder, model=model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = str(caught.value)
    assert f"cannot write {folder / file_names(IDS[2])[2]}: File too large; free some space, or choose another" in said
    assert sorted(path.name for path in folder.iterdir()) == sorted([*file_names(IDS[0]), *file_names(IDS[1])])
    assert make_dumps(folder) == 2
