"""Pick the lines of a tool's output that a person needs after a failure: lines that name the cause first, then the end.

A vendor's tool writes `[ERROR]` lines to stdout (the logs of ais_bench and of ACL's C++), and a traceback or argparse's usage
to stderr. A message needs both: each alone may lack the cause.
"""

import re
from typing import Final

LINES, CHARACTERS = 12, 2000
CAUSES: Final = 6  # at most so many of the LINES are causes from stdout; the others show the end
CAUSE: Final = re.compile(r"\[(ACL )?ERROR\]|\[WARN\] Check failed")
_WARNING: Final = re.compile(r"^(\S+:\d+: )?\w*Warning: ")  # a line of Python's warnings module: place, kind, text
_ESCAPE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def last_lines(stdout: str, stderr: str) -> str:
    """The lines of stdout that name a cause, then the last lines of stderr. If stderr is empty: the last lines of stdout.

    From stderr this leaves out argparse's usage, the warnings of other packages and the `^^^^` marks of a traceback. The
    result has at most 12 lines and 2,000 characters, and no control characters.
    """
    lines, errors = _lines(stdout), _without_noise(_lines(stderr))
    if not errors:
        # the last lines often show only how the tool ended, so add the causes before them
        head = [line for line in lines[:-LINES] if CAUSE.search(line)][-CAUSES:]
        return _fit([*head, *lines[len(head) - LINES :]])
    causes = list(dict.fromkeys(line for line in lines if CAUSE.search(line)))[-CAUSES:]
    return _fit([*causes, *errors[len(causes) - LINES :]])


def _lines(text: str) -> list[str]:
    """The lines that are not empty. Each state of a progress bar becomes a line of its own."""
    plain = _ESCAPE.sub("", text).replace("\r", "\n")
    return [line.rstrip() for line in plain.split("\n") if line.strip()]


def _without_noise(lines: list[str]) -> list[str]:
    kept: list[str] = []
    dropped = False  # whether the line before was dropped: then drop its indented continuation too
    for line in lines:
        if line.startswith("usage:") or _WARNING.match(line):
            dropped = True
        elif not (dropped and line.startswith((" ", "\t"))):
            dropped = False
            if line.strip(" ~^"):
                kept.append(line)
    return kept


def _fit(lines: list[str]) -> str:
    text = "\n".join(lines)
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)[-CHARACTERS:]
