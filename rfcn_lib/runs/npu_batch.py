"""One batch of pictures on one device: laid out, run, and what it finished kept.

<folder>/dumps/<id>_<k>.bin      as `rfcn_lib.score.dump_audit` reads them
<folder>/made.txt                digest of each dump as it came from the device; `rfcn_lib.runs.filling`
<folder>/timings/*.json          what the tool said of its speed, one per batch; `rfcn_lib.speed.timings`
<folder>/work/device<N>/         the batch under way, where the tool runs: bin/, demo.info, tool.log
<folder>/work/next-<id>/         the batch after it, laid out meanwhile
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from rfcn_lib.ascend import ais_bench
from rfcn_lib.ascend import benchmark as benchmark_tool
from rfcn_lib.ascend.outputs import content_fault, format_fault, move_to_dumps
from rfcn_lib.ascend.place import needs_plain_folder, paths_after_the_run, tool_folder
from rfcn_lib.ascend.tool_run import LOG, OmRunError, OutputFiles, RefusedError, Task, ToolResult
from rfcn_lib.files import plain_place
from rfcn_lib.pictures.bins import BINS, lay_out
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.port import Port
from rfcn_lib.records import LoadPicture
from rfcn_lib.runs.disk import NoRoomError, expect_batch_room, is_full
from rfcn_lib.runs.filling import Jpegs, ledger
from rfcn_lib.score.dumps import FULL, digest_of, file_names
from rfcn_lib.speed.timings import Timing, write_timing

DUMPS: Final = "dumps"
TIMINGS: Final = "timings"
WORK: Final = "work"
START_S: Final = 300.0  # to load a model, on a slow host; with PICTURE_S the default time limit of a batch
PICTURE_S: Final = 30.0  # the published rate is 1.2 pictures per second and chip


@dataclass(frozen=True, slots=True)
class Tool:
    """Which inference tool.

    program  benchmark: path of benchmark.<arch>; ais_bench: "python3", the one on PATH, or another's absolute path
    """

    name: Literal["benchmark", "ais_bench"]
    program: str


def run_batch(tool: Tool, task: Task) -> ToolResult:
    """One batch through a tool: outputs by id, what it said of its speed, the command. Raises OmRunError."""
    run = benchmark_tool.run_batch if tool.name == benchmark_tool.NAME else ais_bench.run_batch
    return run(tool.program, task)


def work_folder(folder: Path, device: int) -> Path:
    """Where a device's batch is laid out, and its tool is run."""
    return folder / WORK / f"device{device}"


def next_folder(folder: Path, ids: Sequence[str]) -> Path:
    """Where a batch is laid out for whichever device takes it."""
    return folder / WORK / f"next-{ids[0]}"


def forget_next(folder: Path) -> None:
    """Remove what was laid out for nobody: a device was lost, or an earlier run."""
    for place in (folder / WORK).glob("next-*"):
        shutil.rmtree(place)


@dataclass(frozen=True, slots=True)
class Model:
    """A compiled model, by its content, and the port on the canvas that it was compiled for."""

    om: Path
    sha256: str
    port: Port


@dataclass(frozen=True, slots=True)
class Job:
    """What every batch needs; `models`: id -> the model of its canvas. A batch is of one canvas."""

    folder: Path
    models: Mapping[str, Model]
    shown: LoadPicture
    tool: Tool
    timeout_s: float | None
    jpegs: Jpegs | None
    jpeg_sha256: dict[str, str] = field(default_factory=dict)  # of the pictures laid out so far

    def lay(self, ids: tuple[str, ...]) -> float:
        """Write the bins of a batch, for whichever device takes it; returns when that began, seconds since the epoch."""
        since = time.time()
        expect_batch_room(self.folder, len(ids), self.models[ids[0]].port)
        place = next_folder(self.folder, ids)
        if place.exists():
            shutil.rmtree(place)
        before = list(self.jpegs(ids)) if self.jpegs else []
        lay_out(place, ids, self.shown)
        if self.jpegs and list(self.jpegs(ids)) != before:
            raise PictureError(
                f"a JPEG of {ids[0]} to {ids[-1]} changed while it was read; leave it alone and run again"
            )
        self.jpeg_sha256.update(zip(ids, before, strict=bool(self.jpegs)))
        return since

    def do(self, ids: tuple[str, ...], device: int, since: float) -> None:
        """Run a batch that was laid out since then.

        Raises:
            OmRunError: the device is at fault.
            RefusedError: the tool does not accept its command line, whatever the device.
            NoRoomError: the disk is full.
        """
        try:
            _one_batch(self, ids, device, since)
        except OmRunError:
            # a tool on a full disk fails in many ways, and no other device would fare better
            expect_batch_room(self.folder, 0, self.models[ids[0]].port)
            raise


