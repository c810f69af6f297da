"""The port's own numbers, read from TOML and checked to the last key: no default stands in for one that is missing."""

import base64
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from rfcn_lib.errors import SuiteError
from rfcn_lib.names import name_fault
from rfcn_lib.records import Scope

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PUBLISHED = Path(__file__).with_name("published.toml")
SHORT_DIGEST_BYTES = 4
LARGEST_FILE_BYTES = 1_000_000  # a port is a page of numbers; anything larger is another file
CLASS_AP_DROP = 0.1  # the margin of one class, where a port file of an earlier edition names none
HINT = f"{PUBLISHED} is a complete example"


class PortError(SuiteError):
    """The port file does not say what a port must say."""


def _all_different(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"should be different names, but {', '.join(twice)} is there twice")
    return names


def _printable(name: str) -> str:
    """A class name of any script; COCO's have blanks, and one has the separator, which `score.text_files` replaces."""
    fault = name_fault(name.replace("/", "_"))
    if fault:
        raise ValueError(f"should be a name of printable characters: {fault}")
    return name


def _of_older_edition(criteria: Mapping[str, "Criterion"]) -> Mapping[str, "Criterion"]:
    """Earlier editions judged by class_ap_kept whether half of a class's AP was left. Its place is that of class_ap_drop."""
    kept = criteria.get("class_ap_kept")
    if kept is None:
        return criteria
    if "class_ap_drop" in criteria:
        raise ValueError("should hold class_ap_drop alone, but class_ap_kept is there too; remove it")
    margin = min(CLASS_AP_DROP, round(1 - min(kept.limit, 1), 9))
    source = (
        f"this port file is of an earlier edition, and its class_ap_kept ({kept.limit:g} of the AP of each class is left) is no "
        f"longer judged: no class may be shown to lose more than {margin:.0%}; write [criteria.class_ap_drop] in its place"
    )
    others = {name: criterion for name, criterion in criteria.items() if name != "class_ap_kept"}
    return {**others, "class_ap_drop": Criterion(limit=margin, source=source)}


def _agreed(criteria: Mapping[str, "Criterion"]) -> Mapping[str, "Criterion"]:
    """Two limits every port must agree on, and a limit that is a share must be one."""
    criteria = _of_older_edition(criteria)
    lacking = sorted({"mean_ap_drop", "class_ap_drop"} - set(criteria))
    if lacking:
        raise ValueError(f"should also hold {' and '.join(lacking)}")
    for name, criterion in criteria.items():
        if name == "mean_ap" and criterion.limit <= 0:
            raise ValueError("should hold a mean_ap.limit above 0, but it is 0: anything reaches that")
        if name != "throughput_fps" and criterion.limit > 1:
            raise ValueError(f"should hold shares from 0 to 1, but {name}.limit is {criterion.limit:g}")
        if (name == "throughput_fps") != (criterion.scope is not None):
            what = (
                "a throughput_fps.scope: which rate was it agreed for"
                if criterion.scope is None
                else f"no {name}.scope"
            )
            raise ValueError(f"should hold {what}; throughput_fps alone has one, such as {get_args(Scope)[1]!r}")
    return criteria


Text = Annotated[str, Field(pattern=r"\S", max_length=1000)]
ClassName = Annotated[str, AfterValidator(_printable)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=32, le=8192)]
Share = Annotated[float, Field(ge=0, le=1)]
Mean = Annotated[float, Field(ge=0, le=255)]
Std = Annotated[float, Field(ge=1e-6, le=100)]
Ratio = Annotated[float, Field(ge=0.01, le=100)]
Scale = Annotated[float, Field(ge=0.1, le=1024)]
FROM_LIST = Field(strict=False)  # a TOML array becomes a tuple; what is in it stays strictly typed
SOME_FROM_LIST = Field(strict=False, min_length=1, max_length=64)


