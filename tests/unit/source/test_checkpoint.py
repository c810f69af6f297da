"""A checkpoint is read to the last key or refused with a sentence, and nothing that lies in it is ever run."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rfcn_lib import spec
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.source import checkpoint
from rfcn_lib.source.checkpoint import (
    CheckpointError,
    architecture,
    network_from_checkpoint,
    read_state,
    save_checkpoint,
)
from rfcn_lib.source.network import Architecture, Rfcn
from rfcn_lib.source.seeding import published_architecture
from tests.support import tiny
from tests.support.places import DATA

UPSTREAM = json.loads((DATA / "upstream_state_dict.json").read_text())


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A tiny checkpoint as this project writes it."""
    path = tmp_path_factory.mktemp("good") / "rfcn.pth"
    save_checkpoint(path, tiny.network_of(), epoch=3)
    return path


@pytest.fixture
def weights(tmp_path):
    return tmp_path / "weights.pth"


@pytest.fixture
def state(good):
    """The good one's state dict, to be spoilt."""
    return torch.load(good, weights_only=True)["model"]


def refused(path, port=tiny.PORT):
    """The sentence with which a checkpoint is refused; it always names the file."""
    with pytest.raises(CheckpointError) as caught:
        network_from_checkpoint(path, port)
    assert str(path) in str(caught.value)
    return str(caught.value)


def refused_state(path, state, port=tiny.PORT):
    torch.save({"session": 1, "epoch": 1, "model": state}, path)
    return refused(path, port)


# -- what is read ----------------------------------------------------------------------------------------------------


def test_what_is_saved_is_read_back_bit_for_bit(good):
    network, again = tiny.network_of(), network_from_checkpoint(good, tiny.PORT)
    want, got = network.state_dict(), again.state_dict()
    assert list(want) == list(got)
    for key, value in want.items():
        assert got[key].dtype == value.dtype
        assert torch.equal(got[key], value), key
    im_data = torch.from_numpy(tiny.im_data_of(5))
    with torch.no_grad():
        pairs = zip(network(im_data, (100, 70), (112, 80)), again(im_data, (100, 70), (112, 80)), strict=True)
        assert all(torch.equal(left, right) for left, right in pairs)


def test_the_network_comes_in_inference_mode_without_gradients(good):
    network = network_from_checkpoint(good, tiny.PORT)
    assert not [name for name, module in network.named_modules() if module.training]
    assert not [name for name, parameter in network.named_parameters() if parameter.requires_grad]


def test_a_forward_leaves_the_running_statistics_alone(good):
    network = network_from_checkpoint(good, tiny.PORT)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(torch.from_numpy(tiny.im_data_of(5)), (112, 80), (112, 80))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_the_file_has_upstream_s_entries_and_one_tensor_under_two_keys(good):
    content = torch.load(good, weights_only=True)
    assert list(content) == ["session", "epoch", "model", "optimizer", "pooling_mode", "class_agnostic"]
    assert content["epoch"] == 3
    model = content["model"]
    assert model["RCNN_conv_1x1.weight"].data_ptr() == model["RCNN_conv_new.1.weight"].data_ptr()


def test_what_training_left_in_memory_order_is_written_plainly(weights):
    network = tiny.network_of().to(memory_format=torch.channels_last)
    save_checkpoint(weights, network, epoch=1)
    assert all(value.is_contiguous() for value in read_state(weights).values())


def test_an_optimizer_s_state_does_not_hinder(weights, state):
    """Upstream's files carry their SGD's momentum."""
    parameter = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    parameter.sum().backward()
    optimizer.step()
    entries = {"session": 2, "epoch": 13, "optimizer": optimizer.state_dict(), "pooling_mode": "pspool"}
    torch.save({**entries, "model": state, "class_agnostic": False}, weights)
    assert network_from_checkpoint(weights, tiny.PORT).shape == tiny.architecture()


def test_the_old_file_format_of_torch_is_read_too(weights, good):
    """Upstream was trained with PyTorch 1.0, whose files are no zip archives."""
    torch.save(torch.load(good, weights_only=True), weights, _use_new_zipfile_serialization=False)
    assert network_from_checkpoint(weights, tiny.PORT).shape == tiny.architecture()


# -- the family's other checkpoints ----------------------------------------------------------------------------------


