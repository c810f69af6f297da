"""What the JSON members of a file of evidence say. Values only; the arrays lie beside them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from rfcn_lib.score.packet_records import Record, Sha256

Count = Annotated[int, Field(ge=0, le=100_000_000)]
Size = Annotated[int, Field(ge=1, le=100_000_000)]
Wh = tuple[Size, Size]


class Run(Record):
    """run.json: the run that judged. Nothing of it is judged again but `marks`, `accept`, `gate`, `explained`, and the chip.

    marks        the expression of -m
    device       which of the run's candidates this is
    options      as they were given, by name without dashes
    soc, precision_mode  what a rehearsal was of
    environment  versions, machine, variables of the vendor's tools
    suite        its commit and the digest of its code
    commands     external commands that ran, ready to paste
    """

    made: str
    marks: Literal["accuracy", "npu", "rehearsal"]
    device: Literal["host", "rehearsal", "npu"]
    command: list[str]
    here: str
    options: dict[str, Any]
    accept: bool
    gate: Literal["point", "interval"]
    explained: str | None
    soc: str | None
    precision_mode: str | None
    environment: dict[str, Any]
    suite: dict[str, Any]
    commands: list[str]
    notes: list[str]
    rates: list[str]


class Canvas(Record):
    """One canvas, px, and the ids of the pictures on it."""

    wh: Wh
    ids: list[str]


class Set(Record):
    """pictures.json: the set, without JPEGs and XML.

    devkit     the folder that it was read from
    ids        what was judged, in the set's order; `all_ids` the whole set
    sizes_wh   px of each of `ids`
    objects    how many objects each of `ids` has; they lie in truth/
    files      id -> name of the picture's file, where it is not <id>.jpg
    tolerated  what was not as VOC2007 has it and was read all the same
    fitted     whether the canvases were chosen from the pictures
    """

    devkit: str
    set_name: str
    ids: list[str]
    all_ids: list[str]
    sizes_wh: list[Wh]
    objects: list[Count]
    files: dict[str, str]
    tolerated: dict[str, int]
    canvases: list[Canvas]
    fitted: bool


class File(Record):
    """A file or folder that took part: where it lay, sha256 of its content, its size."""

    path: str
    sha256: Sha256
    bytes: Count


class Exhibits(Record):
    """exhibits.json: name -> every file that took part, as the verdict has it."""

    files: dict[str, File]


class Side(Record):
    """Outputs of one side, that became detections.

    folder   of the dumps, or the packet's path
    sha256   of the outputs: over each picture's id and the sha256 of its arrays
    counts   how many detections each picture has; they lie in the folder of the side
    """

    folder: str
    sha256: Sha256
    size_bytes: Count
    counts: list[Count]


class CandidateFacts(Record):
    """candidate/facts.json, as `suite.judging.Candidate` has it. `clip` and `notes` are what is known of its graph."""

    on: Literal["NPU", "dumps made elsewhere", "host stand-in", "REHEARSED", "SIMULATED"]
    description: str
    outputs: Side
    commands: list[str]
    unpublished: list[str]
    chip: str | None
    precision_mode: str | None
    clip: Literal["canvas", "none", "frozen", "unknown"]
    notes: list[str]


class ReferenceFacts(Record):
    """reference/facts.json. `outputs` is None where a published mean is all that is known; `packet`: the file they come from."""

    device: str
    outputs: Side | None
    packet: File | None


class MeasureFacts(Record):
    """One measure of the agreement, as `agreement.figures.Measure` has it."""

    name: str
    group: Literal["proposals", "rows", "heads", "detections"]
    unit: str
    events: bool
    signed: bool
    least: float


class AgreementFacts(Record):
    """agreement/facts.json: what the arrays of agreement/ are of.

    floor     what the limits were measured with, in words
    pictures  of the sample
    measures  in the order of the arrays
    floors    how many runs that differ in arithmetic only
    """

    floor: str
    pictures: list[str]
    measures: list[MeasureFacts]
    floors: Annotated[int, Field(ge=1, le=16)]


class Blame(Record):
    """agreement/blame.json: what a candidate that departs was put down to. It judges nothing."""

    stage: str
    fault: str
    sentence: str
    evidence: str


class NpuDevice(Record):
    """One chip, as `npu-smi info` showed it."""

    device_id: int
    npu_id: int
    chip: int
    name: str
    health: str
    busy: list[str]
    slice: str
    version: str
    warnings: list[str]


class NpuFacts(Record):
    """npu.json: what the throughput is computed from, besides the timings.

    oms   canvas as `<width>x<height>` -> sha256 of its compiled model
    npus  the devices, as `ascend.npu_smi.Npu` has them
    """

    simulated: bool
    chips_on_card: Annotated[int, Field(ge=1, le=1000)]
    oms: dict[str, Sha256]
    npus: list[NpuDevice]


class Verdict(Record):
    """verdict.json: what judging again must give."""

    status: str
    words: str
    trial: dict[str, Any] | None
    criteria: list[dict[str, Any]]
    tests: dict[str, str]
