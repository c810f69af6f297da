"""The file of --summary: a section for each command, put beside whatever else the file holds.

GitHub gives each step of a job a file of its own, to which all commands of the step add. So what others wrote stays, and so does
the section of another command of this suite. The section of the same command is replaced: no old PASSED outlives a new run.
"""

import hashlib
import json
import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded, write_whole
from rfcn_lib.report.summary import summary
from rfcn_lib.suite.verdict_file import NOT_BEGUN, NOT_ENDED, named
from rfcn_lib.verdict.verdict import not_judged

MARK: Final = "rfcn-acceptance"
LARGEST_BYTES: Final = 1024 * 1024  # of a step; GitHub shows no more
KEY_SHOWN: Final = 12
GITHUB: Final = "GITHUB_STEP_SUMMARY"  # the variable that names the file of a step


class SummaryError(SuiteError):
    """A file is no text to which a summary can be added."""


def command_of(words: Sequence[str]) -> str:
    """What a person types to repeat a run. `words`: its command line, as `guard.arguments` gives it."""
    return shlex.join([".venv/bin/pytest", *words])


def with_section(text: str, words: Sequence[str], section: str) -> str:
    """The text of the file with the section of this command: in place of its earlier one, else at the end."""
    key = hashlib.sha256(json.dumps([*words]).encode("utf-8", "surrogateescape")).hexdigest()[:KEY_SHOWN]
    begin, end = f"<!-- {MARK} {key} -->\n", f"<!-- end of {MARK} {key} -->\n"
    block = f"{begin}{section.rstrip()}\n{end}"
    start, stop = text.find(begin), text.rfind(end)
    if -1 < start < stop:
        return f"{text[:start]}{block}{text[stop + len(end) :]}"
    blank = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{blank}{block}"


def read_text(path: Path) -> str:
    """What the file holds; "" where there is none.

    Raises:
        SummaryError: it is no text, or more than GitHub shows.
    """
    if path.exists() and not path.is_file():
        raise SummaryError(f"--summary={path} should be a plain file, to which the summary is added; name another file")
    try:
        data = read_bounded(path, LARGEST_BYTES) if path.exists() else b""
        if data is None:
            raise SummaryError(
                f"--summary={path} has more than the {LARGEST_BYTES:,} bytes that GitHub shows of a step; name a new file"
            )
        return data.decode()
    except OSError as error:
        raise SummaryError(f"--summary={path} cannot be read: {error.strerror}; name another file") from error
    except UnicodeDecodeError as error:
        raise SummaryError(
            f"--summary={path} is no text, but should be Markdown, to which the summary is added; name another file"
        ) from error


def write_section(path: Path, words: Sequence[str], section: str) -> None:
    """Put the section of this command into the file.

    Raises:
        SummaryError: the file holds something else than text.
        OSError: it cannot be written.
    """
    write_whole(path, with_section(read_text(path), words, section).encode())


def write_not_ended(path: Path, words: Sequence[str]) -> None:
    """Before anything runs: whatever ends the run from now on, its section says that nothing was judged."""
    write_section(path, words, _nothing_judged(words, NOT_ENDED, None))


def withdraw(words: Sequence[str], here: Path, why: str = NOT_BEGUN, exit_code: int | None = None) -> None:
    """Say NOT JUDGED in each file of --summary that the command line names, before it is checked, or once it was refused.

    A file that nobody knows to be a summary stays as it is: --summary may name another file by mistake.
    """
    for path in named(words, here, "--summary"):
        with suppress(OSError, SuiteError):
            if _is_ours(path):
                write_section(path, words, _nothing_judged(words, why, exit_code))


def _nothing_judged(words: Sequence[str], why: str, exit_code: int | None) -> str:
    return summary([(not_judged(why), None)], exit_code=exit_code, command=command_of(words))


def _is_ours(path: Path) -> bool:
    """Whether the file is new, empty, the one that GitHub gave this step, or has a section of this suite."""
    if str(path) == os.environ.get(GITHUB):
        return True
    return not path.exists() or (path.is_file() and (not path.stat().st_size or f"<!-- {MARK} " in read_text(path)))
