"""A folder of dumps is filled with what is missing, once, and an interruption costs one picture."""

import gc
import resource
import signal
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.records import Picture
from rfcn_lib.runs.filling import LEDGER, by_canvas, fill, made, missing, unfinished
from rfcn_lib.score.dump_audit import audit, read_dump
from rfcn_lib.score.dumps import DumpError, digest_of, file_names
from rfcn_lib.store.digests import Digests
from tests.support.fake_device import IDS, PORT, Bench, outputs_of, picture_of, port_of
from tests.support.small_disk import mounted


@pytest.fixture
def folder(tmp_path):
    """The folder of dumps; the ledger lies beside it."""
    (tmp_path / "dumps").mkdir()
    return tmp_path / "dumps"


def test_an_empty_folder_is_filled_in_the_order_of_the_ids(folder):
    bench = Bench()
    assert missing(folder, IDS, PORT) == IDS
    assert bench.fill(folder) == 4
    assert bench.prepared == bench.ran == list(IDS)
    assert made(folder) == {id: digest_of(folder, id) for id in IDS}
    assert missing(folder, IDS, PORT) == ()
    assert set(audit(folder, IDS, PORT)) == set(IDS)


def test_each_dump_is_its_own_picture_s(folder):
    Bench().fill(folder)
    for number, id in enumerate(IDS, start=1):
        want = outputs_of(np.full((1, 3, 2, 2), number, np.float32))
        got = read_dump(folder, id, PORT)
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
    assert missing(folder, IDS, PORT) == IDS[2:]
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
    assert missing(folder, IDS, PORT) == (IDS[1],)
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
    assert set(audit(folder, IDS, PORT)) == set(IDS), "and it is gone afterwards"


def test_other_files_in_the_folder_do_not_disturb(folder):
    (folder / "notes.txt").write_text("by hand")
    Bench().fill(folder, IDS[:1])
    assert (folder / "notes.txt").read_text() == "by hand"


def test_an_id_that_leads_out_of_the_folder_is_refused_before_the_device_starts(folder):
    bench = Bench()
    with pytest.raises(DumpError, match="cannot name a dump"):
        bench.fill(folder, ("../000001",))
    assert (bench.started, bench.prepared) == (0, [])


# -- the next picture is prepared while this one runs ----------------------------------------------------------------

LONG_S = 30  # of waiting for what happens at once


def test_the_next_picture_is_prepared_while_the_device_runs_and_no_more(folder):
    bench, begun = Bench(), {id: threading.Event() for id in IDS}

    def prepare(id):
        begun[id].set()
        return bench.prepare(id)

    def run(im_data, picture):
        at = IDS.index(picture.id)
        if at + 1 < len(IDS):
            assert begun[IDS[at + 1]].wait(LONG_S), "the device waits for the next picture, and it is on its way"
        if at + 2 < len(IDS):
            assert not begun[IDS[at + 2]].wait(0.05), "and the one after it is not"
        return bench.run(im_data, picture)

    assert fill(folder, IDS, PORT, prepare, lambda: run, "dumps") == len(IDS)
    assert bench.ran == list(IDS)


def test_two_prepared_pictures_are_in_memory_whatever_their_number(folder):
    ids, alive, most = [f"{k:06}" for k in range(40)], weakref.WeakSet(), []

    class Canvas(np.ndarray):
        """An array that can be counted."""

    def prepare(id):
        canvas = np.full((1, 3, 2, 2), int(id), np.float32).view(Canvas)
        alive.add(canvas)
        most.append(len(alive))
        return canvas, picture_of(id)

    Canvas.__hash__ = object.__hash__
    Canvas.__eq__ = object.__eq__
    gc.collect()
    fill(folder, ids, PORT, prepare, lambda: lambda im_data, picture: outputs_of(np.asarray(im_data)), "dumps")
    assert len(most) == 40
    assert max(most) == 2


