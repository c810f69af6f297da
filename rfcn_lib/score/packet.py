"""A reference packet: what the source model found in every picture of a set, in one file for other machines.

A zip whose members are stored without compression, in this order:

    manifest.json    `Manifest`: what it was made of and where, its scores, the number of detections of each picture
    boxes_xyxy.f4    (N, 4) float32, picture frame; the detections of all pictures, in the order of the manifest
    scores.f4        (N,) float32
    labels.u2        (N,) uint16, index into the port's classes

All numbers are little-endian. No member has a date, so equal inputs give equal bytes. The network's outputs are not in it: they
take 130 kB a picture, the detections 2 kB.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from rfcn_lib.files import read_bounded, write_whole
from rfcn_lib.records import Detections
from rfcn_lib.score.packed import ARRAYS, content_fault, pack, size_fault, unpack
from rfcn_lib.score.packet_records import FORMAT, HOW, Facts, Manifest, PacketError

MANIFEST: Final = "manifest.json"
LARGEST_FILE_BYTES: Final = 500_000_000  # VOC2007 test takes 12 MB
LARGEST_MANIFEST_BYTES: Final = 50_000_000
NO_DATE: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold


@dataclass(frozen=True)
class Packet:
    """A packet that was read. `sha256` and `size_bytes`: of its file; `detections`: by id."""

    facts: Facts
    detections: Mapping[str, Detections]
    sha256: str
    size_bytes: int

    @property
    def ids(self) -> tuple[str, ...]:
        """Its pictures, in the order of the set that it was made of."""
        return tuple(self.facts.origin.pictures)


def write_packet(path: Path, facts: Facts, detections: Mapping[str, Detections]) -> None:
    """Write a packet, whole or not at all. `detections`: float32, of exactly the ids of `facts.origin.pictures`.

    Raises:
        PacketError: the folder or its disk does not take the file.
        ValueError: detections of other ids, or of a type that would lose digits.
    """
    data = packed(facts, detections)
    try:
        write_whole(path, data)
    except OSError as error:
        raise PacketError(f"cannot write the reference packet {path}: {error.strerror}; name another place") from error


def packed(facts: Facts, detections: Mapping[str, Detections]) -> bytes:
    """The bytes of a packet. Raises ValueError as `write_packet`."""
    if detections.keys() != facts.origin.pictures.keys():
        raise ValueError(
            f"detections of {len(detections)} ids, but should be of the {len(facts.origin.pictures)} of the packet"
        )
    each = [detections[id] for id in facts.origin.pictures]
    members = pack(each)
    manifest = Manifest(
        format=FORMAT,
        facts=facts,
        counts=[len(one.scores) for one in each],
        members={name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    )
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {MANIFEST: (manifest.model_dump_json(indent=1) + "\n").encode(), **members}.items():
            entry = zipfile.ZipInfo(name, NO_DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    return file.getvalue()


def read_packet(path: Path) -> Packet:
    """Read a packet. Every size is checked before anything of that size is read or allocated.

    Raises:
        PacketError: names the file and what is wrong with it.
    """
    try:
        data = read_bounded(path, LARGEST_FILE_BYTES)
    except OSError as error:
        raise PacketError(f"no reference packet at {path}: {error.strerror}; {HOW}") from error
    if data is None:
        raise PacketError(f"{path} has more than {LARGEST_FILE_BYTES:,} bytes, so it is no reference packet; {HOW}")
    if data.lstrip()[:1] == b"{":
        raise PacketError(
            f"{path} is JSON, as the GPU baselines of older editions were ('rfcn gpu baseline'), but should be a reference "
            f"packet, which also has the detections; {HOW}"
        )
    fault, members = _members(data)
    if not fault:
        manifest = _manifest(members[MANIFEST], path)
        fault = _arrays_fault(manifest, members)
    if fault:
        raise PacketError(f"{path} is no complete reference packet: {fault}; copy it again, or {HOW}")
    detections = unpack(list(manifest.facts.origin.pictures), manifest.counts, members)
    return Packet(manifest.facts, detections, hashlib.sha256(data).hexdigest(), len(data))


def _members(data: bytes) -> tuple[str, dict[str, bytes]]:
    """What is wrong with the zip, "" if nothing; and its members. A stored member is no larger than the file."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
            names, wanted = [entry.filename for entry in entries], [MANIFEST, *ARRAYS]
            if names != wanted:
                return (
                    f"it has the members {', '.join(names[:8])[:200] or 'none'}, but should have {', '.join(wanted)}",
                    {},
                )
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                    return f"its member {entry.filename} is compressed or encrypted, but should be stored", {}
                if entry.file_size > len(data):
                    return (
                        f"its member {entry.filename} should have {entry.file_size:,} bytes, but the file has {len(data):,}",
                        {},
                    )
            if entries[0].file_size > LARGEST_MANIFEST_BYTES:
                return (
                    f"its {MANIFEST} has {entries[0].file_size:,} bytes, but should have a few hundred per picture",
                    {},
                )
            return "", {entry.filename: archive.read(entry) for entry in entries}
    except Exception as error:  # zipfile raises nearly any error at a damaged file
        return f"{' '.join(str(error).split())[:200]} ({len(data):,} bytes)", {}


def _manifest(data: bytes, path: Path) -> Manifest:
    try:
        found = json.loads(data)
        got = found.get("format") if isinstance(found, dict) else None
        if got != FORMAT:
            raise PacketError(
                f"{path} is of the format {got!r:.80}, but should be of {FORMAT!r}; use the edition of this suite that made it, "
                f"or {HOW}"
            )
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise PacketError(f"{path} is no reference packet: {MANIFEST}: {where}: {first['msg']}; {HOW}") from error
    except (ValueError, RecursionError) as error:
        raise PacketError(f"{path} is no reference packet: {MANIFEST} is no JSON: {error}; {HOW}") from error


def _arrays_fault(manifest: Manifest, members: Mapping[str, bytes]) -> str:
    """What is wrong with the arrays, "" if nothing."""
    facts = manifest.facts
    if len(manifest.counts) != len(facts.origin.pictures):
        return (
            f"it counts the detections of {len(manifest.counts):,} pictures, but names {len(facts.origin.pictures):,}"
        )
    if manifest.members.keys() != ARRAYS.keys():
        return (
            f"its manifest names the members {', '.join(manifest.members)[:200]}, but should name {', '.join(ARRAYS)}"
        )
    for name in ARRAYS:
        fault = size_fault(name, members[name], sum(manifest.counts))
        if fault:
            return fault
        sha256 = hashlib.sha256(members[name]).hexdigest()
        if sha256 != manifest.members[name]:
            return f"{name} has sha256 {sha256[:12]}, but should have {manifest.members[name][:12]}"
    classes = facts.origin.port.get("classes")
    named = classes if isinstance(classes, list) else []
    fault = content_fault(members, len(named))
    if fault:
        return fault
    strange = [name for name in facts.ap if name not in named]
    return f"it has an AP of {', '.join(strange[:3])}, but the port in it has no such class" if strange else ""
