"""From dumps to evaluations: the candidate, the reference, and the trial that compares them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from rfcn_lib.ascend import toolkit
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.pictures.fixed_set import is_voc2007_test, standing_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import cropped
from rfcn_lib.port import PUBLISHED, Port, read_fixed_set, read_port
from rfcn_lib.progress import say
from rfcn_lib.records import Detections
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.average_precision import Evaluation
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.exchanged import exchanged_names
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.fingerprints import of_candidate, of_reference
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.judged_dumps import judge_dumps as judge_dumps
from rfcn_lib.suite.judged_dumps import judge_own_dumps as judge_own_dumps
from rfcn_lib.suite.limits import loosened, too_good
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.pairing import paired_of_run, ties_of
from rfcn_lib.verdict.interval_words import undecided
from rfcn_lib.verdict.verdict import CandidateOn, Exhibit, Trial

LEAST_REFERENCE_MEAN_AP = 0.3  # a reference that finds less cannot show what a port lost; upstream scores 0.6986
LEAST_OF_A_PART = 0.05  # a few pictures may be hard ones


class UnfairError(SuiteError):
    """The comparison itself is wrong, so no number of it is worth judging."""


@dataclass(frozen=True)
class Candidate:
    """What is judged: the outputs of one device.

    device       "host", "rehearsal" or "npu": which of the run's candidates this is
    on           what kind of device made the outputs
    description  the device in words, for header and verdict
    files        name -> path of the graphs that took part
    commands     external commands that made the outputs, ready to paste
    tool         the vendor's inference tool, on an NPU
    unpublished  flags that the compiler got besides the published ones
    chip, precision_mode  what the graph was compiled for; None where that is not known
    """

    device: Literal["host", "rehearsal", "npu"]
    on: CandidateOn
    description: str
    judged: Judged
    files: Mapping[str, Path] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    tool: toolkit.Runner | None = None
    unpublished: tuple[str, ...] = ()
    chip: str | None = None
    precision_mode: str | None = None

    @property
    def evaluation(self) -> Evaluation:
        return self.judged.evaluation


@dataclass(frozen=True)
class Reference:
    """What the candidate is compared with.

    device  the device in words, for the verdict
    ap      by class; empty where only a published mean is known
    judged  the source model's outputs; None where only a published mean is known
    packet  the file that they come from; None where this suite ran the source model itself
    """

    device: str
    mean_ap: float
    ap: Mapping[str, float]
    judged: Judged | None = None
    packet: Exhibit | None = None


def expect_fair(mean_ap: float, whole_set: bool) -> None:
    """Raise UnfairError where the source model itself finds next to nothing."""
    least = LEAST_REFERENCE_MEAN_AP if whole_set else LEAST_OF_A_PART
    if mean_ap < least:
        raise UnfairError(
            f"the PyTorch model itself reaches only mean AP {mean_ap:.4f} (at least {least} is needed), so a comparison with it "
            "would show nothing. Do --weights, --port and --devkit belong together?"
        )


def expect_other_outputs(candidate: Candidate, reference: Reference) -> None:
    """Raise UnfairError where the candidate's dumps are the reference's own."""
    if reference.judged and reference.judged.sha256 == candidate.judged.sha256:
        raise UnfairError(
            f"the dumps in {candidate.judged.folder} are the source model's own, byte for byte, but should come from the "
            "port: no other device rounds alike; pass the folder the device wrote with --dumps=DIR"
        )


def expect_names(detections: Mapping[str, Detections], ap: Mapping[str, float], pictures: Pictures) -> None:
    """See that no names of classes are exchanged in the port file, by what the source model's detections find, and its AP.

    Raises:
        UnfairError: on the whole set; names each group of names. On a part of the set a few objects may look so: it is only said.
    """
    devkit = pictures.devkit
    groups = exchanged_names(detections, devkit.truth, pictures.port.classes, ap)
    if not groups:
        return
    named = "; ".join(f"{' -> '.join((*group, group[0]))}" for group in groups)
    own = ", ".join(f"{name} {ap[name]:.4f}" for group in groups for name in group)
    words = (
        f"the source model's detections of each of these classes find the objects of the next one: {named} (AP of their own: "
        f"{own}). Names of classes are exchanged in the port file: they should be in the order of the network's columns"
    )
    if devkit.ids == devkit.all_ids:
        raise UnfairError(f"{words}; correct `classes` in --port=FILE")
    say(f"{words}; or these {len(devkit.ids)} pictures are too few to tell")


def expect_noted_canvases(folder: Path, port: Port, canvases: Canvases) -> None:
    """Raise UnfairError where the dumps were made on other canvases than this run has. Known only of this suite's own dumps."""
    noted, ours = RunFolder(folder, port).noted_canvases(), {name_of(canvas) for canvas in canvases}
    if noted and noted != ours:
        raise UnfairError(
            f"the dumps in {folder} were made on the canvases {', '.join(sorted(noted))}, "
            f"but would be judged as made on {', '.join(sorted(ours))}; pass the --canvas, --port and --limit of that run"
        )


