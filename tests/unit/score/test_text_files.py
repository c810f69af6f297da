from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.average_precision import VOC07, VOC10_AREA, evaluate
from rfcn_lib.score.text_files import TextFileError, evaluate_text, read_text_files, write_text_files

CLASSES = ("cat", "dog")
IDS = ("000001", "2008_000002", "000003")


def found(*rows: Any) -> Detections:
    """(label, score, box) each, float32 as a network gives them."""
    return Detections(
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[0] for row in rows], np.int64),
    )


def files(folder: Path, cat: str = "", dog: str = "") -> Path:
    (folder / "comp4_det_test_cat.txt").write_text(cat)
    (folder / "comp4_det_test_dog.txt").write_text(dog)
    return folder


def test_the_form_is_upstreams(tmp_path: Path) -> None:
    detections = {
        "000001": found((1, 0.99951, [0, 1.04, 2.26, 300]), (0, 0.5, [9.95, 0, 10, 10]), (1, 0.0004, [1, 2, 3, 4])),
        "000003": found(),
        "2008_000002": found((1, 0.25, [7, 8, 9, 10])),
    }
    paths = write_text_files(tmp_path, detections, CLASSES)
    assert [path.name for path in paths] == ["comp4_det_test_cat.txt", "comp4_det_test_dog.txt"]
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths}
    assert paths[0].read_bytes() == b"000001 0.500 10.9 1.0 11.0 11.0\n"  # 9.95 + 1 in float32 is 10.9499998
    assert paths[1].read_bytes().splitlines() == [
        b"000001 1.000 1.0 2.0 3.3 301.0",
        b"000001 0.000 2.0 3.0 4.0 5.0",
        b"2008_000002 0.250 8.0 9.0 10.0 11.0",
    ]


def test_a_class_in_which_nothing_was_found_has_an_empty_file(tmp_path: Path) -> None:
    assert [path.read_bytes() for path in write_text_files(tmp_path, {"000001": found()}, CLASSES)] == [b"", b""]


def test_reading_gives_zero_based_boxes_with_every_decimal_and_an_entry_per_id(tmp_path: Path) -> None:
    files(
        tmp_path, "000003 0.123456789 1 2.5 3.25 4e1\n000001 -0.5 1 1 2 2\n000003 0.7 5 6 7 8\n", "000003 1 1 1 1 1\n"
    )
    got = read_text_files(tmp_path, IDS, CLASSES)
    assert list(got) == list(IDS)
    assert got["000003"].boxes_xyxy.tolist() == [[0, 1.5, 2.25, 39], [4, 5, 6, 7], [0, 0, 0, 0]]
    assert got["000003"].scores.tolist() == [0.123456789, 0.7, 1]
    assert got["000003"].labels.tolist() == [0, 0, 1]
    assert got["000001"].scores.tolist() == [-0.5]
    assert got["2008_000002"].boxes_xyxy.shape == (0, 4)


