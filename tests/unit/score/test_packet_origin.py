"""A packet of anything else than is on trial is refused, and the message names each difference at once."""

from pathlib import Path

import pytest

from rfcn_lib.score.packet_origin import expect_same
from rfcn_lib.score.packet_records import PacketError, PictureFiles
from tests.support.packets import origin_with, sha256_of_digit

IDS = ("000001", "000002", "000003", "000004", "000005")
PACKET = Path("elsewhere/reference.zip")
FILES = {"weights": Path("W.pth"), "port": Path("port.toml"), "devkit": Path("VOCdevkit/VOC2007")}
OTHER = "9" * 64


def refusal(made_of, here, set_ids=IDS, **how):
    with pytest.raises(PacketError) as error:
        expect_same(PACKET, made_of, here, FILES, set_ids, **{"whole": False, **how})
    said = str(error.value)
    assert str(PACKET) in said
    assert "`pytest -m gpu`" in said
    return said


def pictures(ids=IDS, **changed):
    """`changed`: id -> (digit of its JPEG's sha256, digit of its annotation's)."""
    return {
        id: PictureFiles(jpeg=sha256_of_digit(jpeg), annotation=sha256_of_digit(annotation))
        for id in ids
        for jpeg, annotation in [changed.get(f"p{id}", (1, 2))]
    }


def port_with(room, **numbers):
    port = origin_with(IDS).port
    return {**port, room: {**port[room], **numbers}}


def test_the_same_inputs_are_the_same():
    expect_same(PACKET, origin_with(IDS), origin_with(IDS), FILES, IDS, whole=True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weights": OTHER}, "weights: W.pth has sha256 999999999999, but should have 333333333333"),
        ({"port": port_with("proposals", kept=200)}, "port: proposals.kept is 200 in port.toml, but should be 300"),
        ({"port": port_with("detections", score_above=0.05)}, "port: detections.score_above is 0.05"),
        ({"pictures": pictures(p000002=(7, 2))}, "JPEGImages/000002.jpg has sha256 777777777777, but should have 111111111111"),
        ({"pictures": pictures(p000003=(1, 8))}, "Annotations/000003.xml has sha256 888888888888, but should have 222222222222"),
        ({"code": {"rfcn_lib/boxes.py": OTHER}}, "code: rfcn_lib/boxes.py has sha256 999999999999, but should have 4444"),
        ({"code": {}}, "code: rfcn_lib/boxes.py has sha256 none, but should have 444444444444"),
        ({"pictures": pictures((*IDS, "000006"))}, "ids: 1 of 6 are not in the packet, which has 5: 000006"),
    ],
    ids=["weights", "port", "threshold", "JPEG", "annotation", "code", "code that is gone", "one id less"],
)  # fmt: skip
def test_each_difference_is_named_with_what_is_there_and_what_should_be(changed, said):
    assert said in refusal(origin_with(IDS), origin_with(IDS, **changed), (*IDS, "000006"))


def test_all_differences_are_named_at_once():
    here = origin_with(
        IDS,
        weights=OTHER,
        port=port_with("proposals", kept=200),
        pictures=pictures(p000002=(7, 2), p000003=(1, 8)),
        code={},
    )
    said = refusal(origin_with(IDS), here)

    assert [line.strip().split(":")[0] for line in said.splitlines()[1:-1]] == [
        "weights",
        "port",
        "jpegs",
        "annotations",
        "code",
    ]


def test_another_edition_of_the_code_may_still_be_at_hand():
    assert "the edition of this suite that made it" in refusal(origin_with(IDS), origin_with(IDS, code={}))
    assert "edition" not in refusal(origin_with(IDS), origin_with(IDS, weights=OTHER))


def test_many_pictures_are_counted_and_a_few_named():
    said = refusal(origin_with(IDS), origin_with(IDS, pictures=pictures(**{f"p{id}": (7, 2) for id in IDS})))

    assert "jpegs: 5 of 5 in VOCdevkit/VOC2007 differ" in said
    assert said.count(".jpg") == 3
    assert "and 2 more" in said


def test_a_limited_run_uses_a_part_of_the_packet_s_detections():
    expect_same(PACKET, origin_with(IDS), origin_with(IDS[:2]), FILES, IDS, whole=False)


def test_figures_are_of_exactly_the_packet_s_pictures():
    said = refusal(origin_with(IDS), origin_with(IDS[:2]), whole=True)
    assert "ids: the packet has 3 more than the 2 here: 000003 000004 000005" in said


def test_pictures_that_the_set_does_not_have_are_named():
    said = refusal(origin_with(IDS), origin_with(IDS[:2]), IDS[:2])
    assert "ids: the packet has 3 more than the 2 here" in said
