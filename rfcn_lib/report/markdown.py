"""Text from outside in GitHub's Markdown: it stays text, whatever signs are in it."""

import re
from typing import Final

SIGNS: Final = re.compile(r"([\\`*_\[\]|~#$@!])")
HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
LONGEST: Final = 600  # characters of one text


def escaped(text: object, longest: int = LONGEST) -> str:
    """One line that shows the text, also in a cell of a table: no markup, no HTML, no link, nobody notified.

    Args:
        text: anything; line ends and other control characters become blanks.
        longest: characters that are kept.
    """
    line = _one_line(str(text))
    shown = line if len(line) <= longest else f"{line[:longest]}..."
    marked = SIGNS.sub(r"\\\1", "".join(HTML.get(sign, sign) for sign in shown))
    linked = marked.replace("://", "&#58;//").replace("www.", "www&#46;")
    return re.sub(r"^([-+=]|\d+[.)])(?=\s|$)", lambda start: f"&#{ord(start[1][0])};{start[1][1:]}", linked)


def code(text: object, longest: int = 10 * LONGEST) -> str:
    """The text as inline code that can be copied; not for a cell of a table, where a pipe would end it."""
    line = _one_line(str(text))
    shown = line if len(line) <= longest else f"{line[:longest]}..."
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    padded = f" {shown} " if shown[:1] in ("`", " ", "") or shown[-1:] in ("`", " ") else shown
    return f"{fence}{padded}{fence}"


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()
