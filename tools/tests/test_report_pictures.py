"""The pictures of docs/report.md: each is there, small, shown in the page, and none is left over."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tools.report_pictures import LARGEST_BYTES, PICTURES, SHOTS, PictureToolError, small

PAGE = PICTURES.parent / "report.md"


def test_the_page_shows_every_picture_that_the_tool_takes():
    shown = set(re.findall(r"!\[[^]]{20,}\]\(pictures/([^)]+)\)", PAGE.read_text(encoding="utf-8")))

    assert shown == {shot.name for shot in SHOTS} == {path.name for path in PICTURES.iterdir()}


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_a_picture_is_small_and_as_wide_as_its_window(shot):
    path = PICTURES / shot.name

    assert path.stat().st_size <= LARGEST_BYTES
    with Image.open(path) as picture:
        assert picture.width == shot.width


def png(picture):
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_that_is_small_keeps_every_colour():
    few = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)

    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(small(png(few)))).convert("RGB")), few)


def test_a_picture_of_noise_loses_colours_and_one_that_is_too_large_is_refused():
    random = np.random.default_rng(0)
    assert len(small(png(random.integers(0, 256, (600, 600, 3), np.uint8)))) <= LARGEST_BYTES
    with pytest.raises(PictureToolError, match="Shot shorter"):
        small(png(random.integers(0, 256, (2000, 2000, 3), np.uint8)))