def test_what_the_form_can_hold_survives_the_way_there_and_back(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    wanted = {
        id: Detections(
            random.integers(0, 4000, (9, 4)) / 10, random.integers(0, 1001, 9) / 1000, np.sort(np.arange(9) % 2)
        )
        for id in IDS
    }
    write_text_files(tmp_path, wanted, CLASSES)
    got = read_text_files(tmp_path, IDS, CLASSES)
    for id in IDS:
        assert np.allclose(got[id].boxes_xyxy, wanted[id].boxes_xyxy, atol=1e-9)
        assert np.array_equal(got[id].scores, wanted[id].scores)
        assert np.array_equal(got[id].labels, wanted[id].labels)


def test_three_decimals_turn_a_ranking_into_ties_and_the_protocol_says_so(tmp_path: Path) -> None:
    truth = {id: Truth(np.array([[9, 9, 29, 29.0]]), np.array([0]), np.array([False])) for id in IDS[:2]}
    wrong, right = (0, 0.5001, [90, 90, 99, 99]), (0, 0.5004, [9, 9, 29, 29])
    detections = {IDS[0]: found(wrong), IDS[1]: found(right)}
    assert evaluate(detections, truth, ("cat",)).mean_ap == pytest.approx(6 / 11)
    write_text_files(tmp_path, detections, ("cat",))
    got = evaluate_text(tmp_path, truth, ("cat",))
    assert got.mean_ap == pytest.approx(0.5 * 6 / 11)  # a tie now: the order of the set decides
    assert got.protocol.name == f"{VOC07.name}, scores and boxes as written in comp4_det_test_<class>.txt"
    assert evaluate_text(tmp_path, truth, ("cat",), VOC10_AREA).protocol.area == "area"


def test_full_decimals_give_the_evaluation_of_the_arrays(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    places = random.integers(0, 200, (3, 5, 2))
    truth = {
        id: Truth(np.hstack([p, p + 60]).astype(float), np.arange(5) % 2, np.arange(5) == 4)
        for id, p in zip(IDS, places, strict=True)
    }
    detections = {
        id: Detections(
            np.repeat(one.boxes_xyxy, 4, axis=0) + random.integers(-9, 9, (20, 4)),
            random.random(20),
            one.labels.repeat(4),
        )
        for id, one in truth.items()
    }
    for label, name in enumerate(CLASSES):
        lines = [
            f"{id} {score!r} {' '.join(map(repr, (box + 1).tolist()))}\n"
            for id, one in detections.items()
            for score, box, kind in zip(one.scores.tolist(), one.boxes_xyxy, one.labels, strict=True)
            if kind == label
        ]
        (tmp_path / f"comp4_det_test_{name}.txt").write_text("".join(lines))
    want = evaluate(detections, truth, CLASSES)
    assert evaluate_text(tmp_path, truth, CLASSES).ap == want.ap
    assert evaluate(read_text_files(tmp_path, IDS, CLASSES), truth, CLASSES).ap == want.ap
    assert 0 < want.mean_ap < 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "000001",
        "000001 0.5 1 2 3",
        "000001 0.5 1 2 3 4 5",
        "000001 0.5 1 2 3 x",
        "000001 0.5 1 2 3 1_0",
        "0.5 1 2 3 4 5 6",
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    files(tmp_path, f"000001 0.5 1 2 3 4\n{line}\n")
    with pytest.raises(TextFileError) as caught:
        read_text_files(tmp_path, IDS, CLASSES)
    assert f"comp4_det_test_cat.txt, line 2 is {line!r}, but should be `id score x1 y1 x2 y2`" in str(caught.value)


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999"])
def test_numbers_that_are_not_finite_are_named(tmp_path: Path, word: str) -> None:
    with pytest.raises(TextFileError, match=r"comp4_det_test_dog.txt, line 1 holds NaN or infinity"):
        read_text_files(files(tmp_path, dog=f"000001 0.5 1 2 3 {word}\n"), IDS, CLASSES)


def test_an_unknown_id_is_named(tmp_path: Path) -> None:
    files(tmp_path, "000001 0.5 1 2 3 4\n", "000001 0.5 1 2 3 4\n9 0.5 1 2 3 4\n")
    with pytest.raises(
        TextFileError, match=r"comp4_det_test_dog.txt, line 2: id '9' is not among the 3 of the set; judge"
    ):
        read_text_files(tmp_path, IDS, CLASSES)


def test_a_set_without_ids_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextFileError, match=r"no ids to read .* for, but should be those of the set"):
        evaluate_text(files(tmp_path), {}, CLASSES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    files(tmp_path)
    (tmp_path / "comp4_det_test_dog.txt").unlink()
    with pytest.raises(
        TextFileError, match=r"comp4_det_test_dog.txt: No such file.*one file per class, empty where nothing"
    ):
        read_text_files(tmp_path, IDS, CLASSES)


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextFileError, match=r"line 2, the last, has no line end: the file was cut short"):
        read_text_files(files(tmp_path, "000001 0.5 1 2 3 4\n000001 0.5 1 2 3 4"), IDS, CLASSES)


def test_a_file_that_is_no_result_file_is_refused_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TextFileError, match=r"line 1 is longer than 400 characters"):
        read_text_files(files(tmp_path, "x" * 401 + "\n"), IDS, CLASSES)
    (tmp_path / "comp4_det_test_cat.txt").write_bytes(b"\xff\xd8\xff\xe0\n")
    with pytest.raises(TextFileError, match=r"comp4_det_test_cat.txt is not UTF-8 text"):
        read_text_files(tmp_path, IDS, CLASSES)
    monkeypatch.setattr("rfcn_lib.score.text_files.LARGEST_FILE_BYTES", 3)
    with pytest.raises(TextFileError, match=r"has 5 bytes, more than a result file can; is it one"):
        read_text_files(tmp_path, IDS, CLASSES)


def test_ids_and_classes_of_any_script_are_written_and_read(tmp_path: Path) -> None:
    classes = ("u-type hanging ring", "\u53e3\u7f69", "N/A")
    written = {
        "102-3\u6a2a\u7ed3\u80a0+0.4": found((0, 0.5, [1, 2, 3, 4]), (1, 0.25, [2, 2, 3, 4]), (2, 0.125, [5, 2, 7, 4]))
    }
    paths = write_text_files(tmp_path, written, classes)
    assert {path.parent for path in paths} == {tmp_path}
    (got,) = read_text_files(tmp_path, list(written), classes).values()
    assert got.labels.tolist() == [0, 1, 2]
    assert got.scores.tolist() == [0.5, 0.25, 0.125]


def test_what_a_line_cannot_hold_is_not_written(tmp_path: Path) -> None:
    one = found((0, 0.5, [1, 2, 3, 4]))
    for id in ("", "a b", "a\n"):
        with pytest.raises(TextFileError, match=r"cannot stand in a result file: it should be one word"):
            write_text_files(tmp_path, {id: one}, CLASSES)
    with pytest.raises(TextFileError, match=r"picture a: label is 2, but should be from 0 to 1"):
        write_text_files(tmp_path, {"a": found((2, 0.5, [1, 2, 3, 4]))}, CLASSES)
    with pytest.raises(TextFileError, match=r"cannot write .*the folder should exist"):
        write_text_files(tmp_path / "nowhere", {"a": one}, CLASSES)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
