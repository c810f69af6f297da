"""The ONNX file is the network: the agreed inputs and outputs, nothing frozen or dynamic, the same numbers as PyTorch."""

import onnx_ir as ir
import pytest

from rfcn_lib import spec
from rfcn_lib.graph.inspect import (
    dynamic_parts,
    foreign_operators,
    opset_imports,
    rois_layout_faults,
    unread_inputs,
    vendor_nodes,
)
from rfcn_lib.graph.judged import VENDOR_OPERATORS, face_faults
from rfcn_lib.score.agreement import agree, noise, total
from rfcn_lib.suite.given import NOT_CLIPPED, whose_size
from rfcn_lib.suite.graphs import Exported, Graphs

pytestmark = pytest.mark.export

SAME_BOX_IOU = 0.9  # above the proposals' NMS limit of 0.7, so a box has one partner at most
TIMES_NOISE = 4  # the twin's own rounding beside PyTorch's, each in two summation orders


class Criteria:
    """The criteria, the same for each network. A class of a network names its exported graph and its other files."""

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, exported: Exported) -> ir.Model:
        """A legal copy with everything folded that is fixed; of this suite's own export nothing needs it."""
        return exported.judged.model

    def test_the_face_is_the_agreed_one(self, model, exported):
        assert face_faults(model, exported.port) == ()

    def test_every_input_is_read(self, model):
        assert unread_inputs(model) == ()

    def test_nothing_dynamic_is_left(self, model, exported, note):
        for words in exported.judged.notes:
            note(f"{exported.path}: {words}")
        assert dynamic_parts(model) == ()
        assert exported.given or exported.judged.notes == ()

    def test_one_opset_and_two_foreign_operators(self, model):
        assert opset_imports(model) == {"": spec.OPSET}
        assert foreign_operators(model) == {spec.NMS_OPERATOR, spec.POOL_OPERATOR}

    def test_vendor_nodes_are_as_the_parser_wants_them(self, model, exported):
        nodes = vendor_nodes(model)

        assert sorted(node.operator for node in nodes) == sorted(VENDOR_OPERATORS)
        assert [fault for node in nodes for fault in node.faults] == []
        columns = len(exported.port.classes) + 1
        maps = sorted(n.attributes["output_dim"] for n in nodes if n.operator == spec.POOL_OPERATOR)
        assert maps == [columns, 4 * columns], "either may come first"
        assert rois_layout_faults(model, exported.port.proposals.kept) == ()

    def test_proposals_are_clipped_to_the_canvas_or_to_nothing(self, exported, pictures_scaled_wh, note):
        """im_info is no input of the published graph: there the clip was lost in the trace, here it is the canvas.

        A clip to another size came from the one picture that the export ran: it is wrong for all others.
        """
        clip, canvas_wh = exported.found_clip, exported.port.pictures.canvas_wh_px
        kind = clip.kind(canvas_wh)

        if kind == "none":
            note(f"{exported.path}: {NOT_CLIPPED}")
        assert kind != "frozen", (
            f"{exported.path} clips the proposals of every picture to {clip}{whose_size(clip, pictures_scaled_wh)}, but should "
            f"clip them to the canvas, {canvas_wh[0]} x {canvas_wh[1]} px, or not at all; export with the canvas in the place "
            "of im_info"
        )
        assert exported.given or kind == exported.clip

    def test_the_twin_agrees_with_pytorch_on_two_unlike_pictures(self, graphs, criterion):
        """The tolerance is measured: what float32 costs the source model itself, against its own float64 run."""
        unlike = list(graphs.two_pictures())
        single = [graphs.run_source(*picture) for picture in unlike]
        double = [graphs.run_source(*picture, double=True) for picture in unlike]
        limits = noise(zip(single, double, strict=True), iou_at_least=SAME_BOX_IOU, times=TIMES_NOISE)
        agreement = total(
            agree(got, want, iou_at_least=SAME_BOX_IOU) for got, want in zip(graphs.twin_outputs, single, strict=True)
        )

        for name, relation in (
            ("cls_prob", "<="),
            ("bbox_pred", "<="),
            ("rois_px", "<="),
            ("matched_share", ">="),
            ("compared_share", ">="),
        ):
            number, limit = getattr(agreement, name), getattr(limits, name)
            criterion(
                f"twin agrees with PyTorch, {'worst ' if relation == '<=' else ''}{name}",
                number,
                relation,
                limit,
                limits.source,
            )
        other = "\nare the graph and --weights of one training?" if agreement.matched_share < 0.5 else ""
        assert agreement.within(limits), f"{agreement}\n{agreement.beyond(limits)}\n{limits.source}{other}"

    def test_the_two_pictures_are_unlike(self, graphs):
        """A graph that had frozen its first picture would give the second one the first one's outputs."""
        first, second = graphs.twin_outputs

        agreement = agree(first, second, iou_at_least=SAME_BOX_IOU)
        assert agreement.matched_share < 0.9 or agreement.cls_prob > 0.1


class TestPort(Criteria):
    """The port's graph, or the one of --onnx; with --canvas=fitted, each of its graphs."""

    @pytest.fixture(scope="class")
    @classmethod
    def exported(cls, port_exported: Exported) -> Exported:
        return port_exported

    @pytest.fixture(scope="class")
    @classmethod
    def graphs(cls, port_graphs: Graphs) -> Graphs:
        return port_graphs
