"""A sample of a large set is the same on every host, and names in the store say which effects were rehearsed."""

from pathlib import Path

import numpy as np
import pytest

from rfcn_lib.records import Detections
from rfcn_lib.score.noise_floor import ids_sha256, noise_floor
from rfcn_lib.score.noise_floor_file import NoiseFloor, NoiseFloorError
from rfcn_lib.suite.calibration_written import predicted_ids
from rfcn_lib.suite.inputs import sample_of
from rfcn_lib.suite.rehearsal import name_of

IDS = tuple(f"{number:06}" for number in range(1, 2001))


def test_a_sample_depends_on_the_ids_alone_and_keeps_their_order():
    chosen = sample_of(IDS, 500)

    assert len(set(chosen)) == 500
    assert list(chosen) == sorted(chosen)
    assert set(sample_of(IDS[::-1], 500)) == set(chosen)
    assert chosen[:3] == ("000013", "000014", "000016"), "sha256 of the id; another sample would be another prediction"
    assert set(sample_of(IDS, 100)) < set(chosen), "a smaller sample is a part of a larger one"


def test_a_small_set_is_taken_whole():
    assert sample_of(IDS[:7], 500) == IDS[:7]


def test_names_say_what_was_rehearsed():
    assert name_of(("fp16", "nms", "pool")) == "rehearsed"
    assert name_of(("nms",)) == "rehearsed-nms"
    assert name_of(("fp16", "nms", "pool"), "last") == "rehearsed-ties-last"


def prediction_of(ids: tuple[str, ...]) -> NoiseFloor:
    found = dict.fromkeys(ids, Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.intp)))
    return noise_floor(
        found, found, ["cow"], chip="Ascend310P3", precision_mode="force_fp16", compared="it with itself"
    )


@pytest.mark.parametrize("ids", [IDS, IDS[:20], sample_of(IDS, 250)], ids=["all", "--limit", "a rehearsal's sample"])
def test_a_prediction_of_a_part_is_held_against_that_part(ids):
    """A rehearsal takes a sample of a large set, and the NPU then runs all of it."""
    assert predicted_ids(prediction_of(ids), IDS, Path("p.json")) == ids


def test_a_prediction_of_other_pictures_is_refused():
    with pytest.raises(NoiseFloorError, match=r"p\.json is of 250 pictures that are not all among the 20 of this run"):
        predicted_ids(prediction_of(sample_of(IDS, 250)), IDS[:20], Path("p.json"))
    with pytest.raises(NoiseFloorError):
        predicted_ids(prediction_of(IDS[20:40]), IDS, Path("p.json"))
    assert ids_sha256(IDS[::-1]) == ids_sha256(IDS)
