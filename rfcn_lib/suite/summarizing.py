"""--summary=FILE: the verdict in at most 30 lines of Markdown, for the page that a CI server shows of a job."""

import pytest

from rfcn_lib.errors import SuiteError
from rfcn_lib.report.summary import summary
from rfcn_lib.suite.guard import REPORTER, arguments
from rfcn_lib.suite.options import OPTIONS
from rfcn_lib.suite.report import DEVICES, Reporter
from rfcn_lib.suite.summary_file import command_of, write_section

UNWRITTEN = pytest.StashKey[str]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the section of this run in place of the one that says that it has not ended."""
    config = session.config
    path, reporter = config.stash[OPTIONS].summary, config.pluginmanager.get_plugin(REPORTER)
    if path is None or hasattr(config, "workerinput") or not isinstance(reporter, Reporter):
        return
    asked = reporter.asked or ["host"]
    judged = [(reporter.judged(device), reporter.trials.get(device)) for device in reversed(DEVICES) if device in asked]
    words = arguments(config)
    text = summary(
        judged,
        exit_code=int(session.exitstatus),
        command=command_of(words),
        commit=reporter.code.commit,
        compared=reporter.compared,
    )
    try:
        write_section(path, words, text)
    except (OSError, SuiteError) as error:  # the verdict stands without it
        config.stash[UNWRITTEN] = f"{path} could not be written ({error}); name another place with --summary=FILE"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path = config.stash[OPTIONS].summary
    if path is not None:
        terminalreporter.section("summary")
        terminalreporter.write_line(config.stash.get(UNWRITTEN, f"{path.resolve()}, Markdown"))
