"""A set is known by its ids and its objects: a shortened set and a changed truth are seen, and counted."""

import base64
import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest

from rfcn_lib import spec
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.fixed_set import VOC2007_TEST, digests_of, is_voc2007_test, main, standing_of, voc2007_test
from rfcn_lib.port import PUBLISHED, PortError, read_fixed_set, read_port
from rfcn_lib.records import Truth
from tests.support.places import ROOT

CLASSES = ("cat", "dog")


def truth_of(*objects):
    """Of (label, corners counted from 0, difficult)."""
    labels, corners, difficult = zip(*objects, strict=True) if objects else ((), (), ())
    boxes = np.array(corners, np.float64).reshape(-1, 4)
    return Truth(boxes, np.array(labels, np.int64), np.array(difficult, np.bool_))


TRUTH = {
    "000001": truth_of((0, (47, 239, 194, 370), False), (1, (7, 11, 351.5, 497), True)),
    "000002": truth_of(),
    "000004": truth_of((1, (0, 0, 10, 10), False)),
}
FIXED = digests_of("test", TRUTH, CLASSES)


def devkit_of(truth, all_ids=None, name="test"):
    ids = tuple(truth)
    return Devkit(Path("VOCdevkit"), name, ids, tuple(all_ids or ids), truth, dict.fromkeys(ids, (500, 500)))


def test_the_digests_are_those_that_the_module_describes():
    """Written down from its docstring, with nothing of it used."""
    pictures = {
        "000001": "000001\ncat 48 240 195 371 0\ndog 8 12 352.5 498 1\n",
        "000002": "000002\n",
        "000004": "000004\ndog 1 1 11 11 0\n",
    }
    each = {id: hashlib.sha256(text.encode()) for id, text in pictures.items()}

    assert FIXED.pictures == 3
    assert FIXED.ids_sha256 == hashlib.sha256(b"000001\n000002\n000004\n").hexdigest()
    together = "".join(f"{id} {one.hexdigest()}\n" for id, one in each.items())
    assert FIXED.objects_sha256 == hashlib.sha256(together.encode()).hexdigest()
    assert base64.b64decode(FIXED.each) == b"".join(one.digest()[:4] for one in each.values())


def test_neither_the_order_of_the_ids_nor_that_of_the_objects_counts():
    turned = {id: Truth(t.boxes_xyxy[::-1], t.labels[::-1], t.difficult[::-1]) for id, t in reversed(TRUTH.items())}

    assert digests_of("test", turned, CLASSES) == FIXED


def test_the_names_of_the_classes_count_and_not_their_order():
    other = {id: Truth(t.boxes_xyxy, 1 - t.labels, t.difficult) for id, t in TRUTH.items()}

    assert digests_of("test", other, CLASSES[::-1]) == FIXED
    assert digests_of("test", other, CLASSES).objects_sha256 != FIXED.objects_sha256


def standing(truth, **more):
    return standing_of(devkit_of(truth, **more), CLASSES, FIXED)


def test_the_whole_set_as_it_was_fixed():
    found = standing(TRUTH)

    assert (found.same, found.missing, found.changed) == (True, 0, 0)


def test_a_set_without_some_pictures_is_seen():
    found = standing({id: TRUTH[id] for id in ("000001", "000004")})

    assert (found.same, found.missing, found.changed) == (False, 1, 0)
    assert "1 of the 3 pictures of the port file" in str(found)


CHANGED = {
    "a small object is difficult now": truth_of((1, (0, 0, 10, 10), True)),
    "a corner moved": truth_of((1, (0, 0, 10, 11), False)),
    "another class": truth_of((0, (0, 0, 10, 10), False)),
    "an object less": truth_of(),
    "an object more": truth_of((1, (0, 0, 10, 10), False), (1, (0, 0, 10, 10), False)),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED)
def test_changed_objects_are_counted(changed):
    found = standing({**TRUTH, "000004": changed})

    assert (found.same, found.changed) == (False, 1)
    assert "in 1 files the objects are not those" in str(found)


def test_a_part_of_the_set_is_compared_as_far_as_it_goes():
    part = {id: TRUTH[id] for id in ("000001", "000002")}

    assert standing(part, all_ids=TRUTH).same
    assert standing({**part, "000002": TRUTH["000004"]}, all_ids=TRUTH).changed == 1
    assert not standing(part, all_ids=(*part, "000003")).same


def test_another_set_of_the_devkit_is_not_fixed_by_it():
    found = standing(TRUTH, name="val")

    assert (found.fixed_by, found.missing, found.changed) == ("", 0, 0)
    assert "nothing fixes it" in str(found)


def test_pictures_of_ones_own_are_not_taken_for_voc2007_test():
    found = standing_of(devkit_of(TRUTH), CLASSES, None)

    assert (found.fixed_by, found.missing, found.changed) == ("", 0, 0)


def test_the_shipped_digests_are_of_as_many_pictures_as_voc2007_test_has():
    fixed = voc2007_test()

    assert fixed.pictures == spec.VOC_TEST_COUNT
    short = {fixed.short_digests[at : at + 4] for at in range(0, len(fixed.short_digests), 4)}
    assert len(short) == spec.VOC_TEST_COUNT, "no two pictures share their short digest"


def test_pictures_of_voc2007_test_are_known_and_a_shortened_set_of_them_is_seen(monkeypatch):
    """With a stand-in for the published objects, which are not shipped."""
    monkeypatch.setattr("rfcn_lib.pictures.fixed_set.voc2007_test", lambda: FIXED)
    monkeypatch.setattr(spec, "VOC_TEST_COUNT", 3)
    whole, short = devkit_of(TRUTH), devkit_of({id: TRUTH[id] for id in ("000001", "000004")})
    spoilt = devkit_of({**TRUTH, "000004": CHANGED["a small object is difficult now"]})

    assert is_voc2007_test(whole, CLASSES)
    assert not is_voc2007_test(short, CLASSES) and not is_voc2007_test(spoilt, CLASSES)
    assert not is_voc2007_test(dataclasses.replace(whole, set_name="val"), CLASSES)
    assert [standing_of(devkit, CLASSES, None).fixed_by for devkit in (whole, short, spoilt)] == [VOC2007_TEST] * 3
    assert standing_of(short, CLASSES, None).missing == 1
    assert standing_of(spoilt, CLASSES, None).changed == 1


def test_the_specimen_s_port_fixes_its_pictures_and_no_build_depends_on_it(tmp_path, capsys):
    port = ROOT / "specimen" / "port.toml"
    main([f"--devkit={ROOT / 'specimen' / 'VOCdevkit'}", f"--port={port}"])
    printed, without = tmp_path / "printed.toml", tmp_path / "without.toml"
    text = port.read_text().partition("[fixed_set]")[0]
    without.write_text(text)
    printed.write_text(text + capsys.readouterr().out)

    assert read_fixed_set(printed) == read_fixed_set(port)
    assert read_fixed_set(without) is None and read_fixed_set(PUBLISHED) is None
    assert read_port(without) == read_port(port)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("pictures = 140", "pictures = 139"), "4 bytes for each of its 139 pictures"),
        (('name = "test"', ""), "fixed_set.name is missing"),
        (("[fixed_set]", "[fixed_set]\nmore = 1"), "fixed_set.more is not a key of a port"),
        (('ids_sha256 = "', 'ids_sha256 = "X'), "fixed_set.ids_sha256 is"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_the_key(tmp_path, change, said):
    path = tmp_path / "port.toml"
    path.write_text((ROOT / "specimen" / "port.toml").read_text().replace(*change))
    with pytest.raises(PortError, match=said):
        read_port(path)
