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

from pydantic import BaseModel, TypeAdapter, ValidationError

from rfcn_lib.agreement.measurements import Measurements
from rfcn_lib.evidence.archive import Archive, Content
from rfcn_lib.evidence.arrays import TRUTH, pack_measurements, pack_truth, unpack_measurements, unpack_truth
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.records import (
    AgreementFacts,
    Blame,
    CandidateFacts,
    Exhibits,
    NpuFacts,
    ReferenceFacts,
    Run,
    Set,
    Side,
    Verdict,
)
from rfcn_lib.evidence.statement import expect_statement, statement_of
from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.packed import ARRAYS, content_fault, pack, size_fault, unpack
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
        facts, arrays = pack_measurements(found.floor, found.sample, found.measurements)
        members |= {"agreement/facts.json": as_bytes(facts), **_in("agreement", arrays)}
    for name, record in (
        ("agreement/blame.json", found.blame),
        ("baseline.json", found.baseline),
        ("npu.json", found.npu),
    ):
        if record is not None:
            members[name] = as_bytes(record)
    if found.headroom is not None:
        members["headroom.json"] = json_bytes(list(found.headroom))
    return members


def judged_of(archive: Archive) -> Judged:
    """What a file of evidence says was judged. Raises EvidenceError, which names the member."""
    pictures = record(archive, "pictures.json", Set)
    ids = tuple(pictures.ids)
    _expect_lengths(archive, pictures)
    sides = {"candidate": record(archive, "candidate/facts.json", CandidateFacts).outputs}
    reference = record(archive, "reference/facts.json", ReferenceFacts)
    if reference.outputs is not None:
        sides["reference"] = reference.outputs
    agreement = record(archive, "agreement/facts.json", AgreementFacts) if "agreement/facts.json" in archive else None
    measured = None
    if agreement is not None:
        arrays = {name: archive.read(f"agreement/{name}") for name in ARRAYS_OF_AGREEMENT}
        on_canvases = [id for canvas in pictures.canvases for id in canvas.ids]
        measured = _named(archive, lambda: unpack_measurements(agreement, on_canvases, arrays))
    return Judged(
        port_toml=archive.read("port.toml"),
        set_txt=archive.read("set.txt"),
        pictures=pictures,
        truth=_named(
            archive,
            lambda: unpack_truth(ids, pictures.objects, {name: archive.read(f"truth/{name}") for name in TRUTH}),
        ),
        exhibits=record(archive, "exhibits.json", Exhibits),
        candidate=record(archive, "candidate/facts.json", CandidateFacts),
        reference=reference,
        detections={side: _detections(archive, side, ids, facts) for side, facts in sides.items()},
        dumps={side: _dumps(archive, side, ids) for side in sides if f"{side}/dumps.txt" in archive},
        floor=agreement.floor if agreement else "",
        sample=tuple(agreement.pictures) if agreement else (),
        measurements=measured,
        blame=record(archive, "agreement/blame.json", Blame) if "agreement/blame.json" in archive else None,
        baseline=record(archive, "baseline.json", Facts) if "baseline.json" in archive else None,
        headroom=_json(archive, "headroom.json") if "headroom.json" in archive else None,
        npu=record(archive, "npu.json", NpuFacts) if "npu.json" in archive else None,
        timings={
            name.removeprefix("timings/"): archive.read(name) for name in archive.entries if name.startswith("timings/")
        },
    )


def run_of(archive: Archive) -> tuple[Run, Verdict]:
    """The run that judged, and what it said."""
    return record(archive, RUN, Run), record(archive, VERDICT, Verdict)


def expect_statement_of(archive: Archive, said: Verdict) -> None:
    """Raise EvidenceError unless the file's Statement is the one that follows from its other members."""
    digests = {name: sha256 for name, sha256 in archive.digests.items() if name != STATEMENT}
    want = statement_of(said, digests, exhibits_of(archive))
    _named(archive, lambda: expect_statement(archive.read(STATEMENT), want))


def exhibits_of(archive: Archive) -> dict[str, str]:
    """Name -> sha256 of every file that took part."""
    return {name: one.sha256 for name, one in record(archive, "exhibits.json", Exhibits).files.items()}


def as_bytes(value: BaseModel) -> bytes:
    """A record as a member."""
    return (value.model_dump_json(indent=1) + "\n").encode()


def json_bytes(value: object) -> bytes:
    """Plain values as a member."""
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def dumps_text(digests: Mapping[str, str]) -> bytes:
    """`id sha256`, a line each; the sha256 of this text is the digest of all outputs, as the verdict has it."""
    return "".join(f"{id} {sha256}\n" for id, sha256 in digests.items()).encode()


def record(archive: Archive, name: str, kind: type[T]) -> T:
    """A JSON member. Raises EvidenceError where it has not the form that it should have."""
    data = archive.read(name)
    try:
        if len(data) > LARGEST_JSON:
            raise ValueError(f"it has {len(data):,} bytes, but at most {LARGEST_JSON:,} are read")
        return TypeAdapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the member"
        raise EvidenceError(f"{archive.path}: member {name}: {where}: {first['msg']}") from error
    except ValueError as error:
        raise EvidenceError(f"{archive.path}: member {name}: {error}") from error


def _json(archive: Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise EvidenceError(f"{archive.path}: member {name} is no JSON: {error}") from error


def _named(archive: Archive, make: Any) -> Any:
    """What `make` gives; its error with the file's name."""
    try:
        return make()
    except EvidenceError as error:
        raise EvidenceError(f"{archive.path}: {error}") from error


def _in(folder: str, members: Mapping[str, bytes]) -> dict[str, Content]:
    return {f"{folder}/{name}": data for name, data in members.items()}


def _detections(archive: Archive, side: str, ids: Sequence[str], facts: Side) -> dict[str, Detections]:
    members = {name: archive.read(f"{side}/{name}") for name in ARRAYS}
    faults = [size_fault(name, data, sum(facts.counts)) for name, data in members.items()]
    if len(facts.counts) != len(ids):
        faults.insert(
            0, f"facts.json counts the detections of {len(facts.counts):,} pictures, but should of {len(ids):,}"
        )
    fault = next(filter(None, faults), "") or content_fault(members, 2**16)
    if fault:
        raise EvidenceError(f"{archive.path}: member {side}/{fault}")
    return unpack(ids, facts.counts, members)


def _dumps(archive: Archive, side: str, ids: Sequence[str]) -> dict[str, str]:
    text = archive.read(f"{side}/dumps.txt").decode("utf-8", "replace")
    found = dict(line.rpartition(" ")[::2] for line in text.splitlines())
    if tuple(found) != tuple(ids):
        raise EvidenceError(
            f"{archive.path}: member {side}/dumps.txt names {len(found):,} pictures, but should name the {len(ids):,} of "
            "pictures.json, in their order"
        )
    return found


def _expect_lengths(archive: Archive, pictures: Set) -> None:
    on_canvases = [id for canvas in pictures.canvases for id in canvas.ids]
    if not len(pictures.ids) == len(set(pictures.ids)) == len(pictures.sizes_wh) == len(pictures.objects):
        raise EvidenceError(
            f"{archive.path}: member pictures.json: ids, sizes_wh and objects should be as many, and no id twice"
        )
    if sorted(on_canvases) != sorted(pictures.ids):
        raise EvidenceError(f"{archive.path}: member pictures.json: its canvases should hold each of its ids once")
