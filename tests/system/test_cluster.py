"""Pictures shared out over real Dask clusters: the same bytes as a local run, whoever is lost half way.

Schedulers and workers are processes of this machine, started with the README's own commands. A model's
file under /proc/self/cwd lies elsewhere for each process, as on another machine, and so has to be sent.
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from rfcn_lib.devices import onnx_runtime, pytorch
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import PictureError, prepare
from rfcn_lib.port import read_port
from rfcn_lib.runs import announcements
from rfcn_lib.runs.dask import client as cluster
from rfcn_lib.runs.dask import members as cluster_members
from rfcn_lib.runs.dask.client import DaskEngine
from rfcn_lib.runs.dask.members import ClusterError, ModelFile
from rfcn_lib.runs.folder import MADE, RunFolder
from rfcn_lib.runs.local import LocalEngine
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.source.checkpoint import save_checkpoint
from tests.support import fatal, tiny
from tests.support.exit_statuses import INCONCLUSIVE
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "many-machines.md").read_text(encoding="utf-8")
PYTHON = ".venv/bin/python"
COUNT = 24


def of_the_page(part):
    """The command of docs/many-machines.md for a "scheduler" or "worker", as words, with this Python."""
    line = re.search(rf"^({re.escape(PYTHON)} -m dask {part} [^#\n]*)", PAGE, re.MULTILINE)[1]
    return [sys.executable, *shlex.split(line)[1:]]


@dataclass
class Cluster:
    """A scheduler on a free port and the workers started so far, by their process."""

    address: str
    log: Path
    workers: list

    def start(self, cwd=ROOT, **environment):
        words = [self.address if word.startswith("tcp://") else word for word in of_the_page("worker")]
        where = ["--no-nanny", "--local-directory", str(self.log.parent / f"worker{len(self.workers)}")]
        self.workers.append(spawn([*words, *where], self.log, cwd, **environment))
        return self.workers[-1]

    def wait_for(self, count):
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120)


def spawn(words, log, cwd=ROOT, **environment):
    with log.open("a") as stream:
        return subprocess.Popen(
            words,
            cwd=cwd,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONPATH": str(ROOT), "DASK_TEMPORARY_DIRECTORY": str(log.parent), **environment},
        )


@contextmanager
def scheduler(folder, **environment):
    """A scheduler without workers; what was started is ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["127.0.0.1" if word == "A" else str(port) if word == "8786" else word for word in of_the_page("scheduler")]
    made = Cluster(f"tcp://127.0.0.1:{port}", folder / "cluster.log", [])
    process = spawn([*words, "--no-dashboard"], made.log, **environment)
    made.scheduler = process
    try:
        deadline = time.monotonic() + 120
        while f":{port}" not in made.log.read_text():
            assert time.monotonic() < deadline, made.log.read_text()
            assert process.poll() is None, made.log.read_text()
            time.sleep(0.1)
        yield made
    finally:
        for running in (*made.workers, process):
            running.kill()
            running.wait()


@pytest.fixture(scope="module")
def devkit():
    return read_devkit(ROOT / "specimen" / "VOCdevkit", read_port(ROOT / "specimen" / "port.toml").classes, limit=COUNT)


@dataclass(frozen=True)
class SpyPictures(Pictures):
    """`asked(id)` is called when the source of a picture is asked for; it returns another source, or None."""

    asked: object

    def source(self, id):
        return self.asked(id) or super().source(id)


def pictures_of(devkit, asked=lambda id: None):
    sha256_of = lambda paths: [sha256(path.read_bytes()).hexdigest() for path in paths]  # noqa: E731
    return SpyPictures(devkit, tiny.PORT, {tiny.CANVAS_WH: devkit.ids}, sha256_of, asked)


@pytest.fixture(scope="module")
def few(devkit):
    return pictures_of(devkit)


def at(number, act, pictures):
    """The same pictures; `act` is called when picture `number` is asked for, and may return another source of it."""
    return pictures_of(pictures.devkit, lambda id: act() if id == pictures.ids[number] else None)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small network's files: what "pytorch" and "onnx_runtime" run."""
    folder = tmp_path_factory.mktemp("files")
    save_checkpoint(folder / "rfcn.pth", tiny.network_of(), epoch=1)
    onnx_from_network(folder / "rfcn.onnx", tiny.network_of(), tiny.CANVAS_WH)
    twin_from_vendor(folder / "twin.onnx", folder / "rfcn.onnx")
    return {"pytorch": folder / "rfcn.pth", "onnx_runtime": folder / "twin.onnx"}


