"""Run one of the vendor's inference tools on one batch of pictures, and explain a failure.

`Task` is what the tool gets, `ToolResult` is what it wrote. `benchmark` and `ais_bench` build the command line and read the
results; `run_tool` here starts the program.
"""

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
_BUSY: Final = "the device is busy, lost or absent: look at `npu-smi info`, and choose other devices with --devices="
_MODEL: Final = "is the om whole, and compiled for the chip of this device (--soc)? compile it again"
_DISK_FULL: Final = "free some space on this disk, then run again: the next run continues"
HINTS: Final = {  # pattern in a tool's output -> what to do. The phrases come from ais_bench's log and FAQ
    "acl open device": _BUSY,
    "create context failed": _BUSY,
    "tensorsize: .* not match|input size .* not match": (
        "the model was compiled for another input size than this port's canvas: compile it again"
    ),
    "save out files error": "a bin is incomplete, or the model's batch size is not 1: compile the model again for batch 1",
    "load model from file failed|load model failed": _MODEL,
    "execute model failed|aclmdlExecute failed": (
        "the device failed on a picture: read the plog in ~/ascend/log, then run the line by hand, also on another device"
    ),
    "No space left on device": _DISK_FULL,
    "[0-9]+ requested and [0-9]+ written": _DISK_FULL,  # numpy's message for a full disk
    "permission should not be over": "chmod 750 the folder and 640 the file in the message; this suite sets these modes itself",
    "not exist, please check": "the file in the message is gone: do not change the store during a run, then run again",
    "illegal char|create FileStat failed": "the tool takes paths of A-Z a-z 0-9 _ - . / only: pass --store=DIR with such a path",
    "owner or ownergroup": "the file belongs to another user: run as its owner, or pass --store=DIR of your own",
    "soft link": "the tool does not accept a link: pass the real path with --store=DIR",
}
USAGE_ERROR_STATUS: Final = 2  # Python's argparse ends with it before the tool does any work
_USAGE_ERROR: Final = re.compile(r"^\S+: error: ", re.MULTILINE)  # argparse prints `PROGRAM: error: WHAT IS WRONG`
NO_HINTS: Final[Mapping[str, str]] = MappingProxyType({})
MAX_OUTPUTS: Final = 8  # output files to look for; a port has 3, so a model with more outputs is noticed

OutputFiles = Mapping[str, tuple[Path, ...]]  # id -> one file per output of the model, in its order


class OmRunError(SuiteError):
    """The tool did not run the compiled model to the end. The message has the cause and the line to run by hand.

    `outputs`: the files that the tool had written by then. A file may be incomplete. Empty if nothing is known.
    """

    def __init__(self, sentence: str, outputs: "OutputFiles | None" = None) -> None:
        super().__init__(sentence)
        self.outputs: OutputFiles = outputs or {}


class RefusedError(SuiteError):
    """The tool did not accept its command line and did no work. Every device would fail in the same way."""


@dataclass(frozen=True, slots=True)
class Task:
    """One batch in the folder `work`: the files bin/<id>.bin, and demo.info, which lists them in the order of `ids`.

    canvas_wh  width, height px of the model's input
    timeout_s  after this many seconds the suite ends the tool
    set_up     shell command that makes `work` again if `work` is removed after the run; "" if it stays
    log        file for the tool's output; None: tool.log in `work`
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
    """What a tool made: each picture's output files, the tool's own speed figures, and the command that ran."""

    outputs: OutputFiles
    perf: Perf
    command: CommandResult


def run_tool(
    argv: Sequence[str | Path],
    task: Task,
    finished: Callable[[], OutputFiles],
    hints: Mapping[str, str] = NO_HINTS,
    env: Mapping[str, str] = NO_VARIABLES,
) -> CommandResult:
    """Run a tool on a task in the task's folder, and write its output to the task's log.

    finished  returns the output files that the tool has written so far
    hints     pattern in this tool's output -> what to do, in addition to HINTS
    env       variables that are added to this process's environment

    Raises:
        RefusedError: the tool does not accept its command line.
        OmRunError: the tool is missing, hangs, or does not end with 0. The error carries the files it wrote.
    """
    log = task.log or task.work / LOG
    try:
        result = run(argv, cwd=task.work, env=env, timeout_s=task.timeout_s, log=log, set_up=task.set_up)
    except CommandTimeoutError as error:
        raise OmRunError(str(error) + _hint(error.result, hints), finished()) from error
    except CommandError as error:
        raise OmRunError(str(error)) from error
    except OSError as error:  # `run` has ended the tool
        raise OmRunError(f"cannot write {log}: {error.strerror}; {_DISK_FULL}", finished()) from error
    if result.returncode == USAGE_ERROR_STATUS and _USAGE_ERROR.search(result.stderr) and not finished():
        raise RefusedError(
            explain(result, f"{Path(argv[0]).name} did not accept its command line") + _hint(result, hints)
        )
    if result.returncode:
        sentence = explain(result, f"the batch of {len(task.ids)} pictures on device {task.device_id} failed")
        raise OmRunError(sentence + _hint(result, hints), finished())
    return result


def _hint(result: CommandResult, hints: Mapping[str, str]) -> str:
    text = result.stdout + result.stderr
    found = dict.fromkeys(hint for pattern, hint in {**HINTS, **hints}.items() if re.search(pattern, text))
    return "".join(f"\n  try:     {hint}" for hint in found)


def output_files(folder: Path, ids: Sequence[str], first: int, suffix: str) -> OutputFiles:
    """The files `<id>_<k><suffix>` in `folder` for each id, from k = `first` up to the first gap.

    Example: {"000001": (000001_1.bin, 000001_2.bin, 000001_3.bin)}. An id without a file is left out.
    """
    found = {id: _numbered_files(folder, id, first, suffix) for id in ids}
    return {id: files for id, files in found.items() if files}


def _numbered_files(folder: Path, id: str, first: int, suffix: str) -> tuple[Path, ...]:
    files: list[Path] = []
    while len(files) < MAX_OUTPUTS and (file := folder / f"{id}_{first + len(files)}{suffix}").is_file():
        files.append(file)
    return tuple(files)