@pytest.mark.parametrize("at", range(len(IDS)))
def test_a_picture_that_cannot_be_prepared_costs_none_before_it(folder, at, capsys):
    bench = Bench()

    def prepare(id):
        if id == IDS[at]:
            raise PictureError(f"{id}.jpg cannot be decoded")
        return bench.prepare(id)

    with pytest.raises(PictureError, match=rf"^{IDS[at]}.jpg cannot be decoded$"):
        fill(folder, IDS, PORT, prepare, bench.device, "dumps")
    assert bench.ran == list(IDS[:at])
    assert tuple(made(folder)) == IDS[:at]
    assert unfinished(folder, IDS, PORT) == IDS[at:]
    said = f"dumps: stopped with {at} of 4 pictures finished; they are kept in {folder}, and the same command goes on"
    assert said in capsys.readouterr().err
    again = Bench()
    assert again.fill(folder) == len(IDS) - at
    assert again.ran == list(IDS[at:])


def test_stopping_does_not_wait_for_the_picture_that_is_being_prepared(folder):
    bench, begun, release = Bench(), threading.Event(), threading.Event()

    def prepare(id):
        if id == IDS[1]:
            begun.set()
            release.wait(LONG_S)
        return bench.prepare(id)

    def run(im_data, picture):
        begun.wait(LONG_S)
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            fill(folder, IDS, PORT, prepare, lambda: run, "dumps")
        assert bench.prepared == [IDS[0]], "the second one is still under way"
    finally:
        release.set()


# -- the ledger ------------------------------------------------------------------------------------------------------


def test_a_ledger_torn_anywhere_costs_the_torn_picture_alone(folder):
    Bench().fill(folder)
    ledger = folder.parent / LEDGER
    whole, lines = ledger.read_bytes(), ledger.read_bytes().splitlines(keepends=True)
    want = dict(made(folder))
    ends = {sum(map(len, lines[: k + 1])) + near for k in range(len(lines)) for near in (-2, -1, 0, 1)}
    for length in sorted({*range(0, len(whole), 19), *ends} & set(range(len(whole)))):
        ledger.write_bytes(whole[:length])
        intact = [k for k in range(len(lines)) if length >= sum(map(len, lines[: k + 1])) - 1]  # its end may be lacking
        assert unfinished(folder, IDS, PORT) == tuple(id for k, id in enumerate(IDS) if k not in intact)
        assert Bench().fill(folder) == len(IDS) - len(intact)
        assert made(folder) == want, "nothing is glued to the torn line"
        assert Bench().fill(folder) == 0


@pytest.mark.parametrize(
    "line", [b"\0" * 100, b"\xff\xfe garbage", b"000001 ABC", b"000001", b"", b"000001 - -", b"000001 " + b"g" * 64]
)
def test_what_is_no_line_of_a_ledger_says_nothing(folder, line):
    Bench().fill(folder)
    want = dict(made(folder))
    with (folder.parent / LEDGER).open("ab") as file:
        file.write(line + b"\n")
    assert made(folder) == want


def test_a_finished_dump_without_its_line_is_made_again_and_a_line_without_its_dump_does_not_count(folder):
    Bench().fill(folder)
    ledger = folder.parent / LEDGER
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(lines[1:]))
    (folder / file_names(IDS[3])[1]).unlink()
    bench = Bench()
    assert bench.fill(folder) == 2
    assert bench.ran == [IDS[0], IDS[3]]
    assert made(folder) == {id: digest_of(folder, id) for id in IDS}


# -- a dump belongs to its JPEG --------------------------------------------------------------------------------------


@pytest.fixture
def jpegs(tmp_path):
    """jpegs(ids): digests of files that stand for the pictures; jpegs.path(id): where one lies."""
    digests = Digests(tmp_path / "digests.sqlite")
    (tmp_path / "JPEGImages").mkdir()
    path = lambda id: tmp_path / "JPEGImages" / f"{id}.jpg"  # noqa: E731
    for id in IDS:
        path(id).write_text(f"picture {id}")
    of_each = lambda ids: digests.of_each(path(id) for id in ids)  # noqa: E731
    of_each.path = path
    return of_each


