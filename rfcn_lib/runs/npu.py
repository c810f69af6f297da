"""Pictures through compiled models on the vendor's devices: batches of bins in, dumps and timings out.

A batch that fails keeps the dumps that it finished; its pictures run again, on another device or in the next run. At most
two batches a device lie on the disk as bins: those of the whole set would be 107 GB.
"""

import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from rfcn_lib.ascend.tool_run import OmRunError, Task, ToolResult
from rfcn_lib.pictures.bin_files import BinError
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.runs.disk import NoRoomError, bin_bytes, in_batches
from rfcn_lib.runs.loop import Finished
from rfcn_lib.runs.npu_batch import BatchRun, Tool, run_tool
from rfcn_lib.runs.npu_folder import NpuRunFolder
from rfcn_lib.runs.work_queue import WorkQueue, run_batches


@dataclass(frozen=True, slots=True)
class NpuEngine:
    """The vendor's inference tool on one or more devices.

    devices    id, as the tool counts devices -> what a message calls it, for example "device 0 (NPU 2048 chip 0)"
    batch      canvas -> pictures of one run of the tool. Each takes 22 MB of the disk at the published canvas, and as much
               again for the batch that is prepared meanwhile
    timeout_s  of one run of the tool; None: 300 s, and 30 s for each picture
    problems   sentences that say what is wrong with the devices now. It is asked before the first batch and after the last
               one, also after an error. The folder keeps its sentences, and the reason of each lost device
    run_tool   runs the tool; a test's own function needs no process

    Raises:
        OmRunError: a batch is empty, there is no device, or an id is negative.
    """

    tool: Tool
    devices: Mapping[int, str]
    batch: Mapping[Wh, int]
    timeout_s: float | None = None
    problems: Callable[[], Sequence[str]] = tuple
    run_tool: Callable[[Tool, Task], ToolResult] = run_tool

    def __post_init__(self) -> None:
        if min(self.batch.values(), default=0) < 1 or not self.devices or min(self.devices) < 0:
            raise OmRunError(
                f"batches are {list(self.batch.values())} and devices are {list(self.devices)}, but should be 1 or more "
                "pictures, and device ids from 0; see `npu-smi info`"
            )

    def describe(self, pictures: Pictures) -> str:
        """`benchmark on devices 0, 1, batches of 20; at most 880 MB of bins`."""
        canvases = list(pictures.by_canvas)
        batches, sizes = [self.batch[canvas] for canvas in canvases], [bin_bytes(canvas) for canvas in canvases]
        return f"{self.tool.name} on {in_batches(list(self.devices), batches, sizes)}"

    def run(self, folder: NpuRunFolder, pictures: Pictures, ids: Sequence[str]) -> Generator[Finished, None, None]:
        """Run the pictures in batches of one canvas; the pace is known after the first batch.

        A device whose batch fails gets no other one. Its pictures go to the other devices.

        Raises:
            OmRunError: no device is left, or the disk is full.
            RefusedError: the tool does not accept its command line.
            PictureError: a JPEG cannot be read, or changed while it was read.
        """
        folder.remove_stale_timings(pictures)
        work = WorkQueue([])
        for canvas_wh, on_canvas in pictures.by_canvas.items():
            here, size = set(on_canvas), self.batch[canvas_wh]
            left = tuple(id for id in ids if id in here)
            work.batches += [left[at : at + size] for at in range(0, len(left), size)]
        batch = BatchRun(folder, pictures, self.tool, self.timeout_s, self.run_tool)
        folder.note_problems(self.problems())
        at_once, started, paced = min(len(self.devices), len(work.batches)), time.monotonic(), False
        try:
            for of_batch in run_batches(work, list(self.devices), batch.prepare, batch.run):
                yield Finished(of_batch, None if paced else (time.monotonic() - started) / at_once)
                paced = True
        finally:
            folder.note_problems([f"{self.devices[lost]} was lost: {reason}" for lost, reason in work.lost.items()])
            folder.note_problems(self.problems())
        if work.fatal and not isinstance(work.fatal, BinError | OSError | NoRoomError):
            raise work.fatal  # neither a device nor the disk is at fault: it stays the error that it is
        if work.fatal or work.batches:
            raise _gave_up(folder, pictures.ids, work) from work.fatal
        if not work.lost:
            shutil.rmtree(folder.work)


def _gave_up(folder: NpuRunFolder, ids: Sequence[str], work: WorkQueue) -> OmRunError:
    """The error of the whole run: how far it came, and the reason of every lost device."""
    causes: dict[str, list[int]] = {}
    for device, reason in work.lost.items():
        causes.setdefault(reason, []).append(device)
    said = [f"device {', '.join(map(str, devices))}: {reason}" for reason, devices in causes.items()]
    if work.fatal:
        said.insert(0, str(work.fatal))
        shutil.rmtree(folder.work, ignore_errors=True)  # room, when that is what was lacking
        if work.lost:  # the reason of each says that its bins are kept
            said.append(f"  all bins are removed from {folder.work}, for room; the next run prepares them again")
    return OmRunError(
        f"{len(folder.finished(ids))} of {len(ids)} pictures have dumps, in {folder.path}; the next run goes on from there\n"
        + "\n".join(said)
    )
