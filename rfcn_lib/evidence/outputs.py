"""With --evidence-dumps: the network's outputs in the file give the digests and the detections that are in it too."""

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.evidence.archive import Archive
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Detections, Outputs, Picture
from rfcn_lib.score.dumps import shapes
from rfcn_lib.score.postprocess import detections_from_outputs

FLOAT32: Final = np.dtype("<f4")


def has_outputs(archive: Archive, side: str) -> bool:
    """Whether any output of a side is in the file."""
    return any(name.startswith(f"{side}/dumps/") for name in archive.entries)


def expect_outputs(
    archive: Archive,
    side: str,
    digests: Mapping[str, str],
    detections: Mapping[str, Detections],
    pictures: Mapping[str, Picture],
    port: Port,
) -> None:
    """See that a side's outputs have the digests of its dumps.txt, and give its detections to the last bit.

    Raises:
        EvidenceError: names the member and the picture.
    """
    files = {}
    of_picture = dict(zip(spec.OUTPUTS, shapes(port), strict=True))
    for output, (rows, columns) in of_picture.items():
        name = f"{side}/dumps/{output}.f4"
        size = FLOAT32.itemsize * rows * columns
        entry = archive.entries.get(name)
        if entry is None or entry.size != size * len(digests):
            got = "lacks" if entry is None else f"has {entry.size:,} bytes"
            raise EvidenceError(f"{archive.path}: member {name} {got}, but should have {size * len(digests):,} bytes")
        files[output] = archive.parts(name, size)
    for id, sha256 in progress(digests.items(), len(digests), f"outputs of the {side} to detections"):
        parts = [next(files[output]) for output in spec.OUTPUTS]
        if hashlib.sha256(b"".join(parts)).hexdigest() != sha256:
            raise EvidenceError(
                f"{archive.path}: members {side}/dumps/*.f4 have other outputs of picture {id} than {side}/dumps.txt says"
            )
        arrays = [
            np.frombuffer(part, FLOAT32).reshape(shape) for part, shape in zip(parts, of_picture.values(), strict=True)
        ]
        _expect_same(archive, side, id, detections_from_outputs(Outputs(*arrays), pictures[id], port), detections[id])


def _expect_same(archive: Archive, side: str, id: str, found: Detections, said: Detections) -> None:
    for name, member in (("boxes_xyxy", "boxes_xyxy.f4"), ("scores", "scores.f4"), ("labels", "labels.u2")):
        if not np.array_equal(getattr(found, name), getattr(said, name)):
            raise EvidenceError(
                f"{archive.path}: member {side}/{member} has other numbers in picture {id} than the outputs in {side}/dumps/ give"
            )