def test_a_checkpoint_of_pytorch_0_3_has_no_counters_of_batches_and_is_the_same_network(weights, state):
    plain = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(plain) < len(state)
    torch.save({"model": plain}, weights)
    network = network_from_checkpoint(weights, tiny.PORT)
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in plain.items())
    im_data = torch.from_numpy(tiny.im_data_of(5))
    with torch.no_grad():
        pairs = zip(
            tiny.network_of()(im_data, (100, 70), (112, 80)), network(im_data, (100, 70), (112, 80)), strict=True
        )
        assert all(torch.equal(left, right) for left, right in pairs)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
@pytest.mark.parametrize(
    "value",
    [np.float64(0.7), np.mean([0.5, 0.7], dtype=np.float32), np.int64(3), np.bool_(1), np.arange(3.0), [np.float32(1)]],
    ids=["float64", "float32", "int64", "bool", "array", "in a list"],
)
def test_numbers_of_numpy_beside_the_model_hold_no_code(weights, state, value, zipped):
    torch.save({"model": state, "best_score": value}, weights, _use_new_zipfile_serialization=zipped)
    assert network_from_checkpoint(weights, tiny.PORT).shape == tiny.architecture()


def test_numbers_of_numpy_1_hold_no_code_either(weights, state):
    torch.save({"model": state, "lr": np.float64(0.7)}, weights, _use_new_zipfile_serialization=False)
    content = weights.read_bytes()
    assert content.count(b"numpy._core.multiarray") == 1, "the name that numpy 1 writes replaces it"
    weights.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert network_from_checkpoint(weights, tiny.PORT).shape == tiny.architecture()


def test_numpy_s_numbers_are_no_weights(weights, state):
    torch.save({"model": {**state, "RCNN_base.0.weight": np.float64(1)}}, weights)
    assert "should hold a dict with the state dict under 'model'" in refused(weights)


def test_nothing_else_of_numpy_is_let_through(weights, state):
    torch.save({"model": state, "load": np.load}, weights)
    assert "it holds numpy.load, which is neither a tensor nor a number" in refused(weights)


def test_the_prefix_of_data_parallel_is_dropped_and_said(weights, state, capsys):
    torch.save({"model": {f"module.{key}": value for key, value in state.items()}}, weights)
    network = network_from_checkpoint(weights, tiny.PORT)
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in state.items())
    assert f"{weights}: every key begins with 'module.'" in capsys.readouterr().err


def test_a_prefix_of_some_keys_is_no_prefix(weights, state):
    renamed = {f"module.{key}" if key.startswith("RCNN_rpn") else key: value for key, value in state.items()}
    assert "RCNN_rpn.RPN_Conv.weight" in refused_state(weights, renamed)


def test_a_class_agnostic_checkpoint_is_named(weights, state):
    agnostic = {**state, "RCNN_bbox_base.weight": state["RCNN_bbox_base.weight"][: 4 * 49].clone()}
    torch.save({"model": agnostic, "class_agnostic": True}, weights)
    assert "was trained with class_agnostic=True: RCNN_bbox_base.weight is (196, " in refused(weights)


# -- the architecture is in the shapes -------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_depth_widths_and_classes_are_read_from_the_shapes(depth):
    port = read_port(PUBLISHED)
    shape = published_architecture(depth, port)
    with torch.device("meta"):
        network = Rfcn(shape, port.proposals)
    assert architecture(network.state_dict(), Path("x.pth")) == shape
    assert shape == Architecture(spec.BLOCKS_PER_LAYER[depth], 64, (64, 128, 256, 512), 1024, 512, 9, 21)


def test_the_upstream_checkpoint_s_shapes_are_resnet_101_with_21_columns():
    state = {key: torch.empty(shape, device="meta") for key, shape in UPSTREAM.items()}
    shape = architecture(state, Path("faster_rcnn_2_12_5010.pth"))
    assert shape == Architecture((3, 4, 23, 3), 64, (64, 128, 256, 512), 1024, 512, 9, 21)


# -- files that are no checkpoints -----------------------------------------------------------------------------------


def test_a_missing_file_says_which_option_to_pass(weights):
    assert re.search("No such file.*--weights=PATH", refused(weights))


def test_a_folder_is_no_checkpoint(tmp_path):
    assert "it should be a regular file of at most 4 GB" in refused(tmp_path)


