"""Bins and info files have the published form, and a folder half written is never mistaken for a finished one."""

import struct
from pathlib import Path

import numpy as np
import pytest

from rfcn_lib.pictures.bin_files import PLAIN_NAME, BinError, bin_bytes, bin_names, lay_out, write_bins

CANVAS = (6, 4)  # width, height


def tensor(seed=0, canvas_wh=CANVAS):
    width, height = canvas_wh
    return np.random.default_rng(seed).normal(size=(1, 3, height, width)).astype(np.float32)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# -- the published form ----------------------------------------------------------------------------------------------


def test_the_info_file_is_the_published_one_to_the_byte(here):
    write_bins("./bin", Path("demo.info"), [("000001", tensor(1)), ("000002", tensor(2))])
    assert Path("demo.info").read_bytes() == b"0 ./bin/000001.bin 6 4\n1 ./bin/000002.bin 6 4\n"


def test_a_bin_is_the_tensor_s_floats_one_after_the_other(here):
    values = tensor()
    write_bins("bin", Path("demo.info"), [("000001", values)])
    want = b"".join(
        struct.pack("<f", values[0, channel, row, column])
        for channel in range(3)
        for row in range(CANVAS[1])
        for column in range(CANVAS[0])
    )
    assert Path("bin/000001.bin").read_bytes() == want


def test_the_layout_in_memory_does_not_matter(here):
    values = tensor()
    turned = np.ascontiguousarray(values.transpose(0, 3, 2, 1)).transpose(0, 3, 2, 1)
    assert not turned.flags.c_contiguous
    write_bins("bin", Path("demo.info"), [("000001", turned)])
    assert Path("bin/000001.bin").read_bytes() == values.tobytes()


def test_each_picture_has_its_own_numbers_and_a_line(tmp_path):
    tensors = {f"{k:06}": tensor(k) for k in range(12)}
    write_bins(tmp_path / "bin", tmp_path / "demo.info", tensors.items())
    lines = (tmp_path / "demo.info").read_text().splitlines()
    assert lines == [f"{k} {tmp_path}/bin/{k:06}.bin 6 4" for k in range(12)]
    for id, values in tensors.items():
        path = tmp_path / "bin" / f"{id}.bin"
        assert np.array_equal(np.fromfile(path, "<f4").reshape(values.shape), values)
        assert path.stat().st_size == bin_bytes(CANVAS) == 4 * 3 * 6 * 4


def test_the_info_file_can_name_the_place_the_bins_will_move_to(tmp_path):
    write_bins(tmp_path / "scratch", tmp_path / "demo.info", [("000001", tensor())], listed_folder="/data/bin/")
    assert (tmp_path / "demo.info").read_text() == "0 /data/bin/000001.bin 6 4\n"
    assert (tmp_path / "scratch/000001.bin").is_file()


# -- written whole or not at all -------------------------------------------------------------------------------------


def test_an_interrupted_writer_leaves_no_info_file_and_no_part(tmp_path):
    info = tmp_path / "demo.info"
    write_bins(tmp_path / "bin", info, [("000001", tensor())])

    def interrupted():
        yield "000001", tensor(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bins(tmp_path / "bin", info, interrupted())
    assert not info.exists(), "the old info file must not vouch for new bins"
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["000001.bin"]


def test_a_disk_that_refuses_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BinError, match=r"cannot write .*file.*; make room or choose another folder"):
        write_bins(tmp_path / "file", tmp_path / "demo.info", [("000001", tensor())])
    (tmp_path / "bin/000001.bin").mkdir(parents=True)
    with pytest.raises(BinError, match=r"cannot write .*000001.bin"):
        write_bins(tmp_path / "bin", tmp_path / "demo.info", [("000001", tensor())])
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["000001.bin"]


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["my bins", "tab\tbins", "line\nbins"])
def test_a_path_with_white_space_is_refused(here, folder):
    with pytest.raises(BinError, match="has white space in its path, but an info file separates its columns by blanks"):
        write_bins(folder, Path("demo.info"), [("000001", tensor())])
    assert not list(here.iterdir())


BROKEN = tensor()
BROKEN[0, 1, 2, 3] = np.nan


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        pytest.param([], "no picture was given", id="nothing"),
        pytest.param([("../x", tensor())], "name '../x' is unsafe in a path", id="path escape"),
        pytest.param([("a b", tensor())], "name 'a b' is unsafe", id="blank in the name"),
        pytest.param([("a", tensor()), ("a", tensor())], "name 'a' is there twice", id="doubled"),
        pytest.param([("a", tensor().astype(float))], "is float64 (1, 3, 4, 6), but should be float32", id="double"),
        pytest.param([("a", tensor()[0])], "is float32 (3, 4, 6), but should be", id="no batch axis"),
        pytest.param([("a", tensor()[:, :1])], "is float32 (1, 1, 4, 6), but should be", id="one channel"),
        pytest.param([("a", tensor()), ("b", tensor(0, (4, 6)))], "but the first had (1, 3, 4, 6)", id="two canvases"),
        pytest.param([("a", BROKEN)], "the tensor of a holds NaN or Inf", id="NaN"),
    ],
)
def test_what_cannot_be_a_network_input_is_not_written(tmp_path, tensors, said):
    with pytest.raises(BinError) as caught:
        write_bins(tmp_path / "bin", tmp_path / "demo.info", tensors)
    assert said in str(caught.value)
    assert not (tmp_path / "demo.info").exists()


# -- ids that the vendor's tools would not take ------------------------------------------------------------------------


def test_a_plain_id_is_its_bin_s_name():
    assert bin_names(("000001", "2008_000003", "a-b")) == {id: id for id in ("000001", "2008_000003", "a-b")}


def test_another_id_has_a_number_that_no_plain_id_has():
    ids = ("\u6a2a", "a b", "000001", "n000001", "v1.2", "x" * 101)
    names = bin_names(ids)
    assert list(names) == list(ids)
    assert len(set(names.values())) == len(ids)
    assert all(PLAIN_NAME.fullmatch(name) for name in names.values())
    assert (names["000001"], names["n000001"]) == ("000001", "n000001")


def test_a_list_says_whose_number_a_bin_has(tmp_path):
    ids = ("\u6a2a", "a b", "000007")
    lay_out(tmp_path, ids, lambda id: (tensor(ids.index(id)), None))
    listed = (line.partition(" ") for line in (tmp_path / "ids.txt").read_text(encoding="utf-8").splitlines())
    of_id = {id: name for name, _, id in listed}
    assert tuple(of_id) == ids
    for number, id in enumerate(ids):
        assert np.array_equal(np.fromfile(tmp_path / "bin" / f"{of_id[id]}.bin", "<f4"), tensor(number).ravel())


def test_without_a_number_there_is_no_list(tmp_path):
    lay_out(tmp_path, ("000001",), lambda _: (tensor(), None))
    assert not (tmp_path / "ids.txt").exists()
