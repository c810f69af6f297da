"""Run the current inference tool, `python3 -m ais_bench`, on one batch. Outputs count from 0.

The tool's summary says which output files belong to which picture. This module asks the tool for .npy files, because a
.npy file holds its own type and shape. The published command writes .bin files, which hold neither.

Source: Ascend/tools ais-bench_workload/tool/ais_bench: `__main__.py` and `summary.py`, since 2024 `infer_process.py` too
(releases of 2022-11 to 2025-12); the port's README for 310P.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rfcn_lib.ascend.tool_run import OmRunError, OutputFiles, Task, ToolResult, output_files, run_tool
from rfcn_lib.pictures.bin_files import BINS
from rfcn_lib.speed.perf import PerfError, expect_pictures, read_text
from rfcn_lib.speed.perf_files import perf_from_summary, perfs_from_log, summary_from_text

NAME: Final = "ais_bench"
RESULT: Final = "result"
SUMMARIES: Final = (f"{RESULT}_summary.json", f"{RESULT}_sumary.json")  # beside the folder; the second: old versions
FIRST_INDEX: Final = 0
ENVIRONMENT: Final = MappingProxyType({"PYTHONUTF8": "1"})  # its help and log contain Chinese: with LC_ALL=C it fails
TOLERANCE: Final = 1e-6  # relative difference allowed between the rates in log and summary
HINTS: Final = MappingProxyType(
    {
        "unrecognized arguments": "this version has other flags: look at `python3 -m ais_bench --help`",
        "No module named 'aclruntime'": "pip install the vendor's aclruntime wheel for the python3 on PATH",
        "No module named '?ais_bench": (
            "install ais_bench and aclruntime for the python3 on PATH, and source the toolkit's set_env.sh"
        ),
    }
)
_INDEXED: Final = re.compile(r"(.+)_(\d{1,3})\.npy")


def command(python: str | Path, task: Task) -> tuple[str, ...]:
    """The command line for one batch: the published flags, the output format, the device. It must run in the task's folder."""
    paths = ("--input", f"./{BINS}", "--output", "./", "--output_dirname", RESULT, "--outfmt", "NPY")
    return (str(python), "-m", "ais_bench", "--model", str(task.om), *paths, "--device", str(task.device_id))


def run_batch(python: str | Path, task: Task) -> ToolResult:
    """Run one batch with the interpreter `python` ("python3": the first one on PATH).

    Raises:
        RefusedError: the tool does not accept its command line.
        OmRunError: the tool is missing, hangs or fails, or its summary does not describe exactly these pictures.
    """
    folder = task.work / RESULT
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)
    for name in SUMMARIES:
        (task.work / name).unlink(missing_ok=True)

    def finished() -> OutputFiles:
        return output_files(folder, task.ids, FIRST_INDEX, ".npy")

    result = run_tool(command(python, task), task, finished, HINTS, ENVIRONMENT)
    path = next((task.work / name for name in SUMMARIES if (task.work / name).exists()), task.work / SUMMARIES[0])
    try:
        text = read_text(path)
        perf = perf_from_summary(text, task.device_id, str(path))
        expect_pictures(perf, len(task.ids))
        outputs = outputs_from_summary(summary_from_text(text, str(path)), task, str(path))
        if "throughput" in result.stdout:
            (logged,) = perfs_from_log(result.stdout, task.device_id, f"the end of {NAME}'s log")
            if abs(logged.interface_fps - perf.interface_fps) > TOLERANCE * perf.interface_fps:
                raise PerfError(
                    f"{path} says {perf.interface_fps:g} fps, but {NAME} printed {logged.interface_fps:g}; run again"
                )
    except PerfError as error:
        raise OmRunError(f"{error}\n  log:     {result.log}\n  by hand: {result.shell_line}", finished()) from error
    return ToolResult(outputs, perf, result)


def outputs_from_summary(summary: Mapping[str, Any], task: Task, where: str) -> OutputFiles:
    """Each picture's output files, from the summary's `filesinfo`. Relative paths there start in the task's folder.

    `filesinfo` looks like {"0": {"infiles": ["bin/000001.bin"], "outfiles": ["result/000001_0.npy", ...]}}.
    This function does not check that the files exist or are complete.

    Raises:
        PerfError: a sample has another form; a picture is unknown or listed twice; output files are in the wrong order,
            belong to another picture, are shared by two pictures, or lie outside the task's result folder.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for sample, files in summary["filesinfo"].items():
        infiles, outfiles = (_paths(files, kind) for kind in ("infiles", "outfiles"))
        if len(set(infiles)) != 1 or not outfiles:
            raise PerfError(
                f"{where}: sample {sample!r:.40} is {str(files)[:200]!r}, but should be one picture's infiles and "
                "outfiles; is the model's batch size 1?"
            )
        id = Path(infiles[0]).name.split(".")[0]
        if id not in task.ids or id in found:
            state = "is listed twice" if id in found else "is not in this batch"
            raise PerfError(f"{where}: sample {sample!r:.40} is picture {id!r:.80}, which {state}; run again")
        paths = tuple((task.work / name).resolve() for name in outfiles)
        home = (task.work / RESULT).resolve()
        for index, path in enumerate(paths):
            match = _INDEXED.fullmatch(path.name)
            owner = match[1] if match else ""
            if not match or int(match[2]) != index or path.parent != home or (owner in task.ids and owner != id):
                raise PerfError(
                    f"{where}: output {index} of {id} is {str(path)[-120:]!r}, but should be a file "
                    f"<name>_{index}.npy of that picture in {home}; run again"
                )
        found[id] = paths
    listed = [path for paths in found.values() for path in paths]
    if len(set(listed)) != len(listed):
        raise PerfError(f"{where}: two pictures share an output file, so one of them overwrote the other; run again")
    return found


def _paths(sample: object, kind: str) -> list[str]:
    paths = sample.get(kind) if isinstance(sample, dict) else None
    good = isinstance(paths, list) and all(isinstance(path, str) and path for path in paths)
    return paths if good and isinstance(paths, list) else []
