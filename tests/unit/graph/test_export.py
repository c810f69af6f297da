"""The export leaves the network as it was, writes the face the compiler is given, and never freezes a number unasked."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch

from rfcn_lib import spec
from rfcn_lib.devices import pytorch
from rfcn_lib.graph import inspect
from rfcn_lib.graph.clip import proposal_clip
from rfcn_lib.graph.export import onnx_from_checkpoint, onnx_from_network
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.source.checkpoint import CheckpointError, save_checkpoint
from rfcn_lib.source.network import Rfcn
from tests.support import tiny

WIDTH, HEIGHT = tiny.CANVAS_WH
ROWS, COLUMNS = tiny.PORT.proposals.kept, tiny.architecture().columns
FLOAT = onnx.TensorProto.FLOAT


@pytest.fixture(scope="module")
def exported(tiny_exported):
    return tiny_exported


def run(vendor, folder, im_data):
    """Through the executable twin, on one thread."""
    twin_from_vendor(folder / "twin.onnx", vendor)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    loaded = onnxruntime.InferenceSession(str(folder / "twin.onnx"), options, providers=["CPUExecutionProvider"])
    return loaded.run(list(spec.OUTPUTS), {spec.INPUT: im_data})


# -- the network afterwards ------------------------------------------------------------------------------------------


def test_the_network_is_left_as_it_came(tmp_path):
    network = tiny.network_of()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    asked = [parameter.requires_grad for parameter in network.parameters()]
    with torch.no_grad():
        found = network(torch.from_numpy(tiny.im_data_of(1)), (112, 80), (112, 80))
    onnx_from_network(tmp_path / "rfcn.onnx", network, tiny.CANVAS_WH)
    assert not [name for name, module in network.named_modules() if module.training]
    assert [parameter.requires_grad for parameter in network.parameters()] == asked
    assert torch.is_grad_enabled()
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key
    with torch.no_grad():
        again = network(torch.from_numpy(tiny.im_data_of(1)), (112, 80), (112, 80))
    assert all(torch.equal(left, right) for left, right in zip(again, found, strict=True))


def test_a_network_in_training_mode_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"in training mode.*call network\.eval\(\) first"):
        onnx_from_network(tmp_path / "rfcn.onnx", tiny.network_of().train(), tiny.CANVAS_WH)
    assert not (tmp_path / "rfcn.onnx").exists()


def test_two_exports_are_the_same_file(exported, tmp_path):
    onnx_from_network(tmp_path / "again.onnx", tiny.network_of(), tiny.CANVAS_WH)
    assert (tmp_path / "again.onnx").read_bytes() == exported.read_bytes()


def test_a_device_that_ran_before_changes_nothing(exported, tmp_path):
    """Anchors are remembered by canvas; the device remembers them in inference mode, where tensors cannot be traced."""
    port = tiny.port_of(anchor_scales=(1.0, 2.0, 5.0))  # numbers no other test has asked for
    network = tiny.network_of(port)
    picture = tiny.picture_of()
    pytorch.run(network, tiny.im_data_of(0), picture.scaled_wh, picture)
    onnx_from_network(tmp_path / "rfcn.onnx", network, tiny.CANVAS_WH)
    found = run(tmp_path / "rfcn.onnx", tmp_path, tiny.im_data_of(3))
    with torch.no_grad():
        want = network(torch.from_numpy(tiny.im_data_of(3)), tiny.CANVAS_WH, tiny.CANVAS_WH)
    np.testing.assert_allclose(found[0], want[0].numpy(), rtol=0, atol=1e-2)


def test_a_checkpoint_is_exported_as_the_network_it_holds(exported, tmp_path):
    save_checkpoint(tmp_path / "rfcn.pth", tiny.network_of(), epoch=1)
    onnx_from_checkpoint(tmp_path / "rfcn.onnx", tmp_path / "rfcn.pth", tiny.PORT)
    assert (tmp_path / "rfcn.onnx").read_bytes() == exported.read_bytes()


def test_no_checkpoint_no_export(tmp_path):
    with pytest.raises(CheckpointError, match="--weights=PATH"):
        onnx_from_checkpoint(tmp_path / "rfcn.onnx", tmp_path / "none.pth", tiny.PORT)
    assert not (tmp_path / "rfcn.onnx").exists()


# -- the file --------------------------------------------------------------------------------------------------------


def test_one_input_three_outputs_every_side_fixed(exported):
    inputs, outputs = inspect.inputs_and_outputs(ir.load(exported))
    assert inputs == (("im_data", "float32", (1, 3, HEIGHT, WIDTH)),)
    assert outputs == (
        ("rois", "float32", (1, ROWS, 5)),
        ("cls_prob", "float32", (1, ROWS, COLUMNS)),
        ("bbox_pred", "float32", (1, ROWS, 4 * COLUMNS)),
    )


def test_opset_11_of_the_default_domain_and_nothing_more(exported):
    model = onnx.load(exported)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 11)]
    assert {node.domain for node in model.graph.node} == {""}
    assert not model.functions


def test_the_vendor_s_nodes_carry_the_port_s_numbers_in_the_parser_s_types(exported):
    model = onnx.load(exported)
    nodes = {name: [node for node in model.graph.node if node.op_type == name] for name in spec.VENDOR_ATTRIBUTES}
    assert {name: len(found) for name, found in nodes.items()} == {spec.NMS_OPERATOR: 1, spec.POOL_OPERATOR: 2}
    for name, found in nodes.items():
        for node in found:
            types = {a.name: onnx.AttributeProto.AttributeType.Name(a.type) for a in node.attribute}
            assert types == spec.VENDOR_ATTRIBUTES[name]
    (nms,), pools = nodes[spec.NMS_OPERATOR], nodes[spec.POOL_OPERATOR]
    numbers = {a.name: onnx.helper.get_attribute_value(a) for a in nms.attribute}
    assert numbers["iou_threshold"] == np.float32(0.7)
    assert numbers["score_threshold"] == 0
    assert numbers["max_size_per_class"] == numbers["max_total_size"] == ROWS
    depths = [onnx.helper.get_attribute_value(a) for node in pools for a in node.attribute if a.name == "output_dim"]
    assert sorted(depths) == [COLUMNS, 4 * COLUMNS]


def test_the_forward_in_the_file_is_no_phony(exported, tmp_path):
    """The published patch's operators return zeros, or the first rows; here pictures must matter."""
    network = tiny.network_of()
    for seed in (3, 4):
        im_data = tiny.im_data_of(seed)
        with torch.no_grad():
            want = network(torch.from_numpy(im_data), tiny.CANVAS_WH, tiny.CANVAS_WH)
        for name, found, wanted in zip(spec.OUTPUTS, run(exported, tmp_path, im_data), want, strict=True):
            np.testing.assert_allclose(found, wanted.numpy(), rtol=0, atol=1e-2, err_msg=f"{name}, seed {seed}")
    with torch.no_grad():
        other = network(torch.from_numpy(tiny.im_data_of(3)), tiny.CANVAS_WH, tiny.CANVAS_WH)
    assert not torch.allclose(other[1], want[1], atol=0.05)


