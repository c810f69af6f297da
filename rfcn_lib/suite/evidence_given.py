"""--evidence-from=FILE: what was judged comes from a file of --evidence. No weights, JPEGs, network or device are asked for.

What the criteria judge is computed again, from truth, detections and measurements. Then the verdict must be the one in the file.
"""

from pathlib import Path
from typing import Any

import pytest

from rfcn_lib.agreement.culprit import Blame, first_stage
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.set_file import read_ids
from rfcn_lib.port import Port, read_port
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.suite.agreement import PUBLISHED_SAYS_NOTHING, Agreed, expect_device
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.evidence_opened import EVIDENCE, Evidence
from rfcn_lib.suite.evidence_sides import candidate_of, judged_side
from rfcn_lib.suite.floors import Source
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference, expect_fair, expect_names, expect_other_outputs
from rfcn_lib.suite.limits import published_figure
from rfcn_lib.verdict.verdict import HOST, Exhibit, Trial

NO_AGREEMENT = "the run that wrote this evidence measured no agreement: an error kept it from that"


@pytest.fixture(scope="session")
def evidence(pytestconfig: pytest.Config) -> Evidence:
    """The file of --evidence-from, opened."""
    return pytestconfig.stash[EVIDENCE]


@pytest.fixture(scope="session")
def port(evidence: Evidence) -> Port:
    """The port's numbers."""
    return read_port(evidence.file("port.toml"))


@pytest.fixture(scope="session")
def devkit(evidence: Evidence) -> Devkit:
    """The set: ids, truth, sizes of its pictures. Raises EvidenceError where its two members differ."""
    found = evidence.judged.pictures
    if list(read_ids(evidence.file("set.txt"), found.all_ids)) != found.all_ids:
        raise EvidenceError(f"{evidence.path}: member pictures.json has other ids of the set than member set.txt")
    return Devkit(
        Path(found.devkit),
        found.set_name,
        tuple(found.ids),
        tuple(found.all_ids),
        evidence.judged.truth,
        dict(zip(found.ids, found.sizes_wh, strict=True)),
        found.files,
        found.tolerated,
    )


@pytest.fixture(scope="session")
def canvases(evidence: Evidence, port: Port) -> Canvases:
    """Which pictures were on which canvas."""
    found = evidence.judged.pictures
    return Canvases({one.wh: tuple(one.ids) for one in found.canvases}, port.pictures.canvas_wh_px, found.fitted)


@pytest.fixture(scope="session")
def pictures(devkit: Devkit, port: Port, canvases: Canvases) -> Pictures:
    """The pictures without their JPEGs."""
    return Pictures(devkit, port, canvases.by_canvas, lambda paths: ["" for _ in paths])


@pytest.fixture(scope="session")
def graph_facts(evidence: Evidence) -> GraphFacts:
    """What the verdict said of the graphs."""
    candidate = evidence.judged.candidate
    return GraphFacts(candidate.clip, tuple(candidate.notes))


@pytest.fixture(scope="session")
def baseline(evidence: Evidence) -> Facts | None:
    """What the packet of --baseline said, where there was one."""
    return evidence.judged.baseline


@pytest.fixture(scope="session")
def host_first_pictures() -> None:
    """Nothing to run."""


@pytest.fixture(scope="session")
def reference_first_pictures() -> None:
    """Nothing to run."""


@pytest.fixture(scope="session")
def host_dumps() -> None:
    """There are none."""


@pytest.fixture(scope="session")
def reference_dumps() -> None:
    """There are none."""