def test_a_vast_file_is_refused_unread(weights):
    with weights.open("wb") as file:
        file.truncate(checkpoint.LARGEST_FILE_BYTES + 1)  # sparse: takes no room on the disk
    assert "it should be a regular file of at most 4 GB" in refused(weights)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        b"<!DOCTYPE html><html>Not found</html>",
        bytes(range(256)) * 4,
        b"\x80\x02",
        b"\x80\x02.",
        b"\x80\x02l\x00.",
        b"PK\x03\x04" + bytes(100),
        np.random.default_rng(0).bytes(5000),
    ],
    ids=["empty", "git-lfs", "html", "bytes", "cut pickle", "stop", "odd pickle", "zip header", "random"],
)
def test_what_is_not_a_checkpoint_is_said_not_to_be_one(weights, content):
    weights.write_bytes(content)
    message = refused(weights)
    assert "the suite ran no code from it" in message
    assert "should be torch.save of a dict with the state dict under 'model'" in message


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_download_cut_short_is_refused(weights, good, share, zipped):
    torch.save(torch.load(good, weights_only=True), weights, _use_new_zipfile_serialization=zipped)
    content = weights.read_bytes()
    weights.write_bytes(content[: int(len(content) * share)])
    assert "is not a checkpoint that torch reads without running code" in refused(weights)


def test_a_damaged_file_is_read_or_refused_and_nothing_else(weights, good):
    """Random bytes into the pickle of a valid archive: torch raises what it stumbles on, we raise one sentence."""
    torch.save({"model": {"a": torch.ones(2)}}, weights, _use_new_zipfile_serialization=False)
    content, draws, kinds = weights.read_bytes(), np.random.default_rng(1), set()
    for _ in range(300):
        spoilt = bytearray(content)
        for place in draws.integers(0, len(content), draws.integers(1, 5)):
            spoilt[place] = draws.integers(256)
        weights.write_bytes(spoilt)
        try:
            read_state(weights)
            kinds.add("read")
        except CheckpointError:
            kinds.add("refused")
    assert kinds == {"read", "refused"}


class Payload:
    """Unpickling this with the plain unpickler makes a file."""

    def __init__(self, sentinel):
        self.sentinel = str(sentinel)

    def __reduce__(self):
        return Path.touch, (Path(self.sentinel),)


@pytest.mark.parametrize("place", ["model", "optimizer", "whole", "raw pickle", "old format"])
def test_code_in_a_checkpoint_is_never_run(tmp_path, weights, state, place):
    sentinel = tmp_path / "it ran"
    payload = Payload(sentinel)
    content = {
        "model": {"model": {**state, "RCNN_base.0.weight": payload}},
        "optimizer": {"model": state, "optimizer": payload},
        "old format": {"model": state, "optimizer": payload},
    }.get(place, payload)
    if place == "raw pickle":
        weights.write_bytes(pickle.dumps(payload))
    else:
        torch.save(content, weights, _use_new_zipfile_serialization=place != "old format")
    message = refused(weights)
    assert "the suite ran no code from it" in message
    if place != "raw pickle":  # torch refuses that one for its protocol, before it reads a name
        assert re.search(r"it holds [\w.]+, which is neither a tensor nor a number", message)
    assert message.isprintable(), "no escapes of a terminal"
    assert not sentinel.exists()
    pickle.loads(pickle.dumps(payload))
    assert sentinel.exists(), "the payload must work, or this test shows nothing"


# -- checkpoints of something else -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        ([torch.ones(2)], "list"),
        (torch.ones(2), "Tensor"),
        ({"state_dict": {}, "arch": "resnet"}, r"\['arch', 'state_dict'\]"),
        ({"model": [torch.ones(2)]}, r"\['model'\]"),
        ({"model": {"RCNN_base.0.weight": "text"}}, r"\['model'\]"),
        ({"model": {0: torch.ones(2)}}, r"\['model'\]"),
        (3, "int"),
        ({1: 2, "a": 3}, r"\['1', 'a'\]"),
    ],
    ids=[
        "list",
        "tensor",
        "other names",
        "model is a list",
        "model holds text",
        "number as key",
        "number",
        "mixed keys",
    ],
)
def test_another_content_is_named(weights, content, holds):
    torch.save(content, weights)
    assert re.search(f"holds {holds}, but should hold a dict with the state dict under 'model'", refused(weights))


def test_a_state_dict_without_the_dict_around_it_is_refused(weights, state):
    torch.save(state, weights)
    assert "under 'model'" in refused(weights)


