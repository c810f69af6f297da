"""One batch for a tool of the vendor's: what it is given, what it makes of it, and how it fails."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rfcn_lib.command import NO_VARIABLES, CommandError, CommandResult, CommandTimeoutError, explain, run
from rfcn_lib.errors import SuiteError
from rfcn_lib.speed.perf import Perf

LOG: Final = "tool.log"
_BUSY: Final = "the device is busy, lost or not there: see `npu-smi info`, choose others with --devices="
_MODEL: Final = "is the om whole, and compiled for the chip of this device (--soc)? compile it again"
_ROOM: Final = "free some room on this disk; the next run goes on"
HINTS: Final = {  # a pattern of what a tool says -> what to do; the phrases are those of ais_bench's log and FAQ
    "acl open device": _BUSY,
    "create context failed": _BUSY,
    "tensorsize: .* not match|input size .* not match": (
        "the model was compiled for another input than this port's canvas: compile it again"
    ),
    "save out files error": "a bin is no whole picture, or the model's batch size is not 1: compile it again for batch 1",
    "load model from file failed|load model failed": _MODEL,
    "execute model failed|aclmdlExecute failed": (
        "the device stopped at a picture: the plog in ~/ascend/log says why; run the line by hand, and on another device"
    ),
    "No space left on device": _ROOM,
    "[0-9]+ requested and [0-9]+ written": _ROOM,  # numpy's words for a full disk
    "permission should not be over": "chmod 750 the folder and 640 the file it names; this suite sets those modes itself",
    "not exist, please check": "the file it names is gone: leave the store alone while this runs, and run again",
    "illegal char|create FileStat failed": "the tool takes paths of A-Z a-z 0-9 _ - . / only: pass --store=DIR with such a path",
    "owner or ownergroup": "the file belongs to another user: run as its owner, or pass --store=DIR of your own",
    "soft link": "the tool takes no link: pass the real path with --store=DIR",
}
REFUSED: Final = 2  # the exit status of Python's argparse, before the tool has done anything
_USAGE_ERROR: Final = re.compile(r"^\S+: error: ", re.MULTILINE)  # argparse: the program, then what is wrong
NO_HINTS: Final[Mapping[str, str]] = MappingProxyType({})
LARGEST_COUNT: Final = 8  # outputs looked for: more than a port has, so that a model of more is noticed

OutputFiles = Mapping[str, tuple[Path, ...]]  # id -> one file per output of the model, in its order


class OmRunError(SuiteError):
    """The compiled model could not be run to the end: cause, how far it came, the line to run by hand.

    `outputs`: files of the pictures that were finished, whole or not; empty where nothing is known of them.
    """

    def __init__(self, sentence: str, outputs: "OutputFiles | None" = None) -> None:
        super().__init__(sentence)
        self.outputs: OutputFiles = outputs or {}


class RefusedError(SuiteError):
    """The tool did not accept its command line, so it began nothing. No device is at fault: all would be refused alike."""


@dataclass(frozen=True, slots=True)
class Task:
    """One batch, laid out in `work`: bin/<id>.bin, listed in demo.info in the order of `ids`.

    set_up  a shell command that lays out `work` again, where it does not stay; "" where it does
    log     what the tool says is kept there
    """

    om: Path
    ids: tuple[str, ...]
    canvas_wh: tuple[int, int]
    work: Path
    device_id: int
    timeout_s: float
    set_up: str = ""
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool made of a task: every picture's files, what it said of its speed, the command that ran."""

    outputs: OutputFiles
    perf: Perf
    command: CommandResult


def run_tool(
    words: Sequence[str | Path],
    task: Task,
    finished: Callable[[], OutputFiles],
    hints: Mapping[str, str] = NO_HINTS,
    env: Mapping[str, str] = NO_VARIABLES,
) -> CommandResult:
    """Run a tool over a task, in its folder, with `env` added to its environment; its words go to tool.log.

    `finished()` looks up which files the tool has written by then; `hints`: pattern of what this tool alone says -> what to do.

    Raises:
        RefusedError: the tool does not accept its command line.
        OmRunError: the tool is missing, hangs, or does not end with 0; carries what it finished.
    """
    log = task.log or task.work / LOG
    try:
        done = run(words, cwd=task.work, env=env, timeout_s=task.timeout_s, log=log, set_up=task.set_up)
    except CommandTimeoutError as error:
        raise OmRunError(str(error) + _hint(error.result, hints), finished()) from error
    except CommandError as error:
        raise OmRunError(str(error)) from error
    except OSError as error:  # the tool is ended; what it finished by then is whole
        raise OmRunError(f"cannot write {log}: {error.strerror}; {_ROOM}", finished()) from error
    if done.returncode == REFUSED and _USAGE_ERROR.search(done.stderr) and not finished():
        raise RefusedError(explain(done, f"{Path(words[0]).name} did not accept its command line") + _hint(done, hints))
    if done.returncode:
        said = explain(done, f"the batch of {len(task.ids)} pictures on device {task.device_id} failed")
        raise OmRunError(said + _hint(done, hints), finished())
    return done


def _hint(done: CommandResult, hints: Mapping[str, str]) -> str:
    said = done.stdout + done.stderr
    found = dict.fromkeys(hint for pattern, hint in {**HINTS, **hints}.items() if re.search(pattern, said))
    return "".join(f"\n  try:     {hint}" for hint in found)


def output_files(folder: Path, ids: Sequence[str], first: int, suffix: str) -> OutputFiles:
    """Files `<id>_<k><suffix>` in `folder`, k = first, first + 1, ... as far as there is no gap; ids without any are left out."""
    found = {id: _in_order(folder, id, first, suffix) for id in ids}
    return {id: files for id, files in found.items() if files}


def _in_order(folder: Path, id: str, first: int, suffix: str) -> tuple[Path, ...]:
    files: list[Path] = []
    while len(files) < LARGEST_COUNT and (file := folder / f"{id}_{first + len(files)}{suffix}").is_file():
        files.append(file)
    return tuple(files)
