"""Which chip is compiled for, which devices share the pictures, and what they must have in common."""

from contextlib import nullcontext

import pytest

from rfcn_lib.ascend.npu_choice import chosen_npus, expect_alike, soc_of
from rfcn_lib.ascend.npu_smi import Npu, NpuSmiError, chips_on_card, parse
from rfcn_lib.socs import KNOWN_SOCS
from tests.support.npu_tables import A3, FOUR_310, ONE_310, TABLES, TWO_950


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
        ("Ascend910", "several chips have"),
        ("910", "several chips have"),
        ("xxx", "is not known"),
    ],
)
def test_a_name_that_does_not_tell_the_soc_asks_for_it(name, why):
    with pytest.raises(NpuSmiError) as caught:
        soc_of(Npu(3, 1, 1, name, "OK"))

    assert f"device 3 (NPU 1 chip 1) has the name {name!r}, which {why}; pass --soc=NAME, one of Ascend310, " in str(
        caught.value
    )


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
            r"device 0 \(NPU 2048 chip 0\) is a 310 on a card of 4, device 4 \(NPU 2049 chip 0\) is a 310 on a card of 1",
        ),
        (
            (0,),
            "Ascend310P3",
            r"--soc=Ascend310P3, but device 0 \(NPU 2048 chip 0\) is an Ascend310, and",
        ),
    ],
)
def test_devices_that_share_the_pictures_are_alike(places, soc, said):
    npus = parse(FOUR_310)
    with pytest.raises(NpuSmiError, match=said) if said else nullcontext():
        expect_alike(npus, [npus[place] for place in places], soc)


def test_chips_of_different_names_are_not_alike():
    npus = (*parse(ONE_310), Npu(7, 7, 0, "310P3", "OK"))

    with pytest.raises(NpuSmiError, match=r"device 7 \(NPU 7 chip 0\) is a 310P3"):
        expect_alike(npus, npus, None)


def test_a_chip_whose_name_does_not_tell_its_soc_is_taken_as_told():
    npus = parse(A3)
    expect_alike(npus, npus[:2], "Ascend910_9362")


def test_910b_alone_is_the_first_generation():
    """Its successors call themselves 910B1 to 910B4, and run no model that was compiled for it."""
    npus = (Npu(0, 0, 0, "910B", "OK"),)
    assert soc_of(npus[0]) == "Ascend910B"
    expect_alike(npus, npus, "Ascend910B")
    for other in ("Ascend910B1", "Ascend910B3", "Ascend310P3"):
        with pytest.raises(NpuSmiError, match=f"--soc={other}, but device 0 .* is an Ascend910B, and"):
            expect_alike(npus, npus, other)


def test_a_chip_nobody_has_facts_of_is_named_as_such():
    for npu in (parse(TWO_950)[0], Npu(0, 0, 0, "610", "OK"), Npu(0, 0, 0, "910_9589", "OK")):
        with pytest.raises(NpuSmiError, match="this suite knows no facts about it"):
            soc_of(npu)


@pytest.mark.parametrize("table", [A3, TWO_950])
def test_a_soc_of_another_family_is_refused_where_the_name_tells_no_more(table):
    npus = parse(table)
    with pytest.raises(NpuSmiError, match="--soc=Ascend310, but device 0"):
        expect_alike(npus, npus[:1], "Ascend310")


def test_an_npu_s_own_number_is_no_device_id_and_both_are_named():
    """A container that sees NPU 1 and NPU 4: the tools count them 0 and 1."""
    npus = (Npu(0, 1, 0, "910A", "OK"), Npu(1, 4, 0, "910A", "OK"))
    with pytest.raises(NpuSmiError, match=r"this host has 0 \(NPU 1 chip 0\), 1 \(NPU 4 chip 0\)"):
        chosen_npus(npus, "4")


def test_a_name_that_tells_nothing_takes_any_soc():
    """The vendor's newest manual prints `xxx` for a 310B."""
    npus = (Npu(0, 0, 0, "xxx", "OK"),)
    expect_alike(npus, npus, "Ascend310B4")


def test_a_slice_beside_a_whole_chip_is_not_alike():
    npus = (Npu(0, 0, 0, "310P3", "OK"), Npu(1, 1, 0, "310P3", "OK", slice="vir02"))
    with pytest.raises(NpuSmiError, match="310P3 vir02 on a card of 1"):
        expect_alike(npus, npus, None)
    assert soc_of(npus[1]) == "Ascend310P3"


def test_devices_are_chosen_by_their_ids_in_the_order_given():
    npus = parse(FOUR_310)

    assert chosen_npus(npus, None) == npus[:1]
    assert chosen_npus(npus, "3, 0") == (npus[3], npus[0])


@pytest.mark.parametrize(
    ("ids", "what"),
    [
        ("2048", "'2048' is not a device"),
        ("0,x", "'x' is not a device"),
        ("", "'' is not a device"),
        ("1,1", "a number occurs twice"),
        ("1,01", "a number occurs twice"),
        ("-1", "'-1' is not a device"),
        ("٣", "'٣' is not a device"),
    ],
)
def test_a_wrong_choice_names_the_devices_there_are(ids, what):
    with pytest.raises(NpuSmiError) as caught:
        chosen_npus(parse(FOUR_310), ids)

    assert str(caught.value) == (
        f"--devices={ids} should be device numbers of this host between commas, but {what}; this host has 0 (NPU 2048 chip 0), "
        "1 (NPU 2048 chip 1), 2 (NPU 2048 chip 2), 3 (NPU 2048 chip 3), 4 (NPU 2049 chip 0)"
    )


def test_of_no_device_none_is_chosen():
    with pytest.raises(NpuSmiError, match="lists no NPU; is the card plugged in"):
        chosen_npus((), None)
