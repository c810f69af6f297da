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

from rfcn_lib.ascend.health import note_health_problems
from rfcn_lib.ascend.place import tool_folder
from rfcn_lib.ascend.tool_run import OmRunError, RefusedError
from rfcn_lib.command import CommandResult
from rfcn_lib.files import PathError, is_plain, plain_place
from rfcn_lib.runs.npu import Tool, fill_by_tool
from rfcn_lib.score.dumps import file_names
from tests.support.standin_here import IDS, im_data_of
from tests.support.tiny import CANVAS_WH, PORT, picture_of

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


def shown(id):
    return im_data_of(id), picture_of(id)


def fill(folder: Path, om: Path, **more):
    options = {"devices": (0,), "batch": {CANVAS_WH: 2}, "what": "dumps", "timeout_s": 20.0, **more}
    tool = Tool("ais_bench", "python3")
    return fill_by_tool(folder, {CANVAS_WH: IDS[:4]}, PORT, shown, tool, {CANVAS_WH: om}, **options)


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
    om = compiled(here, here / store)
    made = fill(here / store / "npu", om)

    assert made.lost == {}
    for id in IDS[:4]:
        assert all((here / store / "npu" / "dumps" / name).is_file() for name in file_names(id))
    assert not list((here / "tmp").iterdir())
    if store == "plain":
        assert stat.S_IMODE(om.stat().st_mode) == 0o640


def test_a_temporary_folder_that_is_not_plain_is_said_before_the_first_picture(here, monkeypatch):
    odd = here / "t m p"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with pytest.raises(OmRunError, match="pass --store=DIR with a plain path, or set TMPDIR"):
        fill(here / "a b" / "npu", compiled(here, here / "a b"))
    assert not (here / "a b" / "npu").exists()
    with pytest.raises(PathError):
        plain_place(here / "a b")


@pytest.mark.parametrize("character", list(" +=,:~@店\n'\"$&;"))
def test_characters_that_the_tools_refuse_are_not_plain(tmp_path, character):
    assert is_plain(tmp_path / "a_B-9.om")
    assert not is_plain(tmp_path / f"a{character}b")


@pytest.mark.parametrize("devices", [(0,), (0, 1)])
def test_a_refused_argument_is_no_lost_device(here, monkeypatch, devices):
    """argparse ends with 2 before it looks at a device: all devices would be refused alike."""

    def refuse(words, *, cwd, env=None, timeout_s=0, log=None, set_up=""):
        usage = "usage: x\nx: error: argument --model/-m: om path string is illegal.\n"
        return CommandResult(tuple(map(str, words)), cwd, env, 2, "[ERROR] the cause\n", usage, 0.1, log, set_up)

    with monkeypatch.context() as patched:
        patched.setattr("rfcn_lib.ascend.tool_run.run", refuse)
        with pytest.raises(RefusedError, match=r"\[ERROR\] the cause"):
            fill(here / "npu", compiled(here, here), devices=devices)
    assert note_health_problems(here / "npu", []) == ()

    assert fill(here / "npu", compiled(here, here)).lost == {}
    assert note_health_problems(here / "npu", []) == ()


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
