"""Today's inference tool, `python3 -m ais_bench`: outputs counted from 0, and found by the map in its own summary.

As .npy, because those say their type and shape; the published command leaves the format at .bin, which says neither.

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
from rfcn_lib.pictures.bins import BINS
from rfcn_lib.speed.perf import PerfError, expect_pictures, read_text
from rfcn_lib.speed.perf_files import perf_from_summary, perfs_from_log, summary_from_text

NAME: Final = "ais_bench"
RESULT: Final = "result"
SUMMARIES: Final = (f"{RESULT}_summary.json", f"{RESULT}_sumary.json")  # beside the folder; the second in old versions
FIRST_INDEX: Final = 0
ENVIRONMENT: Final = MappingProxyType({"PYTHONUTF8": "1"})  # its help and log hold Chinese; LC_ALL=C would end it
AGREE: Final = 1e-6  # relative, between log and summary
HINTS: Final = MappingProxyType(
    {
        "unrecognized arguments": "this version knows other flags: see `python3 -m ais_bench --help`",
        "No module named 'aclruntime'": "pip install the vendor's aclruntime wheel for the python3 on PATH",
        "No module named '?ais_bench": (
            "install ais_bench and aclruntime for the python3 on PATH, and source the toolkit's set_env.sh"
        ),
    }
)
_INDEXED: Final = re.compile(r"(.+)_(\d{1,3})\.npy")


def command(python: str | Path, task: Task) -> tuple[str, ...]:
    """The command of one batch, run in the task's folder: the published flags, the format, and which device."""
    where = ("--input", f"./{BINS}", "--output", "./", "--output_dirname", RESULT, "--outfmt", "NPY")
    return (str(python), "-m", "ais_bench", "--model", str(task.om), *where, "--device", str(task.device_id))


def run_batch(python: str | Path, task: Task) -> ToolResult:
    """Run one batch with the interpreter `python` ("python3": the one on PATH).

    Raises:
        RefusedError: the tool does not accept its command line.
        OmRunError: the tool is missing, hangs, fails, or its summary is not of a run over exactly these pictures.
    """
    result = task.work / RESULT
    if result.is_dir() and not result.is_symlink():
        shutil.rmtree(result)
    else:
        result.unlink(missing_ok=True)
    for name in SUMMARIES:
        (task.work / name).unlink(missing_ok=True)

    def finished() -> OutputFiles:
        return output_files(result, task.ids, FIRST_INDEX, ".npy")

    done = run_tool(command(python, task), task, finished, HINTS, ENVIRONMENT)
    path = next((task.work / name for name in SUMMARIES if (task.work / name).exists()), task.work / SUMMARIES[0])
    try:
        text = read_text(path)
        perf = perf_from_summary(text, task.device_id, str(path))
        expect_pictures(perf, len(task.ids))
        outputs = outputs_from_summary(summary_from_text(text, str(path)), task, str(path))
        if "throughput" in done.stdout:
            (logged,) = perfs_from_log(done.stdout, task.device_id, f"{NAME}'s last words")
            if abs(logged.interface_fps - perf.interface_fps) > AGREE * perf.interface_fps:
                raise PerfError(
                    f"{path} says {perf.interface_fps:g} fps, but {NAME} printed {logged.interface_fps:g}; run again"
                )
    except PerfError as error:
        raise OmRunError(f"{error}\n  log:     {done.log}\n  by hand: {done.shell_line}", finished()) from error
    return ToolResult(outputs, perf, done)


def outputs_from_summary(summary: Mapping[str, Any], task: Task, where: str) -> OutputFiles:
    """Each picture's files by `filesinfo`, the tool's own map from input to outputs; relative paths start in `work`.

    Raises:
        PerfError: a sample of another form, a picture unknown or twice, outputs out of order, of another picture, shared
            or outside the task's folder. Whether the files are there and whole is not asked here.
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
            state = "twice" if id in found else "none of this batch"
            raise PerfError(f"{where}: sample {sample!r:.40} is picture {id!r:.80}, which is {state}; run again")
        paths = tuple((task.work / name).resolve() for name in outfiles)
        home = (task.work / RESULT).resolve()
        for index, path in enumerate(paths):
            match = _INDEXED.fullmatch(path.name)
            whose = match[1] if match else ""
            if not match or int(match[2]) != index or path.parent != home or (whose in task.ids and whose != id):
                raise PerfError(
                    f"{where}: output {index} of {id} is {str(path)[-120:]!r}, but should be a file "
                    f"<name>_{index}.npy of that picture in {home}; run again"
                )
        found[id] = paths
    owners = [path for paths in found.values() for path in paths]
    if len(set(owners)) != len(owners):
        raise PerfError(f"{where}: two pictures share an output file, so one of them overwrote the other; run again")
    return found


def _paths(sample: object, kind: str) -> list[str]:
    paths = sample.get(kind) if isinstance(sample, dict) else None
    good = isinstance(paths, list) and all(isinstance(path, str) and path for path in paths)
    return paths if good and isinstance(paths, list) else []
