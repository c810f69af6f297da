"""The vendor's tool is given folders, files and paths that it takes, whatever the umask is and wherever the store lies.

The tool is the stand-in's ais_bench, as strict about modes and characters as the release of 2025-12.
"""

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from rfcn_lib.ascend.ais_bench import run_batch
from rfcn_lib.ascend.place import paths_after_the_run, tool_folder
from rfcn_lib.ascend.tool_run import OmRunError, Task
from rfcn_lib.files import PathError, is_plain, plain_place
from rfcn_lib.pictures.bin_files import lay_out
from tests.support.standin_here import IDS, im_data_of
from tests.support.tiny import CANVAS_WH, picture_of

UMASKS = (0o000, 0o002, 0o022, 0o027, 0o077)


@pytest.fixture(autouse=True)
def here(laid_out, monkeypatch):
    """The tools run in this process; scratch folders are made in <tmp_path>/tmp."""
    (laid_out / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(laid_out / "tmp"))
    return laid_out


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def compiled(here: Path, folder: Path) -> Path:
    """The om in `folder`, as a compiler leaves it under umask 000."""
    folder.mkdir(parents=True, exist_ok=True)
    om = folder / "model.om"
    shutil.copyfile(here / "rfcn.om", om)
    om.chmod(0o666)
    return om


@pytest.mark.parametrize("mask", UMASKS, ids=oct)
@pytest.mark.parametrize("store", ["plain", "a b+店"])
def test_a_strict_tool_takes_what_it_is_given(here, umask, mask, store):
    umask(mask)
    om, work = compiled(here, here / store), here / store / "work"
    (here / store / "work").parent.mkdir(exist_ok=True)
    lay_out(work, IDS, shown)
    with tool_folder(work, om) as place:
        made = run_batch("python3", Task(place.om, IDS, CANVAS_WH, place.work, 0, 20.0))
    outputs = paths_after_the_run(made.outputs, place.work, work)

    assert set(outputs) == set(IDS)
    assert all(file.is_file() for files in outputs.values() for file in files)
    assert not list((here / "tmp").iterdir())
    if store == "plain":
        assert stat.S_IMODE(om.stat().st_mode) == 0o640


def shown(id):
    return im_data_of(id), picture_of(id)


def test_a_temporary_folder_that_is_not_plain_is_said(here, monkeypatch):
    odd = here / "t m p"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with pytest.raises(PathError, match="pass --store=DIR with a plain path, or set TMPDIR"):
        plain_place(here / "a b")


@pytest.mark.parametrize("character", list(" +=,:~@店\n'\"$&;"))
def test_characters_that_the_tools_refuse_are_not_plain(tmp_path, character):
    assert is_plain(tmp_path / "a_B-9.om")
    assert not is_plain(tmp_path / f"a{character}b")


@pytest.mark.parametrize("end", ["success", "a failure", "Ctrl-C", "a store that takes nothing more"])
def test_nothing_stays_in_the_temporary_folder_whatever_the_end(here, monkeypatch, end):
    work = here / "a b" / "work"
    shutil.copytree(here / "work", work)
    errors = {"a failure": OmRunError("failed"), "Ctrl-C": KeyboardInterrupt()}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def run_in_the_place():
        with tool_folder(work, here / "rfcn.om") as place:
            assert place.work.parent == here / "tmp"
            (place.work / "output").write_text("made")
            if end == "a store that takes nothing more":
                monkeypatch.setattr(shutil, "move", full)
            if end in errors:
                raise errors[end]

    if end == "success":
        run_in_the_place()
    else:
        with pytest.raises((OmRunError, KeyboardInterrupt, OSError)):
            run_in_the_place()
    assert not list((here / "tmp").iterdir())
    if end != "a store that takes nothing more":
        assert (work / "output").read_text() == "made"
        assert (work / "bin").is_dir()
