"""The bytes of a zip around its members, so that every one of them can be checked.

A file of --evidence has one form only. Members are stored without compression, one after the other from the first byte on, in the
order of their names, manifest.json last. No member has a date, an extra field or a comment. The table at the end (APPNOTE 6.3.10,
sections 4.3.7, 4.3.12, 4.3.16) follows from names, sizes and CRC-32. So equal members give equal bytes.
"""

import re
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from rfcn_lib.errors import SuiteError

MANIFEST: Final = "manifest.json"
FORMAT: Final = "rfcn evidence 1"
MOST_MEMBERS: Final = 5000  # a set on an NPU has a timing and a log for each batch
LARGEST_BYTES: Final = 2**31 - 1  # zip without its 64-bit extension; with the dumps of VOC2007 test 1.4 GB
LONGEST_NAME: Final = 120
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
NO_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
MODE: Final = 0o100644  # a plain file

_LOCAL: Final = struct.Struct("<4s5H3L2H")
_CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
_END: Final = struct.Struct("<4s4H2LH")
_STORED, _DATE, _VERSION, _UNIX = 0, 33, 20, 3  # 33 is 1980-01-01
_S_IFMT, _S_IFLNK = 0o170000, 0o120000

LOCAL_BYTES: Final = _LOCAL.size
END_BYTES: Final = _END.size


class EvidenceError(SuiteError):
    """A file of evidence is damaged, was changed, or is no evidence. The message names the member."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: where its header begins in the file, the size of its data in bytes, and their CRC-32."""

    name: str
    offset: int
    size: int
    crc: int

    @property
    def data_offset(self) -> int:
        """Where its data begin."""
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """The first byte after its data."""
        return self.data_offset + self.size

    def local_header(self) -> bytes:
        """The header before its data."""
        name = self.name.encode("ascii")
        sizes = (self.crc, self.size, self.size, len(name), 0)
        return _LOCAL.pack(b"PK\3\4", _VERSION, 0, _STORED, 0, _DATE, *sizes) + name

    def central_header(self) -> bytes:
        """Its line of the table."""
        name = self.name.encode("ascii")
        versions, sizes = (_UNIX << 8 | _VERSION, _VERSION), (self.crc, self.size, self.size)
        rest = (len(name), 0, 0, 0, 0, MODE << 16, self.offset)
        return _CENTRAL.pack(b"PK\1\2", *versions, 0, _STORED, 0, _DATE, *sizes, *rest) + name


def end_record(entries: int, table_bytes: int, table_offset: int) -> bytes:
    """The last bytes of the file."""
    return _END.pack(b"PK\5\6", 0, 0, entries, entries, table_bytes, table_offset, 0)


def table_place(last: bytes, file_bytes: int) -> tuple[int, int, int]:
    """(members, bytes of the table, its offset), from the last bytes of a file; nothing of that size is read yet.

    Raises:
        EvidenceError: they are no end of a zip of this form.
    """
    if len(last) != _END.size or not last.startswith(b"PK\5\6"):
        raise EvidenceError("it does not end as such a zip does: it was cut short, or something was added to it")
    _, _, _, here, entries, table_bytes, table_offset, _ = _END.unpack(last)
    if last != end_record(entries, table_bytes, table_offset) or here != entries:
        raise EvidenceError("the end of its table has other bytes than they should be (a comment, or several disks)")
    if not 1 <= entries <= MOST_MEMBERS:
        raise EvidenceError(f"its table says {entries:,} members, but 1 to {MOST_MEMBERS:,} are read")
    if table_offset + table_bytes + _END.size != file_bytes or table_bytes > entries * (_CENTRAL.size + LONGEST_NAME):
        raise EvidenceError(
            f"its table says {table_bytes:,} bytes at {table_offset:,}, which do not fit a file of {file_bytes:,} bytes: there "
            "is something between the members and the table, or after it"
        )
    return entries, table_bytes, table_offset


def entries_of(table: bytes, count: int, table_offset: int) -> list[Entry]:
    """The members that a table names, every byte of it checked. Nothing of a member's size is read.

    Raises:
        EvidenceError: names the member.
    """
    found: list[Entry] = []
    at = 0
    for number in range(count):
        if len(table) - at < _CENTRAL.size or table[at : at + 4] != b"PK\1\2":
            raise EvidenceError(f"its table is damaged at member {number + 1} of {count}")
        fields = _CENTRAL.unpack_from(table, at)
        name = table[at + _CENTRAL.size : at + _CENTRAL.size + fields[10]]
        entry = _entry(name, fields)
        begin = found[-1].end if found else 0
        if entry.offset != begin:
            raise EvidenceError(
                f"member {entry.name} begins at byte {entry.offset:,}, but should at {begin:,}: members overlap, or there is "
                "something between them"
            )
        if entry.end > table_offset:
            raise EvidenceError(f"member {entry.name} says {entry.size:,} bytes, but the file has not so many")
        if table[at : at + _CENTRAL.size + len(name)] != entry.central_header():
            raise EvidenceError(
                f"the line of member {entry.name} in the zip's table has other bytes than it should have"
            )
        found.append(entry)
        at += _CENTRAL.size + len(name)
    _expect_order(found)
    if at != len(table) or found[-1].end != table_offset:
        raise EvidenceError("there is something between the last member and the table, or after the table's last line")
    return found


def expect_name(name: str) -> None:
    """Raise EvidenceError unless a member may have this name: relative, without `..`, of plain characters."""
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name) or ".." in name.split("/"):
        raise EvidenceError(
            f"it has a member named {name!r:.200}, but names should be relative, of A-Z a-z 0-9 _ - . / and no `..`"
        )


def _entry(raw: bytes, fields: tuple[int, ...]) -> Entry:
    _, _, _, flags, method, _, _, crc, packed_bytes, size, _, extra, comment, _, _, attributes, offset = fields
    name = raw.decode("ascii", "backslashreplace")
    expect_name(name)
    said = (
        (attributes >> 16 & _S_IFMT == _S_IFLNK, "is a link"),
        (flags & 1, "is encrypted"),
        (flags, f"has the flags {flags:#x}, such as another encoding of names"),
        (method != _STORED, f"is compressed by method {method}"),
        (packed_bytes != size, f"says {size:,} bytes and {packed_bytes:,} packed ones"),
        (extra or comment, "has an extra field or a comment"),
    )
    for wrong, words in said:
        if wrong:
            raise EvidenceError(f"member {name} {words}, but should be a plain file, stored as it is")
    return Entry(name, offset, size, crc)


def _expect_order(entries: list[Entry]) -> None:
    """Names rise, so none is there twice; manifest.json is the last."""
    names = [entry.name for entry in entries]
    if names[-1] != MANIFEST:
        raise EvidenceError(f"its last member is {names[-1]}, but should be {MANIFEST}")
    for before, after in pairwise(names[:-1]):
        if before >= after or after == MANIFEST:
            raise EvidenceError(f"member {after} comes after {before}: it is there twice, or out of order")
