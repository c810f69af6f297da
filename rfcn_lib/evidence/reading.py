"""A file of evidence that was opened -> what it says, every member checked against the others."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from rfcn_lib.evidence.archive import Archive
from rfcn_lib.evidence.arrays import TRUTH, unpack_measurements, unpack_truth
from rfcn_lib.evidence.contents import ARRAYS_OF_AGREEMENT, RUN, STATEMENT, VERDICT, Judged
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
from rfcn_lib.records import Detections
from rfcn_lib.score.packed import ARRAYS, content_fault, size_fault, unpack
from rfcn_lib.score.packet_records import Facts

T = TypeVar("T", bound=BaseModel)
V = TypeVar("V")
LARGEST_JSON: Final = 60_000_000
NAMES: Final = (
    *(RUN, VERDICT, STATEMENT, "exhibits.json", "port.toml", "set.txt", "pictures.json"),
    *(f"truth/{name}" for name in TRUTH),
    *("agreement/facts.json", "agreement/blame.json", "baseline.json", "headroom.json", "npu.json"),
)


def judged_of(archive: Archive) -> Judged:
    """What a file of evidence says was judged. Raises EvidenceError, which names the member."""
    pictures = record(archive, "pictures.json", Set)
    ids = tuple(pictures.ids)
    _expect_known(archive)
    _expect_lengths(archive, pictures)
    candidate = record(archive, "candidate/facts.json", CandidateFacts)
    sides = {"candidate": candidate.outputs}
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
        candidate=candidate,
        reference=reference,
        detections={side: _detections(archive, side, ids, facts) for side, facts in sides.items()},
        dumps={side: _dumps(archive, side, ids) for side in sides if side == "candidate" or reference.packet is None},
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


def expect_statement_of(archive: Archive, said: Verdict, judged: Judged) -> None:
    """Raise EvidenceError unless the file's Statement is the one that follows from its other members."""
    digests = {name: sha256 for name, sha256 in archive.digests.items() if name != STATEMENT}
    want = statement_of(said, digests, {name: one.sha256 for name, one in judged.exhibits.files.items()})
    _named(archive, lambda: expect_statement(archive.read(STATEMENT), want))


def exhibits_of(archive: Archive) -> dict[str, str]:
    """Name -> sha256 of every file that took part."""
    return {name: one.sha256 for name, one in record(archive, "exhibits.json", Exhibits).files.items()}


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


def _named(archive: Archive, make: Callable[[], V]) -> V:
    """What `make` gives; its error with the file's name."""
    try:
        return make()
    except EvidenceError as error:
        raise EvidenceError(f"{archive.path}: {error}") from error


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


def _expect_known(archive: Archive) -> None:
    """Raise EvidenceError for a member that judging again would not look at."""
    known = {
        *NAMES,
        *(f"{side}/{name}" for side in ("candidate", "reference") for name in ("facts.json", "dumps.txt", *ARRAYS)),
    }
    known |= {f"agreement/{name}" for name in ARRAYS_OF_AGREEMENT} if "agreement/facts.json" in archive else set()
    for name in archive.digests:
        folder, _, base = name.rpartition("/")
        if name not in known and not (folder in ("logs", "timings", "candidate/dumps", "reference/dumps") and base):
            raise EvidenceError(f"{archive.path}: it has a member {name}, which such a file does not have")


def _expect_lengths(archive: Archive, pictures: Set) -> None:
    on_canvases = [id for canvas in pictures.canvases for id in canvas.ids]
    if not len(pictures.ids) == len(set(pictures.ids)) == len(pictures.sizes_wh) == len(pictures.objects):
        raise EvidenceError(
            f"{archive.path}: member pictures.json: ids, sizes_wh and objects should be as many, and no id twice"
        )
    if sorted(on_canvases) != sorted(pictures.ids):
        raise EvidenceError(f"{archive.path}: member pictures.json: its canvases should hold each of its ids once")
