"""The external commands of this run, as a person would type them."""

import logging
import logging.handlers

from rfcn_lib.command import command_log, export_lines

_log = logging.handlers.MemoryHandler(10**6, flushLevel=logging.CRITICAL + 1)


def pytest_configure() -> None:
    command_log.addHandler(_log)


def pytest_unconfigure() -> None:
    command_log.removeHandler(_log)


def commands() -> list[str]:
    """Every external command of this run, after the environment that it ran in; empty where none ran."""
    lines = _lines()
    return [*export_lines(), *lines] if lines else []


def probes() -> list[str]:
    """The commands besides compiler and inference tool, which can be pasted only with their input, and are named with it."""
    return [line for line in _lines() if not any(flag in line for flag in ("--framework=", "-om_path=", "--model "))]


def _lines() -> list[str]:
    return list(dict.fromkeys(record.getMessage() for record in _log.buffer))
