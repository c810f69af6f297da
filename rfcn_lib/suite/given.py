"""Graphs that the user gave: can pictures go through them, what is unlike this suite's own, and whose weights do they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rfcn_lib.errors import SuiteError
from rfcn_lib.graph.clip import ProposalClip
from rfcn_lib.graph.judged import faults_for_a_run
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port
from rfcn_lib.score.agreement import Agreement, agree
from rfcn_lib.suite.graphs import Exported, Graphs
from rfcn_lib.suite.options import Options

NOT_CLIPPED: Final = (
    "proposals are not clipped, as in the published graph, where the trace lost the clip; boxes outside the picture compete "
    "in NMS"
)
SAME_BOX_IOU: Final = 0.9
LARGEST_CLS_PROB: Final = 0.5  # on the same pixels; weights in fp16 move it by 0.0003 on the specimen
LEAST_MATCHED: Final = 0.5  # of one network nearly all rows match; of two trainings next to none


class GivenError(SuiteError):
    """A file that the user gave cannot be judged."""


@dataclass(frozen=True)
class GraphFacts:
    """What the verdict says of the graphs: what they clip proposals to, and what is unlike this suite's own."""

    clip: Literal["canvas", "none", "frozen", "unknown"]
    notes: tuple[str, ...]


def expect_runnable(port: Port, options: Options) -> None:
    """See that pictures can go through the graphs of --onnx and --adapted, before anything is made of them.

    Raises:
        GivenError: a sentence for each fault of each file.
        GraphError: a file cannot be read.
    """
    given = {"--onnx": options.onnx, "--adapted": options.adapted}
    faults = [
        f"{name}={path}: {fault}" for name, path in given.items() if path for fault in faults_for_a_run(path, port)
    ]
    if faults:
        raise GivenError("\n".join(faults))


def facts_of(exported: Exported, adapted: Exported, options: Options) -> GraphFacts:
    """What the verdict says of given graphs. `adapted`: the graph that atc gets, and the twin is made of."""
    canvas = adapted.port.pictures.canvas_wh_px
    kind = adapted.found_clip.kind(canvas)
    notes = [f"--onnx={options.onnx}: {note}" for note in exported.judged.notes if options.onnx]
    if options.adapted:
        notes += [f"--adapted={options.adapted}: {note}" for note in adapted.judged.notes]
    else:
        notes.append(
            f"--onnx={options.onnx}: this suite adapted it for the compiler; name the file that ships with --adapted"
        )
    if kind == "none":
        notes.append(NOT_CLIPPED)
    if kind == "frozen":
        notes.append(f"proposals are clipped to {adapted.found_clip}, whatever the picture; see -m export")
    return GraphFacts(kind, tuple(notes))


def expect_same_network(graphs: Graphs, options: Options) -> None:
    """Run one picture through the twin and through the source model, which clips as the graph does.

    Raises:
        GivenError: they have nothing in common, so the graph holds other weights, or was made for other pictures; or they find
            the same boxes and score them otherwise.
        GraphError: the graph gives numbers that are not finite.
    """
    picture = next(graphs.two_pictures())
    found = agree(graphs.run_twin(*picture), graphs.run_source(*picture), iou_at_least=SAME_BOX_IOU)
    fault = fault_of_another_network(found)
    if fault:
        given = " ".join(
            f"--{name}={path}" for name, path in (("onnx", options.onnx), ("adapted", options.adapted)) if path
        )
        raise GivenError(f"{given} and the checkpoint {options.weights} {fault}")


def fault_of_another_network(found: Agreement) -> str:
    """Why a graph and a checkpoint that agree so on one picture are not of one network; "" where they may be."""
    if found.matched_share < LEAST_MATCHED:
        return (
            f"have {found.matched_share:.0%} of their proposals in common on one picture, but should have nearly all: are they "
            "of one training? Pass the checkpoint of this graph as --weights"
        )
    if found.cls_prob > LARGEST_CLS_PROB:
        return (
            f"find the same boxes on one picture, but score one of them {found.cls_prob:.2f} apart, where rounding moves a score "
            "by less than 0.01: are its classes in the order of the port file, and the numbers of its PSROIPooling nodes right? "
            "See -m export"
        )
    return ""


def whose_size(clip: ProposalClip, scaled_wh: Mapping[str, Wh]) -> str:
    """` (the size of picture 000001)` if a picture of the set has the size that the clip was frozen to, else nothing."""
    owner = next((id for id, size in scaled_wh.items() if size == clip.size_wh), None)
    return f" (the size of picture {owner})" if owner else ""


def given_om(options: Options) -> Path:
    """The file of --om.

    Raises:
        GivenError: it is empty.
    """
    path = options.om
    if path is None or path.stat().st_size == 0:
        raise GivenError(f"--om={path} is empty, but should be a compiled model, as atc writes it")
    return path.absolute()
