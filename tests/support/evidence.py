"""A small file of evidence, made up; and zips that were changed, or made to do harm."""

import hashlib
import json
import struct
import zipfile

import numpy as np

from rfcn_lib.agreement import heads, proposals
from rfcn_lib.agreement.measurements import Measurements
from rfcn_lib.agreement.pictures import Apart
from rfcn_lib.evidence.archive import manifest_of, write_archive
from rfcn_lib.evidence.contents import RUN, STATEMENT, VERDICT, Judged, as_bytes, dumps_text, members_of
from rfcn_lib.evidence.records import CandidateFacts, Canvas, Exhibits, File, ReferenceFacts, Run, Set, Side, Verdict
from rfcn_lib.evidence.statement import statement_of
from rfcn_lib.records import Detections, Truth

SHA = "ab" * 32
IDS = ("000001", "000002", "000003")


def detections_of(seed, count):
    numbers = np.random.default_rng(seed)
    boxes = numbers.uniform(0, 200, (count, 4)).astype(np.float32)
    return Detections(boxes, numbers.uniform(0, 1, count).astype(np.float32), numbers.integers(0, 3, count))


def truth_of(seed, count):
    numbers = np.random.default_rng(seed)
    boxes = numbers.integers(0, 400, (count, 4)).astype(np.float64)
    return Truth(boxes, numbers.integers(0, 3, count), numbers.integers(0, 2, count).astype(bool))


def sums_of(seed):
    """Of three pictures; the second one has no measure of the heads."""
    numbers = np.random.default_rng(seed)
    each = [
        {measure: (float(numbers.normal()), 1.0, float(numbers.uniform())) for measure in measures}
        for measures in ((proposals.LOST, proposals.APART), (proposals.LOST,), (heads.SCORES, proposals.LOST))
    ]
    each[0][proposals.APART] = (float("nan"), 0.1 + 0.2, 0.0)
    return each


def measurements_of(ids=IDS):
    apart = {id: Apart(0.1 * at, 1e-300, at / 3) for at, id in enumerate(ids)}
    floors = [{id: Apart(apart[id].uncovered / 3, 1e-5 * at, 0.5) for id in IDS} for at in range(2)]
    return Measurements(sums_of(1), [sums_of(2), sums_of(3)], apart, floors)


def side_of(detections, dumps):
    counts = [len(one.labels) for one in detections.values()]
    return Side(folder="/elsewhere", sha256=hashlib.sha256(dumps_text(dumps)).hexdigest(), size_bytes=77, counts=counts)


def judged_of(**changes):
    ids = list(IDS)
    found = {
        side: {id: detections_of(seed + at, 4 * at) for at, id in enumerate(ids)}
        for side, seed in (("candidate", 10), ("reference", 20))
    }
    dumps = {side: {id: hashlib.sha256(f"{side}{id}".encode()).hexdigest() for id in ids} for side in found}
    truth = {id: truth_of(at, at + 1) for at, id in enumerate(ids)}
    outputs = {side: side_of(found[side], dumps[side]) for side in found}
    values = {
        "port_toml": b'name = "a port"\n',
        "set_txt": "".join(f"{id}\n" for id in ids).encode(),
        "pictures": Set(
            devkit="/elsewhere/VOCdevkit",
            set_name="test",
            ids=ids,
            all_ids=ids,
            sizes_wh=[(500, 375)] * 3,
            objects=[len(truth[id].labels) for id in ids],
            files={},
            tolerated={"annotations without a size": 1},
            canvases=[Canvas(wh=(512, 512), ids=ids[::-1])],
            fitted=False,
        ),
        "truth": truth,
        "exhibits": Exhibits(files={"adapted": File(path="/elsewhere/a.onnx", sha256=SHA, bytes=5)}),
        "candidate": CandidateFacts(
            on="host stand-in",
            description="ONNX Runtime",
            outputs=outputs["candidate"],
            commands=[],
            unpublished=[],
            chip=None,
            precision_mode=None,
            clip="canvas",
            notes=[],
        ),
        "reference": ReferenceFacts(device="PyTorch", outputs=outputs["reference"], packet=None),
        "detections": found,
        "dumps": dumps,
        "floor": "float32 against float64",
        "sample": IDS,
        "measurements": measurements_of(ids[::-1]),
    }
    return Judged(**{**values, **changes})


def run_of(**changes):
    values = {
        "made": "2026-01-01T00:00:00+00:00",
        "marks": "accuracy",
        "device": "host",
        "command": ["pytest", "-m", "accuracy"],
        "here": "/elsewhere",
        "options": {"weights": None},
        "accept": False,
        "gate": "point",
        "explained": None,
        "soc": None,
        "precision_mode": None,
        "environment": {"python": "3"},
        "suite": {"commit": None},
        "commands": [],
        "notes": [],
        "rates": [],
    }
    return Run(**{**values, **changes})


def said_of(**changes):
    row = {"name": "mean AP drop, relative", "number": 0.1, "outcome": "passed", "limit": 0.2}
    values = {
        "status": "PASSED",
        "words": "1 criterion holds",
        "trial": {"candidate_ap": {"cat": 0.5}},
        "criteria": [row],
        "tests": {"t": "passed"},
    }
    return Verdict(**{**values, **changes})


def all_members(judged=None, run=None, said=None):
    """Every member but the manifest."""
    judged, said = judged or judged_of(), said or said_of()
    members = {**members_of(judged), RUN: as_bytes(run or run_of()), VERDICT: as_bytes(said)}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    exhibits = {name: one.sha256 for name, one in judged.exhibits.files.items()}
    return {**members, STATEMENT: statement_of(said, digests, exhibits)}


def members_in(path):
    """Name -> content, as anybody's zip library reads them."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != "manifest.json"}


def write_forged(path, members):
    """Members that were changed, with a manifest and a Statement that fit them, as a forger without a key would write them."""
    members = {name: data for name, data in members.items() if name != STATEMENT}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    exhibits = {name: one["sha256"] for name, one in json.loads(members["exhibits.json"])["files"].items()}
    said = Verdict.model_validate_json(members[VERDICT])
    return write_archive(path, {**members, STATEMENT: statement_of(said, digests, exhibits)})


def plain_zip(path, entries, **arguments):
    """A zip of (name or ZipInfo, content), written by Python's own library, with a manifest that fits."""
    digests = {getattr(name, "filename", name): hashlib.sha256(data).hexdigest() for name, data in entries}
    with zipfile.ZipFile(path, "w", **arguments) as archive:
        for name, data in entries:
            archive.writestr(name, data)
        archive.writestr("manifest.json", manifest_of(digests))


def patched_table(data, at, new):
    """The bytes with other ones at an offset of the first line of the zip's table."""
    begin = data.index(b"PK\1\2") + at
    return data[:begin] + new + data[begin + len(new) :]


def long_word(number):
    return struct.pack("<L", number)


def short_word(number):
    return struct.pack("<H", number)
