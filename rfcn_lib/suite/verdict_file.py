"""The file of --verdict. It says NOT JUDGED from the first moment of a run until the run has come to its end."""

import itertools
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from rfcn_lib.ascend import toolkit
from rfcn_lib.files import read_bounded, write_whole
from rfcn_lib.suite.commands import commands
from rfcn_lib.verdict.status import worst
from rfcn_lib.verdict.verdict import Verdict, not_judged

LARGEST_BYTES: Final = 100_000_000  # a verdict names every id and every command
NOT_BEGUN: Final = "this run ended before it began; what it printed says why"
NOT_ENDED: Final = "this run has not come to its end: it is under way, or something ended it"


def as_json(
    found: Verdict, others: Sequence[Verdict], args: Sequence[str], options: Mapping[str, Any], said: Mapping[str, Any]
) -> dict[str, Any]:
    """The verdict's file. Where host and NPU were judged, the NPU comes first and the host is under "also judged".

    "status" is the worse one of both. `said`: more of the run, such as its rates and notes.
    """
    return {
        "status": worst([found.status, *(other.status for other in others)]),
        "words": found.words,
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": ["pytest", *args],
        "options": options,
        "python": sys.version.split()[0],
        "simulated": [str(path) for path in toolkit.simulated_tools()],
        "on_trial": found.trial,
        "commands of this run": commands(),
        **said,
        "criteria": found.criteria,
        "tests": found.tests,
        "also judged": [asdict(other) for other in others],
    }


def write_json(target: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all. A number that is not finite becomes null: JSON has none."""
    write_whole(target, (json.dumps(_finite(content), indent=1, allow_nan=False) + "\n").encode())


def write_not_ended(target: Path, args: Sequence[str], options: Mapping[str, Any]) -> None:
    """Before anything runs: whatever ends the run from now on, the file says that nothing was judged."""
    write_json(target, as_json(not_judged(NOT_ENDED), [], args, options, {}))


def withdraw(words: Sequence[str], here: Path) -> None:
    """Let old verdicts that the command line names say NOT JUDGED, before the command line is checked.

    A wrong option, even one that pytest itself refuses, ends the run before it can write. A file that is no verdict stays as it
    is: --verdict may name another file by mistake.
    """
    for path in _named(words, here):
        if _is_verdict(path):
            write_json(path, as_json(not_judged(NOT_BEGUN), [], words, {}, {}))


def _named(words: Sequence[str], here: Path) -> list[Path]:
    after = [following for word, following in itertools.pairwise(words) if word == "--verdict"]
    joined = [word.removeprefix("--verdict=") for word in words if word.startswith("--verdict=")]
    return [here / name for name in (*after, *joined) if name]


def _is_verdict(path: Path) -> bool:
    try:
        content = read_bounded(path, LARGEST_BYTES) if path.is_file() and os.access(path, os.W_OK) else None
        found = json.loads(content) if content else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and {"status", "words", "criteria", "tests"} <= found.keys()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
