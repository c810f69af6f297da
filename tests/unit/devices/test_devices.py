"""Both devices on one small network: they agree, they say what is wrong, and their dumps are dumps."""

import numpy as np
import pytest
import torch

from rfcn_lib.devices import onnx_runtime, pytorch
from rfcn_lib.devices.onnx_runtime import SessionError
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.records import Picture
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.local import LocalEngine
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.score.agreement import agree
from rfcn_lib.score.dump_audit import audit, read_dump
from rfcn_lib.source.checkpoint import CheckpointError, save_checkpoint
from tests.support import tiny
from tests.support.fake_device import FakePictures

CANVAS = tiny.CANVAS_WH


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "rfcn.pth"
    save_checkpoint(path, tiny.network_of(), epoch=1)
    return path


@pytest.fixture(scope="module")
def twin(tiny_exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin")
    twin_from_vendor(folder / "twin.onnx", tiny_exported)
    return folder / "twin.onnx"


# -- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_devices_agree_on_pictures_that_fill_the_canvas(weights, twin, seed):
    """Then both clip to the same border. Rows are matched by box: a last digit may swap two of them in the sort."""
    picture = Picture("000001", CANVAS, CANVAS, CANVAS, 1.0)
    im_data = tiny.im_data_of(seed)
    want = pytorch.load_model(weights, tiny.PORT)(im_data, picture)
    got = onnx_runtime.load_model(twin)(im_data, picture)
    found = agree(got, want, iou_at_least=0.99)
    assert found.matched_share >= 0.95, str(found)
    assert found.compared_share >= 0.95, str(found)
    assert found.rois_px <= 1e-2, str(found)
    assert found.cls_prob <= 1e-4, str(found)
    assert found.bbox_pred <= 1e-3, str(found)


def test_the_heads_take_proposals_that_lie_in_a_file(weights):
    """Arrays of a file of dumps cannot be written to."""
    picture, im_data = Picture("000001", CANVAS, CANVAS, CANVAS, 1.0), tiny.im_data_of(1)
    own = pytorch.load_model(weights, tiny.PORT)(im_data, picture)
    own.rois.flags.writeable = False
    again = pytorch.load_heads(weights, tiny.PORT, lambda id: own)(im_data, picture)

    assert np.abs(again.cls_prob - own.cls_prob).max() < 1e-5


def test_each_device_fills_a_folder_that_passes_the_audit(weights, twin, tmp_path):
    ids = ("000001", "000002", "000003")

    pictures = FakePictures(ids, tiny.PORT)
    pictures.load = lambda id: (tiny.im_data_of(int(id)), tiny.picture_of(id))
    models = {"torch": pytorch.load_model(weights, tiny.PORT), "ort": onnx_runtime.load_model(twin)}
    for name, model in models.items():
        folder = tmp_path / name
        folder.mkdir()
        assert run_missing(RunFolder(folder, tiny.PORT), pictures, LocalEngine(lambda _, model=model: model), name) == 3
        assert list(audit(folder, ids, tiny.PORT)) == list(ids)
        dump, again = read_dump(folder, "000002", tiny.PORT), model(*pictures.load("000002"))
        np.testing.assert_array_equal(dump.rois, again.rois)
        np.testing.assert_array_equal(dump.cls_prob, again.cls_prob)


@pytest.mark.parametrize("shape", [(1, 3, 112, 80), (1, 3, 80, 96), (3, 80, 112), (2, 3, 80, 112), (1, 1, 80, 112)])
def test_a_picture_of_another_shape_is_refused(weights, twin, shape):
    """The first one is the canvas on its side: as many anchors, so nothing else would notice."""
    im_data = np.zeros(shape, np.float32)
    for device in (pytorch.load_model(weights, tiny.PORT), onnx_runtime.load_model(twin)):
        with pytest.raises(ValueError, match=r"000007: im_data is .*, but should be .*\(1, 3, 80, 112\)"):
            device(im_data, tiny.picture_of("000007"))


def test_what_ran_is_said_in_words():
    assert "ONNX Runtime" in onnx_runtime.describe()
    assert "standing in for the NPU" in onnx_runtime.describe()


# -- PyTorch ---------------------------------------------------------------------------------------------------------


def test_the_reference_clips_to_the_picture_and_the_candidate_to_the_canvas(weights, twin):
    picture = tiny.picture_of(scaled_wh=(70, 60))
    im_data = tiny.im_data_of(1)
    rois = pytorch.load_model(weights, tiny.PORT)(im_data, picture).rois
    assert (rois[:, 3].max(), rois[:, 4].max()) == (69, 59)
    candidate = onnx_runtime.load_model(twin)(im_data, picture).rois
    assert candidate[:, 3].max() > 69


def test_a_cropped_picture_keeps_its_uncropped_clip():
    """upstream.md: im_info keeps the size before the crop, so boxes may end outside the canvas."""
    network = tiny.network_of()
    with torch.no_grad():
        network.RCNN_rpn.RPN_bbox_pred.bias[2::4] += 2
    picture = Picture("000001", (150, 64), (150, 64), CANVAS, 1.0)
    rois = pytorch.run(network, tiny.im_data_of(1), picture.scaled_wh, picture).rois
    assert rois[:, 3].max() == 149


def test_a_float64_network_answers_in_float64():
    network = tiny.network_of().double()
    picture = tiny.picture_of()
    outputs = pytorch.run(network, tiny.im_data_of(1).astype(np.float64), picture.scaled_wh, picture)
    assert {outputs.rois.dtype, outputs.cls_prob.dtype, outputs.bbox_pred.dtype} == {np.dtype(np.float64)}


def test_no_checkpoint_no_device(tmp_path):
    with pytest.raises(CheckpointError, match="--weights=PATH"):
        pytorch.load_model(tmp_path / "none.pth", tiny.PORT)


# -- ONNX Runtime ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, b"", b"no graph", bytes(1000)], ids=["missing", "empty", "text", "zeros"])
def test_a_file_that_is_no_graph_is_named(tmp_path, content):
    path = tmp_path / "rfcn.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SessionError, match=r"ONNX Runtime [\d.]+ cannot load .*rfcn\.onnx: "):
        onnx_runtime.load_model(path)


def test_the_compiler_s_own_graph_is_refused_with_the_operator_s_name(tmp_path):
    onnx_from_network(tmp_path / "rfcn.onnx", tiny.network_of(), CANVAS)
    with pytest.raises(SessionError, match="BatchMultiClassNMS"):
        onnx_runtime.load_model(tmp_path / "rfcn.onnx")


def test_another_dtype_is_refused(twin):
    with pytest.raises(ValueError, match=r"im_data is float64 .*, but should be float32"):
        onnx_runtime.load_model(twin)(tiny.im_data_of(0).astype(np.float64), tiny.picture_of())


def test_one_session_serves_many_pictures(twin):
    device = onnx_runtime.load_model(twin)
    first = device(tiny.im_data_of(1), tiny.picture_of())
    other = device(tiny.im_data_of(2), tiny.picture_of())
    again = device(tiny.im_data_of(1), tiny.picture_of())
    assert not np.array_equal(first.cls_prob, other.cls_prob)
    np.testing.assert_array_equal(first.cls_prob, again.cls_prob)
    np.testing.assert_array_equal(first.rois, again.rois)
