from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Detections, Outputs, Picture
from rfcn_lib.score import postprocess
from rfcn_lib.score.postprocess import detections_from_outputs

PUBLISHED_PORT = read_port(PUBLISHED)
PICTURE = Picture("000001", (100, 80), (250, 200), (300, 300), 2.5)
F = np.float32


def port_of(classes: int, per_picture: int = 100, score_above: float = 0.0, nms_iou: float = 0.3) -> Port:
    rules = PUBLISHED_PORT.detections.model_copy(
        update={"per_picture": per_picture, "score_above": score_above, "nms_iou": nms_iou}
    )
    return PUBLISHED_PORT.model_copy(update={"classes": PUBLISHED_PORT.classes[:classes], "detections": rules})


def outputs_of(boxes_xyxy: Any, cls_prob: Any, deltas: Any = None) -> Outputs:
    prob = np.array(cls_prob, F)
    rois = np.hstack([np.zeros((len(prob), 1), F), np.array(boxes_xyxy, F).reshape(-1, 4)])
    zeros = np.zeros((len(prob), 4 * prob.shape[1]), F)
    return Outputs(rois, prob, zeros if deltas is None else np.array(deltas, F))


def by_definition(outputs: Outputs, picture: Picture, port: Port) -> Detections:
    """upstream.md, *Post-processing*, word by word, one float32 number at a time."""
    rules = port.detections
    found: list[tuple[int, int, list[F], F]] = []  # class, row, box, score
    for label in range(len(port.classes)):
        candidates = []
        for row in range(len(outputs.rois)):
            x1, y1, x2, y2 = outputs.rois[row, 1:]
            dx, dy, dw, dh = outputs.bbox_pred[row, 4 * label + 4 : 4 * label + 8] * np.array(rules.delta_stds, F)
            width, height = x2 - x1 + F(1), y2 - y1 + F(1)
            centre_x, centre_y = x1 + F(0.5) * width + dx * width, y1 + F(0.5) * height + dy * height
            new_width, new_height = np.exp(dw) * width, np.exp(dh) * height
            box = [
                centre_x - F(0.5) * new_width,
                centre_y - F(0.5) * new_height,
                centre_x + F(0.5) * new_width,
                centre_y + F(0.5) * new_height,
            ]
            for k in range(4):
                box[k] = min(max(box[k], F(0)), F(picture.scaled_wh[k % 2] - 1)) / F(picture.scale)
            score = outputs.cls_prob[row, label + 1]
            if score > F(rules.score_above):
                candidates.append((row, box, score))
        candidates.sort(key=lambda one: -one[2])  # stable: ties stay in row order
        kept: list[tuple[int, list[F], F]] = []
        for row, box, score in candidates:
            if all(not overlap(box, better) > F(rules.nms_iou) for _, better, _ in kept):
                kept.append((row, box, score))
        found += [(label, *one) for one in kept]
    if len(found) > rules.per_picture:
        floor = sorted(one[3] for one in found)[-rules.per_picture]
        found = [one for one in found if one[3] >= floor]
    found.sort(key=lambda one: -one[3])  # stable: ties stay by class, then row
    # within a class NMS leaves score order; rows of equal score are ascending because both sorts are stable
    return Detections(
        np.array([one[2] for one in found], F).reshape(-1, 4),
        np.array([one[3] for one in found], F),
        np.array([one[0] for one in found], np.int64),
    )


def overlap(a: list[F], b: list[F]) -> F:
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + F(1), min(a[3], b[3]) - max(a[1], b[1]) + F(1)
    if width <= 0 or height <= 0:
        return F(0)
    size = [(c[2] - c[0] + F(1)) * (c[3] - c[1] + F(1)) for c in (a, b)]
    return width * height / (size[0] + size[1] - width * height)


def assert_same(got: Detections, want: Detections) -> None:
    for name in ("boxes_xyxy", "scores", "labels"):
        left, right = getattr(got, name), getattr(want, name)
        assert left.dtype == right.dtype
        assert np.array_equal(left, right), name


