"""The devkit reader takes what VOC devkits hold, and names the file and the fault of everything else."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rfcn_lib.pictures.devkit import DevkitError, read_devkit

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
    """A devkit with these XML texts by id; every JPEG is there unless `jpegs` says which."""
    year = folder / "VOC2007"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (year / name).mkdir(parents=True, exist_ok=True)
    for id, xml in annotations.items():
        (year / "Annotations" / f"{id}.xml").write_bytes(xml if isinstance(xml, bytes) else xml.encode())
    for id in annotations if jpegs is None else jpegs:
        Image.new("RGB", (60, 40)).save(year / "JPEGImages" / f"{id}.jpg")
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
        pytest.param("x" * 101, "line 1 is", id="endless id"),
        pytest.param(
            "a\nb\na\nb\na\n", "a (lines 1 and 3) b (lines 2 and 4) a (lines 1 and 5) more than", id="doubled"
        ),
        pytest.param(b"\xff\xd8\xff\xe0", "is not a text file", id="a JPEG"),
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


def test_a_picture_under_another_ending_is_pointed_at(devkit):
    path = devkit / "VOC2007/JPEGImages/000001.jpg"
    path.rename(path.with_suffix(".JPEG"))
    assert "(000001.JPEG is there: the name must end in .jpg)" in fault(devkit)


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
        pytest.param(">3<", ">0<", "VOC counts from 1, not 0", id="counted from zero"),
        pytest.param(">20<", ">61<", "but should be inside the picture, 1 to 60 across", id="beyond the right"),
        pytest.param(">30<", ">41<", "and 1 to 40 down", id="beyond the bottom"),
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
        assert np.all(corners >= 0)
        assert np.all(corners < read.sizes_wh["000002"])
    assert "000002.xml" in said
