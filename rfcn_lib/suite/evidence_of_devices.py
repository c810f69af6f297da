"""--evidence-from=FILE: what an NPU, or the rehearsal of a chip, gave in the run that wrote the file. No device is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from rfcn_lib.ascend.npu_smi import Npu
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.records import NpuFacts
from rfcn_lib.graph.rehearsal.headroom import Headroom
from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.records import Scope
from rfcn_lib.speed.throughput import Rate, rates_of
from rfcn_lib.speed.timings import chosen, read_timings
from rfcn_lib.suite.ascend import NpuHost, NpuRun
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.evidence_opened import Evidence
from rfcn_lib.suite.evidence_sides import candidate_of
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.rehearsal import Chip, chip_of

OTHERS: Final = ("test_export.py", "test_adapt.py")  # they judge graphs, which are not in the file
NOT_KEPT: Final = "the evidence has no files of the rehearsal: they judge nothing"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """The graphs' tests need PyTorch to be read."""
    return True if collection_path.name in OTHERS else None


@dataclass(frozen=True)
class Recorded:
    """Stands for the store and its digests: those that the run took."""

    sha256: Mapping[Path, str]

    @property
    def digests(self) -> "Recorded":
        return self

    def of(self, path: Path) -> str:
        """sha256 of a compiled model, by the path that this session gives it."""
        return self.sha256[path]


def _facts(evidence: Evidence) -> NpuFacts:
    found = evidence.judged.npu
    if found is None:
        raise EvidenceError(
            f"{evidence.path}: it has no member npu.json: the run that wrote it did not time the NPU to the end"
        )
    return found


@pytest.fixture(scope="session")
def npu_ready() -> None:
    """No device is needed."""


@pytest.fixture(scope="session")
def compiler() -> None:
    """None is needed."""


@pytest.fixture(scope="session")
def npu_dumps() -> None:
    """There are none."""


@pytest.fixture(scope="session")
def rehearsal_dumps() -> None:
    """There are none."""


@pytest.fixture(scope="session")
def om(canvases: Canvases) -> PerCanvas:
    """A name for the compiled model of each canvas."""
    return {canvas: Path(name_of(canvas)) for canvas in canvases}


@pytest.fixture(scope="session")
def store(evidence: Evidence, om: PerCanvas) -> Recorded:
    """The digests of the compiled models. Nothing else is kept or read."""
    npu = evidence.judged.npu
    return Recorded({} if npu is None else {path: npu.oms[str(path)] for path in om.values()})


@pytest.fixture(scope="session")
def npu_run(evidence: Evidence, canvases: Canvases, tmp_path_factory: pytest.TempPathFactory) -> NpuRun:
    """The timings, from the tool's own reports."""
    facts, folder = _facts(evidence), tmp_path_factory.mktemp("timings")
    for name, data in evidence.judged.timings.items():
        (folder / name).write_bytes(data)
    kept = read_timings(folder).values()
    timings = tuple(
        timing
        for canvas, ids in canvases.by_canvas.items()
        for timing in chosen([one for one in kept if one.om_sha256 == facts.oms.get(name_of(canvas))], ids)
    )
    no_tool: Any = None
    npus = tuple(
        Npu(**{**npu.model_dump(), "busy": tuple(npu.busy), "warnings": tuple(npu.warnings)}) for npu in facts.npus
    )
    host = NpuHost(no_tool, npus, facts.chips_on_card)
    return NpuRun(Path(evidence.judged.candidate.outputs.folder), timings, host, (), facts.simulated, ())


@pytest.fixture(scope="session")
def rates(npu_run: NpuRun, om: PerCanvas, canvases: Canvases, store: Recorded) -> Mapping[Scope, Rate]:
    """Pictures per second by scope, computed again from the tool's reports."""
    om_sha256 = {id: store.digests.of(om[canvas]) for id, canvas in canvases.canvas_of.items()}
    return rates_of(npu_run.timings, om_sha256, npu_run.host.chips_on_card)


@pytest.fixture(scope="session")
def npu_candidate(evidence: Evidence, pictures: Pictures) -> Candidate:
    """The evaluation of the NPU's detections."""
    return candidate_of(evidence, pictures)


@pytest.fixture(scope="session")
def rehearsal_candidate(evidence: Evidence, pictures: Pictures) -> Candidate:
    """The evaluation of the rehearsed detections."""
    return candidate_of(evidence, pictures)


@pytest.fixture(scope="session")
def chip(options: Options) -> Chip:
    """The chip that was rehearsed."""
    return chip_of(options.chip, options.precision_mode)


@pytest.fixture(scope="session")
def headroom(evidence: Evidence) -> tuple[Headroom, ...]:
    """How near each tensor came to the largest fp16 number, worst first."""
    rows = require(evidence.judged.headroom, "the run measured no headroom")
    try:
        return tuple(
            Headroom(**{**row, "largest": float("inf") if row["largest"] is None else row["largest"]}) for row in rows
        )
    except (TypeError, KeyError) as error:
        raise EvidenceError(
            f"{evidence.path}: member headroom.json has other fields than it should have: {error}"
        ) from error


@pytest.fixture(scope="session")
def floors() -> None:
    """They are files of the rehearsal's own store."""
    pytest.skip(NOT_KEPT)


@pytest.fixture(scope="session")
def orders() -> None:
    """They are files of the rehearsal's own store."""
    pytest.skip(NOT_KEPT)


@pytest.fixture(scope="session")
def explanation() -> None:
    """It needs the network."""
    pytest.skip(NOT_KEPT)
