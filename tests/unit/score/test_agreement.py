from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.records import Outputs
from rfcn_lib.score.agreement import Agreement, Limits, agree, noise, total

STRICT = Limits(1.0, 1.0, 0.0, 0.0, 0.0, "the same bits")


def healthy(seed: int, rows: int = 20, padded: int = 0, dtype: Any = np.float32) -> Outputs:
    """Boxes on a grid, corners near the middle of a pixel: no two overlap, none rounds differently for 0.1 px."""
    random = np.random.default_rng(seed)
    place = np.array([[90 * (k % 5), 90 * (k // 5)] for k in range(rows)]).reshape(-1, 2)
    corner = place + random.integers(0, 9, (rows, 2)) + 0.1
    rois = np.hstack([np.zeros((rows, 1)), corner, corner + random.integers(30, 60, (rows, 2))])
    rois = np.vstack([rois, np.zeros((padded, 5))])
    prob, deltas = random.dirichlet(np.ones(4), rows + padded), random.normal(size=(rows + padded, 16))
    return Outputs(rois.astype(dtype), prob.astype(dtype), deltas.astype(dtype))


def rows_of(outputs: Outputs, rows: Any) -> Outputs:
    return Outputs(outputs.rois[rows], outputs.cls_prob[rows], outputs.bbox_pred[rows])


def moved(outputs: Outputs, name: str, where: Any, by: float) -> Outputs:
    array = getattr(outputs, name).copy()
    array[where] += by
    return replace(outputs, **{name: array})


def test_the_same_outputs_agree_to_the_last_bit() -> None:
    got = agree(healthy(1), healthy(1), iou_at_least=0.9)
    assert got == Agreement(20, 20, 0, 0, 20, 20, 0.0, 0.0, 0.0)
    assert got.matched_share == got.compared_share == 1
    assert got.within(STRICT)
    assert got.beyond(STRICT) == ()


@given(st.permutations(range(20)), st.integers(0, 20))
def test_the_order_of_rows_does_not_matter(order: list[int], at: int) -> None:
    want = healthy(2, padded=3)
    got = rows_of(want, [*order[:at], 20, 21, 22, *order[at:]])
    assert agree(got, want, iou_at_least=0.9) == Agreement(20, 20, 3, 3, 20, 20, 0.0, 0.0, 0.0)


def with_limit(field: str, limit: float) -> Limits:
    changed: dict[str, Any] = {field: limit}
    return replace(STRICT, **changed)


@pytest.mark.parametrize(
    ("name", "where", "by", "field"),
    [
        ("rois", (3, 2), 0.125, "rois_px"),
        ("cls_prob", (5, 1), -0.25, "cls_prob"),
        ("bbox_pred", (7, 9), 0.5, "bbox_pred"),
    ],
)
def test_the_worst_difference_is_found_and_named(name: str, where: Any, by: float, field: str) -> None:
    want = healthy(3)
    got = agree(moved(want, name, where, by), want, iou_at_least=0.9)
    assert getattr(got, field) == pytest.approx(abs(by), rel=1e-4)
    others = {"rois_px", "cls_prob", "bbox_pred"} - {field}
    assert all(getattr(got, other) == 0 for other in others)
    assert not got.within(STRICT)
    assert got.beyond(STRICT) == (f"{field} apart by {abs(by):.3g}, but should be at most 0",)
    assert got.within(with_limit(field, abs(by) * 1.001))
    assert not got.within(with_limit(field, abs(by) * 0.999))


def test_a_row_without_a_partner_lowers_the_share_of_the_longer_side() -> None:
    want = healthy(4)
    fewer = rows_of(want, np.arange(15))
    for left, right in ((fewer, want), (want, fewer)):
        got = agree(left, right, iou_at_least=0.9)
        assert (got.matched, got.matched_share) == (15, 0.75)
        assert not got.within(STRICT)
        assert "matched_share 0.7500, but should be at least 1.0000" in got.beyond(STRICT)
        assert got.within(replace(STRICT, matched_share=0.75, compared_share=0.75))


def test_boxes_below_the_floor_are_no_partners() -> None:
    want = healthy(5)
    far = moved(want, "rois", (0, slice(1, 5)), 20.0)
    assert agree(far, want, iou_at_least=0.9).matched == 19
    assert agree(far, want, iou_at_least=0.05).matched == 20


def test_a_row_has_one_partner_the_best_one() -> None:
    one = np.array([[0, 10, 10, 49, 49], [0, 10, 10, 49, 51], [0, 10, 10, 49, 53]], np.float32)
    prob, deltas = np.eye(3, 4, dtype=np.float32), np.zeros((3, 16), np.float32)
    want = Outputs(one, prob, deltas)
    got = agree(rows_of(want, [2, 0, 1]), want, iou_at_least=0.5)
    assert (got.matched, got.rois_px, got.cls_prob) == (3, 0, 0)
    got = agree(rows_of(want, [0, 0, 0]), rows_of(want, [0]), iou_at_least=0.5)
    assert (got.matched, got.matched_share) == (1, 1 / 3)


def test_equal_boxes_are_matched_in_the_order_of_rows() -> None:
    rois = np.repeat(np.array([[0, 10, 10, 49, 49]], np.float32), 4, axis=0)
    twins = Outputs(rois, np.eye(4, dtype=np.float32), np.zeros((4, 16), np.float32))
    assert agree(twins, twins, iou_at_least=0.9).within(STRICT)


def test_scores_are_not_compared_where_a_corner_rounds_to_another_pixel() -> None:
    want = healthy(6)
    want.rois[4, 1] = 10.4990
    got = moved(moved(want, "rois", (4, 1), 0.002), "cls_prob", (4, 0), 0.5)
    seen = agree(got, want, iou_at_least=0.9)
    assert (seen.matched, seen.compared, seen.cls_prob) == (20, 19, 0)
    assert seen.rois_px == pytest.approx(0.002, rel=1e-3)
    assert not seen.within(replace(STRICT, rois_px=0.01))
    assert seen.within(replace(STRICT, rois_px=0.01, compared_share=0.95))


def test_halves_round_away_from_zero_as_the_pooling_does() -> None:
    want = healthy(6)
    want.rois[0, 1], want.rois[1, 1] = 10.5, 10.5
    below, above = moved(want, "rois", (0, 1), -0.001), moved(want, "rois", (1, 1), 0.001)
    assert agree(below, want, iou_at_least=0.9).compared == 19
    assert agree(above, want, iou_at_least=0.9).compared == 20


def test_nothing_compared_is_never_an_agreement() -> None:
    anything = Limits(0.0, 0.0, np.inf, np.inf, np.inf, "no limit at all")
    empty, padding = healthy(7, rows=0), healthy(7, rows=0, padded=5)
    for got, want in ((empty, empty), (padding, padding), (padding, healthy(8)), (healthy(8), empty)):
        seen = agree(got, want, iou_at_least=0.9)
        assert seen.compared == 0
        assert seen.matched_share == 0
        assert not seen.within(anything)
        assert seen.beyond(anything) == ("no row compared",)


def test_nan_limits_allow_nothing() -> None:
    assert not agree(healthy(1), healthy(1), iou_at_least=0.9).within(replace(STRICT, cls_prob=float("nan")))


def test_an_agreement_explains_itself() -> None:
    want = healthy(1, padded=2)
    said = str(agree(want, rows_of(want, np.arange(20)), iou_at_least=0.9))
    assert said.startswith(
        "20 rows matched of 20 got and 20 wanted (100.00%; padding left out: 2 and 0), 20 of them on"
    )
    assert said.endswith("worst difference: rois 0 px, cls_prob 0, bbox_pred 0")


def test_what_cannot_be_compared_is_refused() -> None:
    want = healthy(1)
    fewer = Outputs(want.rois, want.cls_prob[:, :3], want.bbox_pred[:, :12])
    with pytest.raises(ValueError, match=r"got 3 columns of cls_prob, but should be 4: two networks"):
        agree(fewer, want, iou_at_least=0.9)
    for floor in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"iou_at_least is .*should lie in"):
            agree(want, want, iou_at_least=floor)
    with pytest.raises(ValueError, match=r"cls_prob of `got` holds NaN or Inf"):
        agree(moved(want, "cls_prob", (0, 0), np.nan), want, iou_at_least=0.9)
    with pytest.raises(ValueError, match=r"rois of `want` holds NaN or Inf"):
        agree(want, moved(want, "rois", (0, 1), np.inf), iou_at_least=0.9)


def test_several_pictures_add_up_to_sums_and_worsts() -> None:
    left, right = Agreement(4, 5, 1, 0, 3, 2, 0.1, 0.5, 0.2), Agreement(6, 5, 0, 1, 5, 5, 0.3, 0.1, 0.1)
    assert total([left, right]) == Agreement(10, 10, 1, 1, 8, 7, 0.3, 0.5, 0.2)
    with pytest.raises(ValueError, match=r"were any pictures compared"):
        total([])


def rounded(seed: int) -> tuple[Outputs, Outputs]:
    double = healthy(seed, dtype=np.float64)
    return Outputs(*(getattr(double, n).astype(np.float32) for n in ("rois", "cls_prob", "bbox_pred"))), double


def test_limits_are_measured_from_single_against_double() -> None:
    pairs = [rounded(1), rounded(2)]
    limits = noise(pairs, iou_at_least=0.9, times=4)
    seen = total(agree(*pair, iou_at_least=0.9) for pair in pairs)
    assert (limits.rois_px, limits.cls_prob, limits.bbox_pred) == (
        4 * seen.rois_px,
        4 * seen.cls_prob,
        4 * seen.bbox_pred,
    )
    assert limits.matched_share == limits.compared_share == 1 - 1 / 40
    assert limits.source == f"4 x float32 against float64 of the source model: {seen}"
    assert agree(*rounded(1), iou_at_least=0.9).within(limits)
    assert not agree(moved(rounded(1)[0], "cls_prob", (0, 0), 1e-4), rounded(1)[1], iou_at_least=0.9).within(limits)


def test_a_run_compared_with_itself_measures_no_noise() -> None:
    with pytest.raises(ValueError, match=r"no measure of rounding: .*should be float32 against float64"):
        noise([(healthy(1), healthy(1))], iou_at_least=0.9, times=4)
    with pytest.raises(ValueError, match=r"no measure of rounding"):
        noise([(healthy(1, rows=0), healthy(1))], iou_at_least=0.9, times=4)
    with pytest.raises(ValueError, match=r"no agreement to add up"):
        noise([], iou_at_least=0.9, times=4)
