"""What the manifest of a reference packet says, and the error of a packet."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from rfcn_lib.errors import SuiteError

FORMAT: Final = "rfcn reference packet 1"
LARGEST_AP: Final = 1 + 1e-9  # eleven elevenths, summed as the published loop sums them, are 1.0000000000000002
HOW: Final = (
    "make one with the same --weights, --port and --devkit: `pytest -m gpu` on a machine with a CUDA device, or "
    "`pytest -m accuracy --write-reference=FILE` on any"
)

Ap = Annotated[float, Field(ge=0, le=LARGEST_AP)]
Fps = Annotated[float, Field(gt=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class PacketError(SuiteError):
    """The file is no reference packet, or one of other inputs than are on trial."""


class Record(BaseModel):
    """Frozen; refuses unknown keys, values of another type, NaN and infinities."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class PictureFiles(Record):
    """sha256 of the two files of one picture."""

    jpeg: Sha256
    annotation: Sha256


class Origin(Record):
    """What the source model's detections depend on.

    weights   sha256 of the checkpoint
    port      the port's numbers, without its name and criteria
    pictures  id -> its files, in the order of the set
    code      file -> sha256, of preprocessing, network and postprocessing (`store.code`)
    """

    weights: Sha256
    port: dict[str, Any]
    pictures: dict[str, PictureFiles]
    code: dict[str, Sha256]


class Rates(Record):
    """Pictures per second of the source model, over the first `timed` pictures.

    device_fps  inside the network's call, copies to and from the device included
    script_fps  of the whole script, from JPEG to detections, as the published figure was taken
    """

    timed: int = Field(ge=1)
    device_fps: Fps
    script_fps: Fps


class Maker(Record):
    """Where the source model ran.

    machine   its name, processor and cores, as what is not on the device runs there
    device    what ran the network: a GPU's name, or the host CPU
    driver    of the GPU
    versions  of the libraries
    """

    machine: str
    device: str
    driver: str
    versions: dict[str, str]


class Facts(Record):
    """What a packet says besides the detections.

    protocol        name of the protocol of `mean_ap` and `ap`, which are of exactly the packet's ids
    outputs_sha256  of the outputs that gave the detections, as `evaluation.Judged` has it
    rates           None where nothing was timed
    fingerprint     the protocol of these numbers, as `score.fingerprint` has it; None in packets of earlier editions
    """

    origin: Origin
    maker: Maker
    protocol: str
    mean_ap: float = Field(gt=0, le=LARGEST_AP)
    ap: dict[str, Ap]
    outputs_sha256: Sha256
    rates: Rates | None
    fingerprint: dict[str, str] | None = None


class Manifest(Record):
    """The member manifest.json.

    counts   number of detections of each picture, in the order of `facts.origin.pictures`
    members  name -> sha256 of every other member
    """

    format: Literal["rfcn reference packet 1"]
    facts: Facts
    counts: list[Annotated[int, Field(ge=0)]]
    members: dict[str, Sha256]
