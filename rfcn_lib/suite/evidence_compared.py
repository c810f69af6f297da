"""--evidence-from=FILE: the verdict of judging again must be the one in the file, to the last bit."""

import shlex
from dataclasses import asdict
from functools import partial
from typing import Final

import pytest

from rfcn_lib.evidence.comparison import contradiction
from rfcn_lib.evidence.records import Run
from rfcn_lib.suite.evidence_opened import EVIDENCE, Evidence
from rfcn_lib.suite.guard import REPORTER
from rfcn_lib.suite.report import Reporter
from rfcn_lib.suite.verdict_file import finite
from rfcn_lib.verdict.verdict import Verdict

ALL: Final = ("trial", "criteria", "rates", "status", "words")
MEASURED_AT_ONCE: Final = ("trial",)


def pytest_sessionstart(session: pytest.Session) -> None:
    """What the run said is what judging again must say."""
    reporter, evidence = session.config.pluginmanager.get_plugin(REPORTER), session.config.stash[EVIDENCE]
    if isinstance(reporter, Reporter):
        reporter.root = evidence.archive.root
        reporter.order = list(evidence.said.tests)
        reporter.doubt = partial(_doubt, evidence, reporter)


def pytest_report_header(config: pytest.Config) -> str:
    run = config.stash[EVIDENCE].run
    return f"evidence: made {run.made} by `{shlex.join(run.command)}`; suite {_edition(run)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say in a line whether it is the verdict of the file."""
    reporter, evidence = config.pluginmanager.get_plugin(REPORTER), config.stash[EVIDENCE]
    if isinstance(reporter, Reporter):
        again = [reporter.judged(device) for device in reporter.asked]
        same = [(one.status, one.words) for one in again] == [(evidence.said.status, evidence.said.words)]
        words = (
            "the same numbers to the last bit, and the same words" if same else "NOT the verdict that is in the file"
        )
        terminalreporter.section("evidence")
        terminalreporter.write_line(f"{evidence.path}, judged again: {words}")


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[EVIDENCE].folder.cleanup()


def _doubt(evidence: Evidence, reporter: Reporter, found: Verdict) -> str:
    """Why the verdict in the file cannot stand; "" where judging again gave the same."""
    said = {**evidence.said.model_dump(), "rates": evidence.run.rates}
    again = {**finite(asdict(found)), "rates": list(reporter.rates)}
    errors = found.status == "NOT JUDGED" != evidence.said.status  # its own words say why; what was measured may lack
    words = contradiction(evidence.path, said, again, MEASURED_AT_ONCE if errors else ALL)
    words = f"{found.words}; {words}" if errors and words else words
    if not words or evidence.run.suite.get("sha256") == reporter.code.sha256:
        return words
    return f"{words}. Another edition of this suite judged first: {_edition(evidence.run)}; judge again with that one"


def _edition(run: Run) -> str:
    commit, code = run.suite.get("commit"), run.suite.get("sha256")
    return f"commit {commit!s:.12}, code {code!s:.12}"
