"""A model's file travels to the workers in pieces; a worker uses it only when the whole file is what was sent."""

from hashlib import sha256
from types import SimpleNamespace

import pytest

from rfcn_lib.runs.dask import model_file
from rfcn_lib.runs.dask.worker import ClusterError, ModelFile

CONTENT = bytes(range(256)) * 10


class FakeClient:
    """Gives each plugin to its workers, as Dask does; a worker that joins later gets those that are registered."""

    def __init__(self, *folders):
        self.workers = [SimpleNamespace(address=f"tcp://{k}", local_directory=str(f)) for k, f in enumerate(folders)]
        self.registered, self.fails = {}, 0

    def register_plugin(self, plugin, name):
        data = plugin.data
        self.registered[name] = plugin
        if self.fails:
            self.fails -= 1
            raise OSError("a worker was lost")
        for worker in self.workers:
            plugin.data = data  # each worker unpickles a plugin of its own
            plugin.setup(worker)

    def unregister_worker_plugin(self, name):
        del self.registered[name]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "twin.onnx").write_bytes(CONTENT)
    return ModelFile("onnx_runtime", tmp_path / "twin.onnx", sha256(CONTENT).hexdigest())


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "PIECE_BYTES", 1000)
    monkeypatch.setattr(model_file, "AGAIN_AFTER_S", 0)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    return FakeClient(*folders)


def test_every_worker_gets_the_whole_file_under_its_digest_and_the_scheduler_forgets_it(client, file, tmp_path):
    plugins = []
    model_file.send(client, file, plugins)
    assert len(plugins) == len(client.registered) == 3
    for name in ("one", "two"):
        assert (tmp_path / name / file.sha256).read_bytes() == CONTENT
    model_file.forget(client, plugins)
    assert client.registered == {}


def test_a_worker_lost_at_this_moment_costs_a_second_try(client, file, tmp_path):
    client.fails = 1
    model_file.send(client, file, [])
    assert (tmp_path / "two" / file.sha256).read_bytes() == CONTENT
    client.fails = model_file.TRIES
    plugins = []
    with pytest.raises(OSError, match="a worker was lost"):
        model_file.send(client, file, plugins)
    assert plugins, "so that they can be forgotten"


def test_a_file_that_changed_after_the_run_began_never_gets_its_name(client, file, tmp_path):
    file.path.write_bytes(CONTENT + b"\0")
    with pytest.raises(
        ClusterError, match=r"worker tcp://0 received .*twin\.onnx with sha256 \w+, but should with \w+"
    ):
        model_file.send(client, file, [])
    assert not (tmp_path / "one" / file.sha256).exists()


def test_a_worker_whose_disk_takes_no_more_is_named(client, file, tmp_path):
    (tmp_path / "one").rmdir()
    with pytest.raises(
        ClusterError, match=r"worker tcp://0 could not write .*: No such file .*; make room on its disk"
    ):
        model_file.send(client, file, [])