@st.composite
def cases(draw: st.DrawFn) -> tuple[Outputs, Picture, Port]:
    """Few places and few scores, so that ties, touching boxes and exact thresholds are common."""
    rows, classes = draw(st.integers(0, 14)), draw(st.integers(1, 3))
    columns = classes + 1

    def table(element: st.SearchStrategy[Any], width: int) -> Any:
        flat = draw(st.lists(element, min_size=rows * width, max_size=rows * width))
        return np.array(flat, np.float64).reshape(rows, width)

    corner, size = table(st.integers(-2, 12), 2) * 10, table(st.sampled_from([0, 9, 19, 39]), 2)
    prob = table(st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.5, 1.0]), columns)
    deltas = table(st.sampled_from([0.0, 0.0, 0.0, 1.0, -5.0, 2000.0]), 4 * columns)
    port = port_of(
        classes,
        draw(st.integers(1, 12)),
        draw(st.sampled_from([0.0, 0.05, 0.3])),
        draw(st.sampled_from([0.0, 0.25, 0.3, 1 / 3, 1.0])),
    )
    return outputs_of(np.hstack([corner, corner + size]), prob, deltas), PICTURE, port


@given(cases(), st.sampled_from([1, 2, 5, 64]), st.sampled_from([1, 3]), st.sampled_from([1, 4, 20, 64]))
def test_it_equals_the_definition_bit_for_bit_and_leaves_the_outputs_as_they_were(
    case: tuple[Outputs, Picture, Port], chunk: int, larger: int, sorted_first: int
) -> None:
    before = deepcopy(case[0])
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        patch.setattr(postprocess, "CHUNK", chunk)
        patch.setattr(postprocess, "LARGER", larger)
        patch.setattr(postprocess, "SORTED", sorted_first)
        assert_same(detections_from_outputs(*case), by_definition(*case))
    for name in ("rois", "cls_prob", "bbox_pred"):
        assert np.array_equal(getattr(case[0], name), getattr(before, name))


def test_where_every_score_is_the_same_no_chunk_is_of_all_candidates() -> None:
    """As of a device that says one thing: all pairs of 20,000 boxes would be gigabytes."""
    chunks = list(postprocess._best_first(np.full(20_000, 0.05, F), 0.0))
    assert np.array_equal(np.concatenate(chunks), np.arange(20_000))
    assert max(map(len, chunks)) <= postprocess.SORTED


@pytest.mark.parametrize("decimals", [1, 2, 8])
def test_it_equals_the_definition_on_a_full_picture(decimals: int) -> None:
    random = np.random.default_rng(decimals)
    corner = random.uniform(0, 200, (120, 2))
    prob = np.round(random.dirichlet(np.ones(21), 120), decimals)  # few decimals: many ties at the cut
    outputs = outputs_of(
        np.hstack([corner, corner + random.uniform(5, 150, (120, 2))]), prob, random.normal(size=(120, 84))
    )
    got = detections_from_outputs(outputs, PICTURE, PUBLISHED_PORT)
    assert_same(got, by_definition(outputs, PICTURE, PUBLISHED_PORT))
    assert len(got.scores) >= 100


def test_a_box_is_decoded_clipped_to_the_resized_picture_and_divided_by_the_scale() -> None:
    # by hand: width 10, centre x 10 + 5 = 15, + 0.1 * 2 * 10 = 17; width * e**(0.2 * 0) = 10 -> x 12 to 22; y likewise
    # without delta: height 20, centre 30 -> 20 to 40. Then / 2.5.
    deltas = np.zeros((1, 8))
    deltas[0, 4] = 2.0
    got = detections_from_outputs(outputs_of([[10, 20, 19, 39]], [[0.4, 0.6]], deltas), PICTURE, port_of(1))
    assert np.allclose(got.boxes_xyxy, np.array([[12, 20, 22, 40]]) / 2.5)
    assert got.scores.tolist() == [F(0.6)]
    assert got.labels.tolist() == [0]
    got = detections_from_outputs(outputs_of([[-50, -50, 900, 900]], [[0.4, 0.6]]), PICTURE, port_of(1))
    assert np.allclose(got.boxes_xyxy, np.array([[0, 0, 249, 199]]) / 2.5)


