"""A folder of dumps -> an evaluation. Every dump is audited as it is read; the score comes after the last one."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Detections, Picture, Truth
from rfcn_lib.score.arrays import classes_with_truth
from rfcn_lib.score.average_precision import VOC07, Evaluation, Protocol, evaluate
from rfcn_lib.score.dump_audit import read_dumps
from rfcn_lib.score.dump_forms import OWN, Form, payload_bytes
from rfcn_lib.score.dumps import DumpError, shapes
from rfcn_lib.score.postprocess import detections_from_outputs


@dataclass(frozen=True, slots=True)
class Judged:
    """The average precision of a folder of dumps.

    sha256      of the outputs that were read: over each picture's id and the sha256 of its arrays as raw float32
    size_bytes  of these arrays
    detections  by id, as they were judged
    form        in which the files are there
    digests     id -> sha256 of its arrays; empty where the outputs themselves were not read (a packet)
    """

    evaluation: Evaluation
    folder: Path
    sha256: str
    size_bytes: int
    detections: Mapping[str, Detections] = field(repr=False, compare=False)
    form: Form = OWN
    digests: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


def judge(
    folder: Path,
    pictures: Mapping[str, Picture],
    truth: Mapping[str, Truth],
    port: Port,
    *,
    whole_set: bool,
    form: Form = OWN,
    surplus_allowed: Collection[str] = (),
    surplus_names: re.Pattern[str] | None = None,
    made: Mapping[str, str] | None = None,
    protocol: Protocol = VOC07,
) -> Judged:
    """Judge the dumps of exactly the pictures in `truth`, in its order. Names and forms of files: `dump_audit.read_dumps`.

    `made`: id -> sha256 as the device made it; a dump that has changed since is an error. A class without truth is an
    error in a whole set; in a part of one it is left out. Full-precision scores.

    Raises:
        DumpError, EvaluationError: see `dump_audit.audit` and `average_precision.evaluate`.
    """
    detections: dict[str, Detections] = {}
    digests: dict[str, str] = {}
    together = hashlib.sha256()
    dumps = read_dumps(
        folder, tuple(truth), port, form=form, surplus_allowed=surplus_allowed, surplus_names=surplus_names
    )
    for id, outputs, sha256 in progress(dumps, len(truth), "outputs to detections"):
        if made is not None and made.get(id) != sha256:
            raise DumpError(
                f"{folder}: {id}_*.bin are not the files the device made (sha256 {sha256[:12]}, but should be "
                f"{made.get(id, 'none')[:12]}); remove them, and the next run makes them again"
            )
        detections[id] = detections_from_outputs(outputs, pictures[id], port)
        digests[id] = sha256
        together.update(f"{id} {sha256}\n".encode())
    evaluation = evaluate_set(detections, truth, port.classes, whole_set=whole_set, protocol=protocol)
    size_bytes = len(truth) * sum(payload_bytes(shape) for shape in shapes(port))
    return Judged(evaluation, folder, together.hexdigest(), size_bytes, detections, form, digests)


def evaluate_set(
    detections: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    *,
    whole_set: bool,
    protocol: Protocol = VOC07,
) -> Evaluation:
    """As `evaluate`. A class without truth is an error in a whole set; in a part of one it is left out."""
    judged = None if whole_set else classes_with_truth(truth, classes)
    return evaluate(detections, truth, classes, protocol, judged=judged)
