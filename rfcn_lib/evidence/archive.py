"""The file of --evidence is written with one digest over all of it, and read with every byte checked."""

import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from rfcn_lib.evidence.layout import (
    END_BYTES,
    FORMAT,
    LARGEST_BYTES,
    LOCAL_BYTES,
    MANIFEST,
    MODE,
    MOST_MEMBERS,
    NO_DATE,
    Entry,
    EvidenceError,
    entries_of,
    expect_name,
    table_place,
)

CHUNK_BYTES: Final = 1 << 20
LARGEST_READ: Final = 200_000_000  # of one member that is read into memory; a full set's largest takes 8 MB
LARGEST_MANIFEST: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Streamed:
    """Content that is too large for memory: how many bytes, and a function that gives them in parts."""

    size: int
    parts: Callable[[], Iterator[bytes]]


Content = bytes | Streamed


def write_archive(path: Path, members: Mapping[str, Content]) -> str:
    """Write the file, whole or not at all. Equal members give equal bytes.

    Args:
        path: the file.
        members: name -> content; the manifest is added.

    Returns:
        The root digest: sha256 (hex) of manifest.json, which names the sha256 of every other member.

    Raises:
        EvidenceError: too many or too large members, a name that no member may have, or the disk does not take the file.
    """
    size = sum(len(one) if isinstance(one, bytes) else one.size for one in members.values())
    if size + 400 * (len(members) + 1) > LARGEST_BYTES or len(members) >= MOST_MEMBERS:
        raise EvidenceError(
            f"{path}: {len(members):,} members of {size:,} bytes are more than such a file holds ({MOST_MEMBERS - 1:,}, "
            f"{LARGEST_BYTES:,} bytes); leave out --evidence-dumps"
        )
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")  # with pytest-xdist others may write it too
    digests: dict[str, str] = {}
    try:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(members):
                expect_name(name)
                digests[name] = _add(archive, name, members[name])
            manifest = manifest_of(digests)
            _add(archive, MANIFEST, manifest)
        aside.replace(path)
    except OSError as error:
        raise EvidenceError(f"cannot write {path}: {error.strerror or error}; name another place") from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return hashlib.sha256(manifest).hexdigest()


def manifest_of(digests: Mapping[str, str]) -> bytes:
    """The bytes of manifest.json. `digests`: name -> sha256 (hex) of every other member."""
    content = {"format": FORMAT, "members": {name: digests[name] for name in sorted(digests)}}
    return (json.dumps(content, indent=1) + "\n").encode()


def _add(archive: zipfile.ZipFile, name: str, content: Content) -> str:
    """Add a member; returns its sha256 (hex)."""
    entry = zipfile.ZipInfo(name, NO_DATE)
    entry.create_system, entry.external_attr = 3, MODE << 16
    entry.file_size = len(content) if isinstance(content, bytes) else content.size
    digest = hashlib.sha256()
    with archive.open(entry, "w") as file:
        for part in [content] if isinstance(content, bytes) else content.parts():
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


