"""One batch of pictures on one device: prepared, run with the vendor's tool, and what it finished moved into the dumps."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from rfcn_lib.ascend import ais_bench
from rfcn_lib.ascend import benchmark as benchmark_tool
from rfcn_lib.ascend.outputs import content_fault, format_fault
from rfcn_lib.ascend.place import needs_plain_folder, paths_after_the_run, tool_folder
from rfcn_lib.ascend.tool_run import LOG, OmRunError, OutputFiles, RefusedError, Task, ToolResult
from rfcn_lib.files import plain_place
from rfcn_lib.pictures.bin_files import BINS, IDS, bin_names, lay_out
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.runs.disk import NoRoomError, expect_batch_room, is_full
from rfcn_lib.runs.npu_folder import TIMINGS, Model, NpuRunFolder
from rfcn_lib.score.dumps import FULL, file_names
from rfcn_lib.speed.timings import Timing, write_timing

START_S: Final = 300.0  # to load a model, on a slow host; with PICTURE_S the default time limit of a batch
PICTURE_S: Final = 30.0  # the published rate is 1.2 pictures per second and chip


@dataclass(frozen=True, slots=True)
class Tool:
    """Which inference tool.

    program  benchmark: path of benchmark.<arch>; ais_bench: "python3", the one on PATH, or another's absolute path
    """

    name: Literal["benchmark", "ais_bench"]
    program: str


def run_tool(tool: Tool, task: Task) -> ToolResult:
    """One batch through a tool: outputs by id, what it said of its speed, the command. Raises OmRunError."""
    run = benchmark_tool.run_batch if tool.name == benchmark_tool.NAME else ais_bench.run_batch
    return run(tool.program, task)


@dataclass(frozen=True, slots=True)
class BatchRun:
    """What every batch of a run needs. All pictures of a batch are on one canvas.

    timeout_s    of one run of the tool; None: START_S and PICTURE_S for each picture
    run_tool     runs the tool: the function `run_tool`, or a test's own
    jpeg_sha256  id -> digest of its JPEG, of the pictures prepared so far
    """

    folder: NpuRunFolder
    pictures: Pictures
    tool: Tool
    timeout_s: float | None = None
    run_tool: Callable[[Tool, Task], ToolResult] = run_tool
    jpeg_sha256: dict[str, str] = field(default_factory=dict)

    def prepare(self, ids: tuple[str, ...]) -> float:
        """Write the bins of a batch, for whichever device takes it; returns when that began, seconds since the epoch.

        Raises:
            NoRoomError: the disk has no room for the batch.
            BinError: a bin cannot be written.
            PictureError: a JPEG cannot be read, or changed while it was read.
        """
        began = time.time()
        expect_batch_room(self.folder.root, len(ids), self.model_of(ids).port)
        place = self.folder.next_of(ids)
        if place.exists():
            shutil.rmtree(place)
        before = self.pictures.digests(ids)
        lay_out(place, ids, self.pictures.load)
        if self.pictures.digests(ids) != before:
            raise PictureError(
                f"a JPEG of {ids[0]} to {ids[-1]} changed while it was read; leave it alone and run again"
            )
        self.jpeg_sha256.update(zip(ids, before, strict=True))
        return began

    def run(self, ids: tuple[str, ...], device: int, began: float) -> None:
        """Run a batch that was prepared, on one device; keep its dumps and its timing. `began`: what `prepare` returned.

        Raises:
            OmRunError: the device is at fault. The pictures that the tool finished are kept.
            RefusedError: the tool does not accept its command line, whatever the device.
            NoRoomError: the disk is full.
        """
        try:
            _run(self, ids, device, began)
        except OmRunError:
            # a tool on a full disk fails in many ways, and no other device would fare better
            expect_batch_room(self.folder.root, 0, self.model_of(ids).port)
            raise

    def model_of(self, ids: Sequence[str]) -> Model:
        """The compiled model of a batch's canvas."""
        canvas_wh = next(wh for wh, on_canvas in self.pictures.by_canvas.items() if ids[0] in on_canvas)
        return self.folder.models[canvas_wh]


