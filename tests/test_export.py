"""The ONNX file is the network: the agreed inputs and outputs, nothing frozen or dynamic, the same numbers as PyTorch."""

import onnx_ir as ir
import pytest

from rfcn_lib import spec
from rfcn_lib.graph.inspect import (
    dynamic_parts,
    foreign_operators,
    inputs_and_outputs,
    opset_imports,
    proposal_clip_limits,
    rois_layout_faults,
    unread_inputs,
    vendor_nodes,
)
from rfcn_lib.score.agreement import agree, noise, total
from rfcn_lib.suite.graphs import Graphs

pytestmark = pytest.mark.export

SAME_BOX_IOU = 0.9  # above the proposals' NMS limit of 0.7, so a box has one partner at most
TIMES_NOISE = 4  # the twin's own rounding beside PyTorch's, each in two summation orders


class Criteria:
    """The criteria, the same for each network. A class of a network names its graphs."""

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, graphs: Graphs) -> ir.Model:
        return ir.load(graphs.onnx)

    def test_the_face_is_the_agreed_one(self, model, graphs):
        width, height = graphs.port.pictures.canvas_wh_px
        rows, columns = graphs.port.proposals.kept, len(graphs.port.classes) + 1
        inputs, outputs = inputs_and_outputs(model)

        assert [(p.name, p.dtype, p.shape) for p in inputs] == [(spec.INPUT, "float32", (1, 3, height, width))]
        assert [(p.name, p.dtype, p.shape) for p in outputs] == [
            (name, "float32", (1, rows, side))
            for name, side in zip(spec.OUTPUTS, (5, columns, 4 * columns), strict=True)
        ]

    def test_every_input_is_read(self, model):
        assert unread_inputs(model) == ()

    def test_nothing_dynamic_is_left(self, model):
        assert dynamic_parts(model) == ()

    def test_one_opset_and_two_foreign_operators(self, model):
        assert opset_imports(model) == {"": spec.OPSET}
        assert foreign_operators(model) == {spec.NMS_OPERATOR, spec.POOL_OPERATOR}

    def test_vendor_nodes_are_as_the_parser_wants_them(self, model, graphs):
        nodes = vendor_nodes(model)

        assert sorted(node.operator for node in nodes) == sorted(
            [spec.NMS_OPERATOR, spec.POOL_OPERATOR, spec.POOL_OPERATOR]
        )
        assert [fault for node in nodes for fault in node.faults] == []
        columns = len(graphs.port.classes) + 1
        assert [n.attributes["output_dim"] for n in nodes if n.operator == spec.POOL_OPERATOR] == [columns, 4 * columns]
        assert rois_layout_faults(model, graphs.port.proposals.kept) == ()

    def test_proposals_are_clipped_to_the_canvas_on_purpose(self, model, graphs):
        """im_info is no input of the published port either; there the clip was lost in the trace, here it is the canvas."""
        width, height = graphs.port.pictures.canvas_wh_px
        (limits,) = proposal_clip_limits(model)

        assert limits.low == (0.0, 0.0, 0.0, 0.0)
        assert limits.high == (width - 1, height - 1, width - 1, height - 1)

    def test_the_twin_agrees_with_pytorch_on_two_unlike_pictures(self, graphs, criterion):
        """The tolerance is measured: what float32 costs the source model itself, against its own float64 run."""
        unlike = list(graphs.two_pictures())
        single = [graphs.run_source(*picture) for picture in unlike]
        double = [graphs.run_source(*picture, double=True) for picture in unlike]
        limits = noise(zip(single, double, strict=True), iou_at_least=SAME_BOX_IOU, times=TIMES_NOISE)
        agreement = total(
            agree(got, want, iou_at_least=SAME_BOX_IOU) for got, want in zip(graphs.twin_outputs, single, strict=True)
        )

        criterion("twin agrees with PyTorch, worst cls_prob", agreement.cls_prob, "<=", limits.cls_prob, limits.source)
        assert agreement.within(limits), f"{agreement}\n{agreement.beyond(limits)}\n{limits.source}"

    def test_the_two_pictures_are_unlike(self, graphs):
        """A graph that had frozen its first picture would give the second one the first one's outputs."""
        first, second = graphs.twin_outputs

        agreement = agree(first, second, iou_at_least=SAME_BOX_IOU)
        assert agreement.matched_share < 0.9 or agreement.cls_prob > 0.1


class TestPort(Criteria):
    """The port's own graph; with --canvas=fitted, each of its graphs."""

    @pytest.fixture(scope="class")
    @classmethod
    def graphs(cls, port_graphs: Graphs) -> Graphs:
        return port_graphs


@pytest.mark.full_size
class TestFullSize(Criteria):
    """A seeded ResNet-101 in the published shape and weight."""

    @pytest.fixture(scope="class")
    @classmethod
    def graphs(cls, seeded_graphs: Graphs) -> Graphs:
        return seeded_graphs
