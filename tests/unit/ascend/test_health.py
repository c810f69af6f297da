"""What speaks against a measurement is said, asked again where it may pass, and stays with what was made."""

from dataclasses import replace

import pytest

from rfcn_lib.ascend import health as troubles
from rfcn_lib.ascend import toolkit
from rfcn_lib.ascend.health import health_problems, health_problems_now, unlisted_devices
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
    assert health_problems(npus, npus) == ()


def test_use_is_asked_of_the_chosen_and_health_of_their_whole_card():
    """The card's rate is one chip's x its chips, so an ill one among them matters; another card's does not."""
    npus = parse(FOUR_310)
    ill = "device 2 (NPU 2048 chip 2, 310): health is Warning, should be OK"
    assert health_problems(npus, npus[:1]) == (ill,)
    assert health_problems(npus, npus[2:3]) == (ill, "device 2 (NPU 2048 chip 2, 310) is in use: AICore at 37 %")
    assert health_problems(npus, npus[4:]) == ()
    assert health_problems(parse(DUO), parse(DUO)[1:]) == (
        "device 1 (NPU 2 chip 1, 310P3) is in use: process 12345 (python3), 1024 MB",
    )


def test_devices_that_the_driver_offers_and_the_table_lacks_are_said(dev):
    """As in a table that is cut after a card, which its text alone does not show."""
    npus = parse(ONE_310)
    for name in ("davinci_manager", "davinci0"):
        (dev / name).touch()
    assert unlisted_devices(npus) == ()
    (dev / "davinci1").touch()
    (said,) = unlisted_devices(npus)
    assert said.startswith("npu-smi info lists devices 0 (NPU 0 chip 0), but the driver shows 2 (")
    assert "davinci0 to " in said
    assert "davinci1): is the table of npu-smi incomplete, or is a chip lost?" in said
    assert health_problems(npus, npus) == (said,)


@pytest.mark.parametrize("loads", [(37, 0), (37, 12, 0), (37, 12, 3)])
def test_load_right_after_a_run_is_looked_at_again(loads, monkeypatch):
    answers, waited = [ONE_310.replace("| 0            577", f"| {load:<13}577") for load in loads], []
    monkeypatch.setattr(toolkit, "npus", lambda: parse(answers.pop(0)))
    stays = loads[-1] > 0
    assert health_problems_now([0], waited.append) == (
        ("device 0 (NPU 0 chip 0, 310) is in use: AICore at 3 %",) if stays else ()
    )
    assert answers == []
    assert set(waited) == {troubles.WAIT_S}


def test_a_process_counts_at_once(monkeypatch):
    monkeypatch.setattr(toolkit, "npus", lambda: parse(DUO))
    assert health_problems_now([1], pytest.fail) == (
        "device 1 (NPU 2 chip 1, 310P3) is in use: process 12345 (python3), 1024 MB",
    )


def test_a_device_that_is_gone_or_cannot_be_looked_at_is_a_trouble(monkeypatch):
    monkeypatch.setattr(toolkit, "npus", lambda: parse(ONE_310))
    assert health_problems_now([0, 3]) == ("npu-smi info does not list device 3 any more",)
    monkeypatch.setattr(toolkit, "npus", lambda: toolkit.Missing("no driver"))
    assert health_problems_now([0]) == ("cannot check the devices: no driver",)

    def fails():
        raise NpuSmiError("it hangs")

    monkeypatch.setattr(toolkit, "npus", fails)
    assert health_problems_now([0]) == ("cannot check the devices: it hangs",)


def test_the_driver_s_version_is_read_and_is_no_part_of_what_a_chip_is():
    (npu,) = parse(ONE_310)
    assert npu.version == "23.0.0"
    assert npu == replace(npu, version="24.1")


def test_what_npu_smi_says_beside_its_table_is_a_trouble():
    npus = parse(f"{ONE_310}[WARNING]The driver package may not be completely installed. Please reinstall it.\n")
    (said,) = health_problems(npus, npus)
    assert "[WARNING]The driver package may not be completely installed" in said


def test_a_slice_of_a_chip_is_said(dev):
    npus = parse(ONE_310.replace("310       ", "310-vir02 "))
    (said,) = health_problems(npus, npus)
    assert "device 0 (NPU 0 chip 0, 310) is a virtual NPU, vir02: the result is of a part of a chip" in said
    (dev / "vdavinci100").touch()
    assert any("vdavinci100" in sentence for sentence in health_problems(parse(ONE_310), parse(ONE_310)))