@pytest.mark.parametrize("model", [{}, {"layer1.0.conv1.weight": torch.ones(4, 4, 1, 1)}], ids=["empty", "a ResNet"])
def test_another_network_s_state_dict_is_said_to_lack_upstream_s_keys(weights, model):
    message = refused_state(weights, model)
    assert re.search("lacks .*RCNN_base.4.0.conv1.weight", message)
    assert str(sorted(model)) in message


def test_missing_and_surplus_keys_are_listed(weights, state):
    del state["RCNN_rpn.RPN_cls_score.bias"], state["RCNN_base.4.1.bn2.running_var"]
    state["RCNN_top.weight"] = torch.ones(1)
    message = refused_state(weights, state)
    assert "differs from the network in 3 places" in message
    assert "lacks RCNN_rpn.RPN_cls_score.bias (18,)" in message
    assert "lacks RCNN_base.4.1.bn2.running_var (2,)" in message
    assert "has the unknown RCNN_top.weight" in message


def test_of_many_differences_the_first_five_are_shown(weights, state):
    message = refused_state(weights, {**state, **{f"surplus.{k}": torch.ones(1) for k in range(9)}})
    assert "in 9 places" in message
    assert message.count("has the unknown") == 5


def test_a_lost_block_is_a_lack(weights, state):
    """Block numbers 0 and 2: two blocks by count, so number 1 is lacking and number 2 unknown."""
    kept = {key: value for key, value in state.items() if not key.startswith("RCNN_conv_new.0.1.")}
    message = refused_state(weights, kept)
    assert "lacks RCNN_conv_new.0.1.conv1.weight" in message


@pytest.mark.parametrize("key", ["RCNN_bbox_base.weight", "RCNN_base.1.running_var", "RCNN_base.6.1.conv2.weight"])
def test_another_shape_is_named(weights, state, key):
    got, want = state[key][:-1].clone(), tuple(state[key].shape)
    message = refused_state(weights, {**state, key: got})
    assert f"has {key} as {tuple(got.shape)} torch.float32, but should be {want} torch.float32" in message


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16, torch.float8_e4m3fn, torch.int32])
def test_another_dtype_is_named(weights, state, dtype):
    key = "RCNN_rpn.RPN_Conv.bias"
    message = refused_state(weights, {**state, key: state[key].to(dtype)})
    assert f"has {key} as (7,) {dtype}, but should be (7,) torch.float32" in message


@pytest.mark.parametrize("shape", [(), (0,), (0, 3, 1, 1), (5,), (2, 2, 2)])
def test_a_convolution_that_is_none_is_named(weights, state, shape):
    message = refused_state(weights, {**state, "RCNN_base.5.0.conv1.weight": torch.zeros(shape)})
    assert f"has RCNN_base.5.0.conv1.weight as {shape}, but should be a convolution's weight, 4 sides" in message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(weights, state, number):
    state["RCNN_base.1.running_mean"][0] = number
    message = refused_state(weights, state)
    assert (
        "RCNN_base.1.running_mean has NaN or infinite numbers, but should have finite ones; the training diverged"
        in message
    )


@pytest.mark.parametrize("kind", ["meta", "sparse", "vast view"])
def test_a_tensor_whose_numbers_are_not_in_the_file_is_refused_before_room_is_made_for_it(weights, state, kind):
    key = "RCNN_rpn.RPN_cls_score.weight"
    odd = {
        "meta": state[key].to("meta"),
        "sparse": state[key].to_sparse(),
        "vast view": torch.ones(1).expand(2**40, 7, 1, 1),
    }
    message = refused_state(weights, {**state, key: odd[kind]})
    assert re.search(rf"{key} needs [\d,]+ bytes, but the file has \d; save plain tensors", message)


def test_the_class_count_must_be_the_port_s(good):
    message = refused(good, read_port(PUBLISHED))
    assert "has 4 score columns, but the port 'R-FCN ResNet-101, VOC2007, as published' has 20 classes" in message
    assert "21 columns; pass the checkpoint's own --port=FILE" in message


def test_the_anchors_must_be_the_port_s(good):
    message = refused(good, tiny.port_of(anchor_scales=(2.0, 4.0)))
    assert "has 9 anchors per cell, but the port 'tiny' lists 6 (ratios x scales); pass" in message


def test_two_keys_of_one_convolution_must_agree(weights, state):
    state["RCNN_conv_new.1.weight"] = state["RCNN_conv_new.1.weight"] + 1e-3
    message = refused_state(weights, state)
    assert "RCNN_conv_1x1.weight and RCNN_conv_new.1.weight are one convolution, but differ" in message
