import errno
import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from rfcn_lib.errors import SuiteError
from rfcn_lib.store import store as store_module
from rfcn_lib.store.store import BUILDS_KEPT, Store, StoreError
from tests.support.builds import copied, left_over, made

# -- things to build: module-level functions, as in the project; `log` is text, so writing to it changes no key -------


def folder_of(target: Path, count: int, log: str) -> None:
    with Path(log).open("a") as file:
        file.write("made\n")
    (target / "deep").mkdir(parents=True)
    for number in range(count):
        (target / "deep" / f"{number}.txt").write_text(str(number))


def failing(target: Path, source: Path, how: str) -> None:
    target.write_text("half of it")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "source":
        source.write_text("another text")
        return
    if how == "nothing":
        target.unlink()
        return
    if how == "full":
        with Path("/dev/full").open("w") as full:
            full.write("x" * 100_000)
    raise RuntimeError(how)


@pytest.fixture
def store(root: Path) -> Store:
    return Store(root)


# -- once, and shown whole --------------------------------------------------------------------------------------------


def test_built_once_and_found_under_its_name(store: Store, root: Path, source: Path, log: str) -> None:
    path = store.build("rfcn.onnx", copied, source=source, log=log)
    assert path.read_text() == "weights"
    assert path.name == "rfcn.onnx"
    assert Store(root).build("rfcn.onnx", copied, source=source, log=log) == path
    assert made(log) == 1
    link = root / "rfcn.onnx"
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == path.resolve()
    moved = root.rename(root.with_name("moved"))  # a store can be carried elsewhere as a whole
    assert (moved / "rfcn.onnx").read_text() == "weights"
    Store(moved).build("rfcn.onnx", copied, source=source, log=log)
    assert made(log) == 1


def test_the_record_says_what_it_was_made_of(store: Store, source: Path, log: str) -> None:
    path = store.build("rfcn.onnx", copied, source=source, log=log, times=2)
    record = json.loads((path.parent / ".record.json").read_text())
    digest = hashlib.sha256(b"weights").hexdigest()
    assert record["ingredients"] == {"source": {"sha256": digest}, "log": log, "times": 2}
    assert record["files"] == {".": 14}
    assert set(record["code"]) >= {"builds.py"}
    assert record["key"].startswith(path.parent.name.rpartition("-")[2])
    assert record["seconds"] >= 0


def test_what_changes_the_result_makes_it_again(store: Store, source: Path, log: str) -> None:
    first = store.build("rfcn.onnx", copied, source=source, log=log)
    source.write_text("Weights")  # the same size, within the same moment
    second = store.build("rfcn.onnx", copied, source=source, log=log)
    third = store.build("rfcn.onnx", copied, source=source, log=log, times=2)
    assert [path.read_text() for path in (first, second, third)] == ["weights", "Weights", "WeightsWeights"]
    assert made(log) == 3


def test_the_way_back_to_an_older_build_costs_nothing(store: Store, root: Path, source: Path, log: str) -> None:
    for times in (1, 2, 1):
        path = store.build("rfcn.onnx", copied, source=source, log=log, times=times)
        assert (root / "rfcn.onnx").resolve() == path.resolve()
    assert made(log) == 2


def test_a_source_may_move_or_be_touched(store: Store, source: Path, log: str) -> None:
    store.build("rfcn.onnx", copied, source=source, log=log)
    source = source.rename(source.with_name("renamed.pth"))
    source.touch()
    store.build("rfcn.onnx", copied, source=source, log=log)
    assert made(log) == 1


def test_folders_are_built_under_nested_names(store: Store, root: Path, log: str) -> None:
    for count in (3, 3, 4):
        path = store.build("dumps/torch", folder_of, count=count, log=log)
        assert len(list((root / "dumps" / "torch" / "deep").iterdir())) == count
    assert made(log) == 2
    (path / "deep" / "0.txt").unlink()
    assert (store.build("dumps/torch", folder_of, count=4, log=log) / "deep" / "0.txt").read_text() == "0"


# -- interrupted, damaged, in the way ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "error", "sentence"),
    [
        ("interrupt", KeyboardInterrupt, None),
        ("by itself", RuntimeError, "by itself"),
        ("nothing", StoreError, "failing should have written rfcn.onnx to .*, but wrote nothing"),
        ("source", StoreError, "source changed while the suite made rfcn.onnx of it; start again"),
        (
            "full",
            StoreError,
            r"cannot write rfcn\.onnx below .*kept: No space left on device; free some space, or",
        ),
    ],
)
def test_a_build_that_fails_leaves_nothing(
    store: Store, root: Path, source: Path, how: str, error: type[BaseException], sentence: str | None
) -> None:
    with pytest.raises(error, match=sentence):
        store.build("rfcn.onnx", failing, source=source, how=how)
    assert left_over(root) == []
    assert not (root / "rfcn.onnx").is_symlink()


