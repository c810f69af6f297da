"""Which chip is compiled for, which devices share the pictures, and what they must have in common."""

from contextlib import nullcontext

import pytest
from npu_tables import A3, FOUR_310, ONE_310, TABLES

from rfcn_lib.devices.npu_choice import KNOWN_SOCS, chosen, expect_alike, soc_of
from rfcn_lib.devices.npu_smi import Npu, NpuSmiError, chips_on_card, parse


@pytest.mark.parametrize(
    ("form", "soc"),
    [("310", "Ascend310"), ("300I Duo", "Ascend310P3"), ("910B4", "Ascend910B4"), ("310B", "Ascend310B4")],
)
def test_soc_is_ascend_and_the_name(form, soc):
    assert {soc_of(npu) for npu in parse(TABLES[form])} == {soc}
    assert soc in KNOWN_SOCS


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Ascend910", "does not tell which chip it is"),
        ("910", "does not tell which chip it is"),
        ("xxx", "is not known"),
    ],
)
def test_a_name_that_does_not_tell_the_soc_asks_for_it(name, why):
    with pytest.raises(NpuSmiError) as caught:
        soc_of(Npu(3, 1, 1, name, "OK"))

    assert f"device 3 calls itself {name!r}, which {why}; pass --soc=NAME, one of Ascend310, " in str(caught.value)


def test_known_socs_are_different():
    assert len(set(KNOWN_SOCS)) == len(KNOWN_SOCS)


def test_chips_are_counted_by_card():
    npus = parse(FOUR_310)

    assert [chips_on_card(npus, npu) for npu in npus] == [4, 4, 4, 4, 1]


@pytest.mark.parametrize(
    ("places", "soc", "said"),
    [
        ((0, 3), None, None),
        ((0, 3), "Ascend310", None),
        (
            (0, 4),
            None,
            "device 0 is a 310 on a card of 4, device 4 is a 310 on a card of 1; a rate of one card needs alike",
        ),
        ((0,), "Ascend310P3", "--soc=Ascend310P3, but device 0 is an Ascend310, which does not run"),
    ],
)
def test_devices_that_share_the_pictures_are_alike(places, soc, said):
    npus = parse(FOUR_310)
    with pytest.raises(NpuSmiError, match=said) if said else nullcontext():
        expect_alike(npus, [npus[place] for place in places], soc)


def test_chips_of_different_names_are_not_alike():
    npus = (*parse(ONE_310), Npu(7, 7, 0, "310P3", "OK"))

    with pytest.raises(NpuSmiError, match="device 7 is a 310P3"):
        expect_alike(npus, npus, None)


def test_a_chip_whose_name_does_not_tell_its_soc_is_taken_as_told():
    npus = parse(A3)
    expect_alike(npus, npus[:2], "Ascend910_9362")


def test_a_name_of_a_family_is_told_by_soc():
    npus = (Npu(0, 0, 0, "910B", "OK"),)
    with pytest.raises(NpuSmiError, match="calls itself '910B', which does not tell which chip it is; pass --soc=NAME"):
        soc_of(npus[0])
    expect_alike(npus, npus, "Ascend910B3")
    with pytest.raises(NpuSmiError, match="--soc=Ascend310P3, but device 0 is an Ascend910B"):
        expect_alike(npus, npus, "Ascend310P3")


def test_devices_are_chosen_by_their_ids_in_the_order_given():
    npus = parse(FOUR_310)

    assert chosen(npus, None) == npus[:1]
    assert chosen(npus, "3, 0") == (npus[3], npus[0])


@pytest.mark.parametrize(
    ("ids", "what"),
    [
        ("2048", "'2048' is not one"),
        ("0,x", "'x' is not one"),
        ("", "'' is not one"),
        ("1,1", "one is named twice"),
        ("1,01", "one is named twice"),
        ("-1", "'-1' is not one"),
        ("٣", "'٣' is not one"),
    ],
)
def test_a_wrong_choice_names_the_devices_there_are(ids, what):
    with pytest.raises(NpuSmiError) as caught:
        chosen(parse(FOUR_310), ids)

    assert str(caught.value) == (
        f"--devices={ids} should name devices of this host between commas, but {what}; there are 0, 1, 2, 3, 4"
    )


def test_of_no_device_none_is_chosen():
    with pytest.raises(NpuSmiError, match="lists no NPU; is the card seated"):
        chosen((), None)
