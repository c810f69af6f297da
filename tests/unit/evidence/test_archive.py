"""A file of evidence: equal members give equal bytes, every byte is checked, and a hostile zip is refused in time."""

import hashlib
import re
import stat
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.evidence.archive import Streamed, manifest_of, open_archive, write_archive
from rfcn_lib.evidence.layout import MOST_MEMBERS, NO_DATE, EvidenceError
from tests.support.evidence import long_word, patched_table, plain_zip, short_word

MEMBERS = {"truth/labels.u2": b"\1\0\2\0", "port.toml": b"name = 1\n", "candidate/scores.f4": bytes(range(40))}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "evidence.zip"
    return path, write_archive(path, MEMBERS)


def test_what_is_written_is_read_again_and_any_zip_library_reads_it(written):
    path, root = written
    found = open_archive(path, root)

    assert {name: found.read(name) for name in MEMBERS} == MEMBERS
    assert {name: b"".join(found.parts(name)) for name in MEMBERS} == MEMBERS
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*sorted(MEMBERS), "manifest.json"]
        assert hashlib.sha256(archive.read("manifest.json")).hexdigest() == root == found.root


def test_equal_members_give_equal_bytes_in_whatever_order_they_come(written, tmp_path):
    path, root = written
    streamed = {
        name: Streamed(len(data), lambda data=data: iter([data[:3], data[3:]])) for name, data in MEMBERS.items()
    }

    assert write_archive(tmp_path / "again.zip", dict(reversed(streamed.items()))) == root
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()


def test_every_byte_of_the_file_counts(written):
    """One bit of each byte, from the first to the last: members, headers, table, manifest."""
    path, _ = written
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        with pytest.raises(EvidenceError):
            open_archive(path)


@pytest.mark.parametrize("name", [*MEMBERS, "manifest.json"])
def test_the_error_names_the_member_that_was_changed(written, name):
    path, _ = written
    data = bytearray(path.read_bytes())
    data[open_archive(path).entries[name].data_offset] ^= 1
    path.write_bytes(data)

    with pytest.raises(EvidenceError, match=f"{re.escape(str(path))}.*{name}"):
        open_archive(path)


@given(cut=st.integers(1, 10**6), added=st.binary(min_size=1, max_size=40))
def test_a_file_that_was_cut_or_added_to_is_refused(tmp_path, cut, added):
    path = tmp_path / "evidence.zip"
    write_archive(path, MEMBERS)
    data = path.read_bytes()
    for changed in (data[: -(cut % len(data)) or -1], data + added, added + data):
        path.write_bytes(changed)
        with pytest.raises(EvidenceError):
            open_archive(path)


def test_another_digest_of_the_manifest_than_the_verdict_printed_is_refused(written):
    path, root = written
    with pytest.raises(
        EvidenceError, match=f"manifest.json has sha256 {root[:12]}, but --evidence-root says sha256 0000"
    ):
        open_archive(path, "0" * 64)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../../up", "a\\b", "C:evil", "é", "a//b", ".hidden", "a/.", "b" * 121, ""]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    path = tmp_path / "evidence.zip"
    plain_zip(path, [(zipfile.ZipInfo(name or "x"), b"1")])
    if not name:
        path.write_bytes(patched_table(path.read_bytes(), 28, short_word(0)))
    with pytest.raises(EvidenceError, match=r"names should be relative|has the flags"):
        open_archive(path)
    with pytest.raises(EvidenceError, match="names should be relative"):
        write_archive(path, {name: b"1"})


def link():
    entry = zipfile.ZipInfo("port.toml", NO_DATE)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entries", "arguments", "words"),
    [
        ([(link(), b"/etc/passwd")], {}, "port.toml is a link"),
        ([("port.toml", b"0" * 10**6)], {"compression": zipfile.ZIP_DEFLATED}, "port.toml is compressed by method 8"),
        ([("port.toml", b"0" * 10**6)], {"compression": zipfile.ZIP_LZMA}, "port.toml has the flags|by method 14"),
        ([("port.toml", b"1")], {}, "port.toml in the zip's table has other bytes"),  # a date
    ],
)
def test_members_of_another_kind_are_refused(tmp_path, entries, arguments, words):
    path = tmp_path / "evidence.zip"
    plain_zip(path, entries, **arguments)
    with pytest.raises(EvidenceError, match=words):
        open_archive(path)


