"""The network is shown, bit for bit, what the published port shows it; and what is lost on the way is said."""

import io
import re

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from rfcn_lib.pictures.preprocess import (
    LARGEST_PICTURE_PX,
    PictureError,
    cropped,
    decode,
    picture_record,
    picture_records,
    prepare,
    refuse_cropped,
)
from rfcn_lib.port import PUBLISHED, PictureRules, read_port

SMALL = PictureRules(short_side_px=48, canvas_wh_px=(126, 96), means_bgr=(50.674869, 104.00699, 122.67892))
AS_PUBLISHED = read_port(PUBLISHED).pictures


def jpeg(path, size_wh, mode="RGB", seed=0, **options):
    """A JPEG of smooth noise that uses all 256 values."""
    channels = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, channels), np.uint8)
    pixels = cv2.resize(coarse, size_wh, interpolation=cv2.INTER_LINEAR).reshape(size_wh[1], size_wh[0], channels)
    pixels.flat[: min(256, pixels.size)] = np.arange(256)[: pixels.size]
    Image.fromarray(pixels[:, :, 0] if mode == "L" else pixels, mode).save(path, "JPEG", quality=95, **options)
    return path


def literal_protocol(path, numbers):
    """The published protocol step by step: rfcn_preprocess.py and the padding of torch.nn.functional.pad."""
    picture = np.array(Image.open(path))
    if picture.ndim == 2:
        picture = np.concatenate([picture[:, :, np.newaxis]] * 3, axis=2)
    picture = picture[:, :, ::-1].astype(np.float32)
    picture -= np.array([[numbers.means_bgr]])
    scale = float(numbers.short_side_px) / float(np.min(picture.shape[0:2]))
    picture = cv2.resize(picture, None, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    columns, rows = numbers.canvas_wh_px
    padded = np.zeros((1, 3, rows, columns), np.float32)
    for channel in range(3):
        for row in range(min(rows, picture.shape[0])):
            for column in range(min(columns, picture.shape[1])):
                padded[0, channel, row, column] = picture[row, column, channel]
    return padded


# -- the tensor ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "size_wh",
    [
        pytest.param((64, 48), id="landscape, unscaled"),
        pytest.param((75, 50), id="landscape"),
        pytest.param((33, 50), id="portrait"),
        pytest.param((31, 31), id="square, enlarged"),
        pytest.param((210, 80), id="as wide as the canvas"),
        pytest.param((211, 80), id="one column too wide"),
        pytest.param((300, 40), id="much too wide"),
        pytest.param((40, 90), id="too high"),
    ],
)
def test_the_tensor_is_the_published_one_bit_for_bit(tmp_path, mode, size_wh):
    path = jpeg(tmp_path / "000001.jpg", size_wh, mode)
    tensor, picture = prepare(path, "000001", size_wh, SMALL)
    assert tensor.shape == (1, 3, 96, 126)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor.tobytes() == literal_protocol(path, SMALL).tobytes()
    assert picture == picture_record("000001", size_wh, SMALL)


def test_the_published_port_s_tensor_is_the_published_one(tmp_path):
    path = jpeg(tmp_path / "000001.jpg", (353, 500))
    tensor, picture = prepare(path, "000001", (353, 500), AS_PUBLISHED)
    want = literal_protocol(path, AS_PUBLISHED)
    assert tensor.tobytes() == want.tobytes()
    assert picture.scaled_wh == (512, 725)
    assert not want[:, :, 725:].any()
    assert not want[:, :, :, 512:].any()
    assert np.count_nonzero(want[:, :, :725, :512]) > 0.99 * 3 * 725 * 512


def test_the_mean_is_subtracted_in_double_precision():
    """The ruler shown saying no: with a float32 mean 32 of 256 values differ, so the tests above see the difference."""
    values = np.arange(256, dtype=np.float32)
    in_place = values.copy()
    in_place -= np.array([50.674869])
    assert np.count_nonzero(in_place != values - np.float32(50.674869)) == 32


def test_the_channels_are_blue_green_red(tmp_path):
    path = tmp_path / "000001.jpg"
    Image.new("RGB", (48, 48), (254, 0, 0)).save(path)
    tensor, _ = prepare(path, "000001", (48, 48), SMALL)
    middle = tensor[0, :, 20, 20] + np.array(SMALL.means_bgr)
    assert middle.round().tolist() == [0, 0, 254]


def test_an_orientation_tag_turns_nothing(tmp_path):
    tag = Image.Exif()
    tag[274] = 6
    turned = jpeg(tmp_path / "turned.jpg", (60, 40), exif=tag.tobytes())
    plain = jpeg(tmp_path / "plain.jpg", (60, 40))
    assert np.array_equal(decode(turned, (60, 40)), decode(plain, (60, 40)))