def _run(batch: BatchRun, ids: tuple[str, ...], device: int, began: float) -> None:
    folder, model = batch.folder, batch.model_of(ids)
    work, canvas_wh = folder.work_of(device), model.port.pictures.canvas_wh_px
    if work.exists():
        shutil.rmtree(work)
    folder.next_of(ids).rename(work)
    limit_s = batch.timeout_s or START_S + PICTURE_S * len(ids)
    tool_began = time.time()
    bins_kept = f"\n  its bins are kept in {work / BINS} for the line above, until the next run"
    names = bin_names(ids)  # the tool knows a picture by the name of its bin
    id_of = {name: id for id, name in names.items()}
    if any(id != name for id, name in names.items()):
        bins_kept += f"; {work / IDS} says which picture a number is"
    if needs_plain_folder(work, model.om):
        expect_batch_room(plain_place(work).parent, len(ids), model.port)
    try:
        with tool_folder(work, model.om) as place:
            task = Task(place.om, tuple(id_of), canvas_wh, place.work, device, limit_s, place.set_up, work / LOG)
            made = batch.run_tool(batch.tool, task)
    except RefusedError as error:
        raise RefusedError(f"{error}{bins_kept}") from error
    except OmRunError as error:
        outputs = paths_after_the_run(
            {id_of.get(name, name): files for name, files in error.outputs.items()}, place.work, work
        )
        full = is_full(folder.root)
        kept = _keep(batch, ids, outputs, work)
        if full:  # no device is at fault
            raise _full_disk(batch, ids, outputs, kept) from error
        raise OmRunError(f"{len(ids) - len(kept)} of {len(ids)} pictures are left: {error}{bins_kept}") from error
    tool_ended = time.time()
    of_id = {id_of.get(name, name): files for name, files in made.outputs.items()}
    made = replace(made, outputs=paths_after_the_run(of_id, place.work, work))
    faults = {id: format_fault(files, model.port) for id, files in made.outputs.items()}
    strange = [content_fault(files, model.port) for id, files in made.outputs.items() if not faults[id]]
    if all(strange) and len(strange) == len(ids):  # one alone is kept: the audit before the score names it
        raise OmRunError(
            f"none of {len(ids)} pictures has outputs that can be judged, though {made.perf.tool} ended well; {strange[0]}: is "
            f"the om float32, its outputs in order?\n  log:     {work / LOG}\n  by hand: {made.command.shell_line}"
        )
    kept = _keep(batch, ids, made.outputs, work)
    left = [id for id in ids if id not in kept]
    if left:
        why = faults.get(left[0]) or "the tool wrote nothing for it"
        raise OmRunError(
            f"{len(left)} of {len(ids)} pictures have no whole outputs, though {made.perf.tool} ended well; "
            f"{left[0]}: {why}\n  log:     {work / LOG}\n  by hand: {made.command.shell_line}"
        )
    shutil.rmtree(work / BINS)
    spans = (tool_began, tool_ended), (began, time.time())
    timing = write_timing(folder.root / TIMINGS, Timing(ids, model.sha256, made.perf, made.command.shell_line, *spans))
    folder.keep_log(work / LOG, timing)


def _keep(batch: BatchRun, ids: Sequence[str], outputs: OutputFiles, work: Path) -> set[str]:
    """Move the pictures whose outputs are whole into the dumps; returns their ids. On a full disk the bins make room.

    Raises:
        NoRoomError: the disk takes no dump even so; names the file.
    """
    port = batch.model_of(ids).port
    whole = {id: files for id, files in outputs.items() if id in ids and not format_fault(files, port)}
    if is_full(batch.folder.root):
        shutil.rmtree(work / BINS, ignore_errors=True)
    try:
        for id, files in whole.items():
            batch.folder.add_files(id, files, batch.jpeg_sha256[id])
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoRoomError(
            f"{error.filename or batch.folder.path} could not be written: {error.strerror}; free some room on this disk, "
            "or pass --store=DIR on another one; the next run goes on"
        ) from error
    return set(whole)


def _full_disk(batch: BatchRun, ids: Sequence[str], outputs: OutputFiles, kept: set[str]) -> NoRoomError:
    """The error of a batch whose tool found the disk full: names the first file that is not whole."""
    cut = next((id for id in ids if id not in kept), ids[-1])
    files = outputs.get(cut) or (batch.folder.path / file_names(cut)[0],)
    return NoRoomError(
        f"the disk of {batch.folder.root} was full when {batch.tool.name} wrote {files[-1].name}; {len(kept)} of the "
        f"batch's {len(ids)} pictures are kept, and its bins are removed for room; free some, or pass --store=DIR on another "
        "disk; the next run goes on"
    )
