"""What a run says of itself: what is on trial before it, the verdict after it, and the verdict's JSON file."""

import json
import math
import re
import sys
from collections.abc import Generator, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib.ascend import toolkit
from rfcn_lib.command import export_lines
from rfcn_lib.errors import SuiteError
from rfcn_lib.suite.ascend import commands_heard
from rfcn_lib.verdict.page import page
from rfcn_lib.verdict.verdict import Criterion, Outcome, Trial, Verdict, verdict, worst

DEVICES = ("host", "npu")
CONTRACT = ("test_export.py", "test_adapt.py", "test_accuracy.py", "test_performance.py")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config), "acceptance-reporter")


def pytest_report_header(config: pytest.Config) -> list[str]:
    option = config.getoption
    given = {name: option(f"--{name}") for name in ("weights", "port", "devkit", "dumps", "limit")}
    weights = (
        "the specimen"
        if not given["weights"]
        else f"{given['weights']} ({Path(given['weights']).stat().st_size:,} bytes)"
    )
    port = given["port"] or ("the published R-FCN's" if given["weights"] else "the specimen's")
    judged = (
        f"dumps in {given['dumps']}"
        if given["dumps"]
        else "ONNX Runtime on this host, standing in for the NPU (-m npu: the NPU)"
    )
    judged += f"; pictures shared over Dask, {option('--dask')}" if option("--dask") else ""
    part = f", PARTIAL: first {given['limit']} ids" if given["limit"] else ""
    return [
        f"on trial: weights {weights}; port {port}; devkit {given['devkit'] or 'the specimen'}{part}",
        f"candidate: {judged}; held against: {option('--reference')}; accept={option('--accept')}; store {option('--store')}",
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under --accept a skip is an error. An error of ours is a sentence; its traceback would only hide it."""
    report = yield
    if report.skipped and item.config.getoption("--accept") and not hasattr(report, "wasxfail"):
        reason = call.excinfo.value if call.excinfo else "a marker says so"
        try:
            pytest.fail(f"--accept: nothing may be skipped, but this would be: {reason}", pytrace=False)
        except pytest.fail.Exception:
            report.outcome = "failed"
            report.longrepr = item.repr_failure(pytest.ExceptionInfo.from_current())
            report.user_properties.append(("not judged", True))
    elif report.failed and call.excinfo and not isinstance(call.excinfo.value, AssertionError):
        report.user_properties.append(("not judged", True))
        if isinstance(call.excinfo.value, SuiteError):
            report.longrepr = call.excinfo.getrepr(style="value", chain=False)
            if "by hand: " in str(call.excinfo.value):
                report.sections.append(("environment of the line by hand", "\n".join(export_lines())))
    return report


class Reporter:
    """Collects what tests put on record, in the one process that prints (under xdist, the controller)."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.outcomes: dict[str, Outcome] = {}
        self.criteria: dict[str, list[Criterion]] = {}
        self.trials: dict[str, Trial] = {}
        self.rates: list[str] = []
        self.stopped = False

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.stopped = isinstance(excinfo.value, KeyboardInterrupt)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid
        if test.split("::")[0].rpartition("/")[2] not in CONTRACT:
            return
        recorded: list[tuple[str, Any]] = list(report.user_properties)
        properties = dict(recorded)
        if report.failed:
            self.outcomes[test] = "error" if report.when != "call" or "not judged" in properties else "failed"
        elif report.skipped or (report.when == "call" and self.outcomes.get(test) != "error"):
            self.outcomes[test] = "skipped" if report.skipped else "passed"
        if report.when == "call":
            self.criteria[test] = [Criterion(**row) for name, row in recorded if name == "criterion"]
            self.rates = properties.get("rates", self.rates)
            if "trial" in properties:
                found = Trial(**properties["trial"])
                self.trials[found.device] = found

    @property
    def options(self) -> dict[str, Any]:
        """The suite's own options, as given or by default."""
        names = (
            "weights",
            "port",
            "devkit",
            "dumps",
            "limit",
            "reference",
            "overflow",
            "accept",
            "store",
            "baseline",
            "soc",
            "runner",
            "devices",
            "precision-mode",
            "atc-arg",
            "tool-timeout",
            "canvas",
            "dask",
        )
        return {name: self.config.getoption(f"--{name}") for name in names}

    @property
    def asked(self) -> list[str]:
        """Candidates whose accuracy was asked for; on a host without NPU the NPU's tests skip, and it is not."""
        accuracy = {test: outcome for test, outcome in self.outcomes.items() if "test_accuracy.py" in test}
        return [device for device in DEVICES if any(of(t) == device and o != "skipped" for t, o in accuracy.items())]

    def judged(self, device: str) -> Verdict:
        tests = {test: outcome for test, outcome in self.outcomes.items() if of(test) in (device, None)}
        criteria = {test: found for test, found in self.criteria.items() if test in tests}
        return verdict(self.trials.get(device), criteria, tests, accept=self.config.getoption("--accept"))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for device in self.asked:
            terminalreporter.section(f"verdict: {device}")
            rates = self.rates if device == "npu" else []
            for line in page(
                self.trials.get(device), self.judged(device), rates, terminalreporter._tw.fullwidth
            ).splitlines():
                terminalreporter.write_line(line)
        if self.stopped:
            terminalreporter.write_line(
                f"stopped: finished artifacts and finished pictures are kept in {self.config.getoption('--store')}, and the "
                "same command goes on from there"
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        target = self.config.getoption("--verdict")
        found = {device: self.judged(device) for device in self.asked}
        if any(one.status == "NOT JUDGED" for one in found.values()):  # a part of the criteria is no verdict
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        if target is not None:
            first = found.pop("npu", None) or found.pop("host", None) or self.judged("host")
            write_verdict(
                Path(target), first, list(found.values()), self.rates, self.config.invocation_params.args, self.options
            )


def of(test: str) -> str | None:
    """Which candidate a test is about; None for the graph's tests, which are about every one."""
    name = test.partition("::")[2]
    return "npu" if re.search(r"(?<![a-z])npu(?![a-z])", name) else "host" if "[host]" in name else None


def write_verdict(
    target: Path, found: Verdict, others: list[Verdict], rates: list[str], args: Any, options: Mapping[str, Any]
) -> None:
    """Write the verdict as JSON, aside and renamed. Numbers that are not finite become null: JSON has none.

    Where host and NPU were judged, the NPU's comes first, the host's under "also judged", and "status" is the worse one.
    """
    content = {
        "status": worst([found.status, *(other.status for other in others)]),
        "words": found.words,
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": ["pytest", *map(str, args)],
        "options": options,
        "python": sys.version.split()[0],
        "simulated": [str(path) for path in toolkit.simulated_tools()],
        "on_trial": found.trial,
        "commands of this run": commands_heard(),
        "rates": rates,
        "criteria": found.criteria,
        "tests": found.tests,
        "also judged": [asdict(other) for other in others],
    }
    aside = target.with_name(f".{target.name}.new")
    aside.write_text(json.dumps(_finite(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    aside.replace(target)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
