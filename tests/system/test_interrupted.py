"""A run that is ended at any moment, or by a full disk, keeps what was finished, and the next run makes only the rest."""

import shutil
import signal
import subprocess
import sys
import time

import pytest

from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.dumps import DumpError, digest_of
from tests.support.fake_device import IDS, PORT, FakeModel, FakePictures, make_dumps
from tests.support.small_disk import mounted

LONG_S = 30  # of waiting for what happens at once


@pytest.fixture
def folder(tmp_path):
    """The folder of dumps; made.txt lies beside it."""
    path = tmp_path / "run" / "dumps"
    path.mkdir(parents=True)
    return path


def made(folder):
    return RunFolder(folder, PORT).digests()


# -- killed at every write -------------------------------------------------------------------------------------------

STEP_BY_STEP = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from tests.support.fake_device import PORT, FakePictures, make_dumps
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.dumps import digest_of

path = Path({folder!r})
for dies_at in range(1, 1000):
    child = os.fork()
    if child == 0:
        steps = 0
        def count(event, arguments):
            global steps
            if event in ("open", "os.rename", "os.remove") and str({root!r}) in str(arguments[0]):
                steps += 1
                if steps == dies_at:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        pictures = FakePictures({ids!r})
        {unsteady}
        os._exit(0 if make_dumps(path, pictures) else 7)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(dies_at, status, flush=True)
    if status >= 0:
        sys.exit(status)
    {between}
"""


def step_by_step(folder, ids, between, unsteady="pass"):
    path = [entry for entry in sys.path if entry]
    program = STEP_BY_STEP.format(
        path=path, folder=str(folder), root=str(folder.parent), ids=ids, between=between, unsteady=unsteady
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    return done.returncode, [tuple(map(int, line.split())) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.parametrize("between", ["pass", "__import__('shutil').rmtree(path); path.mkdir()"], ids=["on", "anew"])
def test_a_kill_before_any_step_of_writing_loses_nothing_finished(folder, tmp_path, between):
    """SIGKILL before the first, second, ... opening, renaming or removing of a file; the run after each goes on."""
    other, pictures = tmp_path / "undisturbed" / "dumps", FakePictures(IDS[:2])
    other.mkdir(parents=True)
    make_dumps(other, pictures)
    code, kills, said = step_by_step(folder, IDS[:2], between)

    assert code in (0, 7), said  # 7: the last but one finished everything, and the last had nothing to do
    assert len(kills) > 10, said
    assert {status for _, status in kills[:-1]} == {-signal.SIGKILL}
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in other.iterdir())
    assert made(folder) == made(other) == {id: digest_of(folder, id) for id in IDS[:2]}
    assert make_dumps(folder, pictures) == 0


def test_files_of_two_runs_never_count_as_one_dump(folder, tmp_path):
    """A model that answers differently each time makes a lost file again, killed at each step from the same start."""
    make_dumps(folder, FakePictures(IDS[:2]))
    (folder / "000001_2.bin").unlink()
    shutil.copytree(folder.parent, tmp_path / "start")
    check = (
        f"it = RunFolder(path, PORT); lost = it.incomplete({IDS[:2]!r}); "
        "assert all(digest_of(path, id) == sha256 for id, sha256 in it.digests().items() if id not in lost), dies_at; "
        f"import shutil; shutil.rmtree(path.parent); shutil.copytree({str(tmp_path / 'start')!r}, path.parent)"
    )
    unsteady = "load = pictures.load; pictures.load = lambda id: (load(id)[0] + dies_at, load(id)[1])"
    code, kills, said = step_by_step(folder, IDS[:2], check, unsteady)

    assert code == 0, said
    assert len(kills) > 12, "each opening, renaming and removing"


# -- Ctrl-C ----------------------------------------------------------------------------------------------------------

INTERRUPTED = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell has it ignored
sys.path[:0] = {path!r}
from tests.support.fake_device import IDS, FakeModel, make_dumps

class Slow(FakeModel):
    def run(self, im_data, picture):
        outputs = super().run(im_data, picture)
        if picture.id == IDS[2]:
            print("third", flush=True)
            time.sleep(60)
        return outputs

make_dumps(Path({folder!r}), model=Slow())
"""


def test_ctrl_c_stops_and_says_how_to_go_on(folder):
    program = INTERRUPTED.format(path=[entry for entry in sys.path if entry], folder=str(folder))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "third\n"
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONG_S)

    assert time.monotonic() - started < LONG_S, "it did not sleep on"
    assert f"dumps: stopped with 2 of 4 pictures finished; they are kept in {folder}, and the same command goes" in said
    assert process.returncode in (130, -signal.SIGINT)
    again = FakeModel()
    assert make_dumps(folder, model=again) == 2
    assert again.ran == list(IDS[2:])


# -- a full disk -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "1m") as place:
        yield place


def test_a_disk_that_fills_up_is_said_and_the_next_run_goes_on_when_there_is_room(small_disk):
    folder, ballast, model = small_disk / "dumps", small_disk / "ballast", FakeModel()
    folder.mkdir()
    run = model.run

    def crowded(im_data, picture):
        if picture.id == IDS[2]:  # somebody else takes the rest
            with pytest.raises(OSError, match="No space left"):
                ballast.write_bytes(bytes(2_000_000))
        return run(im_data, picture)

    model.run = crowded
    with pytest.raises(
        DumpError, match=r"No space left on device; free some space, or choose another disk \(--store=DIR"
    ):
        make_dumps(folder, model=model)
    assert RunFolder(folder, PORT).finished(IDS) == IDS[:2]
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []
    with pytest.raises(
        DumpError, match=r"the dumps of 2 pictures need 0\.0 MB, but the disk of .* has 0\.0 MB left; free"
    ):
        make_dumps(folder)
    ballast.unlink()
    assert make_dumps(folder) == 2
    assert made(folder) == {id: digest_of(folder, id) for id in IDS}