@pytest.fixture(scope="session")
def reference(evidence: Evidence, pictures: Pictures) -> Reference:
    """The evaluation of the reference's detections, or the published figure. Raises UnfairError as a run does."""
    devkit, facts = pictures.devkit, evidence.judged.reference
    if facts.outputs is None:
        figure = published_figure(pictures.port, devkit)
        if isinstance(figure, str):
            raise EvidenceError(f"{evidence.path}: the reference is the published figure, but {figure}")
        return Reference(facts.device, figure.limit, {})
    judged = judged_side(evidence, "reference", facts.outputs, pictures.on_published_canvas())
    found = judged.evaluation
    expect_fair(found.mean_ap, devkit.ids == devkit.all_ids)
    expect_names(judged.detections, found.ap, pictures)
    packet: Exhibit | None = None
    if facts.packet:
        packet = {"path": facts.packet.path, "sha256": facts.packet.sha256, "bytes": facts.packet.bytes}
    return Reference(facts.device, found.mean_ap, found.ap, judged, packet)


@pytest.fixture(scope="session")
def host_candidate(evidence: Evidence, pictures: Pictures) -> Candidate:
    """The evaluation of the candidate's detections."""
    return candidate_of(evidence, pictures)


@pytest.fixture(scope="class")
def exhibits(evidence: Evidence, candidate: Candidate, reference: Reference) -> dict[str, Exhibit]:
    """Every file that took part, as the run found it.

    Raises:
        EvidenceError: a member is not the file that the verdict names.
        UnfairError: the candidate's dumps are the reference's own.
    """
    found: dict[str, Exhibit] = {
        name: {"path": one.path, "sha256": one.sha256, "bytes": one.bytes}
        for name, one in evidence.judged.exhibits.files.items()
    }
    digests = {name: evidence.archive.digests[member] for name, member in (("port", "port.toml"), ("set", "set.txt"))}
    digests["candidate dumps"] = candidate.judged.sha256
    if reference.judged and not reference.packet:
        digests["reference dumps"] = reference.judged.sha256
    for name, sha256 in digests.items():
        said = found[name]["sha256"] if name in found else "nothing"
        if said != sha256:
            raise EvidenceError(
                f"{evidence.path}: member exhibits.json says sha256 {said[:12]} of the {name}, but it has {sha256[:12]}"
            )
    expect_other_outputs(candidate, reference)
    return found


@pytest.fixture(scope="class")
def agreement(
    trial: Trial,
    evidence: Evidence,
    candidate: Candidate,
    pictures: Pictures,
    canvases: Canvases,
) -> Agreed:
    """Figures and limits of the agreement, from what was measured picture by picture. Raises UnfairError as a run does."""
    judged = evidence.judged
    require(judged.reference.outputs, PUBLISHED_SAYS_NOTHING)
    measured = judged.measurements
    if measured is None:
        raise EvidenceError(f"{evidence.path}: {NO_AGREEMENT}")
    found = measured.figures()
    if candidate.on != HOST:
        expect_device(found, candidate)
    sample = tuple(judged.sample)
    no_store: Any = None  # nothing is run
    source = Source(no_store, canvases, evidence.path, pictures.port, pictures.only(sample), (), "canvas")
    limits = measured.limits()
    return Agreed(
        judged.floor, sample, found, measured.each, limits, source, None, None, None, pictures.records, measured
    )


def expect_blame(agreement: Agreed, has_blame: bool, path: Path) -> None:
    """Raise EvidenceError where something departs and is put down to nothing, or the reverse."""
    stage, _ = first_stage(agreement.found, len({id for id, *_ in agreement.alone}), len(agreement.each))
    if bool(stage) != has_blame:
        words = f"{stage} depart first, but there is none" if stage else "nothing departs, and yet there is one"
        raise EvidenceError(f"{path}: member agreement/blame.json: {words}")


@pytest.fixture(scope="class")
def culprit(agreement: Agreed, evidence: Evidence) -> Blame | None:
    """What the run put a departure down to. To find it needs the network.

    Raises:
        EvidenceError: something departs and is put down to nothing, or the reverse.
    """
    blame = evidence.judged.blame
    expect_blame(agreement, blame is not None, evidence.path)
    return None if blame is None else Blame(**blame.model_dump())
