"""A sample of a large set is the same on every host, and names in the store say which effects were rehearsed."""

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
