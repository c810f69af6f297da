"""All that a file of evidence holds: as values, as members, and back.

run.json verdict.json statement.json exhibits.json      what ran, what was said, every file that took part
port.toml set.txt pictures.json truth/                  what was asked
candidate/ reference/                                    facts.json, dumps.txt, and detections as packed arrays
agreement/                                               what its figures and limits are computed from
baseline.json headroom.json npu.json timings/ logs/      where there are any
candidate/dumps/ reference/dumps/                        with --evidence-dumps
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from rfcn_lib.agreement.measurements import Measurements
from rfcn_lib.evidence.archive import Content
from rfcn_lib.evidence.arrays import pack_measurements, pack_truth
from rfcn_lib.evidence.records import (
    Blame,
    CandidateFacts,
    Exhibits,
    NpuFacts,
    ReferenceFacts,
    Set,
)
from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.packed import pack
from rfcn_lib.score.packet_records import Facts

T = TypeVar("T", bound=BaseModel)
LARGEST_JSON: Final = 60_000_000
RUN, VERDICT, STATEMENT = "run.json", "verdict.json", "statement.json"
ARRAYS_OF_AGREEMENT: Final = ("sums.f8", "present.u1", "each.f8", "floor_each.f8")


@dataclass(frozen=True)
class Judged:
    """What was judged, without the run and its verdict, which are known at its end.

    all_ids      the pictures in the order of the canvases, as `measurements.each` has them
    dumps        side -> id -> sha256 of its outputs; empty for a packet
    detections   side -> id -> detections; no "reference" where a published mean is all that is known
    headroom     rows of a rehearsal
    timings      file name -> its bytes, as the suite keeps the tool's reports
    files        member -> content: logs, dumps
    """

    port_toml: bytes
    set_txt: bytes
    pictures: Set
    truth: Mapping[str, Truth]
    exhibits: Exhibits
    candidate: CandidateFacts
    reference: ReferenceFacts
    detections: Mapping[str, Mapping[str, Detections]]
    dumps: Mapping[str, Mapping[str, str]]
    floor: str = ""
    sample: Sequence[str] = ()
    measurements: Measurements | None = None
    blame: Blame | None = None
    baseline: Facts | None = None
    headroom: Sequence[Mapping[str, Any]] | None = None
    npu: NpuFacts | None = None
    timings: Mapping[str, bytes] = field(default_factory=dict)
    files: Mapping[str, Content] = field(default_factory=dict)


def members_of(found: Judged) -> dict[str, Content]:
    """Member -> content."""
    ids = found.pictures.ids
    members: dict[str, Content] = {
        "port.toml": found.port_toml,
        "set.txt": found.set_txt,
        "pictures.json": as_bytes(found.pictures),
        "exhibits.json": as_bytes(found.exhibits),
        "candidate/facts.json": as_bytes(found.candidate),
        "reference/facts.json": as_bytes(found.reference),
        **_in("truth", pack_truth([found.truth[id] for id in ids])),
        **_in("timings", found.timings),
        **found.files,
    }
    for side, detections in found.detections.items():
        members |= _in(side, pack([detections[id] for id in ids]))
    for side, digests in found.dumps.items():
        members[f"{side}/dumps.txt"] = dumps_text(digests)
    if found.measurements is not None:
        members |= agreement_members(found.floor, found.sample, found.measurements, found.blame)
    for name, record in (("baseline.json", found.baseline), ("npu.json", found.npu)):
        if record is not None:
            members[name] = as_bytes(record)
    if found.headroom is not None:
        members["headroom.json"] = json_bytes(list(found.headroom))
    return members


def agreement_members(
    floor: str, sample: Sequence[str], measured: Measurements, blame: Blame | None
) -> dict[str, Content]:
    """Member -> content, of what the figures and limits of the agreement are computed from."""
    facts, arrays = pack_measurements(floor, sample, measured)
    members = {"agreement/facts.json": as_bytes(facts), **_in("agreement", arrays)}
    return members if blame is None else {**members, "agreement/blame.json": as_bytes(blame)}


def as_bytes(value: BaseModel) -> bytes:
    """A record as a member."""
    return (value.model_dump_json(indent=1) + "\n").encode()


def json_bytes(value: object) -> bytes:
    """Plain values as a member."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def dumps_text(digests: Mapping[str, str]) -> bytes:
    """`id sha256`, a line each; the sha256 of this text is the digest of all outputs, as the verdict has it."""
    return "".join(f"{id} {sha256}\n" for id, sha256 in digests.items()).encode()


def _in(folder: str, members: Mapping[str, bytes]) -> dict[str, Content]:
    return {f"{folder}/{name}": data for name, data in members.items()}
