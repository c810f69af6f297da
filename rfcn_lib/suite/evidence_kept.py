"""What a run judged, as a file of evidence holds it: values of the fixtures in, records and arrays out."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.evidence.archive import Content, Streamed
from rfcn_lib.evidence.contents import Judged, as_bytes
from rfcn_lib.evidence.records import (
    CandidateFacts,
    Canvas,
    Exhibits,
    File,
    NpuDevice,
    NpuFacts,
    ReferenceFacts,
    Set,
    Side,
)
from rfcn_lib.files import read_bounded
from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.set_file import LARGEST_SET_BYTES, set_path
from rfcn_lib.port import LARGEST_FILE_BYTES
from rfcn_lib.records import Detections
from rfcn_lib.runs.npu_folder import LOG_BYTES, LOGS
from rfcn_lib.score import evaluation
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.score.dumps import shapes
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.speed.timings import write_timing
from rfcn_lib.store.store import Store
from rfcn_lib.suite.ascend import NpuRun
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.verdict_file import finite
from rfcn_lib.verdict.verdict import Exhibit

LARGEST_LOG_BYTES: Final = 5_000_000
BESIDE_OM: Final = ("atc.log", "command.txt")


def judged_here(
    candidate: Candidate,
    reference: Reference,
    baseline: Facts | None,
    exhibits: Mapping[str, Exhibit],
    pictures: Pictures,
    canvases: Canvases,
    graph_facts: GraphFacts,
    options: Options,
) -> Judged:
    """What judging again needs besides agreement, headroom and timings."""
    devkit, ids = pictures.devkit, pictures.devkit.ids
    theirs = reference.judged
    sides = {"candidate": candidate.judged} | ({"reference": theirs} if theirs else {})
    outputs = {side: _side(judged, ids) for side, judged in sides.items()}
    files = _logs(candidate) | (_dumps(sides, pictures) if options.evidence_dumps else {})
    return Judged(
        port_toml=_bytes(options.port, LARGEST_FILE_BYTES),
        set_txt=_bytes(set_path(devkit.folder, devkit.set_name), LARGEST_SET_BYTES),
        pictures=_set(pictures, canvases),
        truth=devkit.truth,
        exhibits=Exhibits(files={name: File(**one) for name, one in exhibits.items()}),
        candidate=CandidateFacts(
            on=candidate.on,
            description=candidate.description,
            outputs=outputs["candidate"],
            commands=list(candidate.commands),
            unpublished=list(candidate.unpublished),
            chip=candidate.chip,
            precision_mode=candidate.precision_mode,
            clip=graph_facts.clip,
            notes=list(graph_facts.notes),
        ),
        reference=ReferenceFacts(
            device=reference.device,
            outputs=outputs.get("reference"),
            packet=File(**reference.packet) if reference.packet else None,
        ),
        detections={side: _of_ids(judged.detections, ids) for side, judged in sides.items()},
        dumps={side: judged.digests for side, judged in sides.items() if judged.digests},
        baseline=baseline,
        files=files,
    )


def _set(pictures: Pictures, canvases: Canvases) -> Set:
    devkit = pictures.devkit
    return Set(
        devkit=str(devkit.folder),
        set_name=devkit.set_name,
        ids=list(devkit.ids),
        all_ids=list(devkit.all_ids),
        sizes_wh=[devkit.sizes_wh[id] for id in devkit.ids],
        objects=[len(devkit.truth[id].labels) for id in devkit.ids],
        files=dict(devkit.files),
        tolerated=dict(devkit.tolerated),
        canvases=[Canvas(wh=wh, ids=list(on_it)) for wh, on_it in canvases.by_canvas.items()],
        fitted=canvases.fitted,
    )


def _side(judged: evaluation.Judged, ids: tuple[str, ...]) -> Side:
    counts = [len(judged.detections[id].labels) for id in ids]
    return Side(folder=str(judged.folder), sha256=judged.sha256, size_bytes=judged.size_bytes, counts=counts)


def _of_ids(detections: Mapping[str, Detections], ids: tuple[str, ...]) -> dict[str, Detections]:
    return {id: detections[id] for id in ids}


def _dumps(sides: Mapping[str, evaluation.Judged], pictures: Pictures) -> dict[str, Content]:
    """The outputs of both sides, an array of all pictures for each output. A packet has none."""
    return {
        f"{side}/dumps/{output}.f4": _output(judged, pictures, output, 4 * rows * columns)
        for side, judged in sides.items()
        if judged.digests
        for output, (rows, columns) in zip(spec.OUTPUTS, shapes(pictures.port), strict=True)
    }


def _output(judged: evaluation.Judged, pictures: Pictures, output: str, size: int) -> Streamed:
    def parts() -> Iterator[bytes]:
        for id in judged.digests:
            outputs = read_dump(judged.folder, id, pictures.port, form=judged.form)
            yield np.ascontiguousarray(getattr(outputs, output), "<f4").tobytes()

    return Streamed(size * len(judged.digests), parts)


def _logs(candidate: Candidate) -> dict[str, Content]:
    """What the compiler said, where it ran here."""
    found: dict[str, Content] = {}
    for kind, path in candidate.files.items():
        for name in BESIDE_OM if kind.startswith("om") else ():
            log = path.with_name(name)
            if log.is_file():
                data = read_bounded(log, LARGEST_LOG_BYTES)
                found[f"logs/{kind.replace(' ', '-')}-{name}"] = data if data is not None else b"larger than is kept\n"
    return found


def npu_members(run: NpuRun, om: PerCanvas, canvases: Canvases, store: Store) -> dict[str, Content]:
    """Member -> content: the tool's report of each batch, from which the throughput is computed, and what the tool printed."""
    facts = NpuFacts(
        simulated=run.simulated,
        chips_on_card=run.host.chips_on_card,
        oms={name_of(canvas): store.digests.of(om[canvas]) for canvas in canvases},
        npus=[NpuDevice.model_validate(finite(asdict(npu))) for npu in run.host.npus],
    )
    logs: dict[str, Content] = {}
    with tempfile.TemporaryDirectory() as folder:
        for timing in run.timings:
            kept = run.dumps.parent / LOGS / f"{write_timing(Path(folder), timing).stem}.log"
            if kept.is_file():
                logs[f"logs/{kept.name}"] = _bytes(kept, LOG_BYTES)
        reports = {f"timings/{path.name}": path.read_bytes() for path in sorted(Path(folder).iterdir())}
    return {"npu.json": as_bytes(facts), **reports, **logs}


def _bytes(path: Path, most: int) -> bytes:
    data = read_bounded(path, most)
    if data is None:  # it was read before, with this limit
        raise SuiteError(f"{path} grew beyond {most:,} bytes while this run used it; run again")
    return data
