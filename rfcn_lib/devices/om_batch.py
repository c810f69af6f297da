"""One batch for a tool of the vendor's: what it is given, what it makes of it, and how it fails."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rfcn_lib.command import CommandError, CommandTimeoutError, Done, explain, run
from rfcn_lib.score.perf import Perf

LOG: Final = "tool.log"
HINTS: Final = {  # what a tool says -> what it means; the phrases are those of ais_bench's FAQ
    "acl open device": "the device is busy, lost or not there: see `npu-smi info`, choose others with --devices=",
    "not match": "the model was compiled for another input than this port's canvas: compile it again",
    "No space left on device": "free some room on this disk; the next run goes on",
}
NO_HINTS: Final[Mapping[str, str]] = MappingProxyType({})
LARGEST_COUNT: Final = 8  # outputs looked for: more than a port has, so that a model of more is noticed

Outputs = Mapping[str, tuple[Path, ...]]  # id -> one file per output of the model, in its order


class OmRunError(RuntimeError):
    """The compiled model could not be run to the end: cause, how far it came, the line to run by hand.

    `outputs`: files of the pictures that were finished, whole or not; empty where nothing is known of them.
    """

    def __init__(self, sentence: str, outputs: "Outputs | None" = None) -> None:
        super().__init__(sentence)
        self.outputs: Outputs = outputs or {}


@dataclass(frozen=True, slots=True)
class Task:
    """One batch, laid out in `work`: bin/<id>.bin, listed in demo.info in the order of `ids`."""

    om: Path
    ids: tuple[str, ...]
    canvas_wh: tuple[int, int]
    work: Path
    device_id: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Batch:
    """What a tool made of a task: every picture's files, what it said of its speed, the command that ran."""

    outputs: Outputs
    perf: Perf
    done: Done


def attempt(
    words: Sequence[str | Path], task: Task, finished: Callable[[], Outputs], hints: Mapping[str, str] = NO_HINTS
) -> Done:
    """Run a tool over a task, in its folder; its words go to tool.log.

    `finished()` looks up what the tool has written by then; `hints`: what this tool alone says -> what to do.

    Raises:
        OmRunError: the tool is missing, hangs, or does not end with 0; carries what it finished.
    """
    try:
        done = run(words, cwd=task.work, timeout_s=task.timeout_s, log=task.work / LOG)
    except CommandTimeoutError as error:
        raise OmRunError(str(error) + _hint(error.done, hints), finished()) from error
    except CommandError as error:
        raise OmRunError(str(error)) from error
    if done.returncode:
        said = explain(done, f"the batch of {len(task.ids)} pictures on device {task.device_id} failed")
        raise OmRunError(said + _hint(done, hints), finished())
    return done


def _hint(done: Done, hints: Mapping[str, str]) -> str:
    said = done.stdout + done.stderr
    return "".join(f"\n  try:     {hint}" for words, hint in {**HINTS, **hints}.items() if words in said)


def written(folder: Path, ids: Sequence[str], first: int, suffix: str) -> Outputs:
    """Files `<id>_<k><suffix>` in `folder`, k = first, first + 1, ... as far as there is no gap; ids without any are left out."""
    found = {id: _in_order(folder, id, first, suffix) for id in ids}
    return {id: files for id, files in found.items() if files}


def _in_order(folder: Path, id: str, first: int, suffix: str) -> tuple[Path, ...]:
    files: list[Path] = []
    while len(files) < LARGEST_COUNT and (file := folder / f"{id}_{first + len(files)}{suffix}").is_file():
        files.append(file)
    return tuple(files)