def test_other_errors_of_the_system_are_not_taken_for_a_full_disk(store: Store, tmp_path: Path, source: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.build("rfcn.onnx", copied, source=source, log=str(tmp_path / "no" / "such" / "log"))


@pytest.mark.parametrize("damage", ["record cut", "record gone", "record of another key", "file cut", "file gone"])
def test_a_damaged_build_is_made_again_and_said(
    store: Store, source: Path, log: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = store.build("rfcn.onnx", copied, source=source, log=log)
    record = path.parent / ".record.json"
    match damage:
        case "record cut":
            record.write_text(record.read_text()[:50])
        case "record gone":
            record.unlink()
        case "record of another key":
            record.write_text(record.read_text().replace('"key": "', '"key": "0'))
        case "file cut":
            path.write_text("weig")
        case "file gone":
            path.unlink()
    assert store.build("rfcn.onnx", copied, source=source, log=log).read_text() == "weights"
    assert made(log) == 2
    assert "is damaged; the store makes rfcn.onnx again" in capsys.readouterr().err
    store.build("rfcn.onnx", copied, source=source, log=log)
    assert made(log) == 2


@pytest.mark.parametrize(
    "name", ["", "/tmp/x", "../x", "a/../x", "a//b", "a/", ".hidden", "kept/x", "a b", "a\n", "a" * 101]
)
def test_names_stay_inside_the_store(store: Store, source: Path, log: str, name: str) -> None:
    with pytest.raises(StoreError, match="should be a relative path inside the store"):
        store.build(name, copied, source=source, log=log)


def test_what_others_put_into_the_folder_is_left_alone(store: Store, root: Path, source: Path, log: str) -> None:
    (root / "file.onnx").write_text("precious")
    (root / "folder.onnx").mkdir()
    (root / "link.onnx").symlink_to(source)
    (root / "inner").symlink_to(source.parent)
    for name in ("file.onnx", "folder.onnx", "link.onnx", "inner/rfcn.onnx", "file.onnx/rfcn.onnx"):
        with pytest.raises(StoreError, match=r"is in the way of the artifact .*; move it elsewhere"):
            store.build(name, copied, source=source, log=log)
    assert not Path(log).exists()  # refused before the work, not after it
    assert (root / "file.onnx").read_text() == "precious"
    assert (root / "link.onnx").readlink() == source
    store.build("outer", folder_of, count=1, log=log)
    with pytest.raises(StoreError, match="outer is in the way"):
        store.build("outer/rfcn.onnx", copied, source=source, log=log)


def test_a_store_needs_a_folder_to_write_in(tmp_path: Path, source: Path) -> None:
    for place in (source, source / "below", Path("/proc/nowhere")):
        with pytest.raises(StoreError, match=r"cannot keep artifacts: .*; pass --store=DIR, a folder to write in"):
            Store(place)
    if os.geteuid():  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(StoreError, match="Permission denied"):
            Store(tmp_path / "locked")


def test_what_cannot_be_part_of_a_key_is_refused(store: Store, source: Path, log: str) -> None:
    with pytest.raises(TypeError, match=r"ingredient times is <object .*, but should be"):
        store.build("rfcn.onnx", copied, source=source, log=log, times=object())
    with pytest.raises(TypeError, match="defined at module level"):
        store.build("rfcn.onnx", lambda target: target.write_text(log))
    with pytest.raises(StoreError, match=r"cannot read .*nowhere\.pth"):
        store.build("rfcn.onnx", copied, source=source.with_name("nowhere.pth"), log=log)


# -- more than one process --------------------------------------------------------------------------------------------


def test_the_link_is_valid_at_every_moment(store: Store, root: Path, source: Path, log: str) -> None:
    for times in (1, 2):
        store.build("rfcn.onnx", copied, source=source, log=log, times=times)
    seen: set[str] = set()
    stop = threading.Event()
    faults: list[BaseException] = []

    def look() -> None:
        try:
            while not stop.is_set():
                seen.add((root / "rfcn.onnx").read_text())
        except BaseException as error:
            faults.append(error)

    watcher = threading.Thread(target=look)
    watcher.start()
    for round_ in range(60):
        store.build("rfcn.onnx", copied, source=source, log=log, times=1 + round_ % 2)
    stop.set()
    watcher.join()
    assert not faults
    assert seen == {"weights", "weightsweights"}


# -- folders that fill up piece by piece ------------------------------------------------------------------------------


def test_pieces_survive_an_interruption(store: Store, root: Path, source: Path) -> None:
    def interrupted() -> None:
        with store.open_folder("dumps/torch", [copied], weights=source) as folder:
            (folder / "000001_1.bin").write_bytes(b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with Store(root).open_folder("dumps/torch", [copied], weights=source) as folder:
        assert [piece.name for piece in folder.iterdir()] == ["000001_1.bin"]
        assert (root / "dumps" / "torch").resolve() == folder.resolve()
        (folder / "000002_1.bin").write_bytes(b"2")
    (folder.parent / ".record.json").write_text("{")  # its own damage costs no piece
    with store.open_folder("dumps/torch", [copied], weights=source) as folder:
        assert len(list(folder.iterdir())) == 2


def test_pieces_of_another_source_are_other_pieces(store: Store, root: Path, source: Path) -> None:
    with store.open_folder("dumps/torch", [copied], weights=source) as first:
        (first / "000001_1.bin").write_bytes(b"1")
    source.write_text("other weights")
    with store.open_folder("dumps/torch", [copied], weights=source) as second:
        assert list(second.iterdir()) == []
    assert (root / "dumps" / "torch").resolve() == second.resolve()
    assert (first / "000001_1.bin").exists()


def test_pieces_made_while_their_source_changed_do_not_count(store: Store, root: Path, source: Path) -> None:
    def overtaken() -> None:
        with store.open_folder("dumps/torch", [copied], weights=source) as folder:
            (folder / "000001_1.bin").write_bytes(b"1")
            source.write_text("other weights")

    with pytest.raises(StoreError, match="weights changed while the suite made dumps/torch"):
        overtaken()
    assert [path.read_bytes() for path in root.rglob("000001_1.bin") if not path.is_symlink()] == [b"1"]


def test_what_changed_after_it_was_keyed_is_not_loaded(store: Store, source: Path) -> None:
    keyed = store.digests.of(source)
    assert store.digests.load_unchanged(source, source.read_text, keyed) == source.read_text()
    source.write_text("other weights")
    with pytest.raises(StoreError, match="changed after this run began, so nothing is made of it; start again"):
        store.digests.load_unchanged(source, source.read_text, keyed)

    def half_written() -> str:
        raise SuiteError("is no checkpoint")

    with pytest.raises(StoreError, match="changed after this run began"):
        store.digests.load_unchanged(source, half_written, keyed)
    with pytest.raises(SuiteError, match="is no checkpoint"):
        store.digests.load_unchanged(source, half_written, store.digests.of(source))


def test_a_full_disk_is_said_and_keeps_the_pieces(store: Store, source: Path) -> None:
    def filled_up() -> None:
        with store.open_folder("dumps/torch", [copied], weights=source) as folder:
            (folder / "000001_1.bin").write_bytes(b"1")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match="cannot write dumps/torch below"):
        filled_up()
    assert (store.root / "dumps" / "torch" / "000001_1.bin").exists()


def test_waiting_for_oneself_is_an_error_and_not_a_standstill(
    store: Store, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store_module, "SAY_WAITING_AFTER_S", 0.1)
    with store.open_folder("dumps/torch", [copied], weights=source), pytest.raises(RuntimeError, match=r"(?i)deadlock"):
        store.open_folder("dumps/torch", [copied], weights=source).__enter__()
    assert "waiting for another process that makes dumps/torch (lock file" in capsys.readouterr().err


# -- what stays -------------------------------------------------------------------------------------------------------


def aged(path: Path, days: float) -> Path:
    moment = time.time() - days * 24 * 3600
    os.utime(path.parent / ".record.json", (moment, moment))
    return path


def test_the_newest_builds_stay_and_what_is_locked_or_was_used_today(
    store: Store, root: Path, source: Path, log: str
) -> None:
    other = aged(store.build("rfcn.onnx-0123456789abcdef", copied, source=source, log=log), 90)
    with store.open_folder("rfcn.onnx", [copied], weights=source) as locked:
        aged(locked, 99)
        builds = [
            aged(store.build("rfcn.onnx", copied, source=source, log=log, times=n), 50 - n)
            for n in range(1, BUILDS_KEPT + 3)
        ]
        newest = store.build("rfcn.onnx", copied, source=source, log=log, times=100)
        assert [path.exists() for path in builds] == [False] * 3 + [True] * (BUILDS_KEPT - 1)
        assert newest.exists()
        assert other.exists()
        assert locked.exists()
    today = [store.build("rfcn.onnx", copied, source=source, log=log, times=n) for n in range(200, 210)]
    assert all(path.exists() for path in today)
    assert not any(path.exists() for path in builds)
    assert len(list((root / "kept" / ".scratch").iterdir())) == 0


def test_a_build_is_as_old_as_its_last_use(store: Store, source: Path, log: str) -> None:
    def build(times: int) -> Path:
        return store.build("rfcn.onnx", copied, source=source, log=log, times=times)

    builds = [aged(build(n), 50 - n) for n in range(1, BUILDS_KEPT + 1)]
    build(1)
    assert made(log) == BUILDS_KEPT
    build(100)
    assert [path.exists() for path in builds] == [True, False] + [True] * (BUILDS_KEPT - 2)


# -- names that the vendor's tools take --------------------------------------------------------------------------------


def test_no_path_of_the_store_holds_another_character_than_the_vendor_s_tools_take(
    store: Store, root: Path, source: Path, log: str
) -> None:
    built = store.build("fitted/208x192/copy.txt", copied, source=source, log=log)
    with store.open_folder("fitted/npu", [copied], source=source) as folder:
        pass
    for path in (built, folder):
        assert set(str(path.relative_to(root))) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./"
        )