class Archive:
    """A file of evidence in which every byte was found to be what the manifest and the zip's form say.

    path     the file
    entries  name -> its place
    digests  name -> sha256 (hex), without the manifest
    root     sha256 (hex) of the manifest
    """

    def __init__(self, path: Path, entries: Mapping[str, Entry], digests: Mapping[str, str], root: str) -> None:
        self.path, self.entries, self.digests, self.root = path, entries, digests, root

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def parts(self, name: str, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """A member's content in parts of a size, for a large one."""
        entry = self.entries[name]
        with self.path.open("rb") as file:
            file.seek(entry.data_offset)
            for begin in range(0, entry.size, size):
                yield file.read(min(size, entry.size - begin))

    def read(self, name: str) -> bytes:
        """A member's content, compared with its digest once more.

        Raises:
            EvidenceError: there is no such member, it is too large to read, or the file changed since it was opened.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise EvidenceError(
                f"{self.path}: it has no member {name}, which it should have; get it again from its maker"
            )
        if entry.size > LARGEST_READ:
            raise EvidenceError(
                f"{self.path}: its member {name} has {entry.size:,} bytes, but at most {LARGEST_READ:,} are read"
            )
        try:
            with self.path.open("rb") as file:
                file.seek(entry.data_offset)
                data = file.read(entry.size)
        except OSError as error:
            raise EvidenceError(f"{self.path} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != self.digests.get(name, self.root):
            raise EvidenceError(f"{self.path}: its member {name} changed while it was used; leave the file alone")
        return data


def open_archive(path: Path, root: str | None = None) -> Archive:
    """Open a file of evidence, and check every byte of it. Sizes are checked before anything of that size is read.

    Args:
        path: the file.
        root: sha256 (hex) that its manifest should have; None: any.

    Raises:
        EvidenceError: names the file, the member, what was found and what should be there.
    """
    try:
        with path.open("rb") as file:
            return _opened(file, path, root)
    except OSError as error:
        raise EvidenceError(f"{path} cannot be read: {error.strerror}") from error
    except EvidenceError as error:
        raise EvidenceError(f"{path} is no evidence as this suite wrote it: {error}; get an untouched copy") from error


def _opened(file: BinaryIO, path: Path, root: str | None) -> Archive:
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        raise EvidenceError("it is no plain file")
    if not END_BYTES < facts.st_size <= LARGEST_BYTES:
        raise EvidenceError(f"it has {facts.st_size:,} bytes, but should have at most {LARGEST_BYTES:,}")
    file.seek(facts.st_size - END_BYTES)
    count, table_bytes, table_offset = table_place(file.read(END_BYTES), facts.st_size)
    file.seek(table_offset)
    entries = {entry.name: entry for entry in entries_of(file.read(table_bytes), count, table_offset)}
    found = {name: _digest(file, entry) for name, entry in entries.items()}
    manifest, own = entries[MANIFEST], found.pop(MANIFEST)
    if manifest.size > LARGEST_MANIFEST:
        raise EvidenceError(f"{MANIFEST} has {manifest.size:,} bytes, but at most {LARGEST_MANIFEST:,} are read")
    file.seek(manifest.data_offset)
    data = file.read(manifest.size)
    said = _said(data)
    for name in dict.fromkeys([*found, *said]):
        if found.get(name) != said.get(name):
            raise EvidenceError(
                f"member {name} has {_sha(found.get(name))}, but {MANIFEST} says {_sha(said.get(name))}: one of both was changed"
            )
    if data != manifest_of(said):
        raise EvidenceError(f"{MANIFEST} has other bytes than it should have: it was written by something else")
    if root is not None and own != root:
        raise EvidenceError(
            f"{MANIFEST} has {_sha(own)}, but --evidence-root says {_sha(root)}: it is another run's, or was made anew"
        )
    return Archive(path, entries, found, own)


def _digest(file: BinaryIO, entry: Entry) -> str:
    """sha256 of a member's data; checks the header before them and their CRC-32."""
    file.seek(entry.offset)
    if file.read(LOCAL_BYTES + len(entry.name)) != entry.local_header():
        raise EvidenceError(f"the header before member {entry.name} has other bytes than it should have")
    digest, crc, left = hashlib.sha256(), 0, entry.size
    while left:
        part = file.read(min(left, CHUNK_BYTES))
        if not part:
            raise EvidenceError(f"member {entry.name} ends before its size")
        digest.update(part)
        crc, left = zlib.crc32(part, crc), left - len(part)
    if crc != entry.crc:
        raise EvidenceError(
            f"member {entry.name} has CRC-32 {crc:08x}, but the zip's table says {entry.crc:08x}: it was changed"
        )
    return digest.hexdigest()


def _said(data: bytes) -> dict[str, str]:
    """What the manifest says of the other members."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{MANIFEST} is no JSON: {error}") from error
    form = found.get("format") if isinstance(found, dict) else None
    if form != FORMAT:
        raise EvidenceError(f"{MANIFEST} is of the format {form!r:.80}, but this edition reads {FORMAT!r}")
    members = found.get("members")
    if not isinstance(members, dict) or not all(isinstance(one, str) for one in members.values()):
        raise EvidenceError(f"{MANIFEST} should name the sha256 of every other member")
    return members


def _sha(sha256: str | None) -> str:
    return f"sha256 {sha256[:12]}" if sha256 else "nothing"