def _one_batch(job: Job, ids: tuple[str, ...], device: int, since: float) -> None:
    work, model = work_folder(job.folder, device), job.models[ids[0]]
    canvas_wh = model.port.pictures.canvas_wh_px
    if work.exists():
        shutil.rmtree(work)
    next_folder(job.folder, ids).rename(work)
    limit_s = job.timeout_s or START_S + PICTURE_S * len(ids)
    began = time.time()
    bins_kept = f"\n  its bins are kept in {work / BINS} for the line above, until the next run"
    if needs_plain_folder(work, model.om):
        expect_batch_room(plain_place(work).parent, len(ids), model.port)
    try:
        with tool_folder(work, model.om) as place:
            log = work / LOG
            made = run_batch(job.tool, Task(place.om, ids, canvas_wh, place.work, device, limit_s, place.set_up, log))
    except RefusedError as error:
        raise RefusedError(f"{error}{bins_kept}") from error
    except OmRunError as error:
        outputs, full = paths_after_the_run(error.outputs, place.work, work), is_full(job.folder)
        kept = _keep(job, ids, outputs, work)
        if full:  # no device is at fault
            raise _full_disk(job, ids, outputs, kept) from error
        raise OmRunError(f"{len(ids) - len(kept)} of {len(ids)} pictures are left: {error}{bins_kept}") from error
    ended = time.time()
    made = replace(made, outputs=paths_after_the_run(made.outputs, place.work, work))
    faults = {id: format_fault(files, model.port) for id, files in made.outputs.items()}
    strange = [content_fault(files, model.port) for id, files in made.outputs.items() if not faults[id]]
    if all(strange) and len(strange) == len(ids):  # one alone is kept: the audit before the score names it
        raise OmRunError(
            f"none of {len(ids)} pictures has outputs that can be judged, though {made.perf.tool} ended well; {strange[0]}: is "
            f"the om float32, its outputs in order?\n  log:     {work / LOG}\n  by hand: {made.command.shell_line}"
        )
    kept = _keep(job, ids, made.outputs, work)
    left = [id for id in ids if id not in kept]
    if left:
        why = faults.get(left[0]) or "the tool wrote nothing for it"
        raise OmRunError(
            f"{len(left)} of {len(ids)} pictures have no whole outputs, though {made.perf.tool} ended well; "
            f"{left[0]}: {why}\n  log:     {work / LOG}\n  by hand: {made.command.shell_line}"
        )
    shutil.rmtree(work / BINS)
    timing = Timing(ids, model.sha256, made.perf, made.command.shell_line, (began, ended), (since, time.time()))
    write_timing(job.folder / TIMINGS, timing)


def _keep(job: Job, ids: Sequence[str], outputs: OutputFiles, work: Path) -> set[str]:
    """Move what is whole into the dumps, and note the digest of each; returns whose. On a full disk the bins make room.

    Raises:
        NoRoomError: the disk takes no dump even so; names the file.
    """
    port, dumps = job.models[ids[0]].port, job.folder / DUMPS
    whole = {id: files for id, files in outputs.items() if id in ids and not format_fault(files, port)}
    if is_full(job.folder):
        shutil.rmtree(work / BINS, ignore_errors=True)
    try:
        with ledger(dumps) as note:
            for id, files in whole.items():
                note(f"{id} -")  # a kill amid its three files must not leave them under an older line
                for file, name in zip(files, file_names(id), strict=True):
                    move_to_dumps(file, dumps / name)
                note(" ".join([id, digest_of(dumps, id), *([job.jpeg_sha256[id]] if job.jpegs else [])]))
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise NoRoomError(
            f"{error.filename or dumps} could not be written: {error.strerror}; free some room on this disk, or pass "
            "--store=DIR on another one; the next run goes on"
        ) from error
    return set(whole)


def _full_disk(job: Job, ids: Sequence[str], outputs: OutputFiles, kept: set[str]) -> NoRoomError:
    """The error of a batch whose tool found the disk full: names the first file that is not whole."""
    cut = next((id for id in ids if id not in kept), ids[-1])
    files = outputs.get(cut) or (job.folder / DUMPS / file_names(cut)[0],)
    return NoRoomError(
        f"the disk of {job.folder} was full when {job.tool.name} wrote {files[-1].name}; {len(kept)} of the batch's "
        f"{len(ids)} pictures are kept, and its bins are removed for room; free some, or pass --store=DIR on another disk; "
        "the next run goes on"
    )
