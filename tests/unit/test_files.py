"""Folders for the vendor's tools: their modes are set and not the umask's, and a leftover is never taken for new."""

import os
import stat
from pathlib import Path

import pytest

from rfcn_lib.files import make_anew, make_folder, plain_place


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
