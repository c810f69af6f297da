"""`python -m rfcn_lib.pictures.bins`: the whole set for a person, and the very bins of a batch that a verdict names."""

import shlex
import shutil
from types import SimpleNamespace

import pytest

from rfcn_lib.pictures import bins
from rfcn_lib.pictures.bin_files import BinError, bin_bytes
from rfcn_lib.pictures.bin_set import LARGEST_BATCH, MOST_BYTES, BinSet
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import read_port
from tests.support.pictures import devkit_at
from tests.support.places import SPECIMEN

PORT, DEVKIT = SPECIMEN / "port.toml", SPECIMEN / "VOCdevkit"
IDS = ("000003", "000001")


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def specimen():
    """The specimen's pictures on two canvases."""
    port = read_port(PORT)
    devkit = read_devkit(DEVKIT, port.classes)
    by_canvas = {(352, 192): devkit.ids[:3], (512, 512): devkit.ids[3:]}
    return Pictures(devkit, port, by_canvas, lambda paths: ["0" * 64 for _ in paths])


@pytest.mark.parametrize("ids", [IDS, ("000009",)], ids=["fitted", "published"])
def test_the_line_of_a_verdict_writes_the_bins_of_the_run(specimen, tmp_path, ids):
    """From a devkit that holds no other picture: none is asked for."""
    few = tmp_path / "few" / "VOC2007"
    shutil.copytree(DEVKIT / "VOC2007" / "ImageSets", few / "ImageSets")
    for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "jpg")):
        (few / folder).mkdir()
        for id in ids:
            shutil.copy(DEVKIT / "VOC2007" / folder / f"{id}.{suffix}", few / folder)
    bin_set = BinSet(specimen, PORT)
    bin_set.lay_out(tmp_path / "run", ids)
    line = bin_set.shell_line(tmp_path / "with a blank", ids).replace(str(DEVKIT), str(few.parent))
    words = shlex.split(line.partition(" && ")[2])
    assert words[1:3] == ["-m", "rfcn_lib.pictures.bins"]
    bins.main(words[3:])

    assert len(files_of(tmp_path / "run")) == len(ids) + 1
    assert files_of(tmp_path / "with a blank") == files_of(tmp_path / "run")


def test_without_ids_the_first_pictures_of_the_set_are_written_with_the_published_info_file(tmp_path):
    bins.main([f"--out={tmp_path}", "--limit=3"])
    lines = (tmp_path / "demo.info").read_text().splitlines()

    assert lines == [f"{k} ./bin/{k + 1:06}.bin 512 512" for k in range(3)]
    assert all((tmp_path / line.split()[1]).stat().st_size == bin_bytes((512, 512)) for line in lines)


def test_a_set_that_the_disk_cannot_hold_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(BinError, match=r"the bins of 140 pictures need 0\.4 GB, but the disk of .* has 0\.0 GB left"):
        bins.write(tmp_path / "new", PORT, DEVKIT, "test", None, None, ())
    assert not (tmp_path / "new").exists()


def test_the_line_of_a_verdict_names_set_and_ids_of_any_kind(tmp_path):
    ids = ("-x", "102-3\u6a2a\u7ed3\u80a0+0.4", "IMG 0001", "000003")
    port = read_port(PORT)
    year = devkit_at(tmp_path / "VOCdevkit", port.classes, len(ids)) / "VOC2007"
    (year / "ImageSets" / "Main" / "test.txt").rename(year / "ImageSets" / "Main" / "val.txt")
    for number, id in enumerate(ids, 1):
        for folder, suffix in (("Annotations", "xml"), ("JPEGImages", "jpg")):
            (year / folder / f"{number:06}.{suffix}").rename(year / folder / f"{id}.{suffix}.new")
    for file in (*year.glob("*/*.new"),):
        file.rename(file.with_suffix(""))
    (year / "ImageSets" / "Main" / "val.txt").write_text("".join(f"{id}\n" for id in ids))
    devkit = read_devkit(tmp_path / "VOCdevkit", port.classes, set_name="val")
    bin_set = BinSet(Pictures(devkit, port, {(512, 512): devkit.ids}, lambda paths: ["0" * 64 for _ in paths]), PORT)
    bin_set.lay_out(tmp_path / "run", ids)
    bins.main(shlex.split(bin_set.shell_line(tmp_path / "again", ids).partition(" && ")[2])[3:])

    assert files_of(tmp_path / "again") == files_of(tmp_path / "run")
    assert len(files_of(tmp_path / "run")) == len(ids) + 2


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("--canvas=512", "--canvas=512 should be WIDTHxHEIGHT"),
        ("--limit=0", "--limit=0 should be a whole number"),
        ("--limit=3", "give one of both"),
        ("--set=val", "cannot read the set file"),
        ("--set=../test", "the set's name is '../test', but it has the separator"),
        ("999999", "'999999' is not one of the 140 ids"),
        (f"--port={SPECIMEN / 'PROVENANCE.md'}", "PROVENANCE.md is not TOML"),
    ],
)
def test_a_wrong_word_is_answered_in_a_sentence(tmp_path, capsys, word, answer):
    with pytest.raises(SystemExit) as ended:
        bins.main([f"--out={tmp_path}", word, *IDS])
    assert ended.value.code == 2
    assert answer in capsys.readouterr().err


def test_the_bins_of_all_devices_stay_below_the_limit(specimen):
    bin_set = BinSet(specimen, PORT)
    for devices in (1, 4, 64):
        batches = bin_set.batches(devices)
        assert all(1 <= batch <= LARGEST_BATCH for batch in batches.values())
        assert all(
            2 * devices * batch * bin_bytes(canvas) <= MOST_BYTES or batch == 1 for canvas, batch in batches.items()
        )
