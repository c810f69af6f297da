"""What a tool said, as a person should read it: the lines that name the cause first, fit for a terminal.

A vendor's tool writes `[ERROR]` lines on stdout (ais_bench logs there, and so does ACL's C++), and a traceback, or
argparse's usage, on stderr. Either alone hides the cause.
"""

import re
from typing import Final

LINES, CHARACTERS = 12, 2000
CAUSES: Final = 6  # of the lines, at most so many for stdout's causes: the others show how it ended
CAUSE: Final = re.compile(r"\[(ACL )?ERROR\]|\[WARN\] Check failed")
_WARNING: Final = re.compile(r"^(\S+:\d+: )?\w*Warning: ")  # Python's warnings module: the place, the kind, the text
_ESCAPE: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def last_lines(stdout: str, stderr: str) -> str:
    """Stdout's lines of a cause, then the last lines of stderr; stdout's last lines where stderr says nothing.

    Of stderr go argparse's usage, the warnings of other packages and the `^^^^` marks of a traceback. At most 12 lines
    and 2,000 characters; nothing in them moves the cursor.
    """
    said, errors = _lines(stdout), _without_noise(_lines(stderr))
    if not errors:
        # the last lines may be the tool's end; the causes before them are what a person looks for
        head = [line for line in said[:-LINES] if CAUSE.search(line)][-CAUSES:]
        return _fit([*head, *said[len(head) - LINES :]])
    causes = list(dict.fromkeys(line for line in said if CAUSE.search(line)))[-CAUSES:]
    return _fit([*causes, *errors[len(causes) - LINES :]])


def _lines(text: str) -> list[str]:
    """Lines that are not empty; each state of a progress bar is a line."""
    plain = _ESCAPE.sub("", text).replace("\r", "\n")
    return [line.rstrip() for line in plain.split("\n") if line.strip()]


def _without_noise(lines: list[str]) -> list[str]:
    kept: list[str] = []
    dropped = False  # whether the line before was dropped, so that its indented continuation goes too
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
