"""What is wrong with the options of evidence: a sentence for each."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rfcn_lib.suite import option_values as values
from rfcn_lib.suite.declared_options import DECLARED

DEVICES: Final = ("accuracy", "npu", "rehearsal")  # expressions of -m that judge one candidate
BESIDE: Final = ("evidence-from", "evidence-root", "verdict", "protocols", "summary", "store")


def faults_of_evidence(given: Mapping[str, Any], marks: str, here: Path) -> Iterator[str]:
    """A sentence for each. Arguments as of `option_faults.faults`."""
    writes, reads = given.get("evidence"), given.get("evidence-from")
    yield from values.a_file("evidence-from", reads, here)
    for name, value in (("evidence", writes), ("evidence-from", reads)):
        if value and marks not in DEVICES:
            yield (
                f"--{name}={value} is about one candidate, but {f'-m {marks!r}' if marks else 'no -m'} does not name one; use -m "
                "accuracy, -m npu or -m rehearsal"
            )
    if given.get("evidence-dumps") and not writes:
        yield "--evidence-dumps puts dumps into the file of --evidence; name one with --evidence=FILE, or leave it out"
    root = given.get("evidence-root")
    if root is not None and not re.fullmatch("[0-9a-f]{64}", root):
        yield f"--evidence-root={root:.80} should be a sha256, 64 characters of 0-9 a-f, as the last line of a verdict prints it"
    if root is not None and not reads:
        yield "--evidence-root is the digest of the file of --evidence-from; name that file, or leave it out"
    if reads:
        for word in _others(given):
            yield (
                f"{word}: --evidence-from={reads} judges again what is in that file, and reads nothing else; "
                f"leave out {word.partition('=')[0]}"
            )


def _others(given: Mapping[str, Any]) -> Iterator[str]:
    """Every other option that was given, as a word of the command line."""
    defaults = {name.removeprefix("--"): default for name, _, default, _ in DECLARED}
    for name, value in given.items():
        if name not in BESIDE and value and value != defaults.get(name):
            yield f"--{name}" if value is True else f"--{name}={value}"
