"""A run folder knows which dumps are finished and what each was made of, whatever a kill has left in it."""

import numpy as np
import pytest

from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.runs import folder as folder_module
from rfcn_lib.runs.folder import MADE, SECONDS, RunFolder, noted_seconds
from rfcn_lib.score.dump_audit import audit, read_dump
from rfcn_lib.score.dumps import DumpError, digest_of, file_names
from tests.support.fake_device import IDS, PORT, FakePictures, make_dumps, outputs_of


@pytest.fixture
def path(tmp_path):
    """The folder of dumps; made.txt lies beside it."""
    (tmp_path / "dumps").mkdir()
    return tmp_path / "dumps"


@pytest.fixture
def folder(path):
    return RunFolder(path, PORT)


@pytest.fixture
def pictures():
    return FakePictures()


def numbered(number):
    return outputs_of(np.full((1, 3, 2, 2), number, np.float32))


def test_a_dump_that_was_added_is_finished_and_holds_its_own_numbers(path, folder, pictures):
    assert folder.incomplete(IDS) == folder.missing(pictures) == IDS
    for number, id in enumerate(IDS):
        folder.add(id, numbered(number), pictures.jpeg_sha256[id])
    assert folder.incomplete(IDS) == folder.missing(pictures) == ()
    assert folder.finished(IDS) == IDS
    assert folder.digests() == {id: digest_of(path, id) for id in IDS}
    assert set(audit(path, IDS, PORT)) == set(IDS)
    for number, id in enumerate(IDS):
        for name in ("rois", "cls_prob", "bbox_pred"):
            np.testing.assert_array_equal(getattr(read_dump(path, id, PORT), name), getattr(numbered(number), name))


def test_ids_of_any_script_and_with_blanks_have_lines_of_their_own(path, folder):
    ids = ("102-3\u6a2a\u7ed3\u80a0+0.4", "IMG 0001", "a -", "a", "a - b")
    for number, id in enumerate(ids):
        folder.add(id, numbered(number), f"{number}" * 64)
    RunFolder(path, PORT).add(ids[1], numbered(9), "9" * 64)
    again = RunFolder(path, PORT)
    assert again.finished(ids) == ids
    assert again.digests() == {id: digest_of(path, id) for id in ids}


def test_the_old_line_of_a_dump_is_void_before_its_first_file_changes(path, folder, monkeypatch):
    """And so a kill in between cannot leave files of two runs under one line."""
    folder.add(IDS[0], numbered(1), "1" * 64)
    seen, write = [], folder_module.write_dump

    def spy(*words):
        seen.append(RunFolder(path, PORT).digests())
        write(*words)

    monkeypatch.setattr(folder_module, "write_dump", spy)
    RunFolder(path, PORT).add(IDS[0], numbered(2), "2" * 64)
    assert seen == [{}]
    assert folder.digests() == {IDS[0]: digest_of(path, IDS[0])}
    assert [line.split()[1] == "-" for line in (path.parent / MADE).read_text().splitlines()] == [False, True, False]


def test_files_of_a_tool_become_a_dump(path, folder, pictures, tmp_path):
    outputs, files = numbered(5), []
    for k, name in enumerate(("rois", "cls_prob", "bbox_pred")):
        files.append(tmp_path / f"tool_{k}.{'npy' if k else 'bin'}")
        np.save(files[-1], getattr(outputs, name)[None]) if k else getattr(outputs, name).tofile(files[-1])
    folder.add_files(IDS[1], files, pictures.jpeg_sha256[IDS[1]])
    assert not any(file.exists() for file in files)
    assert folder.finished(IDS) == (IDS[1],)
    np.testing.assert_array_equal(read_dump(path, IDS[1], PORT).bbox_pred, outputs.bbox_pred)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("damage", ["gone", "short", "long", "empty", "a folder"])
def test_a_dump_with_a_damaged_file_is_missing(path, folder, pictures, index, damage):
    make_dumps(path, pictures)
    file = path / file_names(IDS[1])[index]
    content = file.read_bytes()
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    elif damage != "gone":
        file.write_bytes({"short": content[:-1], "long": content + b"\0", "empty": b""}[damage])
    assert folder.incomplete(IDS) == folder.missing(pictures) == (IDS[1],)
    if damage == "a folder":
        with pytest.raises(DumpError, match="cannot write"):
            make_dumps(path, pictures)
        return
    assert make_dumps(path, pictures) == 1
    assert file.read_bytes() == content


def test_an_id_that_leads_out_of_the_folder_is_refused(folder):
    with pytest.raises(DumpError, match="cannot name a dump"):
        folder.missing(FakePictures(("../000001",)))


def test_a_link_to_the_folder_is_the_folder(path, folder, pictures, tmp_path):
    make_dumps(path, pictures)
    folder.note_canvases([(688, 512)])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(path)
    link = RunFolder(tmp_path / "elsewhere" / "link", PORT)
    assert link.digests() == folder.digests() != {}
    assert link.missing(pictures) == ()
    assert link.noted_canvases() == {"688x512"}


