"""The commands that README and docs/ show: what follows `pytest`, `make`, or `python -m` in a code block or in inline code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.support.places import ROOT

README = ROOT / "README.md"
CHANGELOG = ROOT / "CHANGELOG.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
CI_FILES = (*sorted((ROOT / "docs" / "ci").glob("*.yml")), ROOT / "docs" / "ci" / "Jenkinsfile")
COMMAND = re.compile(r"(?:\.venv/bin/)?((?:pytest|make|python -m) .+)")


def commands(path: Path) -> list[list[str]]:
    """The commands of a page or a CI file, each as a list of words; its first word is pytest, make or python."""
    text = path.read_text(encoding="utf-8")
    lines = list(_code(text)) if path.suffix == ".md" else _script(text)
    found = [COMMAND.fullmatch(line.strip()) for line in lines]
    return [shlex.split(re.sub(r" > .*", "", match[1]), comments=True) for match in found if match]


def _code(text: str) -> Iterator[str]:
    """The lines of the console blocks, and every inline code."""
    blocks = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for block in blocks.findall(text):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", blocks.sub("", text))


def _script(text: str) -> list[str]:
    """The lines of a YAML file or Jenkinsfile, without what stands around a command: `- `, `run: `, `sh '...'`."""
    return [re.sub(r"^\s*(?:- )?(?:run: )?(?:sh '{1,3})?|'{1,3}$", "", line) for line in text.splitlines()]
