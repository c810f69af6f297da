"""A GPU baseline: the source model's mean AP and speed on a CUDA device, with the digests of weights and pictures.

With --baseline=FILE its figures replace the published ones in the criteria, but only for the weights and pictures that it was
measured on.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded, write_whole

LARGEST_FILE_BYTES = 10_000_000
LARGEST_AP = 1 + 1e-9  # eleven elevenths, summed as the published loop sums them, are 1.0000000000000002


class BaselineError(SuiteError):
    """The file is no baseline, or it was measured on other weights or pictures."""


class Baseline(BaseModel):
    """Measured on one machine, over exactly `pictures` pictures whose ids have the digest `ids_sha256`.

    machine     its name, processor and cores, as what is not on the GPU runs there
    device_fps  pictures per second inside the network's call, copies to and from the GPU included
    script_fps  pictures per second of the whole script, from JPEG to detections, as the published figure was taken
    timed       how many pictures both rates were taken over
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    format: Literal["rfcn gpu baseline 3"]
    made: str
    machine: str
    gpu: str
    driver: str
    versions: dict[str, str]
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    jpegs_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    annotations_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    ids_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    port_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    pictures: int = Field(ge=1)
    protocol: str
    mean_ap: float = Field(gt=0, le=LARGEST_AP)
    ap: dict[str, Annotated[float, Field(ge=0, le=LARGEST_AP)]]
    timed: int = Field(ge=1)
    device_fps: float = Field(gt=0)
    script_fps: float = Field(gt=0)


SAME = ("weights_sha256", "jpegs_sha256", "annotations_sha256", "ids_sha256", "port_sha256")


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline as JSON. Raises OSError."""
    write_whole(path, (json.dumps(baseline.model_dump(), indent=1) + "\n").encode())


def read_baseline(path: Path) -> Baseline:
    """Read a baseline. Raises BaselineError naming the file and what is wrong with it."""
    how = "make one with `pytest -m gpu` on a machine with a CUDA device"
    try:
        data = read_bounded(path, LARGEST_FILE_BYTES)
        if data is None:
            raise BaselineError(f"{path} has {path.stat().st_size:,} bytes, but a baseline is a page of JSON; {how}")
        return Baseline.model_validate_json(data)
    except OSError as error:
        raise BaselineError(f"no baseline at {path}: {error.strerror}; {how}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BaselineError(f"{path} is no baseline: {where}: {first['msg']}; {how}") from error


def expect_same(baseline: Baseline, path: Path, classes: Collection[str], **digests: str) -> None:
    """Raise BaselineError unless the baseline was measured on the weights and pictures with these digests, class by class."""
    other = [name.removesuffix("_sha256") for name in SAME if getattr(baseline, name) != digests[name]]
    if other:
        raise BaselineError(
            f"the baseline {path} was measured on other {', '.join(other)} than are on trial, so its figures are no limit "
            "here; measure one with `pytest -m gpu` and the same --weights, --port, --devkit and --limit"
        )
    strange = sorted(baseline.ap.keys() - set(classes))
    if strange:
        raise BaselineError(
            f"the baseline {path} has an AP of {', '.join(strange[:3])}, but the port has no such class; it was edited: measure "
            "one with `pytest -m gpu`"
        )
