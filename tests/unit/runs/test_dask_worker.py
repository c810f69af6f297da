"""A worker gets a model's file with the plugin, and uses it only when its bytes are what the run began with."""

from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace

import pytest

from rfcn_lib.runs.dask import client
from rfcn_lib.runs.dask.members import ClusterError, ModelFile
from rfcn_lib.runs.dask.worker import Model, Piece, described
from tests.support import tiny

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def model(tmp_path):
    (tmp_path / "twin.onnx").write_bytes(CONTENT)
    file = ModelFile("onnx_runtime", tmp_path / "twin.onnx", sha256(CONTENT).hexdigest())
    return Model(file, tiny.PORT, described(), False, {"a": 1})


@pytest.fixture
def pieces(model):
    """The file in three pieces."""
    starts = (0, 1000, 2000)
    return [Piece(model.file, "sending", start, CONTENT[start : start + 1000], start == 2000) for start in starts]


@pytest.fixture
def worker(tmp_path):
    """What `setup` asks of Dask's worker."""
    (tmp_path / "worker").mkdir()
    return SimpleNamespace(address="tcp://a:1", local_directory=str(tmp_path / "worker"))


def received(tmp_path):
    files = (path for path in (tmp_path / "worker").iterdir() if not path.name.startswith("digests.sqlite"))
    return {path.name: path.read_bytes() for path in files}


def test_the_file_lies_under_its_digest_and_its_bytes_leave_the_memory(pieces, worker, tmp_path):
    for piece in pieces:
        piece.setup(worker)
        assert piece.data == b""
    assert received(tmp_path) == {pieces[0].file.sha256: CONTENT}


def test_before_the_last_piece_the_file_has_no_name(pieces, worker, tmp_path):
    for piece in (pieces[1], pieces[0]):  # a worker that joins late may get them in another order
        piece.setup(worker)
    assert pieces[0].file.sha256 not in received(tmp_path)
    pieces[2].setup(worker)
    assert received(tmp_path)[pieces[0].file.sha256] == CONTENT


def test_a_worker_like_this_machine_is_ready(model, worker, tmp_path):
    model.setup(worker)
    assert received(tmp_path) == {}
    assert model.ready


def test_a_file_that_changed_after_the_run_began_never_gets_its_name(pieces, worker, tmp_path):
    pieces[1].data = CONTENT[1001:2001]
    for piece in pieces[:2]:
        piece.setup(worker)
    with pytest.raises(
        ClusterError, match=r"worker tcp://a:1 received .*twin\.onnx with sha256 \w+, but should with \w+"
    ):
        pieces[2].setup(worker)
    assert pieces[0].file.sha256 not in received(tmp_path)


def test_a_worker_whose_disk_takes_no_more_is_named(pieces, worker, tmp_path):
    (tmp_path / "worker").rmdir()
    with pytest.raises(
        ClusterError, match=r"worker tcp://a:1 could not write into .*: No such file .*; make room on its disk"
    ):
        pieces[0].setup(worker)


def test_a_worker_with_other_code_gets_no_file(model, worker, tmp_path):
    model = replace(model, like={**model.like, "rfcn_lib/source/anchors.py": "0" * 64})
    with pytest.raises(
        ClusterError, match=r"worker tcp://a:1 has another text of rfcn_lib/source/anchors\.py, .*; check"
    ):
        model.setup(worker)
    assert received(tmp_path) == {}
    assert not model.ready


class LossyClient:
    """The first calls fail, as when a worker is lost while the plugin is on its way."""

    def __init__(self, fails):
        self.fails, self.given = fails, []

    def register_plugin(self, plugin, name):
        self.fails -= 1
        if self.fails >= 0:
            raise OSError("a worker was lost")
        self.given.append((name, plugin))


def test_a_worker_lost_at_this_moment_costs_a_second_try(model, monkeypatch):
    monkeypatch.setattr(client, "AGAIN_AFTER_S", 0)
    lossy = LossyClient(fails=1)
    client._give(lossy, "name", model)
    assert lossy.given == [("name", model)]
    with pytest.raises(ClusterError, match=r"not every worker takes .*twin\.onnx \(OSError: a worker was lost\)"):
        client._give(LossyClient(fails=9), "name", model)


def test_the_pieces_are_the_file_and_each_has_a_name_to_forget_it_by(model, monkeypatch):
    monkeypatch.setattr(client, "PIECE_BYTES", 1000)
    lossless, plugins = LossyClient(fails=0), ["run"]
    client._send(lossless, model.file, plugins)

    assert plugins == ["run", "run-0", "run-1000", "run-2000"]
    assert [name for name, _ in lossless.given] == plugins[1:]
    assert b"".join(piece.data for _, piece in lossless.given) == CONTENT
    assert [piece.last for _, piece in lossless.given] == [False, False, True]


def test_a_file_that_is_gone_is_said(model):
    model.file.path.unlink()
    with pytest.raises(ClusterError, match=r"cannot read .*twin\.onnx: No such file"):
        client._send(LossyClient(fails=0), model.file, ["run"])
