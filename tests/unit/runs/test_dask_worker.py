"""A worker gets a model's file with the plugin, and uses it only when its bytes are what the run began with."""

from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace

import pytest

from rfcn_lib.runs.dask import client
from rfcn_lib.runs.dask.members import ClusterError, ModelFile
from rfcn_lib.runs.dask.worker import Model, described
from tests.support import tiny

CONTENT = bytes(range(256)) * 10


@pytest.fixture
def model(tmp_path):
    (tmp_path / "twin.onnx").write_bytes(CONTENT)
    file = ModelFile("onnx_runtime", tmp_path / "twin.onnx", sha256(CONTENT).hexdigest())
    return Model(file, tiny.PORT, described(), False, {"a": 1}, CONTENT)


@pytest.fixture
def worker(tmp_path):
    """What `setup` asks of Dask's worker."""
    (tmp_path / "worker").mkdir()
    return SimpleNamespace(address="tcp://a:1", local_directory=str(tmp_path / "worker"))


def received(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "worker").iterdir()}


def test_the_file_lies_under_its_digest_and_its_bytes_leave_the_memory(model, worker, tmp_path):
    model.setup(worker)
    assert received(tmp_path) == {model.file.sha256: CONTENT}
    assert model.ready
    assert model.data is None


def test_a_file_that_is_not_sent_is_not_written(model, worker, tmp_path):
    model = replace(model, data=None)
    model.setup(worker)
    assert received(tmp_path) == {}
    assert model.ready


def test_a_file_that_changed_after_the_run_began_never_gets_its_name(model, worker, tmp_path):
    model = replace(model, data=CONTENT + b"\0")
    with pytest.raises(
        ClusterError, match=r"worker tcp://a:1 received .*twin\.onnx with sha256 \w+, but should with \w+"
    ):
        model.setup(worker)
    assert received(tmp_path) == {}
    assert not model.ready


def test_a_worker_whose_disk_takes_no_more_is_named_and_can_try_again(model, worker, tmp_path):
    (tmp_path / "worker").rmdir()
    with pytest.raises(
        ClusterError, match=r"worker tcp://a:1 could not write into .*: No such file .*; make room on its disk"
    ):
        model.setup(worker)
    assert not model.ready
    (tmp_path / "worker").mkdir()
    model.setup(worker)
    assert received(tmp_path) == {model.file.sha256: CONTENT}


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
        self.given.append((name, plugin.data))


def test_a_worker_lost_at_this_moment_costs_a_second_try(model, monkeypatch):
    monkeypatch.setattr(client, "AGAIN_AFTER_S", 0)
    lossy = LossyClient(fails=1)
    client._give(lossy, "name", model, with_file=True)
    assert lossy.given == [("name", CONTENT)]
    with pytest.raises(ClusterError, match=r"not every worker takes .*twin\.onnx \(OSError: a worker was lost\)"):
        client._give(LossyClient(fails=9), "name", model)


def test_a_file_that_is_gone_is_said(model, monkeypatch):
    monkeypatch.setattr(client, "AGAIN_AFTER_S", 0)
    model.file.path.unlink()
    with pytest.raises(ClusterError, match=r"not every worker takes .*twin\.onnx \(FileNotFoundError: .*twin\.onnx"):
        client._give(LossyClient(fails=0), "name", model, with_file=True)
