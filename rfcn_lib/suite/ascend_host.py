"""An Ascend host as the tests meet it: its options, and what it can do, probed level by level.

Convert (atc), run (an inference tool), a device: what is missing skips with a sentence that says how to get it.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib.ascend import atc as compiler
from rfcn_lib.ascend import npu_choice, npu_smi, toolkit
from rfcn_lib.ascend.health import health_problems
from rfcn_lib.errors import SuiteError

MASK = "ASCEND_RT_VISIBLE_DEVICES"


class HostError(SuiteError):
    """The host is not in a state in which its numbers may be accepted."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("acceptance")
    add = group.addoption
    add("--soc", metavar="NAME", help="chip to compile for, such as Ascend310; default: the device's")
    add("--runner", metavar="benchmark|ais_bench", help="the vendor's inference tool; default: the one that is there")
    add("--devices", metavar="0,1,...", help="device ids that share the pictures; default: the first")
    add("--precision-mode", metavar="MODE", help="handed to atc; default: atc's own, force_fp16")
    add(
        "--tool-timeout",
        metavar="SECONDS",
        help="longest run of a vendor's tool; default: an hour for atc, 300 s and 30 s per picture for a batch",
    )
    add("--atc-arg", metavar="--FLAG=VALUE", action="append", default=[], help="one more flag for atc; may be repeated")


def pytest_configure(config: pytest.Config) -> None:
    option = config.getoption
    if option("markexpr") == "npu" and option("--dumps"):
        raise pytest.UsageError(
            f"-m npu judges what this host's NPU makes, but --dumps={option('--dumps')} were made elsewhere: judge them with "
            "-m accuracy, or leave out --dumps"
        )
    try:
        if option("--runner") is not None and option("--runner") not in toolkit.RUNNERS:
            raise toolkit.ToolkitError(f"--runner={option('--runner')} should be {' or '.join(toolkit.RUNNERS)}")
        if option("--soc") is not None:
            found = toolkit.atc()
            toolkit.checked_soc(option("--soc"), found.home if isinstance(found, toolkit.Atc) else None)
        mode = option("--precision-mode")
        if mode is not None and mode not in compiler.PRECISION_MODES:
            raise compiler.AtcError(f"--precision-mode={mode} should be one of {', '.join(compiler.PRECISION_MODES)}")
        compiler.atc_arguments(option("--atc-arg"), Path.cwd())
    except (toolkit.ToolkitError, compiler.AtcError) as error:
        raise pytest.UsageError(str(error)) from error
    limit_s = option("--tool-timeout")
    if limit_s is not None and not (limit_s.isascii() and limit_s.isdigit() and 0 < int(limit_s[:9]) < 10**7):
        raise pytest.UsageError(f"--tool-timeout={limit_s} should be a whole number of seconds, 1 or more")
    devices = option("--devices")
    if devices is not None and not all(part.isascii() and part.isdigit() for part in devices.split(",")):
        raise pytest.UsageError(f"--devices={devices} should be device ids of `npu-smi info`, such as 0 or 0,1,2,3")


def pytest_report_header() -> list[str]:
    tools = toolkit.simulated_tools()
    return (
        [f"SIMULATED: {', '.join(map(str, tools))} stand in for the vendor's tools; nothing here is evidence"]
        if tools
        else []
    )


@pytest.fixture(scope="session")
def atc(need: Any) -> toolkit.Atc:
    found = toolkit.atc()
    return need(found, str(found))  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def npus(pytestconfig: pytest.Config, need: Any) -> tuple[npu_smi.Npu, ...]:
    """The devices that share the pictures. Busy or unhealthy ones are refused under --accept, and else said in the verdict."""
    found = toolkit.npus()
    there = need(found, str(found))
    masked = os.environ.get(MASK)
    if masked is not None:
        raise HostError(
            f"{MASK}={masked} gives the devices other numbers for the tools than npu-smi gives them, so health and use "
            f"would be asked of others than run; unset {MASK}, and choose with --devices="
        )
    chosen = npu_choice.chosen_npus(there, pytestconfig.getoption("--devices"))
    troubles = health_problems(there, chosen)
    if troubles and pytestconfig.getoption("--accept"):
        raise HostError("; ".join(troubles) + "; --accept needs idle, healthy devices")
    npu_choice.expect_alike(there, chosen, pytestconfig.getoption("--soc"))
    return chosen


@pytest.fixture(scope="session")
def runner(pytestconfig: pytest.Config, need: Any) -> toolkit.Runner:
    found = toolkit.runner(pytestconfig.getoption("--runner"))
    return need(found, str(found))  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def soc(pytestconfig: pytest.Config, need: Any, atc: toolkit.Atc) -> str:
    asked = pytestconfig.getoption("--soc")
    if asked:
        return toolkit.checked_soc(asked, atc.home)
    found = toolkit.npus()
    there = need(found, f"{found}; or pass --soc=NAME, such as --soc=Ascend310, to compile without a device")
    return npu_choice.soc_of(npu_choice.chosen_npus(there, pytestconfig.getoption("--devices"))[0])
