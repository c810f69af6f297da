"""Run the published inference tool, `benchmark.<arch>`, on one batch. Flags: the published guide, 5.2. Outputs count from 1.

We could not read the tool's own manual. So this module takes 0 as success, as for every tool, and then checks the files that
the tool wrote; it does not rely on the tool's printed text.
"""

import shutil
from pathlib import Path
from typing import Final

from rfcn_lib import spec
from rfcn_lib.ascend.tool_run import OmRunError, OutputFiles, Task, ToolResult, output_files, run_tool
from rfcn_lib.pictures.bin_files import INFO
from rfcn_lib.speed.perf import PerfError, expect_pictures, read_text
from rfcn_lib.speed.perf_files import perf_from_benchmark

NAME: Final = "benchmark"
RESULT: Final = "result"


def command(tool: Path, task: Task) -> tuple[str, ...]:
    """The command line for one batch. It must run in the task's folder."""
    width, height = task.canvas_wh
    return (
        str(tool),
        "-model_type=vision",
        f"-device_id={task.device_id}",
        "-batch_size=1",
        f"-om_path={task.om}",
        f"-input_text_path=./{INFO}",
        f"-input_width={width}",
        f"-input_height={height}",
        "-output_binary=True",
        "-useDvpp=False",
    )


def run_batch(tool: str | Path, task: Task) -> ToolResult:
    """Run one batch. This function first removes old results, because the tool does not.

    Raises:
        RefusedError: the tool does not accept its command line.
        OmRunError: the tool is missing, hangs or fails, or its perf file does not describe exactly these pictures.
    """
    folder = task.work / RESULT
    if folder.exists():
        shutil.rmtree(folder)

    def finished() -> OutputFiles:
        return output_files(folder / f"dumpOutput_device{task.device_id}", task.ids, spec.DUMP_FIRST_INDEX, ".bin")

    result = run_tool(command(Path(tool).absolute(), task), task, finished)
    path = folder / f"perf_vision_batchsize_1_device_{task.device_id}.txt"
    try:
        perf = perf_from_benchmark(read_text(path), task.device_id, str(path))
        expect_pictures(perf, len(task.ids))
    except PerfError as error:
        raise OmRunError(f"{error}\n  log:     {result.log}\n  by hand: {result.shell_line}", finished()) from error
    return ToolResult(finished(), perf, result)
