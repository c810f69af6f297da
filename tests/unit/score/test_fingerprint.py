"""Numbers of different protocols are never compared: each field counts, and the error shows both sides of each that differs."""

import dataclasses

import pytest

from rfcn_lib.score.average_precision import VOC07, VOC10_DEVKIT
from rfcn_lib.score.fingerprint import UNKNOWN, Fingerprint, FingerprintError, expect_same, fingerprint

MINE = fingerprint(VOC07, 0.5, set="140 pictures, ids 1a, objects 2b", cropped=0, canvas="512x512", clip="canvas")
OTHER = {
    "ap_rule": "area",
    "iou": ">= 0.5",
    "score_digits": "3 decimals",
    "ties": "worst first",
    "set": "139 pictures, ids 3c, objects 4d",
    "overflow": "2 pictures cropped",
    "canvas": "fitted",
    "clip": "none",
}


def test_every_field_that_a_number_depends_on_is_there():
    assert {field.name for field in dataclasses.fields(Fingerprint)} == OTHER.keys()


def test_the_hash_is_of_all_fields_and_of_nothing_else():
    again = fingerprint(VOC07, 0.5, set=MINE.set, cropped=0, canvas="512x512", clip="canvas")
    hashes = {str(dataclasses.replace(MINE, **{name: value})) for name, value in OTHER.items()}

    assert str(again) == str(MINE)
    assert len({str(MINE), *hashes}) == 1 + len(OTHER)
    assert len(str(MINE)) == 12
    assert str(fingerprint(VOC10_DEVKIT, 0.5, set=MINE.set, cropped=0, canvas="512x512", clip="canvas")) != str(MINE)


def test_numbers_of_one_protocol_are_compared():
    expect_same(MINE, MINE.fields(), "this run", "x.zip")
    expect_same(MINE, None, "this run", "a file of an earlier edition")


@pytest.mark.parametrize("name", OTHER)
def test_one_field_that_differs_is_an_error_that_shows_both(name):
    theirs = dataclasses.replace(MINE, **{name: OTHER[name]})
    with pytest.raises(FingerprintError) as error:
        expect_same(MINE, theirs.fields(), "this run", "x.zip")
    said = str(error.value)

    assert f"{name}: {MINE.fields()[name]} in this run, {OTHER[name]} in x.zip" in said
    assert str(MINE) in said and str(theirs) in said
    assert said.count(" in x.zip") == 1, "fields that agree are not shown"


def test_all_fields_that_differ_are_shown_at_once():
    with pytest.raises(FingerprintError) as error:
        expect_same(MINE, OTHER, "this run", "x.zip")

    assert str(error.value).count(" in x.zip") == len(OTHER)


def test_what_is_not_known_of_outputs_made_elsewhere_is_not_compared():
    expect_same(dataclasses.replace(MINE, clip=UNKNOWN), {**MINE.fields(), "clip": "none"}, "this run", "x.json")
    expect_same(MINE, {**MINE.fields(), "clip": UNKNOWN}, "this run", "x.json")


def test_a_field_that_a_file_lacks_is_shown():
    theirs = MINE.fields()
    del theirs["canvas"]
    with pytest.raises(FingerprintError, match=r"canvas: 512x512 in this run, no such field in x\.json"):
        expect_same(MINE, theirs, "this run", "x.json")