class _Table(BaseModel):
    """Frozen and hashable; refuses unknown keys, "512" for 512, true for 1, NaN and infinities."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class PictureRules(_Table):
    """How a picture is shown to the network: px of the shorter side, px of the canvas, mean per BGR channel."""

    short_side_px: Annotated[int, Field(ge=16, le=8192)]
    canvas_wh_px: Annotated[tuple[Side, Side], FROM_LIST]
    means_bgr: Annotated[tuple[Mean, Mean, Mean], FROM_LIST]

    @model_validator(mode="after")
    def _fits(self) -> "PictureRules":
        if self.short_side_px > min(self.canvas_wh_px):
            raise ValueError(f"should have a canvas_wh_px of at least short_side_px = {self.short_side_px} both ways")
        return self


class Proposals(_Table):
    """How the region proposal network proposes: anchors, candidates before NMS, NMS IoU, rows kept."""

    anchor_base_px: Annotated[int, Field(ge=1, le=1024)]
    anchor_ratios: Annotated[tuple[Ratio, ...], SOME_FROM_LIST]
    anchor_scales: Annotated[tuple[Scale, ...], SOME_FROM_LIST]
    before_nms: Annotated[int, Field(ge=1, le=1_000_000)]
    nms_iou: Share
    kept: Annotated[int, Field(ge=1, le=1000)]  # the vendor operator's own limit on max_total_size


class DetectionRules(_Table):
    """How outputs become detections: delta stds (dx dy dw dh), score floor (exclusive), NMS IoU, most per picture."""

    delta_stds: Annotated[tuple[Std, Std, Std, Std], FROM_LIST]
    score_above: Share
    nms_iou: Share
    per_picture: Annotated[int, Field(ge=1, le=100_000)]


class Criterion(_Table):
    """One agreed limit and who agreed on it; of a throughput also the scope of the rates it was agreed for."""

    limit: Annotated[float, Field(ge=0, le=1e6)]
    source: Text
    scope: Scope | None = None


class FixedSet(_Table):
    """What fixes the set that a port is judged on, see `pictures.fixed_set`. No part of `Port`: no build depends on it."""

    name: Text
    pictures: Annotated[int, Field(ge=1, le=10_000_000)]
    ids_sha256: Sha256
    objects_sha256: Sha256
    each: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=\s]+$")]

    @model_validator(mode="after")
    def _one_each(self) -> "FixedSet":
        if len(self.short_digests) != SHORT_DIGEST_BYTES * self.pictures:
            raise ValueError(f"should hold {SHORT_DIGEST_BYTES} bytes for each of its {self.pictures} pictures")
        return self

    @property
    def short_digests(self) -> bytes:
        """`each` as bytes, `SHORT_DIGEST_BYTES` a picture."""
        return base64.b64decode("".join(self.each.split()))


CriterionName = Literal["mean_ap", "mean_ap_drop", "class_ap_drop", "class_ap_kept", "throughput_fps"]


class Port(_Table):
    """Everything a checkpoint cannot hold; `criteria` may lack a published run's mean_ap and throughput_fps."""

    name: Text
    classes: Annotated[
        tuple[ClassName, ...], Field(strict=False, min_length=1, max_length=1000), AfterValidator(_all_different)
    ]
    pictures: PictureRules
    proposals: Proposals
    detections: DetectionRules
    criteria: Annotated[Mapping[CriterionName, Criterion], AfterValidator(_agreed)]

    def __hash__(self) -> int:  # pydantic's own would fail on the mapping
        return hash((self.name, self.classes, self.pictures, self.proposals, self.detections, *sorted(self.criteria)))


def read_port(path: Path) -> Port:
    """Read and check a port file.

    Raises:
        PortError: the file is missing, not TOML, or a key is missing, unknown, of another type or out of range;
            names the file, the key, what was found and what should be there.
    """
    return _read(path)[0]


def read_fixed_set(path: Path) -> FixedSet | None:
    """What the port file says of the set that it is judged on; None where it says nothing. Raises PortError as `read_port`."""
    return _read(path)[1]


def _read(path: Path) -> tuple[Port, FixedSet | None]:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise PortError(
            f"no port file at {path}: {error.strerror}; pass --port=FILE, for example {PUBLISHED}"
        ) from error
    if len(text) > LARGEST_FILE_BYTES:
        raise PortError(
            f"{path} has more than {LARGEST_FILE_BYTES:,} bytes, but should be a page of TOML; check --port=FILE"
        )
    try:
        table = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and TOMLDecodeError are ValueErrors
        raise PortError(f"{path} is not TOML: {error}; {HINT}") from error
    fixed = {name: table.pop(name) for name in ("fixed_set",) if name in table}
    try:
        return Port.model_validate(table), TypeAdapter(dict[str, FixedSet]).validate_python(fixed).get("fixed_set")
    except ValidationError as error:
        faults = [_sentence(fault) for fault in error.errors(include_url=False)]
        more = f"\n  and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise PortError("\n  ".join([f"{path} is not a port; {HINT}", *faults[:5]]) + more) from error


def on_canvas(port: Port, canvas_wh_px: tuple[int, int]) -> Port:
    """The same port on another canvas, (width, height) px.

    Raises:
        PortError: a canvas no port may have.
    """
    try:
        pictures = PictureRules.model_validate({**port.pictures.model_dump(), "canvas_wh_px": canvas_wh_px})
    except ValidationError as error:
        raise PortError(
            f"the port '{port.name}' on another canvas: {_sentence(error.errors(include_url=False)[0])}; use "
            "--canvas=published"
        ) from error
    return port.model_copy(update={"pictures": pictures})


def _sentence(fault: Mapping[str, Any]) -> str:
    """`pictures.short_side_px is '512', but should be a valid integer`."""
    key = ".".join(str(step) for step in fault["loc"] if step != "[key]")
    if fault["type"] == "missing":
        return f"{key} is missing"
    if fault["type"] == "extra_forbidden":
        return f"{key} is not a key of a port; is it misspelt?"
    got, want = repr(fault["input"]), fault["msg"]
    want = want.removeprefix("Value error, ").removeprefix("Input ").replace("valid tuple", "list")
    return f"{key} is {got if len(got) <= 200 else got[:200] + '...'}, but {want[0].lower()}{want[1:]}"