# -- what the tracer cannot follow -----------------------------------------------------------------------------------


class Freezing(Rfcn):
    """Asks for a number in the middle of its forward: the tracer would write down the first picture's."""

    def propose(self, scores, deltas, clip_wh, canvas_wh):
        return super().propose(scores, deltas * float(deltas.abs().max()), clip_wh, canvas_wh)


class Branching(Rfcn):
    """Takes a way that depends on the picture: the tracer would only see the first picture's."""

    def classify(self, base, rois):
        return super().classify(base if base.mean() > 0 else -base, rois)


@pytest.mark.parametrize("kind", [Freezing, Branching])
def test_a_number_frozen_by_the_tracer_is_an_error(kind, tmp_path):
    network = kind(tiny.architecture(), tiny.PORT.proposals).eval()
    network.load_state_dict(tiny.network_of().state_dict())
    with pytest.raises(
        (torch.jit.TracerWarning, SystemError)
    ) as caught:  # torch's C++ wraps the warning it was refused
        onnx_from_network(tmp_path / "rfcn.onnx", network, tiny.CANVAS_WH)
    cause = caught.value.__cause__ or caught.value
    assert isinstance(cause, torch.jit.TracerWarning)
    assert "might cause the trace to be incorrect" in str(cause)
    assert not (tmp_path / "rfcn.onnx").exists()


# -- the clip --------------------------------------------------------------------------------------------------------


def test_proposals_are_clipped_to_the_canvas_on_purpose(tmp_path):
    """No input says how large the picture is. The reference, which is told, clips to the picture instead."""
    network = tiny.network_of()
    with torch.no_grad():
        network.RCNN_rpn.RPN_bbox_pred.bias[2::4] += 2  # wide boxes: most would leave the canvas on both sides
        network.RCNN_rpn.RPN_bbox_pred.bias[3::4] += 2
    onnx_from_network(tmp_path / "rfcn.onnx", network, tiny.CANVAS_WH)
    assert proposal_clip(ir.load(tmp_path / "rfcn.onnx")).size_wh == tiny.CANVAS_WH
    corners = run(tmp_path / "rfcn.onnx", tmp_path, tiny.im_data_of(0))[0][0, :, 1:]
    assert (corners.min(), corners[:, 2].max(), corners[:, 3].max()) == (0, WIDTH - 1, HEIGHT - 1)
    picture = tiny.picture_of(scaled_wh=(90, 64))
    reference = pytorch.run(network, tiny.im_data_of(0), picture.scaled_wh, picture).rois[:, 1:]
    assert (reference[:, 2].max(), reference[:, 3].max()) == (89, 63)
