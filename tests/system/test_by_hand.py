"""A line of the verdict, pasted into a shell, lays out the very bins that the suite gave to the vendor's tool."""

import shlex
import shutil
import subprocess

import pytest

from rfcn_lib.pictures.bins import lay_out
from rfcn_lib.pictures.by_hand import typed
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import read_port
from tests.support.places import SPECIMEN

PORT, DEVKIT = SPECIMEN / "port.toml", SPECIMEN / "VOCdevkit"
IDS = ("000003", "000001")


def paste(line):
    return subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, cwd="/")


@pytest.mark.parametrize("canvas_wh", [(512, 512), (352, 192)], ids=str)
def test_the_bins_are_those_of_the_run(tmp_path, canvas_wh):
    """On a devkit of which --limit asked for no other picture: none is asked for here."""
    port = read_port(PORT)
    devkit = read_devkit(DEVKIT, port.classes)
    few = tmp_path / "few" / "VOC2007"
    shutil.copytree(DEVKIT / "VOC2007" / "ImageSets", few / "ImageSets")
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "jpg")):
        (few / folder).mkdir()
        for id in IDS:
            shutil.copy(DEVKIT / "VOC2007" / folder / f"{id}.{suffix}", few / folder)
    pictures = port.pictures.model_copy(update={"canvas_wh_px": canvas_wh})
    lay_out(tmp_path / "run", IDS, lambda id: prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], pictures))
    done = paste(typed(PORT, few.parent, canvas_wh, tmp_path / "by hand", IDS))

    assert done.returncode == 0, done.stderr
    names = {path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert len(names) == 3
    assert {
        path.relative_to(tmp_path / "by hand") for path in (tmp_path / "by hand").rglob("*") if path.is_file()
    } == names
    for name in names:
        assert (tmp_path / "by hand" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


@pytest.mark.parametrize(
    ("right", "wrong", "answer"),
    [
        ("--canvas=512x512", "--canvas=512", "--canvas=512 should be WIDTHxHEIGHT"),
        (IDS[0], "999999", "'999999' is not one of the 140 ids"),
        ("port.toml", "PROVENANCE.md", "PROVENANCE.md is not TOML"),
    ],
)
def test_a_wrong_word_is_answered_in_a_sentence(tmp_path, right, wrong, answer):
    line = typed(PORT, DEVKIT, (512, 512), tmp_path, IDS)
    assert right in line
    done = paste(line.replace(right, shlex.quote(wrong)))

    assert done.returncode == 2
    assert answer in done.stderr
    assert "Traceback" not in done.stderr