def trial_of(
    candidate: Candidate,
    reference: Reference,
    baseline: Facts | None,
    pictures: Pictures,
    canvases: Canvases,
    graph_facts: GraphFacts,
    exhibits: Mapping[str, Exhibit],
    options: Options,
) -> Trial:
    """Everything that takes part in the comparison. `exhibits`: name -> every file that took part."""
    port, devkit, evaluation = pictures.port, pictures.devkit, candidate.evaluation
    mine = of_candidate(pictures, graph_facts.clip, fitted=canvases.fitted, protocol=evaluation.protocol)
    theirs = of_reference(pictures, protocol=evaluation.protocol)
    standing = standing_of(devkit, port.classes, read_fixed_set(options.port))
    whole_voc = is_voc2007_test(devkit, port.classes)
    trial = Trial(
        port=port.name,
        device=candidate.device,
        candidate_on=candidate.on,
        candidate_device=candidate.description,
        reference_device=reference.device,
        exhibits=exhibits,
        commands=candidate.commands,
        ids=devkit.ids,
        set_name=devkit.set_name,
        set_size=len(devkit.all_ids) + standing.missing,
        set_standing=str(standing),
        set_missing=standing.missing,
        set_changed=standing.changed,
        tolerated=devkit.tolerated,
        protocol={**asdict(evaluation.protocol), **mine.fields(), "fingerprint": str(mine)},
        reference_protocol={**theirs.fields(), "fingerprint": str(theirs)} if reference.judged else {},
        reference_mean_ap=reference.mean_ap,
        reference_ap=reference.ap,
        candidate_mean_ap=evaluation.mean_ap,
        candidate_ap=evaluation.ap,
        paired=paired_of_run(reference.judged, candidate.judged, pictures),
        cropped=cropped(pictures.records.values()),
        loosened=loosened(port, baseline),
        unpublished=candidate.unpublished,
        published_port=port == read_port(PUBLISHED),
        voc2007_test=whole_voc,
        published_applies=not canvases.fitted and (bool(baseline) or ("mean_ap" in port.criteria and whole_voc)),
        throughput_applies=not canvases.fitted
        and candidate.device == "npu"
        and (bool(baseline) or "throughput_fps" in port.criteria),
        canvas="fitted" if canvases.fitted else "published",
        canvases={name_of(canvas): len(ids) for canvas, ids in canvases.by_canvas.items()},
        canvas_area=canvases.area_share,
        clip=graph_facts.clip,
        notes=graph_facts.notes,
        too_good=too_good(evaluation.mean_ap, reference.mean_ap, port.criteria["mean_ap_drop"].limit),
        explained=options.explained,
        ties=ties_of(reference.judged, candidate.judged, pictures),
        gate=options.gate,
        chip=candidate.chip,
        precision_mode=candidate.precision_mode,
    )
    return replace(
        trial, undecided=undecided(trial.paired, by_class=trial.gate == "interval") if trial.by_interval else ()
    )