def test_decode_gives_rgb_bytes(tmp_path):
    path = tmp_path / "000001.jpg"
    Image.new("RGB", (5, 3), (254, 0, 0)).save(path)
    pixels = decode(path, (5, 3))
    assert pixels.shape == (3, 5, 3)
    assert pixels.dtype == np.uint8
    assert pixels[1, 2].tolist() == [254, 0, 0]


# -- the record ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 700), st.integers(1, 700), st.integers(16, 128))
@example(1025, 1024, 512)  # 512.5 -> 512: half to even
@example(1027, 1024, 512)  # 513.5 -> 514
@example(63, 42, 21)  # 31.5 -> 32
@example(700, 1, 128)
def test_the_record_rounds_as_cv2_does(width, height, short_side):
    numbers = PictureRules(short_side_px=short_side, canvas_wh_px=(1344, 1344), means_bgr=(0.0, 0.0, 0.0))
    picture = picture_record("000001", (width, height), numbers)
    scale = short_side / min(width, height)
    resized = cv2.resize(np.zeros((height, width), np.uint8), None, None, fx=scale, fy=scale)
    assert picture.scaled_wh == resized.shape[::-1]
    assert picture.scale == scale
    assert picture.size_wh == (width, height)
    assert picture.canvas_wh == (1344, 1344)


def test_the_record_knows_what_the_canvas_cuts_off():
    wide, fits = picture_record("wide", (300, 40), SMALL), picture_record("fits", (75, 50), SMALL)
    assert wide.scaled_wh == (360, 48)
    assert cropped([wide, fits]) == {"wide": pytest.approx(1 - 126 / 360)}
    assert cropped([picture_record("just", (210, 80), SMALL)]) == {}
    assert cropped([]) == {}


@pytest.mark.parametrize(
    ("size_wh", "scaled_wh"),
    [((500, 156), (1641, 512)), ((152, 500), (512, 1684)), ((500, 191), (1340, 512)), ((190, 500), (512, 1347))],
)
def test_the_published_canvas_holds_an_aspect_of_2625(size_wh, scaled_wh):
    picture = picture_record("000001", size_wh, AS_PUBLISHED)
    assert picture.scaled_wh == scaled_wh
    assert bool(cropped([picture])) == (max(scaled_wh) > 1344)


def test_refusing_names_the_ids_the_loss_and_the_way_out(tmp_path):
    pictures = [picture_record(id, wh, SMALL) for id, wh in {"a": (300, 40), "b": (75, 50), "c": (40, 90)}.items()]
    with pytest.raises(PictureError) as caught:
        refuse_cropped(pictures)
    message = str(caught.value)
    assert message.startswith("2 of 3 pictures exceed the canvas of 126 x 96 px")
    assert "a (65.0%) c (11.1%)" in message
    assert "canvas_wh_px = [384, 128]" in message
    assert "--overflow=crop" in message
    refuse_cropped(pictures[1:2])


def test_overflow_error_refuses_before_the_picture_is_opened(tmp_path):
    with pytest.raises(PictureError, match=r"1 of 1 pictures exceed .* 000533 \(65\.0%\)"):
        prepare(tmp_path / "none.jpg", "000533", (300, 40), SMALL, overflow="error")
    path = jpeg(tmp_path / "fits.jpg", (75, 50))
    tensor, _ = prepare(path, "fits", (75, 50), SMALL, overflow="error")
    assert tensor.tobytes() == literal_protocol(path, SMALL).tobytes()


def test_a_long_list_of_losers_is_cut():
    pictures = [picture_record(f"{k:06}", (300, 40), SMALL) for k in range(40)]
    with pytest.raises(PictureError, match=r"^40 of 40 .* 000011 \(65\.0%\) \.\.\.; export"):
        refuse_cropped(pictures)


@pytest.mark.parametrize("size_wh", [(0, 5), (5, 0), (-3, 5)])
def test_a_picture_without_pixels_has_no_record(size_wh):
    with pytest.raises(PictureError, match=r"picture x is .* but should have at least 1 x 1"):
        picture_record("x", size_wh, SMALL)


def test_a_thread_of_a_picture_is_not_resized_to_billions():
    with pytest.raises(PictureError, match="would be resized to 30720000 x 512, but at most 50,000,000 px are held"):
        picture_record("x", (60_000, 1), AS_PUBLISHED)


