from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib import spec
from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.arrays import EvaluationError, Found, Objects
from rfcn_lib.score.average_precision import (
    RECALL_MARKS,
    VOC07,
    VOC07_DEVKIT,
    VOC10_AREA,
    VOC10_DEVKIT,
    Counts,
    Protocol,
    evaluate,
    evaluate_arrays,
)

CLASSES = ("cat", "dog")
BOX = [10, 10, 19, 19]
FAR = [200, 200, 240, 260]


def found(*rows: Any) -> Detections:
    """(label, score, box) each."""
    return Detections(
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[0] for row in rows], np.int64),
    )


def real(*rows: Any) -> Truth:
    """(label, box) or (label, box, difficult) each."""
    return Truth(
        np.array([row[1] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[0] for row in rows], np.int64),
        np.array([len(row) > 2 and row[2] for row in rows], bool),
    )


def by_definition(
    detections: Mapping[str, Detections], truth: Mapping[str, Truth], classes: Sequence[str], protocol: Protocol
) -> tuple[dict[str, float], dict[str, Counts]]:
    """upstream.md, *Evaluation*, one detection and one object at a time."""
    ap, counts = {}, {}
    for label, name in enumerate(classes):
        ranked = []
        for id in truth:
            one = detections[id]
            ranked += [
                (float(one.scores[k]), id, one.boxes_xyxy[k].astype(float))
                for k in range(len(one.scores))
                if one.labels[k] == label
            ]
        ranked.sort(key=lambda row: -row[0])  # stable: ties stay in the order of the set
        taken: set[tuple[str, int]] = set()
        total = sum(
            int(k == label and not d) for t in truth.values() for k, d in zip(t.labels, t.difficult, strict=True)
        )
        recall, precision, right, wrong = [], [], 0.0, 0.0
        for _, id, box in ranked:
            best, best_overlap = -1, -np.inf
            for k in range(len(truth[id].labels)):
                if truth[id].labels[k] == label:
                    overlap = iou(box, truth[id].boxes_xyxy[k].astype(float))
                    if overlap > best_overlap:
                        best, best_overlap = k, overlap
            enough = best_overlap > 0.5 if protocol.overlap == ">" else best_overlap >= 0.5
            if not enough:
                wrong += 1
            elif not truth[id].difficult[best]:
                if (id, best) in taken:
                    wrong += 1
                else:
                    right += 1
                    taken.add((id, best))
            recall.append(right / total)
            precision.append(right / max(right + wrong, np.finfo(np.float64).eps))
        if protocol.area == "11 marks":
            value = 0.0
            for mark in np.arange(0.0, 1.1, 0.1):
                value = (
                    value + max([p for r, p in zip(recall, precision, strict=True) if r >= mark], default=0.0) / 11.0
                )
        else:
            value = area_under(recall, precision)
        ap[name], counts[name] = value, Counts(total, len(ranked), int(right))
    return ap, counts


def iou(a: Any, b: Any) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + 1.0, 0.0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + 1.0, 0.0)
    both = (a[2] - a[0] + 1.0) * (a[3] - a[1] + 1.0) + (b[2] - b[0] + 1.0) * (b[3] - b[1] + 1.0) - width * height
    return float(width * height / both)


def area_under(recall: list[float], precision: list[float]) -> float:
    marks, heights = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for k in range(len(heights) - 2, -1, -1):
        heights[k] = max(heights[k], heights[k + 1])
    steps = [(marks[k + 1] - marks[k]) * heights[k + 1] for k in range(len(marks) - 1) if marks[k + 1] != marks[k]]
    return float(np.sum(np.array(steps)))  # np.sum, as voc_eval: the order of additions shows in the last digit


@st.composite
def sets(draw: st.DrawFn) -> tuple[dict[str, Detections], dict[str, Truth]]:
    """Few places and scores: ties, equal overlaps, an IoU of exactly one half, doubles and difficult objects abound."""
    box = st.tuples(st.integers(0, 3), st.integers(0, 1), st.sampled_from([9, 19]), st.sampled_from([9, 4])).map(
        lambda b: [5 * b[0], 10 * b[1], 5 * b[0] + b[2], 10 * b[1] + b[3]]
    )
    label = st.integers(0, 1)
    ids = [f"{k:06}" for k in range(draw(st.integers(1, 4)))]
    truth = {
        id: real(*draw(st.lists(st.tuples(label, box, st.booleans()), max_size=5))) for id in draw(st.permutations(ids))
    }
    truth["always"] = real((0, BOX), (1, FAR))
    score = st.sampled_from([0.1, 0.1, 0.5, 0.9])
    detections = {id: found(*draw(st.lists(st.tuples(label, score, box), max_size=8))) for id in [*ids, "always"]}
    return detections, truth