def test_a_changed_jpeg_is_done_again_and_no_other(folder, jpegs):
    assert Bench().fill(folder, jpegs=jpegs) == 4
    assert Bench().fill(folder, jpegs=jpegs) == 0
    jpegs.path(IDS[2]).write_text("repaired")
    bench = Bench()
    assert bench.fill(folder, jpegs=jpegs) == 1
    assert bench.ran == [IDS[2]]
    assert Bench().fill(folder, jpegs=jpegs) == 0


def test_a_jpeg_that_changes_while_it_is_read_is_not_kept_under_the_old_name(folder, jpegs):
    bench = Bench()

    def prepare(id):
        if id == IDS[1]:
            jpegs.path(id).write_text("another picture")
        return bench.prepare(id)

    with pytest.raises(PictureError, match=f"the JPEG of {IDS[1]} changed while it was read"):
        fill(folder, IDS, PORT, prepare, bench.device, "dumps", jpegs=jpegs)
    assert tuple(made(folder)) == IDS[:1]
    assert Bench().fill(folder, jpegs=jpegs) == 3


def test_a_jpeg_that_changes_after_its_turn_is_noticed_at_the_end(folder, jpegs):
    bench = Bench()

    def prepare(id):
        if id == IDS[3]:
            jpegs.path(IDS[0]).write_text("another picture")
        return bench.prepare(id)

    with pytest.raises(PictureError, match=f"1 of 4 pictures changed after .*: {IDS[0]};"):
        fill(folder, IDS, PORT, prepare, bench.device, "dumps", jpegs=jpegs)
    again = Bench()
    assert again.fill(folder, jpegs=jpegs) == 1
    assert again.ran == [IDS[0]]


# -- killed at every step --------------------------------------------------------------------------------------------

STEP_BY_STEP = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from tests.support.fake_device import Bench
from rfcn_lib.runs.filling import made, missing
from rfcn_lib.score.dumps import digest_of

folder = Path({folder!r})
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
        bench = Bench()
        {unsteady}
        os._exit(0 if bench.fill(folder, {ids!r}) else 7)
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


@pytest.mark.parametrize("between", ["pass", "__import__('shutil').rmtree(folder); folder.mkdir()"], ids=["on", "anew"])
def test_a_kill_before_any_step_of_writing_loses_nothing_finished(folder, tmp_path, between):
    """SIGKILL before the first, second, ... opening, renaming or removing of a file; the run after each goes on."""
    other = tmp_path / "undisturbed" / "dumps"
    other.mkdir(parents=True)
    Bench().fill(other, IDS[:2])
    code, kills, said = step_by_step(folder, IDS[:2], between)

    assert code in (0, 7), said  # 7: the last but one finished everything, and the last had nothing to do
    assert len(kills) > 10, said
    assert {status for _, status in kills[:-1]} == {-signal.SIGKILL}
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in other.iterdir())
    assert made(folder) == made(other) == {id: digest_of(folder, id) for id in IDS[:2]}
    assert Bench().fill(folder, IDS[:2]) == 0


def test_files_of_two_makings_never_count_as_one_dump(folder):
    """A device that answers differently each time, and a file that is lost each time: the others are remade as well."""
    Bench().fill(folder, IDS[:2])
    check = (
        f"from tests.support.fake_device import PORT; lost = missing(folder, {IDS[:2]!r}, PORT); "
        "assert all(digest_of(folder, id) == sha256 for id, sha256 in made(folder).items() if id not in lost), dies_at; "
        "(folder / '000001_2.bin').unlink(missing_ok=True)"
    )
    unsteady = "prepare = bench.prepare; bench.prepare = lambda id: (prepare(id)[0] + dies_at, prepare(id)[1])"
    code, kills, said = step_by_step(folder, IDS[:2], check, unsteady)

    assert code == 0, said
    assert len(kills) > 5


