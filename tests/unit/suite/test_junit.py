"""The plugin puts a test's criteria into pytest's JUnit file, and keeps whole tables out of it."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest

from rfcn_lib.suite.guard import REPORTER
from rfcn_lib.suite.junit import Junit
from rfcn_lib.suite.options import OPTIONS
from rfcn_lib.verdict.criterion import Criterion

TEST = "tests/test_accuracy.py::TestHost::test_x"
DROP = Criterion("mean AP drop", 0.5, "<=", 0.01, "somebody")


class Xml:
    """pytest's writer, as far as the plugin uses it."""

    def __init__(self):
        self.properties, self.nodes = [], []

    def add_global_property(self, name, value):
        self.properties.append((name, value))

    def node_reporter(self, _report):
        return self.nodes


class Manager(SimpleNamespace):
    def get_plugin(self, name):
        return self.reporter if name == REPORTER else None

    def get_plugins(self):
        return [self.reporter, self.xml]


@pytest.fixture
def made():
    """made(outcome, criteria, report=...): the plugin, and the writer behind it."""

    def make(outcome, criteria=(), report=None, record=None):
        reporter = SimpleNamespace(outcomes={TEST: outcome}, criteria={TEST: list(criteria)}, record=record)
        manager = Manager(reporter=reporter, xml=Xml())
        config = SimpleNamespace(pluginmanager=manager, stash={OPTIONS: SimpleNamespace(report=report)})
        return Junit(config), manager.xml

    return make


def report_of(when="teardown", outcome="passed", longrepr=None, properties=(("judges", True),), test=TEST):
    return SimpleNamespace(
        nodeid=test,
        when=when,
        longrepr=longrepr,
        skipped=outcome == "skipped",
        failed=outcome == "failed",
        user_properties=[list(pair) for pair in properties],
    )


def test_records_that_are_tables_are_left_out_and_the_criterion_is_told_at_the_end(made):
    junit, xml = made("failed", [DROP], report="report.html")
    recorded = (("judges", True), ("trial", {"ids": ["1"] * 9}), ("criterion", asdict(DROP)), ("note", "look"))
    call, end = report_of("call", "failed", "E       AssertionError", recorded), report_of(properties=recorded)
    junit.pytest_runtest_logreport(call)
    junit.pytest_runtest_logreport(end)
    found = dict(end.user_properties)

    assert call.user_properties == [("note", "look")]
    assert found["criterion.name"] == "mean AP drop" and found["criterion.outcome"] == "failed"
    assert "trial" not in found and found["note"] == "look"
    assert [node.tag for node in xml.nodes] == ["system-out"]
    assert "mean AP drop" in xml.nodes[0].text and "[[ATTACHMENT|report.html]]" in xml.nodes[0].text


def test_a_number_beyond_its_limit_is_no_passed_criterion_whatever_its_test_said(made):
    junit, _ = made("passed", [DROP])
    end = report_of()
    junit.pytest_runtest_logreport(end)

    assert dict(end.user_properties)["criterion.outcome"] == "error"


@pytest.mark.parametrize(
    ("outcome", "longrepr", "why"),
    [
        ("skipped", ("test_accuracy.py", 3, "Skipped: no device is here\nat all"), "Skipped: no device is here"),
        ("failed", "def test():\n    x\nE   ValueError: it broke\nE   more", "ValueError: it broke"),
        ("failed", "\nthe file is none; name another\nmore", "the file is none; name another"),
        ("failed", None, "nothing says why"),
    ],
)
def test_a_test_that_ended_before_its_number_says_why(made, outcome, longrepr, why):
    junit, xml = made("skipped" if outcome == "skipped" else "error")
    junit.pytest_runtest_logreport(report_of("setup", outcome, longrepr))
    end = report_of()
    junit.pytest_runtest_logreport(end)

    assert dict(end.user_properties)["criterion.why"] == why
    assert dict(end.user_properties)["criterion.outcome"].startswith("not judged: ")
    assert why in xml.nodes[0].text


def test_tests_of_something_else_keep_what_they_recorded(made):
    junit, xml = made("passed", [DROP])
    other = report_of(test="tests/unit/test_x.py::test_y", properties=(("anything", 1),))
    aside = report_of(properties=(("device", "host"),))
    junit.pytest_runtest_logreport(other)
    junit.pytest_runtest_logreport(aside)  # of the contract, but it judges no criterion

    assert (other.user_properties, aside.user_properties) == ([["anything", 1]], [("device", "host")])
    assert xml.nodes == []


def test_a_run_without_a_verdict_adds_nothing(made):
    junit, xml = made("passed")
    junit.pytest_sessionfinish(SimpleNamespace(exitstatus=0))

    assert xml.properties == []
