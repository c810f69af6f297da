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
from rfcn_lib.suite.surroundings import versions
from rfcn_lib.verdict.earlier import LARGEST_BYTES
from rfcn_lib.verdict.status import worst
from rfcn_lib.verdict.verdict import Verdict, not_judged

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
        "versions": versions(),
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
    write_whole(target, (json.dumps(finite(content), indent=1, allow_nan=False) + "\n").encode())


def write_not_ended(target: Path, args: Sequence[str], options: Mapping[str, Any]) -> None:
    """Before anything runs: whatever ends the run from now on, the file says that nothing was judged."""
    write_json(target, as_json(not_judged(NOT_ENDED), [], args, options, {}))


def withdraw(words: Sequence[str], here: Path) -> None:
    """Let old verdicts that the command line names say NOT JUDGED, before the command line is checked.

    A wrong option, even one that pytest itself refuses, ends the run before it can write. A file that is no verdict stays as it
    is: --verdict may name another file by mistake. One that --compare names too, which is refused, is kept as `<name>.earlier`.
    """
    compared = {path.resolve() for path in named(words, here, "--compare")}
    for path in named(words, here, "--verdict"):
        old = _verdict_in(path)
        if old is not None:
            if path.resolve() in compared and old["words"] != NOT_BEGUN:
                write_whole(path.with_name(f"{path.name}.earlier"), path.read_bytes())
            write_json(path, as_json(not_judged(NOT_BEGUN), [], words, {}, {}))


def named(words: Sequence[str], here: Path, option: str) -> list[Path]:
    """The files that a command line names with an option, before pytest has read it."""
    after = [following for word, following in itertools.pairwise(words) if word == option]
    joined = [word.removeprefix(f"{option}=") for word in words if word.startswith(f"{option}=")]
    return [here / name for name in (*after, *joined) if name]


def _verdict_in(path: Path) -> dict[str, Any] | None:
    try:
        content = read_bounded(path, LARGEST_BYTES) if path.is_file() and os.access(path, os.W_OK) else None
        found = json.loads(content) if content else None
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and {"status", "words", "criteria", "tests"} <= found.keys() else None


def finite(value: Any) -> Any:
    """A value as JSON has it: texts for keys, lists for tuples, null for a number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value