def test_what_a_kill_left_of_pictures_that_are_not_asked_for_any_more_is_swept(folder):
    Bench().fill(folder, IDS[:2])
    (folder / f".{file_names(IDS[3])[0]}.partial").write_bytes(b"half")
    assert Bench().fill(folder, IDS[:2]) == 0
    assert set(audit(folder, IDS[:2], PORT)) == set(IDS[:2])


# -- a full disk -----------------------------------------------------------------------------------------------------


def test_a_disk_that_cannot_hold_what_is_missing_is_said_before_anything_is_done(folder):
    bench = Bench()
    huge = port_of(10**12)
    with pytest.raises(DumpError) as caught:
        fill(folder, IDS, huge, bench.prepare, bench.device, "dumps/torch")
    said = str(caught.value)
    assert said.startswith("dumps/torch: the dumps of 4 pictures need ")
    assert "--store=DIR on another disk" in said
    assert (bench.started, bench.prepared) == (0, [])


def test_a_file_that_may_not_grow_is_said_and_costs_none_before_it(folder):
    """The limit of a file's size stands for a quota: the third file of a picture is beyond it."""
    bench, limits = Bench(), resource.getrlimit(resource.RLIMIT_FSIZE)

    def run(im_data, picture):
        if picture.id == IDS[2]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        return bench.run(im_data, picture)

    try:
        with pytest.raises(DumpError) as caught:
            fill(folder, IDS, PORT, bench.prepare, lambda: run, "dumps")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = str(caught.value)
    assert f"cannot write {folder / file_names(IDS[2])[2]}: File too large; free some space, or choose another" in said
    assert sorted(path.name for path in folder.iterdir()) == sorted([*file_names(IDS[0]), *file_names(IDS[1])])
    assert Bench().fill(folder) == 2


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "1m") as place:
        yield place


def test_a_disk_that_fills_up_is_said_and_the_next_run_goes_on_when_there_is_room(small_disk):
    folder, ballast, bench = small_disk / "dumps", small_disk / "ballast", Bench()
    folder.mkdir()

    def run(im_data, picture):
        if picture.id == IDS[2]:  # somebody else takes the rest
            with pytest.raises(OSError, match="No space left"):
                ballast.write_bytes(bytes(2_000_000))
        return bench.run(im_data, picture)

    with pytest.raises(
        DumpError, match=r"No space left on device; free some space, or choose another disk \(--store=DIR"
    ):
        fill(folder, IDS, PORT, bench.prepare, lambda: run, "dumps")
    assert missing(folder, IDS, PORT) == IDS[2:]
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []
    with pytest.raises(
        DumpError, match=r"the dumps of 2 pictures need 0\.0 MB, but the disk of .* has 0\.0 MB left; free"
    ):
        Bench().fill(folder)
    ballast.unlink()
    assert Bench().fill(folder) == 2
    assert made(folder) == {id: digest_of(folder, id) for id in IDS}


def test_one_canvas_at_a_time_is_started_and_given_back():
    log = []

    class Started:
        def __init__(self, canvas):
            self.canvas = canvas
            log.append(f"start {canvas}")

        def __del__(self):
            log.append(f"end {self.canvas}")

        def __call__(self, im_data, picture):
            return picture.id

    run = by_canvas(Started)
    shown = [("a", (16, 16)), ("b", (16, 16)), ("c", (32, 16)), ("d", (16, 16))]
    assert [run(None, Picture(id, (8, 8), (8, 8), canvas, 1.0)) for id, canvas in shown] == ["a", "b", "c", "d"]
    assert log == ["start (16, 16)", "end (16, 16)", "start (32, 16)", "end (32, 16)", "start (16, 16)"]