@given(sets(), st.sampled_from([VOC07, VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT]))
def test_it_equals_the_definition_bit_for_bit(
    case: tuple[dict[str, Detections], dict[str, Truth]], protocol: Protocol
) -> None:
    detections, truth = case
    got, (ap, counts) = (
        evaluate(detections, truth, CLASSES, protocol),
        by_definition(detections, truth, CLASSES, protocol),
    )
    assert got.ap == ap
    assert got.counts == counts
    assert got.mean_ap == float(np.mean(list(ap.values())))
    assert got.ids == tuple(truth)
    assert got.protocol is protocol


def test_it_equals_the_definition_on_a_larger_set_with_ties() -> None:
    random = np.random.default_rng(7)
    detections, truth = {}, {}
    for number in range(60):
        corner, size = random.integers(0, 60, (6, 2)), random.integers(10, 60, (6, 2))
        places = np.hstack([corner, corner + size])
        truth[str(number)] = Truth(places, random.integers(0, 2, 6), random.random(6) < 0.2)
        near = places[random.integers(0, 6, 30)] + random.integers(-8, 9, (30, 4)).astype(np.float32)
        detections[str(number)] = Detections(
            near, np.round(random.random(30), 1).astype(np.float32), random.integers(0, 2, 30)
        )
    for protocol in (VOC07, VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT):
        got = evaluate(detections, truth, CLASSES, protocol)
        assert (got.ap, got.counts) == by_definition(detections, truth, CLASSES, protocol)
        assert 0 < got.mean_ap < 1


# -- known answers -----------------------------------------------------------------------------------------------------


def one_class(detections: Detections, truth: Truth, protocol: Protocol = VOC07) -> float:
    return evaluate({"a": detections}, {"a": truth}, ("cat",), protocol).ap["cat"]


def test_all_found_is_one_and_nothing_found_is_zero() -> None:
    assert one_class(found((0, 0.9, BOX)), real((0, BOX))) == pytest.approx(1.0, abs=1e-15)
    assert one_class(found(), real((0, BOX))) == 0.0


def test_one_of_two_found_first_reaches_six_of_eleven_marks() -> None:
    ranked = found((0, 0.9, BOX), (0, 0.8, [60, 60, 70, 70]))
    assert one_class(ranked, real((0, BOX), (0, FAR))) == pytest.approx(6 / 11)
    assert one_class(ranked, real((0, BOX), (0, FAR)), VOC10_AREA) == pytest.approx(0.5)


def test_a_wrong_one_ahead_halves_precision() -> None:
    ranked = found((0, 0.9, [60, 60, 70, 70]), (0, 0.8, BOX))
    assert one_class(ranked, real((0, BOX))) == pytest.approx(0.5)


def test_three_recall_marks_lie_a_hair_above_the_decimal() -> None:
    assert len(RECALL_MARKS) == spec.RECALL_MARKS
    assert [mark > k / 10 for k, mark in enumerate(RECALL_MARKS)] == [k in (3, 6, 7) for k in range(11)]


@pytest.mark.parametrize(("reached", "marks"), [(2, 3), (3, 3), (4, 5), (6, 6), (7, 7), (10, 11)])
def test_a_recall_of_exactly_three_tenths_does_not_reach_its_mark(reached: int, marks: int) -> None:
    places = [[30 * k, 0, 30 * k + 20, 20] for k in range(10)]
    ranked = found(*[(0, 0.9, place) for place in places[:reached]])
    assert one_class(ranked, real(*[(0, place) for place in places])) == pytest.approx(marks / 11)


def test_an_overlap_of_exactly_one_half_is_wrong_in_python_and_right_in_the_devkit() -> None:
    half = [10, 10, 19, 14]  # 50 of 100 px
    for protocol, want in ((VOC07, 0), (VOC10_AREA, 0), (VOC07_DEVKIT, 1), (VOC10_DEVKIT, 1)):
        assert one_class(found((0, 0.9, half)), real((0, BOX)), protocol) == pytest.approx(want), protocol.name


def test_widths_are_inclusive() -> None:
    assert one_class(found((0, 0.9, [10, 10, 19, 15])), real((0, BOX))) == pytest.approx(1)  # 60 of 100 px
    # 2 x 3 px inside 3 x 3: 6/9 with inclusive corners, 2/4 = one half without
    assert one_class(found((0, 0.9, [0, 0, 1, 2])), real((0, [0, 0, 2, 2]))) == pytest.approx(1)


def test_a_detection_stays_with_its_largest_overlap_even_when_that_object_is_taken() -> None:
    left, right = [0, 0, 99, 9], [20, 0, 119, 9]
    between = [5, 0, 104, 9]  # overlaps both by more than one half, `left` more
    truth = real((0, left), (0, right))
    assert one_class(found((0, 0.9, left), (0, 0.8, between)), truth) == pytest.approx(6 / 11)
    assert one_class(found((0, 0.8, left), (0, 0.9, between)), truth) == pytest.approx(6 / 11)


def test_among_equal_overlaps_the_first_object_is_meant() -> None:
    twin = real((0, BOX), (0, BOX, True))
    assert evaluate({"a": found((0, 0.9, BOX))}, {"a": twin}, ("cat",)).counts["cat"].right == 1
    other = real((0, BOX, True), (0, BOX))
    assert evaluate({"a": found((0, 0.9, BOX))}, {"a": other}, ("cat",)).counts["cat"].right == 0


