"""No run ends green without a verdict: no plugin of this suite may be missing, and what only shows tests judges none."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from rfcn_lib.suite import summary_file
from rfcn_lib.suite.verdict_file import withdraw
from rfcn_lib.verdict.status import EXIT_STATUS, WRONG_USAGE

ROOT: Final = Path(__file__).resolve().parents[2]
REPORTER: Final = "acceptance-reporter"
CHOSEN: Final = pytest.StashKey[tuple[str, ...]]()  # the modules that options exchange, as `options` chose them
NEEDED_OF_PYTEST: Final = ("terminal", "terminalreporter")  # without them nothing prints the verdict
SHOWS: Final = {  # flags with which pytest runs no test -> its name of the option
    "--collect-only": "collectonly",
    "--setup-plan": "setupplan",
    "--setup-only": "setuponly",
    "--fixtures": "showfixtures",
    "--fixtures-per-test": "show_fixtures_per_test",
    "--markers": "markers",
    "--cache-show": "cacheshow",
    "--help": "help",
}


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Here and not later: a word that pytest does not know ends the run before any other hook."""
    config = pluginmanager.get_plugin("pytestconfig")
    if config and "PYTEST_XDIST_WORKER" not in os.environ:
        withdraw(arguments(config), Path.cwd())
        summary_file.withdraw(arguments(config), Path.cwd())


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    expect_not_blocked(config)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    expect_complete(session.config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Another plugin may have removed the reporter meanwhile; then nobody printed a verdict."""
    missing = [] if hasattr(session.config, "workerinput") else _missing(session.config)
    if missing:
        session.exitstatus = session.exitstatus or EXIT_STATUS["NOT JUDGED"]
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter:
            reporter.write_line(
                f"NOT JUDGED: {', '.join(missing)} was removed while the tests ran, so there is no verdict"
            )


def expect_not_blocked(config: pytest.Config) -> None:
    """Raise UsageError where `-p no:NAME` leaves out what every verdict needs. A worker of xdist prints no verdict."""
    if hasattr(config, "workerinput"):
        return
    manager = config.pluginmanager
    blocked = [name for name in (*_ours(config), REPORTER, *NEEDED_OF_PYTEST) if manager.is_blocked(name)]
    if blocked:
        refused(config, f"-p no:{' -p no:'.join(blocked)}")
        withdraw(arguments(config), Path.cwd())  # again: this plugin may be the blocked one, and another one calls this
        raise pytest.UsageError(
            f"{' '.join(f'-p no:{name}' for name in blocked)}: without this plugin there is no verdict, and a run could end "
            "green with nothing judged; leave it out (PYTEST_ADDOPTS and pytest.ini count too)"
        )


def expect_complete(config: pytest.Config) -> None:
    """Raise UsageError where a plugin of this suite is missing, for whatever reason."""
    missing = [] if hasattr(config, "workerinput") else _missing(config)
    if missing:
        raise pytest.UsageError(
            f"the plugins {', '.join(missing)} are missing, without which there is no verdict; run `pytest` from {ROOT} with "
            "nothing of this suite left out"
        )


def expect_judging(config: pytest.Config, *, verdict_asked: bool) -> Iterator[str]:
    """A sentence for each flag with which pytest runs no test although a verdict is asked for."""
    if verdict_asked:
        for flag, name in SHOWS.items():
            if config.getoption(name, False):
                yield f"{flag} runs no test, so nothing can be judged; leave it out, or what asks for a verdict"
        if config.getoption("no_summary", False) and config.getoption("accept", False):
            yield "--no-summary leaves out the verdict, which --accept is about; leave it out"


def expect_whole(config: pytest.Config, given: Mapping[str, Any]) -> Iterator[str]:
    """A sentence where -k would leave criteria out of evidence."""
    named = next((f"--{name}={given[name]}" for name in ("evidence", "evidence-from") if given[name]), None)
    if named and config.getoption("keyword", ""):
        yield f"-k leaves criteria out, but {named} is about all of them; leave out -k"


def refused(config: pytest.Config, why: str) -> None:
    """Say in the file of --summary why a command line was refused."""
    if not hasattr(config, "workerinput"):
        summary_file.withdraw(arguments(config), Path.cwd(), f"wrong usage: {why}", WRONG_USAGE)


def arguments(config: pytest.Config) -> list[str]:
    """The words of the command line as they were given, those of PYTEST_ADDOPTS first. Unbalanced quotes give none."""
    try:
        added = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    except ValueError:
        added = []
    return [*added, *map(str, config.invocation_params.args)]


def _ours(config: pytest.Config) -> Sequence[str]:
    """Names of this suite's plugins: conftest.py's list, and what the options chose."""
    files = {
        str(file): found for found in config.pluginmanager.get_plugins() if (file := getattr(found, "__file__", None))
    }
    roots = [
        found
        for file, found in files.items()
        if file.endswith("conftest.py") and Path(file).resolve() == ROOT / "conftest.py"
    ]
    always = tuple(name for root in roots for name in root.pytest_plugins)
    return (*always, *(f"rfcn_lib.suite.{name}" for name in config.stash.get(CHOSEN, ())))


def _missing(config: pytest.Config) -> list[str]:
    named = [*_ours(config), REPORTER, "terminalreporter"]
    return [name for name in named if config.pluginmanager.get_plugin(name) is None]
