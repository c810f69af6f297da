"""The catalogue: names, stages, sentences, and that each fault changes what it says."""

import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from rfcn_lib.faults import colours
from rfcn_lib.faults.catalogue import CATALOGUE, fault_named
from rfcn_lib.faults.fault import STAGES, FaultError, FilesFault, GraphFault, OutputsFault, PictureFault, rng_of, unseen
from rfcn_lib.faults.simulate import plant
from rfcn_lib.pictures.preprocess import picture_record, prepare
from rfcn_lib.records import Outputs
from tests.support import tiny
from tests.support.small_graphs import whole

GRAPH = [fault for fault in CATALOGUE if isinstance(fault, GraphFault)]
PICTURE = [fault for fault in CATALOGUE if isinstance(fault, PictureFault)]
OUTPUTS = [fault for fault in CATALOGUE if isinstance(fault, OutputsFault)]
FILES = [fault for fault in CATALOGUE if isinstance(fault, FilesFault)]
TOO_SMALL = {  # faults for which the tiny network has no place
    "cat-and-dog-exchanged", "person-weaker", "person-lost", "candidates-cut-to-300",
    "candidates-cut-to-1000", "candidates-cut-to-3968", "rois-cut-to-50", "rois-cut-to-200",
}  # fmt: skip


def named(faults):
    return [pytest.param(fault, id=fault.name) for fault in faults]


def test_there_are_80_faults_or_more_and_each_has_a_name_of_its_own():
    assert len(CATALOGUE) >= 80
    assert [name for name, count in Counter(fault.name for fault in CATALOGUE).items() if count > 1] == []
    assert all(re.fullmatch(r"[a-z0-9.]+(-[a-z0-9.]+)*", fault.name) for fault in CATALOGUE)


def test_every_stage_has_faults_and_no_other_stage_has():
    assert {fault.stage for fault in CATALOGUE} <= {*STAGES}
    assert len(STAGES) == 9


@pytest.mark.parametrize("fault", named(CATALOGUE))
def test_a_sentence_says_what_is_wrong(fault):
    assert fault.sentence[0].isupper()
    assert fault.sentence.endswith(".")
    assert len(fault.sentence) > 25
    assert fault_named(fault.name) is fault


def test_about_a_third_is_unseen():
    assert 0.25 < sum(map(unseen, CATALOGUE)) / len(CATALOGUE) < 0.42


def test_random_numbers_depend_on_the_name_alone():
    assert rng_of("a").random() == rng_of("a").random() != rng_of("b").random()


# -- pictures --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A JPEG of 150 x 90 px on the tiny port's canvas, decoded, with its record."""
    from PIL import Image

    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (9, 15, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1)
    path = tmp_path_factory.mktemp("picture") / "000001.jpg"
    Image.fromarray(coarse).save(path, quality=95)
    rgb = np.asarray(Image.open(path))
    return path, rgb, picture_record("000001", (150, 90), tiny.PORT.pictures)


def test_the_input_without_a_fault_is_that_of_the_preprocessing(shown):
    path, rgb, picture = shown
    right, _ = prepare(path, "000001", (150, 90), tiny.PORT.pictures)

    assert colours.right_input(rgb, picture, tiny.PORT.pictures).tobytes() == right.tobytes()


@pytest.mark.parametrize("fault", named(PICTURE))
def test_a_fault_of_pictures_changes_the_input_and_not_its_shape(fault, shown):
    _, rgb, picture = shown
    right = colours.right_input(rgb, picture, tiny.PORT.pictures)
    before = rgb.copy()
    wrong = fault.change(rgb, picture, tiny.PORT.pictures)

    assert (wrong.dtype, wrong.shape) == (right.dtype, right.shape)
    assert not np.array_equal(wrong, right)
    assert np.array_equal(rgb, before), "the picture stays"
    assert np.array_equal(wrong, fault.change(rgb, picture, tiny.PORT.pictures)), "twice the same"


# -- graphs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def right_graph(tiny_exported):
    return ir.to_proto(ir.load(tiny_exported)).graph


@pytest.mark.parametrize("fault", named([fault for fault in GRAPH if fault.name not in TOO_SMALL]))
def test_a_fault_of_the_graph_leaves_a_graph_with_the_same_outputs(fault, tiny_exported, right_graph):
    model = ir.load(tiny_exported)
    plant(fault.change, model)
    found = ir.to_proto(model).graph

    assert [output.name for output in found.output] == ["rois", "cls_prob", "bbox_pred"]
    assert found.node != right_graph.node or found.initializer != right_graph.initializer


@pytest.mark.parametrize("name", sorted(TOO_SMALL))
def test_a_graph_without_the_place_is_refused(name, tiny_exported):
    with pytest.raises(FaultError):
        plant(fault_named(name).change, ir.load(tiny_exported))


@pytest.mark.parametrize("fault", named(GRAPH))
def test_another_kind_of_graph_is_refused_in_a_sentence_or_changed(fault):
    """A graph of a few nodes, without a body, has no place for most faults."""
    with suppress(FaultError):
        fault.change(whole())


# -- outputs ---------------------------------------------------------------------------------------------------------------


def outputs_of(seed, rows=60, columns=4):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 1, (rows, 2)) * [80, 40]
    rois = np.hstack([np.zeros((rows, 1)), low, low + rng.uniform(3, 24, (rows, 2))]).astype(np.float32)
    rois[-5:] = 0
    scores = rng.dirichlet([0.4] * columns, rows).astype(np.float32)
    return Outputs(rois, scores, rng.normal(size=(rows, 4 * columns)).astype(np.float32))


def bytes_of(outputs):
    return b"".join(array.tobytes() for array in (outputs.rois, outputs.cls_prob, outputs.bbox_pred))


@pytest.mark.parametrize("fault", named(OUTPUTS))
def test_a_fault_of_outputs_changes_them_and_leaves_the_given_ones(fault):
    given = outputs_of(1)
    before, picture = bytes_of(given), replace(tiny.picture_of(), size_wh=(150, 96), scale=2 / 3)
    found = fault.change(given, picture, tiny.PORT)

    assert bytes_of(given) == before
    assert bytes_of(found) != before
    assert found.rois.dtype == found.cls_prob.dtype == found.bbox_pred.dtype == np.float32
    assert found.rois.shape == given.rois.shape
    assert all(np.isfinite(array).all() for array in (found.rois, found.cls_prob, found.bbox_pred))


@pytest.mark.parametrize("fault", named(FILES))
def test_a_fault_of_files_keeps_the_ids_and_gives_some_other_outputs(fault):
    given = {f"{number:06d}": outputs_of(number) for number in range(1, 24)}
    found = fault.change(given)

    assert [*found] == [*given]
    assert any(bytes_of(found[id]) != bytes_of(given[id]) for id in given)


@pytest.mark.parametrize("fault", named(FILES))
def test_a_fault_of_files_needs_several_pictures(fault):
    alone = {"000001": outputs_of(1)}
    with suppress(FaultError):
        assert fault.change(alone) == alone, "one picture has nothing to exchange"