def test_begin_removes_what_a_kill_left_half_written_and_nothing_else(path, folder, pictures):
    """Also of pictures that nobody asks for any more."""
    make_dumps(path, pictures)
    (path / f".{file_names('000009')[0]}.partial").write_bytes(b"half")
    (path / "notes.txt").write_text("by hand")
    folder.begin()
    whole = {name for id in IDS for name in file_names(id)}
    assert {entry.name for entry in path.iterdir()} == {*whole, "notes.txt"}


# -- made.txt --------------------------------------------------------------------------------------------------------


def test_made_txt_torn_anywhere_costs_the_torn_picture_alone(path, folder, pictures):
    make_dumps(path, pictures)
    made = path.parent / MADE
    whole, lines = made.read_bytes(), made.read_bytes().splitlines(keepends=True)
    want = folder.digests()
    ends = {sum(map(len, lines[: k + 1])) + near for k in range(len(lines)) for near in (-2, -1, 0, 1)}
    for length in sorted({*range(0, len(whole), 19), *ends} & set(range(len(whole)))):
        made.write_bytes(whole[:length])
        intact = [k for k in range(len(lines)) if length >= sum(map(len, lines[: k + 1])) - 1]  # its end may be lacking
        assert folder.missing(pictures) == tuple(id for k, id in enumerate(IDS) if k not in intact)
        assert make_dumps(path, pictures) == len(IDS) - len(intact)
        assert folder.digests() == want, "nothing is glued to the torn line"
        assert make_dumps(path, pictures) == 0


@pytest.mark.parametrize(
    "line", [b"\0" * 100, b"\xff\xfe garbage", b"000001 ABC", b"000001", b"", b"000001 - -", b"000001 " + b"g" * 64]
)
def test_what_is_no_line_of_made_txt_says_nothing(path, folder, line):
    make_dumps(path)
    want = folder.digests()
    with (path.parent / MADE).open("ab") as file:
        file.write(line + b"\n")
    assert folder.digests() == want


def test_a_dump_without_its_line_is_missing_and_so_is_a_line_without_its_dump(path, folder, pictures):
    make_dumps(path, pictures)
    made = path.parent / MADE
    made.write_text("".join(made.read_text().splitlines(keepends=True)[1:]))
    (path / file_names(IDS[3])[1]).unlink()
    assert folder.missing(pictures) == (IDS[0], IDS[3])
    assert folder.finished(IDS) == (IDS[1], IDS[2])
    assert make_dumps(path, pictures) == 2
    assert folder.digests() == {id: digest_of(path, id) for id in IDS}


# -- a dump belongs to its JPEG --------------------------------------------------------------------------------------


def test_a_dump_of_a_jpeg_that_has_changed_is_missing_and_no_other(path, folder, pictures):
    make_dumps(path, pictures)
    folder.expect_unchanged(pictures)
    pictures.jpeg_sha256[IDS[2]] = "a" * 64
    assert folder.missing(pictures) == (IDS[2],)
    assert folder.finished(IDS) == IDS
    with pytest.raises(PictureError, match=f"1 of 4 pictures changed after .*: {IDS[2]};"):
        folder.expect_unchanged(pictures)
    assert make_dumps(path, pictures) == 1
    assert make_dumps(path, pictures) == 0


# -- notes beside the folder -----------------------------------------------------------------------------------------


def test_the_canvases_of_the_dumps_are_noted_beside_them(path, folder):
    assert folder.noted_canvases() == frozenset()
    folder.note_canvases([(688, 512), (512, 688)])
    assert (path.parent / "canvases.txt").read_text() == "688x512\n512x688\n"
    assert folder.noted_canvases() == {"688x512", "512x688"}


def test_problems_of_the_devices_are_kept_once_each_and_cut_to_a_line(path, folder):
    assert folder.problems() == ()
    folder.note_problems([])
    assert not (path.parent / "troubles.txt").exists()
    folder.note_problems(["b\n  c", "a"])
    folder.note_problems(["a", "d" * 600])
    assert folder.problems() == RunFolder(path, PORT).problems() == ("b c", "a", "d" * 500)
    assert (path.parent / "troubles.txt").read_text() == f"b c\na\n{'d' * 500}\n"


def test_the_seconds_of_all_runs_are_added_up_and_a_torn_line_does_not_count(path, folder):
    assert noted_seconds(path) is None
    folder.note_seconds(1.25, 3)
    folder.note_seconds(10.0, 4)
    assert noted_seconds(path) == (pytest.approx(11.2), 7)
    with (path.parent / SECONDS).open("a") as file:
        file.write("99999.9 12\n4.")
    assert noted_seconds(path) == (pytest.approx(100011.1), 19)
