"""Simulated faults: the same outputs each time, the graph's file untouched, and each fault's own effect."""

import numpy as np
import pytest

from rfcn_lib.faults.catalogue import fault_named
from rfcn_lib.faults.fault import CommandFault, FaultError
from rfcn_lib.faults.simulate import Shown, Simulated, simulate
from rfcn_lib.pictures.preprocess import picture_record
from tests.support import tiny

SIZE_WH = (150, 90)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    from PIL import Image

    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(3)
    shown = []
    for id in ("000001", "000002"):
        coarse = rng.integers(0, 256, (9, 15, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1)
        Image.fromarray(coarse).save(folder / f"{id}.jpg", quality=95)
        shown.append(Shown(folder / f"{id}.jpg", picture_record(id, SIZE_WH, tiny.PORT.pictures)))
    return shown


@pytest.fixture(scope="module")
def of(tiny_exported):
    return Simulated(tiny_exported, tiny.PORT, threads=1)


@pytest.fixture(scope="module")
def plain(of, pictures):
    return simulate(None, of, pictures)


def apart(one, other, output):
    return max(float(np.abs(getattr(one[id], output) - getattr(other[id], output)).max()) for id in one)


def test_without_a_fault_the_twin_s_outputs(of, pictures, plain, tmp_path):
    from rfcn_lib.devices import onnx_runtime
    from rfcn_lib.graph.twin import twin_from_vendor
    from rfcn_lib.pictures.preprocess import prepare

    twin_from_vendor(tmp_path / "twin.onnx", of.adapted)
    im_data, picture = prepare(pictures[0].path, "000001", SIZE_WH, tiny.PORT.pictures)
    found = onnx_runtime.load_model(tmp_path / "twin.onnx", 1)(im_data, picture)

    assert found.rois.tobytes() == plain["000001"].rois.tobytes()
    assert found.cls_prob.tobytes() == plain["000001"].cls_prob.tobytes()


@pytest.mark.parametrize(
    "name", ["rgb-instead-of-bgr", "pool-corners-down", "weights-off-by-10-percent", "rows-shuffled"]
)
def test_a_fault_gives_the_same_bytes_twice_and_leaves_the_graph(name, of, pictures, plain):
    before = of.adapted.read_bytes()
    once, again = (simulate(fault_named(name), of, pictures, plain) for _ in range(2))

    assert of.adapted.read_bytes() == before
    for id in plain:
        assert once[id].cls_prob.tobytes() == again[id].cls_prob.tobytes() != plain[id].cls_prob.tobytes()


def test_a_fault_of_the_pooling_leaves_the_proposals(of, pictures, plain):
    found = simulate(fault_named("bins-transposed"), of, pictures)

    assert apart(found, plain, "rois") == 0
    assert apart(found, plain, "cls_prob") > 0


def test_a_fault_of_the_scores_leaves_proposals_and_deltas(of, pictures, plain):
    found = simulate(fault_named("temperature-2"), of, pictures)

    assert apart(found, plain, "rois") == apart(found, plain, "bbox_pred") == 0
    assert apart(found, plain, "cls_prob") > 0.01


def test_rois_are_moved_by_the_pixels_that_the_name_says(of, pictures, plain):
    found = simulate(fault_named("rois-moved-2-px"), of, pictures)
    moved = found["000001"].rois[:, 1:] - plain["000001"].rois[:, 1:]
    alive = plain["000001"].rois[:, 1:].any(1)

    assert moved[alive] == pytest.approx(2, abs=1e-4)
    assert not moved[~alive].any(), "rows without a proposal stay zeros"


def test_a_chip_s_arithmetic_has_the_same_faults(of, pictures):
    chip = Simulated(of.adapted, of.port, soc="Ascend310P3", threads=1)
    right, wrong = simulate(None, chip, pictures), simulate(fault_named("bins-transposed"), chip, pictures)

    assert right["000001"].rois.tobytes() == wrong["000001"].rois.tobytes()
    assert apart(right, wrong, "cls_prob") > 0
    assert (right["000001"].cls_prob == right["000001"].cls_prob.astype(np.float16)).all(), "fp16"


def test_files_are_exchanged_among_the_given_pictures(of, pictures, plain):
    found = simulate(fault_named("ids-exchanged-in-pairs"), of, pictures, plain)

    assert found["000001"] is plain["000002"]
    assert found["000002"] is plain["000001"]


def test_a_fault_of_the_command_line_changes_no_outputs(of, pictures, plain):
    fault = CommandFault("another-port", "data", "The port file is another one.", lambda bench: ())
    with pytest.raises(FaultError, match="another-port is a fault of the command line"):
        simulate(fault, of, pictures, plain)
