"""--junitxml=FILE, pytest's own: each criterion as properties of its test, the run as properties of the suite.

pytest writes whatever a test recorded as one property each, which here would be whole tables. So the records are replaced by
short ones, once the reporter has read them. pytest's record_testsuite_property does nothing under pytest-xdist; this does.
"""

from dataclasses import asdict
from typing import Any
from xml.etree.ElementTree import Element  # to write; nothing is parsed

import pytest

from rfcn_lib.suite.guard import REPORTER
from rfcn_lib.suite.options import OPTIONS
from rfcn_lib.verdict.criterion import outcome_of, weighed
from rfcn_lib.verdict.junit import criterion_properties, criterion_text, run_properties

KEPT = ("note", "device", "undecided", "not judged")  # records that are short
PLUGIN = "acceptance-junit"


def pytest_configure(config: pytest.Config) -> None:
    """Before the reporter is registered, so after it in the order of calls."""
    if config.getoption("xmlpath", None) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Junit(config), PLUGIN)


class Junit:
    """Puts criteria and verdict into pytest's JUnit file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.why: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After the reporter, before pytest's own."""
        reporter, test = self._reporter(), report.nodeid
        if reporter is None or test not in reporter.outcomes:
            return
        if report.skipped or report.failed:
            self.why.setdefault(test, _why(report))
        recorded = list(report.user_properties)
        kept: list[tuple[str, Any]] = [(name, value) for name, value in recorded if name in KEPT]
        if report.when == "teardown" and "judges" in dict(recorded):
            found, outcome = reporter.criteria.get(test, []), reporter.outcomes[test]
            told = weighed(found, outcome)
            rows = [{**asdict(one), "outcome": outcome_of(one, told)} for one in found]
            why = self.why.pop(test, "")
            kept += criterion_properties(rows, outcome, why)
            self._say(report, criterion_text(rows, outcome, why))
        report.user_properties = kept

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """After the reporter, before pytest writes the file."""
        reporter, xml = self._reporter(), self._xml()
        if reporter is not None and xml is not None and reporter.record is not None:
            for name, value in run_properties(reporter.record, int(session.exitstatus)):
                xml.add_global_property(name, value)

    def _say(self, report: pytest.TestReport, text: str) -> None:
        """As standard output of the test, which GitLab shows of a failed test and Jenkins of each."""
        xml = self._xml()
        if xml is not None:
            page = self.config.stash[OPTIONS].report
            attached = f"[[ATTACHMENT|{page}]]\n" if page is not None and "outcome    passed" not in text else ""
            element = Element("system-out")
            element.text = f"\n{text}{attached}"
            xml.node_reporter(report).append(element)

    def _reporter(self) -> Any:
        return self.config.pluginmanager.get_plugin(REPORTER)

    def _xml(self) -> Any:
        """The writer of the file, pytest's own, which has no name among the plugins."""
        plugins = self.config.pluginmanager.get_plugins()
        return next((found for found in plugins if hasattr(found, "add_global_property")), None)


def _why(report: pytest.TestReport) -> str:
    """The first line of a skip's reason or of an error."""
    said = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr or "")
    lines = [line for line in said.splitlines() if line.strip()] or [""]
    errors = [line.removeprefix("E ").strip() for line in lines if line.startswith("E ")]
    return str((errors or lines)[0])
