"""The noise floor: what two runs' differences become, the file, and a prediction beside a measurement."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rfcn_lib.records import Detections
from rfcn_lib.score.calibration import calibration
from rfcn_lib.score.noise_floor import noise_floor
from rfcn_lib.score.noise_floor_file import (
    LARGEST_FILE_BYTES,
    NoiseFloor,
    NoiseFloorError,
    read_noise_floor,
    write_noise_floor,
)
from tests.support import partners as slow

CLASSES = ("cat", "dog", "cow")
Run = dict[str, Detections]


def a_run(pictures: int = 30, seed: int = 1) -> Run:
    """Boxes in a row that do not overlap, classes 0 and 1; every third score is not confident; one picture is empty."""
    random = np.random.default_rng(seed)
    run = {}
    for number in range(pictures):
        count = 0 if number == 7 else int(random.integers(2, 6))
        left = 100.0 * np.arange(count)
        boxes = np.stack([left, left * 0 + 20, left + random.uniform(30, 80, count), random.uniform(50, 90, count)], 1)
        scores = np.where(np.arange(count) % 3 == 2, 0.1, random.uniform(0.35, 1, count))
        run[f"{number:06d}"] = Detections(boxes, scores, random.integers(0, 2, count))
    return run


def jittered(run: Run, seed: int = 2, by: float = 0.002, drop: float = 0.0) -> Run:
    """The same with rounding: scores and corners move a little, some detections vanish."""
    random = np.random.default_rng(seed)
    moved = {}
    for id, found in run.items():
        kept = random.random(len(found.scores)) >= drop
        corners = found.boxes_xyxy + random.normal(0, 100 * by, found.boxes_xyxy.shape)
        scores = np.clip(found.scores + random.normal(0, by, found.scores.shape), 0, 1)
        moved[id] = Detections(corners[kept], scores[kept], found.labels[kept])
    return moved


def compare(got: Run, want: Run, chip: str = "Ascend310P3") -> NoiseFloor:
    return noise_floor(got, want, CLASSES, chip=chip, precision_mode="force_fp16", compared="a rehearsal with the twin")


@pytest.fixture(scope="module")
def floor() -> NoiseFloor:
    return compare(jittered(a_run(), drop=0.1), a_run())


def test_its_figures_equal_the_slow_definition(floor: NoiseFloor) -> None:
    got, want = jittered(a_run(), drop=0.1), a_run()
    apart, ious, shares, matched, wide, moved, means = [], [], [], [0, 0], [], [], ([], [])
    for id in want:
        left, right = got[id], want[id]
        pairs = slow.pairs(left, right)
        apart += [abs(left.scores[g] - right.scores[w]) for g, w in pairs]
        if pairs:
            means[0].append(slow.mean(apart[-len(pairs) :]))
        for g, w in pairs:
            one, other = left.boxes_xyxy[g].tolist(), right.boxes_xyxy[w].tolist()
            ious.append(slow.iou(one, other))
            wide.append((one[2] - one[0] + 1) / (other[2] - other[0] + 1))
            moved.append((one[1] + one[3] - other[1] - other[3]) / 2)
        if pairs:
            means[1].append(slow.mean(ious[-len(pairs) :]))
        sure = [
            [row in [pair[side] for pair in pairs] for row in range(len(run.scores)) if run.scores[row] >= 0.3]
            for side, run in enumerate((left, right))
        ]
        if sure[0] or sure[1]:
            shares.append((sum(sure[0]) + sum(sure[1])) / (len(sure[0]) + len(sure[1])))
        matched = [matched[0] + sum(sure[0]), matched[1] + sum(sure[1])]

    assert (floor.matched.got_matched, floor.matched.want_matched) == tuple(matched)
    assert floor.matched.matched_share is not None
    assert floor.matched.matched_share.value == pytest.approx(
        sum(matched) / (floor.matched.got + floor.matched.want), rel=1e-5
    )
    assert (floor.pictures, floor.empty_pictures, floor.share_by_picture.count) == (30, 1, 29)
    for seen, values in (
        (floor.score_apart, apart),
        (floor.iou, ious),
        (floor.share_by_picture, shares),
        (floor.score_apart_by_picture, means[0]),
        (floor.iou_by_picture, means[1]),
        (floor.scale_x, wide),
        (floor.offset_y_px, moved),
    ):
        assert seen.count == len(values)
        assert seen.figures["mean"].value == pytest.approx(slow.mean(values), rel=1e-5)
        assert seen.figures["95 %"].value == pytest.approx(slow.quantile(values, 95), rel=1e-5)
        assert seen.figures["least"].value == pytest.approx(min(values), rel=1e-5)
        assert seen.figures["largest"].value == pytest.approx(max(values), rel=1e-5)


def test_the_same_run_has_no_noise() -> None:
    floor = compare(a_run(), a_run())
    assert floor.matched.share == 1
    for name, wanted in (("score_apart", 0), ("offset_x_px", 0), ("offset_y_share", 0), ("scale_x", 1), ("iou", 1)):
        figures = getattr(floor, name).figures
        assert (figures["least"].value, figures["mean"].value, figures["largest"].value) == (wanted, wanted, wanted)


def test_a_systematic_offset_and_scale_are_seen() -> None:
    want = a_run()
    right = {id: replace(found, boxes_xyxy=found.boxes_xyxy + np.array([2, 0, 2, 0])) for id, found in want.items()}
    seen = compare(right, want)
    assert (seen.offset_x_px.figures["50 %"].value, seen.offset_y_px.figures["50 %"].value) == (2, 0)
    assert seen.scale_x.figures["mean"].value == 1

    plus_one = np.array([0, 0, 1, 1])
    larger = {
        id: replace(found, boxes_xyxy=(found.boxes_xyxy + plus_one) * 1.05 - plus_one) for id, found in want.items()
    }
    figures = compare(larger, want).scale_y.figures
    assert (figures["1 %"].value, figures["99 %"].value) == (1.05, 1.05)


def test_one_spoilt_picture_is_named() -> None:
    want = a_run()
    got = jittered(want)
    got["000011"] = replace(got["000011"], boxes_xyxy=got["000011"].boxes_xyxy + 50)
    got["000004"] = replace(got["000004"], labels=1 - got["000004"].labels)
    seen = compare(got, want)
    assert [(one.id, one.got_matched) for one in seen.worst_pictures[:2]] == [("000004", 0), ("000011", 0)]
    assert len(seen.worst_pictures) == 5
    assert seen.worst_pictures[2].share == 1
    assert seen.worst_pictures[2].iou == seen.iou_by_picture.figures["least"].value
    assert seen.share_by_picture.figures["least"].value == 0
    assert seen.share_by_picture.figures["10 %"].value == 1


def test_a_picture_whose_scores_alone_are_spoilt_is_seen() -> None:
    want = a_run()
    got = jittered(want)
    got["000004"] = replace(got["000004"], scores=got["000004"].scores / 2)
    figures = compare(got, want).score_apart_by_picture.figures
    assert figures["largest"].value > 0.1 > 0.01 > figures["95 %"].value
    assert compare(got, want).share_by_picture.figures["least"].value == 1


def test_each_class_has_its_share() -> None:
    want = a_run()
    got = {
        id: Detections(found.boxes_xyxy[keep], found.scores[keep], found.labels[keep])
        for id, found in want.items()
        for keep in [found.labels == 0]
    }
    seen = compare(got, want)
    assert list(seen.classes) == list(CLASSES)
    assert (seen.classes["cat"].share, seen.classes["dog"].share, seen.classes["cow"].share) == (1, 0, None)
    assert seen.classes["cow"].matched_share is None
    assert sum(one.want for one in seen.classes.values()) == seen.matched.want


def test_the_order_of_pictures_changes_no_byte(floor: NoiseFloor, tmp_path: Any) -> None:
    got, want = jittered(a_run(), drop=0.1), a_run()
    backwards = compare(dict(reversed(got.items())), dict(reversed(want.items())))
    write_noise_floor(tmp_path / "one.json", floor)
    write_noise_floor(tmp_path / "other.json", backwards)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()


def test_it_is_written_and_read_back(floor: NoiseFloor, tmp_path: Any) -> None:
    path = tmp_path / "noise_floor.json"
    empty = compare({"1": a_run()["000007"]}, {"1": a_run()["000007"]})  # no detection
    assert (empty.empty_pictures, empty.worst_pictures, empty.iou.figures) == (1, [], {})
    for one in (floor, empty):
        write_noise_floor(path, one)
        assert read_noise_floor(path) == one


def test_runs_over_other_pictures_are_refused() -> None:
    fewer = a_run()
    del fewer["000003"]
    for got, want in ((fewer, a_run()), (a_run(), fewer)):
        with pytest.raises(NoiseFloorError, match=r"1 of them in one run only \(000003\)"):
            compare(got, want)
    with pytest.raises(NoiseFloorError, match="0 and 0 pictures"):
        compare({}, {})


def test_a_picture_with_numbers_that_are_not_finite_is_named() -> None:
    got = a_run()
    got["000005"] = replace(got["000005"], scores=got["000005"].scores * np.nan)
    with pytest.raises(NoiseFloorError, match="picture 000005: the detections of `got` hold NaN"):
        compare(got, a_run())


def edited(change: Any) -> Any:
    def edit(text: str) -> str:
        found = json.loads(text)
        change(found)
        return json.dumps(found)

    return edit


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text[: len(text) // 2], "is no noise floor: the file"),
        (lambda text: "", "is no noise floor: the file"),
        (lambda text: "\udcff", "is no noise floor: the file"),
        (lambda text: "[" * 100_000, "is no noise floor: the file"),
        (edited(lambda found: found.update(format="rfcn noise floor 0")), "format"),
        (edited(lambda found: found.update(more=1)), "more"),
        (edited(lambda found: found.pop("chip")), "chip"),
        (edited(lambda found: found.update(pictures=0)), "pictures"),
        (edited(lambda found: found.update(pictures="30")), "pictures"),
        (edited(lambda found: found["matched"].update(got_matched=10**9)), "matched: .*more detections have a partner"),
        (edited(lambda found: found["iou"]["figures"]["mean"].update(value=float("nan"))), "iou.figures.mean.value"),
        (edited(lambda found: found["iou"]["figures"].update(middle={"value": 1, "low": 1, "high": 1})), "iou.figures"),
    ],
    ids=[
        *(
            "cut short",
            "empty",
            "not text",
            "nested",
            "format",
            "one more",
            "no chip",
            "no picture",
            "a picture as text",
        ),
        *("matched", "not a number", "another figure"),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(floor: NoiseFloor, tmp_path: Any, change: Any, named: str) -> None:
    path = tmp_path / "noise_floor.json"
    write_noise_floor(path, floor)
    path.write_bytes(change(path.read_text()).encode(errors="surrogateescape"))
    with pytest.raises(NoiseFloorError, match=named) as caught:
        read_noise_floor(path)
    assert str(path) in str(caught.value)
    assert "pytest -m rehearsal" in str(caught.value)


def test_a_missing_or_huge_file(tmp_path: Any) -> None:
    with pytest.raises(NoiseFloorError, match="no noise floor at"):
        read_noise_floor(tmp_path / "none.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)
    with pytest.raises(NoiseFloorError, match=r"10,000,001 bytes, but a noise floor is"):
        read_noise_floor(tmp_path / "huge.json")


def test_a_measurement_with_the_same_noise_lies_in_the_predicted_intervals() -> None:
    want = a_run(200)
    predicted, measured = (compare(jittered(want, seed, drop=0.05), want) for seed in (3, 4))
    rows = calibration(predicted, measured)
    inside = [row.inside for row in rows if row.inside is not None]
    assert sum(inside) / len(inside) > 0.7  # an interval of 90 %, and a second sample that has its own noise
    named = {row.figure: row for row in rows}
    assert named["matched"].predicted == predicted.matched.matched_share.value  # type: ignore[union-attr]
    assert named["matched"].measured == measured.matched.matched_share.value  # type: ignore[union-attr]
    assert named["|score difference|, largest"].inside is None
    assert "matched cow" not in named


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        (lambda found: replace(found, scores=found.scores + 0.01), "score difference, mean"),
        (lambda found: replace(found, boxes_xyxy=found.boxes_xyxy + 1), "offset in x, px, 50 %"),
        (lambda found: replace(found, boxes_xyxy=found.boxes_xyxy * 1.03), "width / wanted width, 50 %"),
        (lambda found: replace(found, labels=1 - found.labels), "matched"),
    ],
    ids=["scores", "offset", "scale", "classes"],
)
def test_what_the_prediction_missed_lies_outside(change: Any, figure: str) -> None:
    want = a_run(200)
    predicted = compare(jittered(want, 3, drop=0.05), want)
    measured = compare({id: change(found) for id, found in jittered(want, 4, drop=0.05).items()}, want)
    row = next(row for row in calibration(predicted, measured) if row.figure == figure)
    assert row.inside is False


def test_a_figure_that_one_run_lacks_is_neither_inside_nor_outside() -> None:
    want = a_run()
    none = {id: Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)) for id in want}
    with_cow = {id: replace(found, labels=found.labels + 1) for id, found in want.items()}
    rows = {row.figure: row for row in calibration(compare(want, want), compare(none, want))}
    assert rows["matched"].inside is False
    assert (rows["IoU of partners, mean"].measured, rows["IoU of partners, mean"].inside) == (None, None)
    rows = {row.figure: row for row in calibration(compare(want, want), compare(with_cow, with_cow))}
    assert (rows["matched cow"].predicted, rows["matched cow"].measured, rows["matched cow"].inside) == (None, 1, None)


def test_a_prediction_for_another_chip_is_refused(floor: NoiseFloor) -> None:
    other = compare(a_run(), a_run(), chip="Ascend310")
    with pytest.raises(NoiseFloorError, match="differ in chip Ascend310P3 and Ascend310"):
        calibration(floor, other)
