import hashlib
import os
import sqlite3
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rfcn_lib import boxes, port
from rfcn_lib.store import digests
from rfcn_lib.store.code import code_behind
from rfcn_lib.store.digests import Digests, StoreError, files_below


@pytest.fixture
def memo(tmp_path: Path) -> Path:
    return tmp_path / "digests.sqlite"


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once; otherwise every test here would have to wait for two seconds."""
    monkeypatch.setattr(digests, "SETTLED_AFTER_NS", -(10**12))


def remembered(memo: Path) -> dict[str, str]:
    db = sqlite3.connect(memo)
    try:
        return dict(db.execute("select path, sha256 from digests"))
    finally:
        db.close()


def test_a_file_has_the_digest_everybody_knows(tmp_path: Path, memo: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert Digests(memo).of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "large").write_bytes(bytes(range(256)) * 9000)  # more than one block of reading
    assert Digests(memo).of(tmp_path / "large") == hashlib.sha256(bytes(range(256)) * 9000).hexdigest()


def test_a_folder_is_its_names_and_contents_and_nothing_else(tmp_path: Path, memo: Path) -> None:
    def folder(name: str, **files: str) -> str:
        for path, text in files.items():
            place = tmp_path / name / path.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return Digests(memo).of(tmp_path / name)

    first = folder("first", a="1", b__c="2")
    assert folder("same", b__c="2", a="1") == first
    others = [folder("1", a="2", b__c="1"), folder("2", a="1", b__d="2"), folder("3", a="1"), folder("4", a="1", c="2")]
    assert len({first, *others}) == 5


def test_a_known_file_is_not_read_again_until_it_changes(tmp_path: Path, memo: Path, settled: None) -> None:
    file = tmp_path / "weights"
    file.write_text("one")
    before = Digests(memo).of(file)
    db = sqlite3.connect(memo)
    with db:
        db.execute("update digests set sha256 = 'from the memo'")
    db.close()
    assert Digests(memo).of(file) == "from the memo"
    status = file.stat()
    file.write_text("two")  # same size, and mtime set back: ctime still tells
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Digests(memo).of(file) == hashlib.sha256(b"two").hexdigest() != before
    assert remembered(memo) == {str(file): hashlib.sha256(b"two").hexdigest()}


def test_a_rewritten_memo_deceives_nobody_who_does_not_believe_it(tmp_path: Path, memo: Path, settled: None) -> None:
    """As --accept does: the digest is of the bytes that lie there, and each file is read once in the process."""
    file = tmp_path / "weights"
    file.write_text("one")
    Digests(memo).of(file)
    with sqlite3.connect(memo) as db:
        db.execute("update digests set sha256 = 'what somebody would like'")
    db.close()
    assert Digests(memo).of(file) == "what somebody would like"
    digests = Digests(memo, believed=False)

    assert digests.of(file) == hashlib.sha256(b"one").hexdigest()
    assert remembered(memo) == {str(file): hashlib.sha256(b"one").hexdigest()}, "the next run is told the truth"
    with sqlite3.connect(memo) as db:
        db.execute("update digests set sha256 = 'while the run is under way'")
    db.close()
    assert digests.of(file) == hashlib.sha256(b"one").hexdigest()


def test_a_file_touched_just_now_is_not_remembered(tmp_path: Path, memo: Path) -> None:
    (tmp_path / "weights").write_text("one")
    Digests(memo).of(tmp_path / "weights")
    assert remembered(memo) == {}


def test_a_damaged_or_locked_memo_costs_time_only(tmp_path: Path, memo: Path, settled: None) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    memo.write_bytes(b"not a database at all" * 100)
    right = hashlib.sha256(b"abc").hexdigest()
    assert Digests(memo).of(tmp_path / "abc") == right
    assert remembered(memo) == {str(tmp_path / "abc"): right}  # a new one was started
    assert Digests(tmp_path / "no" / "such" / "folder" / "memo").of(tmp_path / "abc") == right


def test_linked_folders_are_read_and_loops_refused(tmp_path: Path, memo: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "000001.jpg").write_text("pixels")
    (tmp_path / "devkit").mkdir()
    (tmp_path / "devkit" / "JPEGImages").symlink_to(tmp_path / "elsewhere")
    assert [name for name, _ in files_below(tmp_path / "devkit")] == ["JPEGImages/000001.jpg"]
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"JPEGImages/back leads back to a folder above it"):
        Digests(memo).of(tmp_path / "devkit")


def test_what_cannot_be_read_is_named(tmp_path: Path, memo: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*weights\.pth: No such file or directory; is the path right\?"):
        Digests(memo).of(tmp_path / "weights.pth")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StoreError, match="pipe is neither a file nor a folder"):
        Digests(memo).of(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"cannot read .*dangling"):
        Digests(memo).of(tmp_path / "dangling")


@dataclass(frozen=True)
class Run:
    limit: int


@dataclass(frozen=True)
class Walk:
    limit: int


def test_values_that_differ_are_told_apart(tmp_path: Path, memo: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    published = port.read_port(port.PUBLISHED)
    narrow = published.pictures.model_copy(update={"short_side_px": 500})
    values: list[object] = [None, True, 1, 1.0, "1", [1], {"a": 1}, {"b": 1}, Run(1), Run(2), Walk(1)]
    values += [published, published.pictures, narrow, tmp_path / "a", tmp_path / "b", str(tmp_path / "a")]
    as_json = [digests.sha256_of(Digests(memo).as_json(value, "it")) for value in values]
    assert len(set(as_json)) == len(values)
    again = [digests.sha256_of(Digests(memo).as_json(value, "it")) for value in values]
    assert again == as_json


def test_values_that_are_the_same_are_told_alike(tmp_path: Path, memo: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("same")
    known = Digests(memo)
    assert known.as_json(tmp_path / "a", "it") == known.as_json(tmp_path / "b", "it")
    assert known.as_json((1, 2), "it") == known.as_json([1, 2], "it")
    one, other = known.as_json({"x": 1, "y": 2}, "it"), known.as_json({"y": 2, "x": 1}, "it")
    assert digests.sha256_of(one) == digests.sha256_of(other)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (np.zeros(3), "port"),
        (float("nan"), "port"),
        ([1, {2, 3}], r"port\[1\]"),
        ({"a": {1: 2}}, r"port\.a"),
        (Run(print), r"port\.limit"),  # type: ignore[arg-type]
        (Run, "port"),
    ],
)
def test_values_without_a_content_are_refused(memo: Path, value: object, where: str) -> None:
    with pytest.raises(TypeError, match=f"ingredient {where} is .*, but should be a path, a finite number"):
        Digests(memo).as_json(value, "port")


# -- code -------------------------------------------------------------------------------------------------------------


def test_code_is_followed_through_our_modules_and_out_to_the_libraries() -> None:
    files, libraries = code_behind(boxes.iou)
    assert set(files) == {"rfcn_lib/__init__.py", "rfcn_lib/boxes.py", "rfcn_lib/records.py"}
    assert libraries == {"numpy": f"numpy {np.__version__}"}
    assert code_behind(boxes) == (files, libraries)
    assert code_behind("rfcn_lib.boxes") == code_behind("rfcn_lib.boxes:iou") == (files, libraries)


def test_several_parts_are_one_code() -> None:
    files, libraries = code_behind(boxes, "rfcn_lib.spec")
    assert set(files) == {*code_behind(boxes)[0], "rfcn_lib/spec.py"}
    assert libraries == code_behind(boxes)[1]


def test_a_decorated_function_is_the_function_inside() -> None:
    @wraps(boxes.iou)
    def decorated(*args: Any) -> object:
        return boxes.iou(*args)

    assert code_behind(decorated) == code_behind(boxes.iou)


def test_code_with_hidden_values_is_refused() -> None:
    hidden = SimpleNamespace()

    def closure() -> object:
        return hidden

    for part in (closure, partial(print, 1), Run(1), Digests.of.__get__(hidden), len):
        with pytest.raises(TypeError, match="should be a module or a function defined at module level"):
            code_behind(part)  # type: ignore[arg-type]
    for name in ("rfcn_lib.no_such_module", "json", ""):
        with pytest.raises(TypeError, match="should name a module of rfcn_lib, but there is no"):
            code_behind(name)
    with pytest.raises(TypeError, match="should be defined in a file"):
        code_behind(eval("lambda: 1"))


def test_the_files_of_a_list_are_told_in_its_order(tmp_path):
    paths = [tmp_path / name for name in ("b", "a", "c")]
    for path in paths:
        path.write_text(path.name)
        os.utime(path, ns=(0, 0))
    digests = Digests(tmp_path / "memo.sqlite")
    assert digests.of_each(paths) == [digests.of(path) for path in paths]
    assert len(set(digests.of_each(iter(paths)))) == 3
    paths[1].unlink()
    with pytest.raises(StoreError, match=r"cannot read .*/a: No such file"):
        digests.of_each(paths)