def model_of(path, runs="onnx_runtime"):
    return ModelFile(runs, path, sha256(path.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def model(files):
    return model_of(files["onnx_runtime"])


@pytest.fixture(scope="module")
def local(files, few, tmp_path_factory):
    """What a run on this machine makes of the pictures, by kind of model and by file name."""
    load = {
        "pytorch": lambda _: pytorch.load_model(files["pytorch"], tiny.PORT),
        "onnx_runtime": lambda _: onnx_runtime.load_model(files["onnx_runtime"]),
    }
    made = {}
    for kind, load_model in load.items():
        folder = tmp_path_factory.mktemp(kind) / "dumps"
        folder.mkdir()
        run_missing(RunFolder(folder, tiny.PORT), few, LocalEngine(load_model), kind)
        made[kind] = content(folder)
    return made


def over_cluster(folder, pictures, model, address, name, **more):
    """One canvas, the port's own, and one model."""
    return run_missing(RunFolder(folder, tiny.PORT), pictures, DaskEngine(address, lambda _: model), name, **more)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A scheduler and two workers that live as long as this file's tests."""
    with scheduler(tmp_path_factory.mktemp("two")) as made:
        made.start()
        made.start()
        made.wait_for(2)
        yield made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "run" / "dumps"
    made.mkdir(parents=True)
    return made


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def noted(folder):
    return [line.split()[0] for line in (folder.parent / MADE).read_text().splitlines()]


# -- the same as a local run -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx_runtime", "pytorch"])
def test_the_dumps_are_a_local_run_s_byte_for_byte(kind, files, two, few, folder, local, monkeypatch, capfd):
    made = over_cluster(folder, few, model_of(files[kind], kind), two.address, kind)

    assert made == COUNT
    assert content(folder) == local[kind]
    assert sorted(noted(folder)) == sorted(few.ids)
    assert "differ" not in capfd.readouterr().err
    assert over_cluster(folder, few, model_of(files[kind], kind), "tcp://no:1", kind) == 0


@pytest.mark.slow
def test_a_model_that_workers_cannot_see_is_sent_in_pieces(files, two, few, folder, local, tmp_path, monkeypatch):
    shutil.copy(files["onnx_runtime"], tmp_path / "elsewhere.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "PIECE_BYTES", 10_000)
    model = model_of(Path("/proc/self/cwd/elsewhere.onnx"))
    over_cluster(folder, few, model, two.address, "sent")

    assert content(folder) == local["onnx_runtime"]
    received = list(two.log.parent.glob(f"worker*/**/{model.sha256}"))
    assert len(received) == 2
    assert {path.read_bytes() for path in received} == {model.path.read_bytes()}


@pytest.mark.slow
def test_a_jpeg_that_dask_would_warn_of_is_sent_without_a_word(model, two, few, folder, local, tmp_path):
    large = tmp_path / "large.jpg"
    path, size_wh = few.source(few.ids[3])
    large.write_bytes(path.read_bytes() + bytes(11_000_000))  # the same picture
    with pytest.raises(PictureError, match=r"1 of 24 pictures changed after they were shown"):
        over_cluster(folder, at(3, lambda: (large, size_wh), few), model, two.address, "large")
    assert content(folder) == local["onnx_runtime"]


@pytest.mark.slow
def test_first_pictures_are_two_for_each_thread_and_the_plan_and_the_time_of_all_are_said(
    model, two, few, folder, local, monkeypatch, capfd
):
    monkeypatch.setattr(announcements, "WORTH_SAYING_S", 0)
    assert over_cluster(folder, few, model, two.address, "look", first_pictures=True) in (4, 5)
    left = COUNT - len(noted(folder))
    plan, workers, hours = capfd.readouterr().err.splitlines()
    assert plan.startswith(f"look: {COUNT} pictures to do, 0 already there; canvas ")
    assert f"; shared over Dask, {two.address}; " in plan
    assert workers == f"2 workers at {two.address}"
    assert re.fullmatch(rf"look: {left} pictures are left, about \d+ s at the pace of \S+", hours)
    assert over_cluster(folder, few, model, two.address, "look", say_plan_first=False) == left
    assert re.fullmatch(
        r"2 workers at \S+\nlook: \d+ pictures are left, about \d+ s at the pace of \S+\n", capfd.readouterr().err
    )
    assert content(folder) == local["onnx_runtime"]


@pytest.mark.slow
def test_processes_of_this_machine_go_the_same_way(model, few, folder, local):
    before = dict(os.environ)
    assert over_cluster(folder, few, model, "local:2", "local") == COUNT
    assert content(folder) == local["onnx_runtime"]
    assert dict(os.environ) == before, "OMP_NUM_THREADS=1 for the workers is not left here, where torch may start later"


@pytest.mark.slow
def test_the_verdict_is_the_local_one(specimen_store, pytestconfig, tmp_path):
    """The candidate on fitted canvases, the reference on the published one.

    The second run takes the first one's graphs; dumps are made anew, by one process and by two.
    """
    given = ("--limit=2", "--canvas=fitted")
    if any(pytestconfig.getoption(f"--{name}") for name in ("weights", "port", "devkit", "dumps", "limit")):
        pytest.skip("compared on the specimen alone")

    def without_dumps(source, target):
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*dumps*"))

    def verdict(*options):
        words = [sys.executable, "-m", "pytest", "-m", "accuracy", "tests/test_accuracy.py", "-p", "no:cacheprovider"]
        name = tmp_path / "verdict.json"
        done = subprocess.run(
            [*words, *given, f"--verdict={name}", *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == INCONCLUSIVE, done.stdout + done.stderr
        return json.loads(name.read_text()), done.stdout

    without_dumps(specimen_store, tmp_path / "alone")
    alone, _ = verdict(f"--store={tmp_path / 'alone'}")
    without_dumps(tmp_path / "alone", tmp_path / "shared")
    assert not list((tmp_path / "shared").rglob("*_1.bin"))
    shared, said = verdict(f"--store={tmp_path / 'shared'}", "--dask=local:2")
    assert "pictures shared over Dask, local:2" in said
    for found in (alone, shared):
        for name in ("made", "command", "options"):
            del found[name]
        for exhibit in found["on_trial"]["exhibits"].values():
            del exhibit["path"]
    assert alone == shared


# -- somebody is lost ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_killed_half_way_costs_nothing(model, few, folder, local, tmp_path, monkeypatch):
    """The worker is first stopped, and killed when the scheduler says that it holds a picture, to do or done."""
    from distributed import Client

    monkeypatch.setattr(cluster, "LOOK_S", 1.0)
    held, over = [], threading.Event()
    with scheduler(tmp_path) as made:
        lost = made.start()
        made.start()
        made.wait_for(2)
        with Client(made.address, set_as_default=False) as looking:
            address = next(address for address, pid in looking.run(os.getpid).items() if pid == lost.pid)

            def kill():
                while not held and not over.wait(0.1):
                    keys = [*looking.processing().get(address, ()), *looking.has_what().get(address, ())]
                    held.extend(key for key in keys if key.split("-")[1] not in noted(folder))
                lost.kill()

            killer = threading.Thread(target=kill)

            def stop():
                lost.send_signal(signal.SIGSTOP)
                killer.start()

            asked = at(8, stop, few)
            try:
                assert over_cluster(folder, asked, model, made.address, "killed") == COUNT
            finally:
                over.set()
                killer.join()

    assert held, "the lost worker had a picture"
    assert content(folder) == local["onnx_runtime"]
    assert sorted(noted(folder)) == sorted(few.ids), "each kept once"


@pytest.mark.slow
def test_a_worker_that_hangs_is_given_up_after_the_scheduler_s_own_time(
    model, few, folder, local, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "LOOK_S", 1.0)
    with scheduler(tmp_path, DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="8s") as made:
        hangs = made.start()
        made.start()
        made.wait_for(2)
        asked = at(8, lambda: hangs.send_signal(signal.SIGSTOP), few)
        assert over_cluster(folder, asked, model, made.address, "hangs") == COUNT
        assert hangs.poll() is None
    assert content(folder) == local["onnx_runtime"]
    assert sorted(noted(folder)) == sorted(few.ids), "each kept once"


@pytest.mark.slow
def test_a_worker_that_comes_late_gets_the_model_and_pictures(files, few, folder, local, tmp_path, monkeypatch):
    shutil.copy(files["onnx_runtime"], tmp_path / "elsewhere.onnx")
    monkeypatch.chdir(tmp_path)
    model = model_of(Path("/proc/self/cwd/elsewhere.onnx"))
    with scheduler(tmp_path) as made:
        made.start()

        def late():
            made.start()
            made.wait_for(2)

        asked = at(6, late, few)
        over_cluster(folder, asked, model, made.address, "late")

    assert content(folder) == local["onnx_runtime"]
    assert list(tmp_path.glob(f"worker1/**/{model.sha256}"))


@pytest.mark.slow
def test_a_late_worker_that_does_not_see_the_model_where_the_others_do_is_sent_it(
    files, few, folder, local, tmp_path, monkeypatch
):
    shutil.copy(files["onnx_runtime"], tmp_path / "elsewhere.onnx")
    monkeypatch.chdir(tmp_path)
    model = model_of(Path("/proc/self/cwd/elsewhere.onnx"))
    with scheduler(tmp_path) as made:
        first = made.start(cwd=tmp_path)

        def late():
            made.start()
            made.wait_for(2)
            first.kill()

        over_cluster(folder, at(6, late, few), model, made.address, "late")

    assert content(folder) == local["onnx_runtime"]
    assert list(tmp_path.glob(f"worker1/**/{model.sha256}"))


@pytest.mark.slow
def test_all_workers_lost_is_said_and_another_run_goes_on(model, few, folder, local, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_members, "WORKERS_WITHIN_S", 4)
    monkeypatch.setattr(cluster, "LOOK_S", 1.0)
    with scheduler(tmp_path) as made:
        lost = made.start()
        made.wait_for(1)
        asked = at(10, lost.kill, few)
        with pytest.raises(ClusterError, match=r"all workers .* are lost.*what is finished is kept"):
            over_cluster(folder, asked, model, made.address, "lost")
        assert len(noted(folder)) == 10
        made.start()
        made.wait_for(1)
        assert over_cluster(folder, few, model, made.address, "again") == 14
    assert content(folder) == local["onnx_runtime"]


@pytest.mark.slow
def test_a_lost_scheduler_is_said(model, few, folder, tmp_path):
    with scheduler(tmp_path) as made:
        made.start()
        made.wait_for(1)
        asked = at(10, made.scheduler.kill, few)
        with pytest.raises(
            ClusterError, match=r"the Dask scheduler at tcp://.* was lost; the finished pictures are kept"
        ):
            over_cluster(folder, asked, model, made.address, "lost")
    assert len(noted(folder)) == 10


@pytest.mark.slow
@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
def test_a_client_that_ends_half_way_loses_nothing(signal_sent, model, two, few, folder, local, tmp_path):
    client = tmp_path / "client.py"
    client.write_text(f"""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell has it ignored
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests" / "system")!r}]
from pathlib import Path
from test_cluster import at, model_of, over_cluster, pictures_of, read_devkit, read_port
devkit = read_devkit(Path("specimen/VOCdevkit"), read_port(Path("specimen/port.toml")).classes, limit={COUNT})
few = pictures_of(devkit)
end = at(12, lambda: os.kill(os.getpid(), {int(signal_sent)}), few)
model = model_of(Path({str(model.path)!r}))
over_cluster(Path({str(folder)!r}), end, model, {two.address!r}, "ended")
""")
    done = subprocess.run([sys.executable, client], cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert done.returncode == -signal_sent, done.stderr
    kept = len(noted(folder))
    assert kept in (10, 11, 12)
    assert over_cluster(folder, few, model, two.address, "on") == COUNT - kept
    assert content(folder) == local["onnx_runtime"]
    assert sorted(noted(folder)) == sorted(few.ids)


# -- what cannot be done is said -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_picture_that_kills_every_worker_is_named(model, few, folder, local, tmp_path):
    id = few.ids[5]
    path, size_wh = few.source(id)
    asked = at(5, lambda: (path, fatal.FatalSize(size_wh)), few)
    with scheduler(tmp_path, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1") as made:
        for _ in range(3):
            made.start()
        made.wait_for(3)
        with pytest.raises(ClusterError, match=rf"picture {id} failed .* on 2 different workers, .* died .*tcp://"):
            over_cluster(folder, asked, model, made.address, "fatal")
    assert set(few.ids[:5]) <= set(noted(folder))
    assert id not in noted(folder)
    assert all(local["onnx_runtime"][name] == data for name, data in content(folder).items())


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["truncated", "text", "gone", "another size"])
def test_a_picture_that_cannot_be_shown_is_named_as_in_a_local_run(damage, model, two, few, folder, tmp_path):
    id, bad = few.ids[10], tmp_path / "bad.jpg"
    path, size_wh = few.source(id)
    if damage != "gone":
        bad.write_bytes({"truncated": path.read_bytes()[:2000], "text": b"text"}.get(damage, path.read_bytes()))
    size_wh = (7, 7) if damage == "another size" else size_wh

    asked = at(10, lambda: (bad, size_wh), few)
    with pytest.raises(PictureError) as at_home:
        prepare(bad, id, size_wh, tiny.PORT.pictures)
    with pytest.raises(PictureError, match=r"bad\.jpg") as abroad:
        over_cluster(folder, asked, model, two.address, "bad")
    assert str(abroad.value) == str(at_home.value)
    assert set(few.ids[:10]) <= set(noted(folder))
    assert id in RunFolder(folder, tiny.PORT).incomplete(few.ids)


@pytest.mark.slow
def test_a_file_that_is_no_graph_is_named(two, few, folder, tmp_path):
    path = tmp_path / "twin.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(onnx_runtime.SessionError, match=r"cannot load .*twin\.onnx"):
        over_cluster(folder, few, model_of(path), two.address, "bad")
    assert content(folder) == {}


@pytest.mark.slow
def test_a_program_that_changed_is_not_run(files, two, few, folder, tmp_path, monkeypatch):
    """What arrives is held against the digest; so is what lies at the same path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "changed.onnx").write_bytes(files["onnx_runtime"].read_bytes() + b"\0")
    model = ModelFile("onnx_runtime", Path("/proc/self/cwd/changed.onnx"), sha256(b"as it was").hexdigest())
    with pytest.raises(ClusterError, match=r"worker tcp://.* received .*changed\.onnx with sha256 .*, but should"):
        over_cluster(folder, few, model, two.address, "changed")
    assert content(folder) == {}


@pytest.mark.slow
def test_a_worker_with_other_code_or_libraries_is_refused(model, few, folder, tmp_path):
    shutil.copytree(ROOT / "rfcn_lib", tmp_path / "checkout" / "rfcn_lib")
    with (tmp_path / "checkout" / "rfcn_lib" / "source" / "anchors.py").open("a") as file:
        file.write("\nTWO = 1 + 1\n")
    (tmp_path / "old" / "onnxruntime-1.0.0.dist-info").mkdir(parents=True)
    (tmp_path / "old" / "onnxruntime-1.0.0.dist-info" / "METADATA").write_text("Name: onnxruntime\nVersion: 1.0.0\n")
    run = (folder, few, model)
    with scheduler(tmp_path) as made:
        other = made.start(cwd=tmp_path / "checkout")
        made.wait_for(1)
        with pytest.raises(
            ClusterError, match=r"worker tcp://\S+ has another text of rfcn_lib/source/anchors\.py, .*same commit"
        ):
            over_cluster(*run, made.address, "other")
        other.kill()
        other.wait()
        old = made.start(PYTHONPATH=str(tmp_path / "old"))
        time.sleep(1)
        made.wait_for(1)
        with pytest.raises(
            ClusterError, match=r"worker tcp://\S+ has onnxruntime 1\.0\.0, but should have onnxruntime 1\.[1-9]"
        ):
            over_cluster(*run, made.address, "old")
        old.kill()
        old.wait()
        made.start(cwd=tmp_path, PYTHONPATH="")
        time.sleep(1)
        made.wait_for(1)
        with pytest.raises(ClusterError, match=r"worker tcp://\S+ cannot run this suite's code .*rfcn_lib"):
            over_cluster(*run, made.address, "none")
    assert content(folder) == {}


@pytest.mark.slow
def test_a_worker_that_comes_late_with_other_code_makes_no_dump(model, few, folder, local, tmp_path):
    shutil.copytree(ROOT / "rfcn_lib", tmp_path / "checkout" / "rfcn_lib")
    with (tmp_path / "checkout" / "rfcn_lib" / "source" / "anchors.py").open("a") as file:
        file.write("\nTWO = 1 + 1\n")
    with scheduler(tmp_path) as made:
        made.start()

        def late():
            made.start(cwd=tmp_path / "checkout")
            made.wait_for(2)

        asked = at(6, late, few)
        with pytest.raises(ClusterError, match=r"worker tcp://\S+ .*has another text of rfcn_lib/source/anchors\.py"):
            over_cluster(folder, asked, model, made.address, "late")
    assert all(local["onnx_runtime"][name] == data for name, data in content(folder).items())
    assert set(few.ids[:6]) <= set(noted(folder))


@pytest.mark.slow
def test_a_scheduler_without_workers_is_said(model, few, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_members, "WORKERS_WITHIN_S", 1)
    with scheduler(tmp_path) as made, pytest.raises(ClusterError, match=r"has no worker, waited 1 s; start some with"):
        over_cluster(folder, few, model, made.address, "none")


def test_an_address_where_nobody_answers_is_said(model, few, folder, monkeypatch):
    monkeypatch.setattr(cluster_members, "CONNECT_S", 1)
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1 .*--dask=ADDRESS"):
        over_cluster(folder, few, model, "tcp://127.0.0.1:1", "nobody")
