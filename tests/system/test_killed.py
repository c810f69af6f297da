"""A run that is killed again and again ends where an undisturbed one ends: same bytes, nothing twice, nothing left over.

Real processes fill a store with the specimen's dumps by ONNX Runtime, and die by SIGKILL, with their process group,
while they start, load, run, write a dump or write made.txt. The libraries are imported once, by the process that
forks them; some are started from nothing all the same.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from rfcn_lib.runs.folder import MADE, RunFolder
from rfcn_lib.score.dump_audit import audit
from rfcn_lib.score.dumps import digest_of, file_names
from tests.support.places import ROOT

KILLS, PICTURES, SEED = 12, 12, 2007
PHASES = ("any time", "writing a dump", "writing made.txt", "cold start")

FILLS = """
import os, sys
from pathlib import Path

from rfcn_lib.devices import onnx_runtime
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import read_port
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.local import LocalEngine
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.store.code import code_behind
from rfcn_lib.store.store import Store

root, twin, port_path, devkit_path = map(Path, sys.argv[1:5])
port = read_port(port_path)
devkit = read_devkit(devkit_path, port.classes, limit=int(sys.argv[5]))

def run():
    store = Store(root)
    pictures = Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, store.digests.of_each)
    engine = LocalEngine(lambda canvas_wh: onnx_runtime.load_model(twin))
    code = [onnx_runtime, "rfcn_lib.pictures.preprocess"]
    with store.open_folder("dumps/onnxruntime", code, twin=twin, pictures=port.pictures) as folder:
        return run_missing(RunFolder(folder, port), pictures, engine, "dumps")

if sys.argv[6:] == ["once"]:
    run()
    sys.exit()
code_behind(onnx_runtime)  # read once, here
print("ready", flush=True)
while sys.stdin.readline():
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os._exit(100 + min(run(), 100))
    os.setpgid(child, child)
    print(child, flush=True)
    sys.stdin.readline()  # until then the child, ended or not, keeps its id
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Filler:
    """Processes that fill one store."""

    def __init__(self, root, twin, said):
        paths = (root, twin, ROOT / "specimen" / "port.toml", ROOT / "specimen" / "VOCdevkit")
        self.words = [sys.executable, "-c", FILLS, *map(str, paths), str(PICTURES)]
        self.root, self.said = root, said
        self.forks = subprocess.Popen(
            self.words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        )
        assert self.forks.stdout.readline() == "ready\n"

    def run(self, moment=None):
        """How many pictures a run made, or -9. `moment(runs)` returns when it is to be killed; `runs()`: while it runs."""
        self.forks.stdin.write("\n")
        self.forks.stdin.flush()
        child = int(self.forks.stdout.readline())
        if moment:
            moment(lambda: Path(f"/proc/{child}/stat").read_text().split(")")[-1].split()[0] not in "ZX")
            os.killpg(child, signal.SIGKILL)
        self.forks.stdin.write("\n")
        self.forks.stdin.flush()
        status = int(self.forks.stdout.readline())
        return status if status < 0 else status - 100

    def cold(self, seconds):
        """A process from nothing, killed after `seconds`."""
        process = subprocess.Popen(
            [*self.words, "once"], cwd=ROOT, start_new_session=True, stdout=self.said, stderr=self.said
        )
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    @property
    def folder(self):
        return (self.root / "dumps" / "onnxruntime").resolve()

    def close(self):
        self.forks.stdin.close()
        self.forks.stdout.close()
        self.forks.wait()


@pytest.fixture
def filler(twin, tmp_path):
    started = []
    with (tmp_path / "said.txt").open("w") as said:

        def start(name):
            started.append(Filler(tmp_path / name, next(iter(twin.values())), said))
            return started[-1]

        yield start
        for one in started:
            one.close()


def stamps(folder, ids):
    found = {}
    for id in ids:
        status = [(folder / name).stat() for name in file_names(id)]
        found[id] = [(one.st_ino, one.st_mtime_ns) for one in status]
    return found


def size_of(made):
    return made.stat().st_size if made.exists() else 0


def half_written(folder):
    with contextlib.suppress(FileNotFoundError):
        return any(path.name.endswith(".partial") for path in folder.iterdir())
    return False


def files_of(root):
    """What lies in a store, without what processes share on the way."""
    kept = (path for path in (root / "kept").rglob("*") if ".locks" not in path.parts)
    return sorted(str(path.relative_to(root)) for path in kept if not path.name.startswith(".digests.sqlite"))


@pytest.mark.slow
def test_killed_at_any_moment_a_run_ends_as_an_undisturbed_one(filler, tmp_path, port, devkit, pytestconfig):
    if pytestconfig.getoption("--weights") or pytestconfig.getoption("--devkit"):
        pytest.skip("kills are tried on the specimen alone; run without --weights and --devkit")
    ids, draws = devkit.all_ids[:PICTURES], random.Random(SEED)
    undisturbed, victim = filler("undisturbed"), filler("killed")
    assert undisturbed.run() == PICTURES

    kills, tries = Counter(), 0
    while kills.total() < KILLS:
        folder, made = victim.folder, victim.folder.parent / MADE
        finished = RunFolder(folder, port).finished(ids) if folder.is_dir() else ()
        if len(finished) > PICTURES - 3:  # done too early: some are taken away again
            for id in draws.sample(ids, 5):
                for name in draws.sample(file_names(id), draws.randint(1, 3)):
                    (folder / name).unlink(missing_ok=True)
            finished = RunFolder(folder, port).finished(ids)
        before = stamps(folder, finished)
        size, phase = size_of(made), min(PHASES, key=lambda phase: kills[phase])  # each phase as often as the others
        later_s = draws.uniform(0, 0.8 if phase == "any time" else 0.004)

        def moment(runs, phase=phase, later_s=later_s, made=made, size=size):
            reached = {
                "any time": lambda: True,
                "writing a dump": lambda: half_written(victim.folder),
                "writing made.txt": lambda: size_of(made) > size,
            }[phase]
            while runs() and not reached():
                pass
            time.sleep(later_s)

        status = victim.cold(draws.uniform(0, 1.5)) if phase == "cold start" else victim.run(moment)
        tries += 1
        kills[phase] += status == -signal.SIGKILL
        assert tries < 5 * KILLS, f"the run is over too soon to be killed: {kills}"
        assert status == -signal.SIGKILL or 0 <= status <= PICTURES, (tmp_path / "said.txt").read_text()
        assert stamps(victim.folder, finished) == before, "a finished picture was made twice"

    assert set(kills.values()) == {KILLS // len(PHASES)}
    assert 0 <= victim.run() <= PICTURES
    assert victim.run() == 0
    assert audit(victim.folder, ids, port) == audit(undisturbed.folder, ids, port)
    digests = [RunFolder(filler.folder, port).digests() for filler in (victim, undisturbed)]
    assert digests[0] == digests[1] == {id: digest_of(victim.folder, id) for id in ids}
    assert files_of(victim.root) == files_of(undisturbed.root)
