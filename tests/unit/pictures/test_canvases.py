"""The canvases chosen are the best there are, by trying them all; every picture is held, and the sums are right."""

from itertools import combinations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfcn_lib.pictures.canvases import (
    CanvasError,
    canvas_of,
    fitted_canvases,
    share_of,
    shared_out,
)

SHORT = st.integers(20, 60)
LONGER = st.lists(st.tuples(st.booleans(), st.integers(0, 90)), min_size=1, max_size=8)


def sizes_of(short, longer):
    """Pictures of one shorter side, wide or tall."""
    return [(short + more, short) if wide else (short, short + more) for wide, more in longer]


def area_of(sizes, canvases):
    """Definition: each picture costs the area of the smallest canvas that holds it."""
    return sum(min((w * h for w, h in canvases if w >= size[0] and h >= size[1]), default=10**9) for size in sizes)


def up(side, multiple):
    return next(number for number in range(side, side + multiple) if number % multiple == 0)


@given(SHORT, LONGER, st.integers(2, 3), st.sampled_from([1, 16]))
@example(32, [(True, 0), (True, 40), (False, 3)], 2, 16)  # the square is cheaper beside the tall one
@example(40, [(True, 0), (False, 8), (True, 50)], 2, 16)  # 40 x 48 px fits the same 48 x 48 canvas as the square
def test_no_other_choice_is_cheaper(short, longer, most, multiple):
    sizes = sizes_of(short, longer)
    side = up(short, multiple)
    rounded = {up(max(size), multiple) for size in sizes}
    candidates = {(long, side) for long in rounded} | {(side, long) for long in rounded}
    best = min(area_of(sizes, some) for count in range(1, most + 1) for some in combinations(sorted(candidates), count))

    found = fitted_canvases(sizes, most, multiple)

    assert area_of(sizes, found) == best
    assert 1 <= len(found) <= most
    assert all(pixels % multiple == 0 for canvas in found for pixels in canvas)


@given(SHORT, LONGER)
def test_every_picture_is_on_the_smallest_canvas_that_holds_it(short, longer):
    sizes = {f"{index:06}": size for index, size in enumerate(sizes_of(short, longer))}
    canvases = fitted_canvases(list(sizes.values()))
    shared = shared_out(sizes, canvases)

    assert sorted(id for ids in shared.values() for id in ids) == sorted(sizes)
    assert set(shared) == set(canvases)  # none without a picture
    for (width, height), ids in shared.items():
        assert list(ids) == sorted(ids)
        for id in ids:
            assert sizes[id][0] <= width
            assert sizes[id][1] <= height
    assert share_of(shared, (200, 200)) == pytest.approx(area_of(sizes.values(), canvases) / (200 * 200 * len(sizes)))


def test_the_order_of_the_pictures_changes_nothing():
    sizes = sizes_of(50, [(True, 3), (True, 60), (False, 20), (True, 3), (False, 0)])

    assert fitted_canvases(sizes, 3) == fitted_canvases(sizes[::-1], 3)


def test_one_canvas_for_one_orientation():
    assert fitted_canvases([(70, 50), (100, 50)], most=1) == ((112, 64),)
    assert fitted_canvases([(50, 50)]) == ((64, 64),)


@pytest.mark.parametrize(
    ("sizes", "most", "said"),
    [
        ([(70, 50), (50, 70)], 1, "at least 2 canvases are needed, but 1 was asked for"),
        ([], 6, "0 pictures, at most 6 canvases"),
        ([(70, 0)], 6, "every side of a picture"),
        ([(70, 50)], 0, "at most 0 canvases"),
    ],
)
def test_what_cannot_be_chosen(sizes, most, said):
    with pytest.raises(CanvasError, match=said):
        fitted_canvases(sizes, most)


def test_a_picture_that_no_canvas_holds():
    with pytest.raises(
        CanvasError, match=r"a picture of 90 x 50 px after the resize fits none of the canvases 80x64, 64x96"
    ):
        canvas_of((90, 50), [(80, 64), (64, 96)])


def test_of_two_alike_the_same_one_every_time():
    assert canvas_of((50, 50), [(80, 64), (64, 80)]) == canvas_of((50, 50), [(64, 80), (80, 64)]) == (64, 80)