def test_a_second_detection_of_one_object_is_wrong_and_the_better_one_is_right() -> None:
    ranked = found((0, 0.5, BOX), (0, 0.9, BOX), (0, 0.4, FAR))
    assert one_class(ranked, real((0, BOX), (0, FAR))) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_difficult_objects_count_neither_way() -> None:
    truth = real((0, BOX), (0, FAR, True))
    assert one_class(found((0, 0.5, BOX), (0, 0.9, FAR), (0, 0.8, FAR)), truth) == pytest.approx(1)
    assert one_class(found((0, 0.5, BOX)), truth) == pytest.approx(1)


def test_a_detection_of_another_class_or_picture_does_not_help() -> None:
    truth = {"a": real((0, BOX)), "b": real((1, BOX))}
    got = evaluate({"a": found((1, 0.9, BOX)), "b": found((0, 0.9, BOX))}, truth, CLASSES)
    assert got.ap == {"cat": 0.0, "dog": 0.0}


def test_equal_scores_are_ranked_by_the_order_of_the_set_then_of_the_picture() -> None:
    truth = {"a": real((0, BOX)), "b": real((0, BOX))}
    right, wrong = (0, 0.5, BOX), (0, 0.5, FAR)
    ahead = evaluate({"b": found(wrong), "a": found(right)}, truth, ("cat",)).ap["cat"]
    behind = evaluate({"b": found(right), "a": found(wrong)}, truth, ("cat",)).ap["cat"]
    assert [ahead, behind] == pytest.approx([6 / 11, 3 / 11])
    assert one_class(found(right, wrong), real((0, BOX))) == pytest.approx(1)
    assert one_class(found(wrong, right), real((0, BOX))) == pytest.approx(0.5)


def test_scores_are_not_rounded() -> None:
    close = found((0, 0.5000001, BOX), (0, 0.5, FAR))
    assert one_class(found((0, 0.5, FAR), (0, 0.5000001, BOX)), real((0, BOX))) == one_class(close, real((0, BOX)))


def test_flat_arrays_may_come_in_any_order_of_pictures() -> None:
    random = np.random.default_rng(3)
    pictures, corner = np.repeat(np.arange(5), 40), random.integers(0, 50, (200, 2))
    found_xyxy, scores = np.hstack([corner, corner + 30]), np.round(random.random(200), 1)  # ties across pictures
    truth_xyxy = found_xyxy[::10].astype(np.float64)
    table = Found(pictures, found_xyxy.astype(np.float64), scores, np.zeros(200, int))
    objects = Objects(pictures[::10], truth_xyxy, np.zeros(20, int), np.zeros(20, bool))
    rows, truths = (np.argsort((one.pictures * 3) % 5, kind="stable") for one in (table, objects))
    other = Found(*(getattr(table, n)[rows] for n in ("pictures", "boxes_xyxy", "scores", "labels")))
    others = Objects(*(getattr(objects, n)[truths] for n in ("pictures", "boxes_xyxy", "labels", "difficult")))
    want = evaluate_arrays(table, objects, list("abcde"), ("cat",))
    assert other.pictures[0] == 0
    assert other.pictures[40] != 1
    assert evaluate_arrays(other, objects, list("abcde"), ("cat",)) == want
    assert evaluate_arrays(table, others, list("abcde"), ("cat",)) == want
    assert 0 < want.mean_ap < 1


def test_only_the_classes_asked_for_are_judged() -> None:
    got = evaluate({"a": found((1, 0.9, BOX), (0, 0.9, FAR))}, {"a": real((1, BOX))}, CLASSES, judged=["dog"])
    assert got.ap == {"dog": pytest.approx(1)}
    assert got.mean_ap == pytest.approx(1)


def test_an_evaluation_tells_its_numbers_worst_first_and_its_protocol() -> None:
    got = evaluate({"a": found((1, 0.9, BOX))}, {"a": real((0, FAR), (1, BOX))}, CLASSES)
    assert [line.split()[:2] for line in str(got).splitlines()] == [
        ["cat", "0.0000"],
        ["dog", "1.0000"],
        ["mean", "0.5000"],
    ]
    assert "1 right of 1, 1 objects" in str(got)
    assert "1 pictures; VOC2007 AP, 11 recall marks, IoU > 0.5" in str(got)


def test_every_protocol_has_its_own_name() -> None:
    assert len({p.name for p in (VOC07, VOC07_DEVKIT, VOC10_AREA, VOC10_DEVKIT)}) == 4


def test_a_class_without_truth_is_an_error_not_a_low_score() -> None:
    with pytest.raises(
        EvaluationError, match=r"1 classes without an object that counts in 1 pictures: dog; their AP is undefined"
    ):
        evaluate({"a": found()}, {"a": real((0, BOX), (1, BOX, True))}, CLASSES)
