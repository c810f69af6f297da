"""Files are whole or absent; folders for the vendor's tools have their modes, and a leftover is never taken for new."""

import os
import stat
from pathlib import Path

import pytest

from rfcn_lib.files import make_anew, make_folder, plain_place, read_bounded, write_whole


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077], ids=oct)
@pytest.mark.parametrize("make", [make_folder, make_anew])
def test_the_mode_is_ours_whatever_the_umask_is(tmp_path, mask, make):
    before = os.umask(mask)
    try:
        make(tmp_path / "work")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "work").stat().st_mode) == 0o750


def test_a_folder_that_is_there_is_kept_or_made_anew(tmp_path):
    (tmp_path / "work").mkdir(mode=0o777)
    (tmp_path / "work" / "piece").touch()
    make_folder(tmp_path / "work")
    assert (tmp_path / "work" / "piece").exists()
    make_anew(tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []


def test_what_somebody_else_put_in_the_place_is_not_used(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        make_anew(tmp_path / "work")


def test_each_folder_has_one_place_and_no_other_has_it():
    assert plain_place(Path("/a b")) == plain_place(Path("/a b"))
    assert plain_place(Path("/a b")) != plain_place(Path("/a+b"))


# -- whole or absent ---------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_and_an_older_one_is_replaced(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b"older, and longer")
    write_whole(path, b"new")
    write_whole(tmp_path / "other", memoryview(b"bytes"))
    assert path.read_bytes() == b"new"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file.json", "other"]


@pytest.mark.parametrize("mask", [0o000, 0o077], ids=oct)
def test_a_mode_that_is_asked_for_is_not_the_umask_s(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "file", b"", mode=0o640)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_what_cannot_be_written_leaves_the_older_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"older")

    def full(self, data):
        self.open("wb").close()
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            write_whole(path, b"new")
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"new")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_whole(tmp_path / "folder", b"new")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


def test_a_file_is_read_up_to_a_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert [read_bounded(path, most) for most in (6, 5, 4)] == [b"12345", b"12345", None]
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse: it is not read
    assert read_bounded(path, 1000) is None
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "none", 1000)