@pytest.mark.parametrize(
    ("at", "new", "words"),
    [
        (8, short_word(1), "is encrypted"),
        (8, short_word(1 << 11), "flags 0x800, such as another encoding"),
        (10, short_word(99), "compressed by method 99"),
        (12, short_word(7), "other bytes than it should have"),  # its time
        (20, long_word(3), "packed"),
        (24, long_word(2**31), "packed"),
        (30, short_word(4), "extra field"),
        (32, short_word(4), "comment"),
        (42, long_word(5), "begins at byte 5"),
    ],
)
def test_another_word_in_the_table_is_named_with_its_member(written, at, new, words):
    path, _ = written
    path.write_bytes(patched_table(path.read_bytes(), at, new))
    with pytest.raises(EvidenceError, match=f"candidate/scores.f4.*{words}|{words}"):
        open_archive(path)


def test_a_size_that_is_only_said_allocates_nothing(written):
    """Two gigabytes in the table of a file of one kilobyte."""
    path, _ = written
    data = patched_table(patched_table(path.read_bytes(), 20, long_word(2**31 - 1)), 24, long_word(2**31 - 1))
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(EvidenceError, match="has not so many"):
        open_archive(path)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_a_bomb_of_nested_or_overlapping_members_is_refused(written):
    """Two lines of the table that point at the same data."""
    path, _ = written
    data = path.read_bytes()
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    path.write_bytes(data[: second + 42] + long_word(0) + data[second + 46 :])
    with pytest.raises(EvidenceError, match=r"port.toml begins at byte 0, but should at .* overlap"):
        open_archive(path)


def test_a_million_members_are_refused_by_their_number(written):
    path, _ = written
    data = path.read_bytes()
    for number in (65_535, MOST_MEMBERS + 1, 0):
        path.write_bytes(data[:-14] + short_word(number) * 2 + data[-10:])
        with pytest.raises(EvidenceError, match=r"says .* members"):
            open_archive(path)
    with pytest.raises(EvidenceError, match="more than such a file holds"):
        write_archive(path, {f"logs/{number}": b"" for number in range(MOST_MEMBERS)})


def test_a_name_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "evidence.zip"
    with pytest.warns(UserWarning, match="Duplicate name"):
        plain_zip(path, [(plain("a"), b"1"), (plain("a"), b"2")])
    with pytest.raises(EvidenceError, match=r"table has other bytes|there twice"):
        open_archive(path)
    write_archive(path, {"a": b"1", "b": b"2"})
    path.write_bytes(path.read_bytes().replace(b"\0b", b"\0a").replace(b"\x002", b"\x002"))
    with pytest.raises(EvidenceError):
        open_archive(path)


def plain(name):
    entry = zipfile.ZipInfo(name, NO_DATE)
    entry.create_system, entry.external_attr = 3, 0o100644 << 16
    return entry


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (b"{}", "manifest.json is of the format None"),
        (b"[" * 100_000, "manifest.json is no JSON"),
        (b'{"format": "rfcn evidence 1", "members": 3}', "manifest.json should name the sha256"),
        (b'{"format": "rfcn evidence 2", "members": {}}', "rfcn evidence 2"),
        (manifest_of({}), "member a has sha256 .*, but manifest.json says nothing"),
        (manifest_of({"a": "0" * 64}), "member a has sha256 6b86.*, but manifest.json says sha256 0000"),
        (manifest_of({"a": hashlib.sha256(b"1").hexdigest(), "b": "0" * 64}), "member b has nothing"),
        (manifest_of({"a": hashlib.sha256(b"1").hexdigest()}) + b" ", "manifest.json has other bytes"),
    ],
)
def test_a_manifest_that_says_another_thing_is_refused(tmp_path, manifest, words):
    path = tmp_path / "evidence.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(plain("a"), b"1")
        archive.writestr(plain("manifest.json"), manifest)
    with pytest.raises(EvidenceError, match=words):
        open_archive(path)


def test_what_is_no_such_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "empty.zip").touch()
    (tmp_path / "text.zip").write_text("no zip at all, but a text of some length", encoding="utf-8")
    for name, words in (
        ("empty.zip", "0 bytes"),
        ("text.zip", "does not end as such a zip"),
        ("absent.zip", "cannot be read"),
    ):
        with pytest.raises(EvidenceError, match=words):
            open_archive(tmp_path / name)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    def fails():
        yield b"1"
        raise OSError(28, "No space left on device")

    with pytest.raises(EvidenceError, match="No space left"):
        write_archive(tmp_path / "evidence.zip", {"a": Streamed(2, fails)})
    assert not list(tmp_path.iterdir())


def test_a_file_that_changes_while_it_is_used_is_an_error(written):
    path, _ = written
    found = open_archive(path)
    data = bytearray(path.read_bytes())
    data[found.entries["port.toml"].data_offset] ^= 1
    path.write_bytes(data)
    with pytest.raises(EvidenceError, match=r"port.toml changed while it was used"):
        found.read("port.toml")
    with pytest.raises(EvidenceError, match=r"has no member headroom.json"):
        found.read("headroom.json")
