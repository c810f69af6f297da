"""The devkit reader takes what VOC devkits hold, and names the file and the fault of everything else."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rfcn_lib.boxes import iou
from rfcn_lib.pictures.annotation import AT_ZERO, BEYOND, BEYOND_PX, FAR_BEYOND
from rfcn_lib.pictures.devkit import NO_SIZE, OTHER_ENDING, PNG, RENUMBERED, DevkitError, read_devkit
from rfcn_lib.pictures.devkit_files import FAULTS, with_all_faults
from rfcn_lib.pictures.preprocess import PictureError, decode

CLASSES = ("aeroplane", "cat", "dog")
OBJECT = """<object><name>{name}</name><pose>Left</pose><truncated>1</truncated><difficult>{difficult}</difficult>
<bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"""
ANNOTATION = """<annotation><folder>VOC2007</folder><filename>{id}.jpg</filename>
<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>{objects}</annotation>"""


def annotation(id, *objects, size_wh=(60, 40)):
    written = (OBJECT.format(name=name, box=box, difficult=difficult) for name, box, difficult in objects)
    return ANNOTATION.format(id=id, size=size_wh, objects="".join(written))


PLAIN = annotation("000002", ("dog", (3, 5, 20, 30), 0))


def write_devkit(folder, annotations, *, listing=None, jpegs=None):
    """A devkit with these XML texts by id; every JPEG is there, as large as its XML says, unless `jpegs` says which."""
    year = folder / "VOC2007"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (year / name).mkdir(parents=True, exist_ok=True)
    for id, xml in annotations.items():
        (year / "Annotations" / f"{id}.xml").write_bytes(xml if isinstance(xml, bytes) else xml.encode())
    for id in annotations if jpegs is None else jpegs:
        said = re.search(r"<width>(500)</width><height>(3[57]\d)<", str(annotations.get(id)))
        size_wh = (int(said[1]), int(said[2])) if said else (60, 40)
        Image.new("RGB", size_wh).save(year / "JPEGImages" / f"{id}.jpg")
    listed = "".join(f"{id}\n" for id in annotations) if listing is None else listing
    (year / "ImageSets" / "Main" / "test.txt").write_bytes(listed if isinstance(listed, bytes) else listed.encode())
    return folder


@pytest.fixture
def devkit(tmp_path):
    return write_devkit(
        tmp_path / "VOCdevkit",
        {
            "000002": annotation("000002", ("dog", (3, 5, 20, 30), 0), ("cat", (1, 1, 60, 40), 1)),
            "000001": annotation("000001"),
            "2008_000003": annotation("2008_000003", ("aeroplane", (7, 7, 7, 7), 0), size_wh=(500, 353)),
        },
    )


def fault(folder, **options):
    """The message, which must be one line that says more than what went wrong inside."""
    with pytest.raises(DevkitError) as caught:
        read_devkit(folder, CLASSES, **options)
    return str(caught.value)


# -- what is read ----------------------------------------------------------------------------------------------------


def test_ids_keep_the_order_of_the_set_file(devkit):
    read = read_devkit(devkit, CLASSES)
    assert read.ids == read.all_ids == ("000002", "000001", "2008_000003")
    assert tuple(read.truth) == tuple(read.sizes_wh) == read.ids
    assert (read.folder, read.set_name) == (devkit, "test")


def test_truth_counts_from_zero_and_labels_count_along_the_classes(devkit):
    truth = read_devkit(devkit, CLASSES).truth["000002"]
    assert truth.boxes_xyxy.tolist() == [[2, 4, 19, 29], [0, 0, 59, 39]]
    assert truth.labels.tolist() == [2, 1]
    assert truth.difficult.tolist() == [False, True]


def test_a_picture_without_objects_has_an_empty_truth(devkit):
    read = read_devkit(devkit, CLASSES)
    assert read.truth["000001"].boxes_xyxy.shape == (0, 4)
    assert read.truth["2008_000003"].boxes_xyxy.tolist() == [[6, 6, 6, 6]], "a box of one pixel is a box"
    assert read.sizes_wh == {"000002": (60, 40), "000001": (60, 40), "2008_000003": (500, 353)}


def test_picture_path_leads_to_the_jpeg_and_only_for_known_ids(devkit):
    read = read_devkit(devkit, CLASSES)
    assert read.picture_path("000001") == devkit / "VOC2007/JPEGImages/000001.jpg"
    assert read.picture_path("000001").is_file()
    with pytest.raises(DevkitError, match=r"'\.\./000001' is not one of the 3 ids"):
        read.picture_path("../000001")


def test_limit_keeps_the_first_and_asks_for_nothing_beyond(devkit):
    (devkit / "VOC2007/JPEGImages/2008_000003.jpg").unlink()
    (devkit / "VOC2007/Annotations/2008_000003.xml").write_text("not XML")
    read = read_devkit(devkit, CLASSES, limit=2)
    assert read.ids == ("000002", "000001")
    assert len(read.all_ids) == 3
    assert set(read.truth) == set(read.sizes_wh) == {"000002", "000001"}


def test_pictures_are_not_asked_for_when_only_truth_is_wanted(devkit):
    for path in (devkit / "VOC2007/JPEGImages").iterdir():
        path.unlink()
    (devkit / "VOC2007/JPEGImages").rmdir()
    assert len(read_devkit(devkit, CLASSES, pictures=False).ids) == 3
    assert "cannot list the folder" in fault(devkit)


@pytest.mark.parametrize(
    "listing",
    [
        pytest.param("000002\r\n000001\r\n2008_000003\r\n", id="CRLF"),
        pytest.param("000002  \n000001\t\n2008_000003\n\n\n", id="trailing blanks and lines"),
        pytest.param("000002 -1\n000001  1\n2008_000003  0\n", id="a column of flags"),
        pytest.param("000002\n000001\n2008_000003", id="no last line end"),
        pytest.param("000002\n000001\n2008_000003\n".encode("utf-8-sig"), id="byte order mark"),
    ],
)
def test_set_files_of_other_hands_are_understood(devkit, listing):
    assert read_devkit(write_devkit(devkit, {}, listing=listing), CLASSES).ids == ("000002", "000001", "2008_000003")


def test_another_set_can_be_named(devkit):
    (devkit / "VOC2007/ImageSets/Main/two.txt").write_text("000001\n000002\n")
    assert read_devkit(devkit, CLASSES, set_name="two").ids == ("000001", "000002")


def test_difficult_may_be_absent_and_blanks_around_values_do_not_matter(tmp_path):
    xml = PLAIN.replace("<difficult>0</difficult>", "").replace(">dog<", ">\n dog <").replace(">20<", "> 20 <")
    truth = read_devkit(write_devkit(tmp_path, {"000002": xml}), CLASSES).truth["000002"]
    assert truth.difficult.tolist() == [False]
    assert truth.boxes_xyxy.tolist() == [[2, 4, 19, 29]]


def test_parts_of_an_object_are_not_objects(tmp_path):
    part = "<part><name>head</name><bndbox><xmin>4</xmin><ymin>6</ymin><xmax>8</xmax><ymax>9</ymax></bndbox></part>"
    xml = PLAIN.replace("</object>", f"{part}</object>")
    assert len(read_devkit(write_devkit(tmp_path, {"000002": xml}), CLASSES).truth["000002"].labels) == 1


@st.composite
def _boxes(draw):
    left, top = draw(st.integers(1, 500)), draw(st.integers(1, 375))
    return left, top, draw(st.integers(left, 500)), draw(st.integers(top, 375))


@given(st.lists(st.tuples(st.sampled_from(CLASSES), _boxes(), st.sampled_from([0, 1])), max_size=8))
def test_whatever_is_written_is_read_back(tmp_path, objects):
    folder = write_devkit(tmp_path, {"000002": annotation("000002", *objects, size_wh=(500, 375))})
    truth = read_devkit(folder, CLASSES).truth["000002"]
    assert [tuple(box + 1) for box in truth.boxes_xyxy.astype(int)] == [box for _, box, _ in objects]
    assert [CLASSES[label] for label in truth.labels] == [name for name, _, _ in objects]
    assert truth.difficult.tolist() == [bool(difficult) for _, _, difficult in objects]


# -- what is not as VOC2007 has it, and is read and counted ----------------------------------------------------------


def test_a_set_as_voc2007_has_it_needs_no_tolerance(devkit):
    assert read_devkit(devkit, CLASSES).tolerated == {}


@pytest.mark.parametrize(
    ("box", "kinds"),
    [
        ((0, 5, 20, 30), {AT_ZERO: 1}),
        ((3, 0, 20, 30), {AT_ZERO: 1}),
        ((3, 5, 61, 30), {BEYOND: 1}),
        ((3, 5, 20, 42), {BEYOND: 1}),
        ((0, 0, 62, 42), {AT_ZERO: 1, BEYOND: 1}),
        ((1, 1, 60, 40), {}),
    ],
)
def test_corners_at_0_and_up_to_2_px_beyond_are_kept_as_written(tmp_path, box, kinds):
    """The published evaluator takes them, and its IoU uses them."""
    read = read_devkit(write_devkit(tmp_path, {"000002": annotation("000002", ("dog", box, 0))}), CLASSES)
    assert (read.truth["000002"].boxes_xyxy + 1).tolist() == [list(map(float, box))]
    assert read.tolerated == kinds
    found = np.array([[2, 4, 19, 29]], float)  # as the published IoU: corners inclusive, one-based as written
    width, height = (min(20, box[2]) - max(3, box[0]) + 1, min(30, box[3]) - max(5, box[1]) + 1)
    area = (box[2] - box[0] + 1) * (box[3] - box[1] + 1)
    assert iou(found, read.truth["000002"].boxes_xyxy)[0] == width * height / (18 * 26 + area - width * height)


def test_annotations_are_counted_not_boxes(tmp_path):
    boxes = ("dog", (0, 5, 20, 30), 0), ("cat", (0, 0, 20, 30), 0)
    texts = {id: annotation(id, *boxes) for id in ("000002", "000001")}
    assert read_devkit(write_devkit(tmp_path, texts), CLASSES).tolerated == {AT_ZERO: 2}


def test_a_set_that_was_renumbered_after_the_labelling_is_read(tmp_path):
    """Every <filename> is the picture before; no two name the same one."""
    texts = {f"00000{k}": annotation(f"00000{k - 1}", ("dog", (3, 5, 20, 30), 0)) for k in (1, 2, 3)}
    assert read_devkit(write_devkit(tmp_path, texts), CLASSES).tolerated == {RENUMBERED: 2}


def test_two_annotations_of_one_picture_are_a_mix_up(tmp_path):
    stamped = annotation("000003", ("dog", (3, 5, 20, 30), 0))
    texts = {"000001": stamped, "000002": stamped, "000003": annotation("000009")}
    message = fault(write_devkit(tmp_path, texts))
    assert "000001.xml: <filename> is 000003.jpg, as in 000002.xml, but should be 000001.jpg" in message
    assert "000002.xml: <filename> is 000003.jpg, as in 000001.xml, but should be 000002.jpg" in message


def test_an_annotation_over_which_its_neighbour_was_copied_is_a_mix_up(tmp_path):
    text = annotation("000001", ("dog", (3, 5, 20, 30), 0))
    message = fault(write_devkit(tmp_path, {"000001": text, "000002": text}))
    assert "000002.xml" in message
    assert "this is another picture's annotation" in message


def test_a_renumbered_annotation_of_another_size_is_a_mix_up(tmp_path):
    folder = write_devkit(tmp_path, {"000001": annotation("000002"), "000002": annotation("000007")})
    Image.new("RGB", (40, 60)).save(folder / "VOC2007/JPEGImages/000001.jpg")
    message = fault(folder)
    assert "is 40 x 60 px, but its annotation says 60 x 40" in message
    assert "its <filename> is 000002.jpg, so this is another picture's annotation" in message
    assert "another picture's annotation" in fault(folder, pictures=False), "where the picture is there, it is asked"


SIZE = "<size><width>60</width><height>40</height><depth>3</depth></size>"


@pytest.mark.parametrize(
    "size", ["", "<size></size>", SIZE.replace("60", "0").replace("40", "0"), SIZE.replace("60", "").replace("40", "")]
)
@pytest.mark.parametrize("pictures", [True, False])
def test_a_size_that_is_missing_is_the_picture_s(tmp_path, size, pictures):
    folder = write_devkit(tmp_path, {"000002": PLAIN.replace(SIZE, size)})
    Image.new("RGB", (500, 353)).save(folder / "VOC2007/JPEGImages/000002.jpg")
    read = read_devkit(folder, CLASSES, pictures=pictures)
    assert read.sizes_wh == {"000002": (500, 353)}
    assert read.tolerated == {NO_SIZE: 1}


def test_without_a_size_a_box_must_begin_inside_the_picture(tmp_path):
    """The published evaluator takes it as far beyond as it goes, and no size of the annotation contradicts it."""
    folder = write_devkit(tmp_path, {"000002": PLAIN.replace(SIZE, "")})
    Image.new("RGB", (17, 40)).save(folder / "VOC2007/JPEGImages/000002.jpg")
    read = read_devkit(folder, CLASSES)
    assert read.tolerated == {FAR_BEYOND: 1, NO_SIZE: 1}
    assert read.truth["000002"].boxes_xyxy.tolist() == [[2, 4, 19, 29]]
    Image.new("RGB", (60, 4)).save(folder / "VOC2007/JPEGImages/000002.jpg")
    assert "but should be inside the picture, 1 to 60 across and 1 to 4 down" in fault(folder)


def test_where_neither_annotation_nor_picture_has_a_size_both_are_named(tmp_path):
    folder = write_devkit(tmp_path, {"000002": PLAIN.replace(SIZE, "")}, jpegs=[])
    message = fault(folder, pictures=False)
    assert "000002.xml has no size" in message
    assert "000002.jpg" in message


def test_pictures_that_are_png_are_read_and_counted(devkit):
    Image.new("RGB", (60, 40)).save(devkit / "VOC2007/JPEGImages/000001.jpg", "PNG")
    assert read_devkit(devkit, CLASSES).tolerated == {PNG: 1}


@pytest.mark.parametrize("name", ["000001.JPG", "000001.jpeg", "000001.png", "000001.PNG"])
def test_the_only_picture_of_an_id_may_have_another_ending(devkit, name):
    jpegs = devkit / "VOC2007/JPEGImages"
    (jpegs / "000001.jpg").rename(jpegs / name)
    read = read_devkit(devkit, CLASSES)
    assert read.picture_path("000001") == jpegs / name
    assert read.tolerated == {OTHER_ENDING: 1}
    Image.new("RGB", (60, 40)).save(jpegs / "000001.jpg")
    assert read_devkit(devkit, CLASSES).picture_path("000001") == jpegs / "000001.jpg"


def test_of_two_pictures_of_an_id_none_is_chosen(devkit):
    jpegs = devkit / "VOC2007/JPEGImages"
    (jpegs / "000001.jpg").rename(jpegs / "000001.JPG")
    (jpegs / "000001.png").write_bytes((jpegs / "000001.JPG").read_bytes())
    assert "has 000001.JPG and 000001.png, but should have one picture of 000001" in fault(devkit)


NAMES = ("102-3\u6a2a\u7ed3\u80a0+0.4+\u90e8\u4f4d", "IMG 0001 (2)", ".a", "v1.2", "\u00e9t\u00e9", "-x")


@pytest.mark.parametrize("id", NAMES)
@pytest.mark.parametrize("flag", ["", " 1", "  -1"])
def test_an_id_is_any_printable_name(tmp_path, id, flag):
    folder = write_devkit(tmp_path, {id: annotation(id, ("dog", (3, 5, 20, 30), 0))}, listing=f"{id}{flag}\n")
    read = read_devkit(folder, CLASSES)
    assert read.ids == (id,)
    assert read.picture_path(id).is_file()


def test_a_class_is_any_printable_name(tmp_path):
    classes = ("u-type hanging ring", "\u53e3\u7f69", "N/A")
    text = annotation("000002", *((name, (3, 5, 20, 30), 0) for name in classes))
    assert read_devkit(write_devkit(tmp_path, {"000002": text}), classes).truth["000002"].labels.tolist() == [0, 1, 2]


# -- what is refused: pictures, by their headers ---------------------------------------------------------------------


def noise(size_wh=(60, 40), **how):
    memory = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    Image.fromarray(pixels).save(memory, "JPEG", **how)
    return memory.getvalue()


JPEG = noise()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"<!DOCTYPE html><html></html>", "it begins as a text or a web page", id="web page"),
        pytest.param(b"GIF89a" + bytes(20), "it begins as a GIF", id="GIF"),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8 " + bytes(20), "it begins as a WebP", id="WebP"),
        pytest.param(JPEG[:-20], "image file is truncated", id="cut short"),
        pytest.param(JPEG[:-2], "image file is truncated", id="without its last two bytes"),
        pytest.param(JPEG[:300], "cannot be decoded as a JPEG", id="cut in the header"),
        pytest.param(noise(progressive=True)[:-20], "image file is truncated", id="progressive, cut short"),
        pytest.param(noise((40, 60)), "is 40 x 60 px, but its annotation says 60 x 40; picture and", id="another size"),
    ],
)
def test_what_a_header_shows_is_refused_before_any_picture_is_run(devkit, data, said):
    (devkit / "VOC2007/JPEGImages/000001.jpg").write_bytes(data)
    message = fault(devkit)
    assert said in message
    assert "000001.jpg" in message


def test_a_cut_png_is_refused(devkit):
    memory = io.BytesIO()
    Image.open(io.BytesIO(JPEG)).save(memory, "PNG")
    (devkit / "VOC2007/JPEGImages/000001.jpg").write_bytes(memory.getvalue()[:-500])
    assert "000001.jpg cannot be decoded as a JPEG or PNG" in fault(devkit)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(JPEG + b"\0" * 700, id="padding"),
        pytest.param(JPEG + b"a camera's own data" * 50, id="trailing bytes"),
        pytest.param(JPEG + noise((20, 10)), id="a second picture"),
        pytest.param(JPEG[:-2] + b"x" * 50, id="no end mark, and all of it decodes"),
        pytest.param(noise(comment=b"\xff\xd9" * 9), id="end marks in a comment"),
        pytest.param(noise(progressive=True) + b"more" * 50, id="progressive"),
    ],
)
def test_what_the_decoder_reads_is_not_refused(devkit, data):
    (devkit / "VOC2007/JPEGImages/000001.jpg").write_bytes(data)
    read = read_devkit(devkit, CLASSES)
    assert decode(read.picture_path("000001"), (60, 40)).shape == (40, 60, 3)


def test_the_header_check_refuses_exactly_what_the_decoder_refuses(devkit):
    """Cut at every byte near the end, with and without bytes after it."""
    path = devkit / "VOC2007/JPEGImages/000001.jpg"
    outcomes = set()
    for cut in range(1, 40):
        for more in (b"", b"x" * 30, b"\0" * 30):
            path.write_bytes(JPEG[:-cut] + more)
            try:
                decode(path, (60, 40))
                wanted = "read"
            except PictureError:
                wanted = "refused"
            try:
                read_devkit(devkit, CLASSES)
                got = "read"
            except DevkitError:
                got = "refused"
            assert got == wanted, (cut, more)
            outcomes.add(got)
    assert outcomes == {"read", "refused"}


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_an_orientation_tag_is_named_where_it_is_the_cause(devkit, orientation):
    tag = Image.Exif()
    tag[0x0112] = orientation
    (devkit / "VOC2007/JPEGImages/000001.jpg").write_bytes(noise((40, 60), exif=tag))
    message = fault(devkit)
    assert f"is 40 x 60 px, but its annotation says 60 x 40: its EXIF orientation is {orientation}" in message
    assert "do not belong together" not in message


@pytest.mark.parametrize(("orientation", "size_wh"), [(6, (60, 40)), (3, (60, 40)), (1, (60, 40))])
def test_an_orientation_tag_of_a_picture_annotated_as_stored_does_not_matter(devkit, orientation, size_wh):
    tag = Image.Exif()
    tag[0x0112] = orientation
    (devkit / "VOC2007/JPEGImages/000001.jpg").write_bytes(noise(size_wh, exif=tag))
    assert read_devkit(devkit, CLASSES).sizes_wh["000001"] == (60, 40)


# -- all faults of a set are one message -----------------------------------------------------------------------------


def test_all_faults_of_a_set_are_one_message(tmp_path):
    texts = {
        "000001": annotation("000001", ("wolf", (3, 5, 20, 30), 0), ("dog", (30, 5, 20, 30), 0)),
        "000002": annotation("000002"),
        "000003": annotation("000003"),
        "000004": "no XML",
        "000005": annotation("000005", ("dog", (3, 5, 99, 30), 0)),
    }
    folder = write_devkit(tmp_path / "VOCdevkit", texts, jpegs=["000001", "000002", "000004", "000005"])
    (folder / "VOC2007/JPEGImages/000002.jpg").write_bytes(JPEG[:-20])
    message = fault(folder)
    assert message.startswith(f"set 'test' of {folder} has 6 faults:")
    assert len(message.splitlines()) == 1 + 5 + 1
    assert message.endswith("and 1 more")

    with pytest.raises(DevkitError) as caught:
        read_devkit(folder, CLASSES)
    said = str(with_all_faults(caught.value, tmp_path / "store" / FAULTS))
    assert f"all 6 are in {tmp_path / 'store' / FAULTS}" in said
    lines = (tmp_path / "store" / FAULTS).read_text().splitlines()
    assert len(lines) == 6
    for name in ("000001.xml", "000002.jpg", "000003.jpg", "000004.xml", "000005.xml"):
        assert any(name in line for line in lines), name
    assert sum("000001.xml" in line for line in lines) == 2


def test_of_a_hundred_missing_pictures_all_are_in_the_list(tmp_path):
    texts = {f"{k:06}": annotation(f"{k:06}") for k in range(100)}
    with pytest.raises(DevkitError) as caught:
        read_devkit(write_devkit(tmp_path, texts, jpegs=[]), CLASSES)
    assert len(caught.value.every) == 100
    assert "lacks 100 of 100 .jpg files" in str(caught.value)


# -- what is refused: the folder and the set -------------------------------------------------------------------------


def test_a_missing_folder_says_what_to_pass(tmp_path):
    assert "there is no folder" in fault(tmp_path / "none")
    assert "--devkit=PATH" in fault(tmp_path / "none")
    assert "holds no folder VOC2007" in fault(tmp_path)
    assert "cannot look into" in fault(tmp_path / ("long" * 100))


def test_a_folder_one_level_off_names_the_right_one(devkit):
    assert f"pass --devkit={devkit}" in fault(devkit / "VOC2007")
    assert f"pass --devkit={devkit}" in fault(devkit.parent)


def test_a_missing_set_file_names_those_there(devkit):
    message = fault(devkit, set_name="val")
    assert "val.txt" in message
    assert "No such file" in message
    assert "sets there: test" in message


@pytest.mark.parametrize("name", ["../test", "", "a/b", "test.txt"])
def test_a_set_name_cannot_leave_its_folder(devkit, name):
    assert f"the set's name is {name!r}" in fault(devkit, set_name=name)


@pytest.mark.parametrize(
    ("listing", "said"),
    [
        pytest.param("", "lists no id at all", id="empty"),
        pytest.param("\n \r\n", "lists no id at all", id="blank"),
        pytest.param("000002\n../../etc/passwd\n", "line 2 is '../../etc/passwd'", id="path escape"),
        pytest.param("000002\n/000001\n", "line 2 is '/000001'", id="absolute path"),
        pytest.param("000002.jpg\n", "a JPEG's name without .jpg", id="file name instead of id"),
        pytest.param("000002 2\n", "a flag of -1, 0 or 1", id="unknown flag"),
        pytest.param("000002 1 1\n", "line 1 is '000002 1 1'", id="three columns"),
        pytest.param("x" * 201, "line 1 is", id="endless id"),
        pytest.param("000002\n00\x1b[1m1\n", "it has the character U+001B, which cannot be printed", id="an escape"),
        pytest.param(
            "a\nb\na\nb\na\n", "a (lines 1 and 3) b (lines 2 and 4) a (lines 1 and 5) more than", id="doubled"
        ),
        pytest.param(b"\xff\xd8\xff\xe0", "is not a UTF-8 text file", id="a JPEG"),
        pytest.param(b"1\n" * 8_000_001, "larger than 16,000,000 bytes", id="huge"),
    ],
)
def test_a_damaged_set_file_is_refused(devkit, listing, said):
    message = fault(write_devkit(devkit, {}, listing=listing))
    assert said in message
    assert "ImageSets/Main/test.txt" in message


@pytest.mark.parametrize("limit", [0, -1, 4])
def test_a_limit_outside_the_set_is_refused(devkit, limit):
    assert f"the limit is {limit}, but" in fault(devkit, limit=limit)
    assert "use 1 to 3" in fault(devkit, limit=limit)


def test_missing_files_are_counted_and_the_first_are_named(tmp_path):
    many = {f"{k:06}": annotation(f"{k:06}") for k in range(1, 10)}
    folder = write_devkit(tmp_path, many, jpegs=["000001", "000009"])
    assert "JPEGImages lacks 7 of 9 .jpg files: 000002 000003 000004 000005 000006 and 2 more;" in fault(folder)
    (folder / "VOC2007/Annotations/000004.xml").unlink()
    assert "Annotations lacks 1 of 9 .xml files: 000004;" in fault(folder, pictures=False)


def test_a_file_under_another_ending_is_pointed_at(devkit):
    path = devkit / "VOC2007/JPEGImages/000001.jpg"
    path.rename(path.with_suffix(".bmp"))
    assert "(000001.bmp is there: the name must end in .jpg)" in fault(devkit)


def test_a_folder_is_no_picture(devkit):
    (devkit / "VOC2007/JPEGImages/000001.jpg").unlink()
    (devkit / "VOC2007/JPEGImages/000001.jpg").mkdir()
    assert "lacks 1 of 3 .jpg files: 000001" in fault(devkit)


# -- what is refused: annotations ------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(">dog<", ">wolf<", "the class of object 1 is 'wolf', but should be one of", id="unknown class"),
        pytest.param("<name>dog</name>", "", "the class of object 1 is ''", id="no class"),
        pytest.param("</annotation>", "", "is not well-formed XML: no element found", id="cut off"),
        pytest.param("<size>", "<size", "is not well-formed XML", id="malformed"),
        pytest.param("annotation>", "note>", "the root element is 'note', but should be annotation", id="another root"),
        pytest.param("<annotation>", LAUGHS + "<annotation>", "declares a document type", id="entities"),
        pytest.param(
            "<annotation>", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation>', "declares a", id="outside"
        ),
        pytest.param("<annotation>", '<?xml version="1.0" encoding="utf-9"?><annotation>', "encoding", id="encoding"),
        pytest.param("<annotation>", "<annotation>" + " " * 1_000_000, "larger than 1,000,000 bytes", id="huge"),
        pytest.param("000002.jpg", "000001.jpg", "this is another picture's annotation", id="swapped"),
        pytest.param("<width>60</width>", "", "<size><width> is '', but should be a whole number", id="no width"),
        pytest.param(">40</height>", ">0</height>", "<size><height> is '0'", id="no height"),
        pytest.param(">60<", ">60.5<", "<size><width> is '60.5'", id="half a pixel wide"),
        pytest.param(">60<", ">99999<", "<size><width> is '99999'", id="wider than a JPEG can be"),
        pytest.param(">0<", ">2<", "<difficult> of object 1 (dog) is '2', but should be 0 or 1", id="difficult 2"),
        pytest.param(">0<", "><", "<difficult> of object 1 (dog) is ''", id="difficult empty"),
        pytest.param("bndbox", "box", "the number of <bndbox> of object 1 (dog) is 0, but should be 1", id="no box"),
        pytest.param("<bndbox>", "<bndbox/><bndbox>", "is 2, but should be 1", id="two boxes"),
        pytest.param(">20<", ">x<", "<xmax> of object 1 (dog) is 'x', but should be a number of px", id="letters"),
        pytest.param(">20<", ">nan<", "<xmax> of object 1 (dog) is 'nan'", id="nan"),
        pytest.param(">20<", ">2_0<", "<xmax> of object 1 (dog) is '2_0'", id="a number to Python only"),
        pytest.param("<ymax>30</ymax>", "", "<ymax> of object 1 (dog) is ''", id="no corner"),
        pytest.param(">3<", ">21<", "is [21.0, 5.0, 20.0, 30.0], but should be xmin ymin xmax ymax", id="inverted"),
        pytest.param(">5<", ">31<", "ymin <= ymax", id="upside down"),
        pytest.param(">3<", ">-1<", "<xmin> of object 1 (dog) is '-1', but should be a number", id="before the left"),
        pytest.param(">20<", ">63<", "but should be inside the picture, 1 to 60 across", id="beyond the right"),
        pytest.param(">30<", ">43<", "and 1 to 40 down", id="beyond the bottom"),
    ],
)
def test_a_wrong_annotation_is_refused(tmp_path, old, new, said):
    assert old in PLAIN
    folder = write_devkit(tmp_path, {"000002": PLAIN.replace(old, new), "000001": annotation("000001")})
    message = fault(folder)
    assert said in message
    assert str(Path("Annotations") / "000002.xml") in message


def test_a_file_name_that_is_no_id_of_the_set_is_let_pass(tmp_path):
    folder = write_devkit(tmp_path, {"000002": PLAIN.replace("000002.jpg", "holiday.png")})
    assert read_devkit(folder, CLASSES).ids == ("000002",)


@given(
    at=st.integers(0, len(PLAIN)),
    cut=st.integers(0, 12),
    put=st.sampled_from([b"", b"<", b">", b"&", b"&b;", b"\0", b"\xff", b"9" * 400, b"-", b"<!--", b"<?x?>"]),
)
def test_any_damage_is_understood_or_named(tmp_path, at, cut, put):
    """Never another exception, never a box that is not inside the picture."""
    xml = PLAIN.encode()
    folder = write_devkit(tmp_path, {"000002": xml[:at] + put + xml[at + cut :]})
    try:
        read = read_devkit(folder, CLASSES)
    except DevkitError as error:
        said = str(error)
    else:
        said = "000002.xml"
        corners = read.truth["000002"].boxes_xyxy.reshape(-1, 2, 2)
        assert np.all(corners >= -1)
        assert np.all(corners < np.array(read.sizes_wh["000002"]) + BEYOND_PX)
    assert "000002.xml" in said
