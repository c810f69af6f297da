"""What the options alone say of a run's protocol is compared before anything is made."""

import pytest

from rfcn_lib.score.fingerprint import FingerprintError, expect_same
from rfcn_lib.suite.comparing import known_now
from rfcn_lib.suite.options import read
from tests.support.records import protocol_of
from tests.unit.suite.test_options import BY_DEFAULT

CANVAS = "512x512"  # of the specimen


def options_with(**given):
    return read({**BY_DEFAULT, **given}, marks="accuracy")


def theirs(**changes):
    """The protocol of an earlier run on the specimen's canvas."""
    found = protocol_of(**{"canvas": CANVAS, **changes})
    return {name: value for name, value in found.items() if name not in ("name", "fingerprint")}


def compare(protocol, **given):
    expect_same(known_now(protocol, options_with(**given)), protocol, "this run", "--compare=old.json")


def test_what_only_data_and_graphs_say_is_left_for_later():
    compare(theirs(set="5 pictures, ids 1, objects 2", cropped=3))
    compare(theirs(clip="frozen"), onnx="README.md")


@pytest.mark.parametrize(
    ("protocol", "given", "field"),
    [
        ({"canvas": "1344x1344"}, {}, "canvas: 512x512 in this run, 1344x1344 in --compare"),
        ({}, {"canvas": "fitted"}, "canvas: fitted in this run"),
        ({"clip": "none"}, {}, "clip: canvas in this run, none in --compare"),
    ],
)
def test_another_protocol_is_refused_field_by_field(protocol, given, field):
    with pytest.raises(FingerprintError, match=field):
        compare(theirs(**protocol), **given)


def test_another_rule_is_refused():
    with pytest.raises(FingerprintError, match=r"iou: > 0\.5 in this run, at least 0\.7 in"):
        compare({**theirs(), "iou": "at least 0.7"})
