"""From a file of evidence to the evaluations of both sides, computed again."""

from pathlib import Path

from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.outputs import expect_outputs, has_outputs
from rfcn_lib.evidence.records import Side
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.score.evaluation import Judged, evaluate_set
from rfcn_lib.suite.evidence_opened import Evidence
from rfcn_lib.suite.judging import Candidate


def candidate_of(evidence: Evidence, pictures: Pictures) -> Candidate:
    """The evaluation of the candidate's detections, whatever device it is of."""
    facts = evidence.judged.candidate
    return Candidate(
        device=evidence.run.device,
        on=facts.on,
        description=facts.description,
        judged=judged_side(evidence, "candidate", facts.outputs, pictures),
        commands=tuple(facts.commands),
        unpublished=tuple(facts.unpublished),
        chip=facts.chip,
        precision_mode=facts.precision_mode,
    )


def judged_side(evidence: Evidence, side: str, outputs: Side, pictures: Pictures) -> Judged:
    """The evaluation of a side's detections.

    Raises:
        EvidenceError: its dumps have another digest than it says, or other detections.
    """
    devkit, port, detections = pictures.devkit, pictures.port, evidence.judged.detections[side]
    digests, archive = evidence.judged.dumps.get(side, {}), evidence.archive
    listed = archive.digests[f"{side}/dumps.txt"] if digests else outputs.sha256
    if listed != outputs.sha256:
        raise EvidenceError(
            f"{evidence.path}: member {side}/facts.json says sha256 {outputs.sha256[:12]} of the outputs, but {side}/dumps.txt "
            f"has {listed[:12]}"
        )
    if has_outputs(archive, side):
        expect_outputs(archive, side, digests, detections, pictures.records, port)
    whole = devkit.ids == devkit.all_ids
    evaluation = evaluate_set(detections, devkit.truth, port.classes, whole_set=whole)
    return Judged(evaluation, Path(outputs.folder), outputs.sha256, outputs.size_bytes, detections, digests=digests)
