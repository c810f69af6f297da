"""A folder of dumps is filled with what is missing, once, and an interruption costs one picture."""

import numpy as np
import pytest
import tiny

from rfcn_lib.devices.filling import fill, missing
from rfcn_lib.records import Outputs
from rfcn_lib.score.dumps import DumpError, audit, file_names, read_dump, shapes

IDS = ("000001", "000002", "000005", "2008_000003")


def outputs_of(im_data):
    """A device simple enough to read: its outputs are a function of the picture alone."""
    draws = np.random.default_rng(int(im_data.sum()))
    rois, scores, deltas = (draws.random(shape).astype(np.float32) for shape in shapes(tiny.PORT))
    rois[:, 0] = 0
    return Outputs(rois, scores / scores.sum(1, keepdims=True), deltas)


class Bench:
    """Prepares pictures and runs them, and remembers what it was asked for."""

    def __init__(self, fails_at=None):
        self.started, self.prepared, self.ran, self.fails_at = 0, [], [], fails_at

    def prepare(self, id):
        self.prepared.append(id)
        return np.full((1, 3, 2, 2), IDS.index(id) + 1, np.float32), tiny.picture_of(id)

    def device(self):
        self.started += 1
        return self.run

    def run(self, im_data, picture):
        if picture.id == self.fails_at:
            raise RuntimeError("the device fell over")
        self.ran.append(picture.id)
        return outputs_of(im_data)

    def fill(self, folder, ids=IDS):
        return fill(folder, ids, tiny.PORT, self.prepare, self.device, "dumps")


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def test_an_empty_folder_is_filled_in_the_order_of_the_ids(folder):
    bench = Bench()
    assert missing(folder, IDS, tiny.PORT) == IDS
    assert bench.fill(folder) == 4
    assert bench.prepared == bench.ran == list(IDS)
    assert missing(folder, IDS, tiny.PORT) == ()
    assert set(audit(folder, IDS, tiny.PORT)) == set(IDS)


def test_each_dump_is_its_own_picture_s(folder):
    Bench().fill(folder)
    for number, id in enumerate(IDS, start=1):
        want = outputs_of(np.full((1, 3, 2, 2), number, np.float32))
        got = read_dump(folder, id, tiny.PORT)
        for name in ("rois", "cls_prob", "bbox_pred"):
            np.testing.assert_array_equal(getattr(got, name), getattr(want, name))


def test_the_device_is_not_started_when_nothing_is_missing(folder):
    Bench().fill(folder)
    bench = Bench()
    assert bench.fill(folder) == 0
    assert (bench.started, bench.prepared) == (0, [])


def test_only_what_is_missing_is_made(folder):
    Bench().fill(folder, IDS[:2])
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    bench = Bench()
    assert bench.fill(folder) == 2
    assert bench.ran == list(IDS[2:])
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_an_exception_keeps_the_pictures_that_were_finished(folder):
    bench = Bench(fails_at=IDS[2])
    with pytest.raises(RuntimeError, match="fell over"):
        bench.fill(folder)
    assert missing(folder, IDS, tiny.PORT) == IDS[2:]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*file_names(IDS[0]), *file_names(IDS[1])])
    again = Bench()
    assert again.fill(folder) == 2
    assert again.ran == list(IDS[2:])


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("damage", ["gone", "short", "long", "empty", "a folder"])
def test_a_dump_with_a_damaged_file_is_made_again(folder, index, damage):
    Bench().fill(folder)
    path = folder / file_names(IDS[1])[index]
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes({"short": content[:-1], "long": content + b"\0", "empty": b""}[damage])
    assert missing(folder, IDS, tiny.PORT) == (IDS[1],)
    bench = Bench()
    if damage == "a folder":
        with pytest.raises(DumpError, match="cannot write"):
            bench.fill(folder)
        return
    assert bench.fill(folder) == 1
    assert bench.ran == [IDS[1]]
    assert path.read_bytes() == content


def test_a_file_left_half_written_is_not_mistaken_for_a_finished_one(folder):
    (folder / f".{file_names(IDS[0])[0]}.partial").write_bytes(b"half")
    assert Bench().fill(folder) == 4
    assert set(audit(folder, IDS, tiny.PORT)) == set(IDS), "and it is gone afterwards"


def test_other_files_in_the_folder_do_not_disturb(folder):
    (folder / "notes.txt").write_text("by hand")
    Bench().fill(folder, IDS[:1])
    assert (folder / "notes.txt").read_text() == "by hand"


def test_an_id_that_leads_out_of_the_folder_is_refused_before_the_device_starts(folder):
    bench = Bench()
    with pytest.raises(DumpError, match="cannot name a dump"):
        bench.fill(folder, ("../000001",))
    assert (bench.started, bench.prepared) == (0, [])
