"""What a fault is: a name, the stage of the port that it belongs to, a sentence for the engineer, and what it changes.

A fault is of one of five kinds, by the place where it changes something: the network's input, the graph, the outputs of one
picture, the outputs of a set, or what the command line is given.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib.errors import SuiteError
from rfcn_lib.port import PictureRules, Port
from rfcn_lib.records import Floats, Outputs, Picture

Stage = Literal[
    "files",
    "pictures",
    "backbone",
    "proposals",
    "pooling",
    "heads",
    "post-processing",
    "data",
    "cache and clock",
]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)


class FaultError(SuiteError):
    """A fault cannot be planted: the graph, the picture or the set has no place for it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Base of the five kinds.

    name      in kebab case, unique
    stage     where an engineer looks first
    sentence  what is wrong and where to look
    """

    name: str
    stage: Stage
    sentence: str


@dataclass(frozen=True, slots=True)
class PictureFault(Fault):
    """Replaces the preprocessing: (H, W, 3) uint8 RGB, record, rules -> (1, 3, canvas height, canvas width) float32."""

    change: Callable[[NDArray[np.uint8], Picture, PictureRules], Floats]


@dataclass(frozen=True, slots=True)
class GraphFault(Fault):
    """Changes the adapted graph in place. `change` raises FaultError where the graph has no such part."""

    change: Callable[[ir.Model], None]


@dataclass(frozen=True, slots=True)
class OutputsFault(Fault):
    """Changes the outputs of one picture: they, its record, the port -> outputs of the same shapes. The input stays."""

    change: Callable[[Outputs, Picture, Port], Outputs]


@dataclass(frozen=True, slots=True)
class FilesFault(Fault):
    """Changes which picture has which outputs: id -> outputs, in the set's order -> the same ids with others' outputs."""

    change: Callable[[Mapping[str, Outputs]], dict[str, Outputs]]


@dataclass(frozen=True, slots=True)
class Bench:
    """A copy of everything that a judgement reads, in a folder of its own, for faults of the command line.

    folder   empty, the fault's own
    devkit   folder that holds VOC2007/
    port     the port file
    weights  the checkpoint
    dumps    the candidate's dumps, `<id>_1.bin` to `_3.bin`
    store    the suite's store: reference, graphs
    twin     the twin's dumps of the same pictures
    """

    folder: Path
    devkit: Path
    port: Path
    weights: Path
    dumps: Path
    store: Path
    twin: Path


@dataclass(frozen=True, slots=True)
class CommandFault(Fault):
    """Changes files of the bench, and returns the options that then replace those of a right run, such as "--port=FILE"."""

    change: Callable[[Bench], tuple[str, ...]]


def unseen(fault: Fault) -> bool:
    """Whether the fault is of the third that nobody looks at while limits are chosen: by the sha256 of its name."""
    return int(hashlib.sha256(fault.name.encode()).hexdigest(), 16) % 3 == 0


def rng_of(name: str) -> np.random.Generator:
    """Random numbers that depend on the name alone, so a fault is the same in every run."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