def test_a_cropped_picture_is_clipped_to_its_whole_resized_size_not_to_the_canvas() -> None:
    wide = Picture("000533", (500, 152), (1684, 512), (1344, 1344), 512 / 152)
    got = detections_from_outputs(outputs_of([[1000, 10, 1800, 600]], [[0.1, 0.9]]), wide, port_of(1))
    assert np.allclose(got.boxes_xyxy[0, 2:], np.array([1683, 511]) / (512 / 152))


def test_suppression_happens_in_the_picture_frame_where_plus_one_weighs_more() -> None:
    # net frame: 10 of 30 px shared, IoU 1/3; picture frame (/ 10): widths 1.9 + 1, shared 0.9 + 1: IoU 0.487
    small = Picture("a", (100, 100), (1000, 1000), (1000, 1000), 10.0)
    outputs = outputs_of([[0, 0, 19, 999], [10, 0, 29, 999]], [[0.1, 0.9], [0.2, 0.8]])
    assert len(detections_from_outputs(outputs, small, port_of(1, nms_iou=0.4)).scores) == 1
    same_scale = replace(small, size_wh=(1000, 1000), scale=1.0)
    assert len(detections_from_outputs(outputs, same_scale, port_of(1, nms_iou=0.4)).scores) == 2


def test_boxes_of_different_classes_do_not_suppress_each_other() -> None:
    got = detections_from_outputs(outputs_of([[0, 0, 50, 50]], [[0.2, 0.3, 0.5]]), PICTURE, port_of(2))
    assert got.labels.tolist() == [1, 0]


def test_the_score_floor_is_exclusive() -> None:
    outputs = outputs_of([[0, 0, 9, 9], [50, 50, 59, 59], [90, 90, 99, 99]], [[1, 0], [0.95, 0.05], [0.9, 0.1]])
    assert detections_from_outputs(outputs, PICTURE, port_of(1)).scores.tolist() == [F(0.1), F(0.05)]
    assert detections_from_outputs(outputs, PICTURE, port_of(1, score_above=0.05000000074505806)).scores.tolist() == [
        F(0.1)
    ]


def test_ties_at_the_cut_keep_more_and_come_by_class_then_row() -> None:
    places = [[60 * k, 0, 60 * k + 9, 9] for k in range(4)]
    prob = [[0.4, 0.3, 0.3], [0.2, 0.3, 0.5], [0.4, 0.3, 0.3], [0.7, 0.1, 0.2]]
    got = detections_from_outputs(outputs_of(places, prob), PICTURE, port_of(2, per_picture=2))
    assert got.labels.tolist() == [1, 0, 0, 0, 1, 1]
    assert np.allclose(got.boxes_xyxy[:, 0] * 2.5, [60, 0, 60, 120, 0, 120], atol=0.6)
    assert got.scores.tolist() == [F(0.5), *[F(0.3)] * 5]


def test_padded_rows_take_part_as_upstream() -> None:
    got = detections_from_outputs(outputs_of([[0, 0, 0, 0]], [[0.4, 0.6]]), PICTURE, port_of(1))
    assert got.scores.tolist() == [F(0.6)]


def test_nothing_above_the_floor_is_an_empty_answer() -> None:
    got = detections_from_outputs(outputs_of([[0, 0, 9, 9]], [[1, 0, 0]]), PICTURE, port_of(2))
    assert got.boxes_xyxy.shape == (0, 4)
    assert got.labels.dtype == np.int64


def test_outputs_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cls_prob has shape \(1, 3\), but should be \(any, 21\)"):
        detections_from_outputs(outputs_of([[0, 0, 9, 9]], [[1, 0, 0]]), PICTURE, PUBLISHED_PORT)


@pytest.mark.parametrize("name", ["rois", "cls_prob", "bbox_pred"])
def test_nan_is_refused_not_dropped(name: str) -> None:
    outputs = outputs_of([[0, 0, 9, 9]], [[0.5, 0.5]])
    array = getattr(outputs, name).copy()
    array[0, -1] = np.nan
    with pytest.raises(ValueError, match=r"outputs of picture 000001 hold NaN or Inf.*audit its dump"):
        detections_from_outputs(replace(outputs, **{name: array}), PICTURE, port_of(1))