def test_all_pictures_that_cannot_be_resized_are_one_message():
    sizes_wh = {f"{k:06}": (60_000, 1) if k else (60, 40) for k in range(8)}
    with pytest.raises(PictureError) as caught:
        picture_records(sizes_wh, AS_PUBLISHED)
    assert [word in str(caught.value) for word in ("000000", "000001", "000005", "000006")] == [
        False,
        True,
        True,
        False,
    ]
    assert "and 2 more" in str(caught.value)
    assert list(picture_records({"a": (60, 40)}, AS_PUBLISHED)) == ["a"]


# -- what is refused -------------------------------------------------------------------------------------------------


def refusal(path, size_wh=(60, 40)):
    with pytest.raises(PictureError) as caught:
        decode(path, size_wh)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_a_picture_unlike_its_annotation_is_refused(tmp_path):
    path = jpeg(tmp_path / "000001.jpg", (60, 40))
    assert "is 60 x 40 px, but its annotation says 40 x 60" in refusal(path, (40, 60))


def test_four_channels_are_refused(tmp_path):
    assert "colour mode CMYK, but should be RGB or grey" in refusal(jpeg(tmp_path / "c.jpg", (60, 40), "CMYK"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_truncated_picture_is_refused(tmp_path, share):
    path = jpeg(tmp_path / "000001.jpg", (60, 40))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "cannot be decoded as a JPEG" in refusal(path)


def test_what_is_not_a_jpeg_is_refused(tmp_path):
    Image.new("RGB", (60, 40)).save(tmp_path / "gif.jpg", "GIF")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("gif.jpg", "text.jpg", "folder.jpg", "none.jpg"):
        assert "cannot be decoded as a JPEG" in refusal(tmp_path / name)
    assert "it begins as a GIF" in refusal(tmp_path / "gif.jpg")


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_the_bytes_of_a_png_are_a_picture_whatever_the_name(tmp_path, mode):
    pixels = np.random.default_rng(0).integers(0, 2, (40, 60, 3), np.uint8) * 255
    picture = Image.fromarray(pixels if mode in ("RGB", "P") else pixels[:, :, 0]).convert(mode)
    picture.save(tmp_path / "000001.jpg", "PNG")
    want = picture.convert("RGB")
    assert np.array_equal(decode(tmp_path / "000001.jpg", (60, 40)), np.asarray(want))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16"])
def test_a_png_of_other_channels_is_refused(tmp_path, mode):
    Image.new(mode, (60, 40)).save(tmp_path / "000001.jpg", "PNG")
    assert f"colour mode {mode}, but should be RGB or grey" in refusal(tmp_path / "000001.jpg")


def test_a_palette_that_is_seen_through_is_refused(tmp_path):
    Image.new("P", (60, 40)).save(tmp_path / "000001.jpg", "PNG", transparency=0)
    assert "colour mode P with transparency" in refusal(tmp_path / "000001.jpg")


@pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
def test_a_header_that_promises_too_much_is_refused_before_decoding(tmp_path, side):
    """Above 50 Mpx by this module's own limit, above 179 Mpx already by Pillow's; between lies Pillow's warning."""
    path = jpeg(tmp_path / "bomb.jpg", (60, 40))
    data = path.read_bytes()
    frame = re.search(rb"\xff\xc0\x00\x11\x08", data).end()
    path.write_bytes(data[:frame] + side.to_bytes(2, "big") * 2 + data[frame + 4 :])
    assert f"{LARGEST_PICTURE_PX:,}" in refusal(path, (side, side))


def test_damaged_metadata_does_not_matter(tmp_path):
    tag = Image.Exif()
    tag[270] = "a title"
    damaged = tag.tobytes()[:-12]
    path = jpeg(tmp_path / "damaged.jpg", (60, 40), exif=damaged)
    with pytest.warns(UserWarning, match="EXIF|Truncated|Tag data"):
        Image.open(path).close()
    assert np.array_equal(decode(path, (60, 40)), decode(jpeg(tmp_path / "plain.jpg", (60, 40)), (60, 40)))


def _jpeg_bytes():
    memory = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save(memory, "JPEG")
    return memory.getvalue()


JPEG = _jpeg_bytes()


@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, len(JPEG)))
def test_any_damage_is_decoded_or_named(tmp_path, changes, cut):
    """Never another exception, and never an array of another size."""
    data = bytearray(JPEG)
    for at, value in changes:
        data[at] = value
    path = tmp_path / "000001.jpg"
    path.write_bytes(data[: max(cut, 100)] if cut % 3 == 0 else data)
    try:
        pixels = decode(path, (60, 40))
    except PictureError as error:
        said = str(error)
    else:
        said = path.name
        assert pixels.shape == (40, 60, 3)
        assert pixels.dtype == np.uint8
    assert "000001.jpg" in said
