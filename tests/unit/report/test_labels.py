"""Labels of boxes: one does not cover another while there is room, and none leaves the picture."""

from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.report.drawn import Box
from rfcn_lib.report.labels import LETTER, STROKES, placed
from tests.support.trials import drawn_of

SIZE_WH = (360, 240)


def labels_of(*boxes):
    panel = tuple(Box(xyxy=box, name="person", score=0.5, mark="right") for box in boxes)
    (picture,) = drawn_of().pictures
    return [*placed(picture.model_copy(update={"size_wh": SIZE_WH, "panels": {"truth": panel}}), "truth")]


def test_equal_boxes_have_labels_at_different_heights():
    heights = [y for *_, y, _ in labels_of(*[(50, 50, 150, 150)] * 4)]

    assert len({round(y) for y in heights}) == 4


@given(st.lists(st.tuples(*[st.floats(-50, 400)] * 4), max_size=6))
def test_every_label_lies_in_the_picture(boxes):
    for _, words, x, y, size in labels_of(*boxes):
        assert x >= 1 and x + LETTER * size * len(words) <= SIZE_WH[0] + 1
        assert size <= y <= SIZE_WH[1]


def test_each_kind_of_box_is_told_from_the_others_by_colour_and_by_line():
    seen = [STROKES[mark] for mark in ("difficult", "right", "wrong", "neither")]

    assert len({colour for colour, _ in seen}) == len(seen) == len({dashes for _, dashes in seen})
