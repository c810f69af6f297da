"""What speaks against a measurement is said, asked again where it may pass, and stays with what was made."""

from dataclasses import replace

import pytest

from rfcn_lib.ascend import health as troubles
from rfcn_lib.ascend import toolkit
from rfcn_lib.ascend.health import troubles_now, troubles_of, unlisted
from rfcn_lib.ascend.npu_smi import NpuSmiError, parse
from tests.support.npu_tables import DUO, FOUR_310, ONE_310


@pytest.fixture(autouse=True)
def dev(tmp_path, monkeypatch):
    """Where the driver's device nodes are."""
    monkeypatch.setattr(toolkit, "DEV", tmp_path / "dev")
    (tmp_path / "dev").mkdir()
    return tmp_path / "dev"


def test_one_that_is_idle_and_well_has_none():
    npus = parse(ONE_310)
    assert troubles_of(npus, npus) == ()


def test_use_is_asked_of_the_chosen_and_health_of_their_whole_card():
    """The card's rate is one chip's x its chips, so an ill one among them matters; another card's does not."""
    npus = parse(FOUR_310)
    ill = "device 2 (NPU 2048 chip 2, 310): health is Warning, should be OK"
    assert troubles_of(npus, npus[:1]) == (ill,)
    assert troubles_of(npus, npus[2:3]) == (ill, "device 2 (NPU 2048 chip 2, 310) is in use: AICore at 37 %")
    assert troubles_of(npus, npus[4:]) == ()
    assert troubles_of(parse(DUO), parse(DUO)[1:]) == (
        "device 1 (NPU 2 chip 1, 310P3) is in use: process 12345 (python3), 1024 MB",
    )


def test_devices_that_the_driver_offers_and_the_table_lacks_are_said(dev):
    """As in a table that is cut after a card, which its text alone does not show."""
    npus = parse(ONE_310)
    for name in ("davinci_manager", "davinci0"):
        (dev / name).touch()
    assert unlisted(npus) == ()
    (dev / "davinci1").touch()
    (said,) = unlisted(npus)
    assert said.startswith("npu-smi info lists devices 0 (NPU 0 chip 0), but the driver offers 2 (")
    assert "davinci0 to " in said
    assert "davinci1): is its table cut, or a chip lost?" in said
    assert troubles_of(npus, npus) == (said,)


@pytest.mark.parametrize("loads", [(37, 0), (37, 12, 0), (37, 12, 3)])
def test_load_right_after_a_run_is_looked_at_again(loads, monkeypatch):
    answers, waited = [ONE_310.replace("| 0            577", f"| {load:<13}577") for load in loads], []
    monkeypatch.setattr(toolkit, "npus", lambda: parse(answers.pop(0)))
    stays = loads[-1] > 0
    assert troubles_now([0], waited.append) == (
        ("device 0 (NPU 0 chip 0, 310) is in use: AICore at 3 %",) if stays else ()
    )
    assert answers == []
    assert set(waited) == {troubles.SETTLE_S}


def test_a_process_counts_at_once(monkeypatch):
    monkeypatch.setattr(toolkit, "npus", lambda: parse(DUO))
    assert troubles_now([1], pytest.fail) == (
        "device 1 (NPU 2 chip 1, 310P3) is in use: process 12345 (python3), 1024 MB",
    )


def test_a_device_that_is_gone_or_cannot_be_looked_at_is_a_trouble(monkeypatch):
    monkeypatch.setattr(toolkit, "npus", lambda: parse(ONE_310))
    assert troubles_now([0, 3]) == ("device 3 is not listed any more",)
    monkeypatch.setattr(toolkit, "npus", lambda: toolkit.Missing("no driver"))
    assert troubles_now([0]) == ("the devices could not be looked at: no driver",)

    def fails():
        raise NpuSmiError("it hangs")

    monkeypatch.setattr(toolkit, "npus", fails)
    assert troubles_now([0]) == ("the devices could not be looked at: it hangs",)


def test_the_driver_s_version_is_read_and_is_no_part_of_what_a_chip_is():
    (npu,) = parse(ONE_310)
    assert npu.version == "23.0.0"
    assert npu == replace(npu, version="24.1")


def test_what_npu_smi_says_beside_its_table_is_a_trouble():
    npus = parse(f"{ONE_310}[WARNING]The driver package may not be completely installed. Please reinstall it.\n")
    (said,) = troubles_of(npus, npus)
    assert "[WARNING]The driver package may not be completely installed" in said


def test_a_slice_of_a_chip_is_said(dev):
    npus = parse(ONE_310.replace("310       ", "310-vir02 "))
    (said,) = troubles_of(npus, npus)
    assert "device 0 (NPU 0 chip 0, 310) is a virtual NPU, vir02: a part of a chip was judged" in said
    (dev / "vdavinci100").touch()
    assert any("vdavinci100" in sentence for sentence in troubles_of(parse(ONE_310), parse(ONE_310)))
