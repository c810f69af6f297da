"""What tests record for the verdict, and how their errors and skips are reported."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

import pytest

from rfcn_lib.command import export_lines
from rfcn_lib.errors import SuiteError
from rfcn_lib.suite.options import OPTIONS
from rfcn_lib.verdict.criterion import Criterion, Relation, UndecidedError

OURS = ("conftest", "rfcn_lib.suite")
DEVICES = {"accuracy": "host", "rehearsal": "rehearsal", "npu": "npu"}  # marker -> the device that a test is about


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Show progress while a session fixture of the pipeline is built, although pytest captures what tests print."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    pipeline = fixturedef.scope == "session" and fixturedef.func.__module__.startswith(OURS)
    shown: AbstractContextManager[object] = (
        capture.global_and_fixture_disabled() if capture and pipeline else nullcontext()
    )
    with shown:
        return (yield)


@pytest.fixture
def criterion(record_property: Callable[[str, object], None]) -> Callable[..., Criterion]:
    """Record what a test judges, whatever the outcome.

    Call it as criterion(name, number, relation, limit, source); it returns the `Criterion`. lower and upper: the interval that
    judges in place of the number.
    """

    def record(
        name: str,
        number: float,
        relation: Relation,
        limit: float,
        source: str,
        lower: float | None = None,
        upper: float | None = None,
    ) -> Criterion:
        judged = Criterion(name, float(number), relation, float(limit), source, lower, upper)
        record_property("criterion", asdict(judged))
        return judged

    return record


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say in a sentence what a person should know although the test passes. The summary of the run prints it."""
    return lambda sentence: record_property("note", sentence)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under --accept a skip is an error. An error of this suite is printed as its sentence, without a traceback.

    A criterion that the pictures are too few to tell is marked `undecided`. pytest counts it as failed, so the run is red.
    Each test of a criterion is marked `judges`, also where it ends before its number.
    """
    report = yield
    if report.skipped and item.config.stash[OPTIONS].accept and not hasattr(report, "wasxfail"):
        reason = call.excinfo.value if call.excinfo else "a marker says so"
        try:
            pytest.fail(f"--accept: nothing may be skipped, but this would be: {reason}", pytrace=False)
        except pytest.fail.Exception:
            report.outcome = "failed"
            report.longrepr = item.repr_failure(pytest.ExceptionInfo.from_current())
            report.user_properties.append(("not judged", True))
    elif report.failed and call.excinfo and isinstance(call.excinfo.value, UndecidedError):
        report.user_properties.append(("undecided", str(call.excinfo.value)))
        report.longrepr = str(call.excinfo.value)
    elif report.failed and call.excinfo and not isinstance(call.excinfo.value, AssertionError):
        report.user_properties.append(("not judged", True))
        if isinstance(call.excinfo.value, SuiteError):
            report.longrepr = call.excinfo.getrepr(style="value", chain=False)
            if "by hand: " in str(call.excinfo.value):
                report.sections.append(("environment of the line by hand", "\n".join(export_lines())))
    if "criterion" in getattr(item, "fixturenames", ()):
        report.user_properties.append(("judges", True))
    device = next((DEVICES[mark.name] for mark in item.iter_markers() if mark.name in DEVICES), None)
    if device:
        report.user_properties.append(("device", device))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """A test that could not tell is printed with a word of its own, neither as failed nor as passed."""
    undecided = isinstance(report, pytest.TestReport) and "undecided" in dict(report.user_properties)
    return ("inconclusive", "I", "INCONCLUSIVE") if undecided and report.when == "call" else None
