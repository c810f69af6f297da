"""A compiled model on the vendor's devices: batches of bins in, dumps and timings out, by whichever tool is there.

    <folder>/dumps/<id>_<k>.bin      as `rfcn_lib.score.dumps` reads them
    <folder>/made.txt                digest of each dump as it came from the device; `rfcn_lib.devices.filling`
    <folder>/timings/*.json          what the tool said of its speed, one per batch; `rfcn_lib.score.throughput`
    <folder>/work/device<N>/         the batch under way, where the tool runs: bin/, demo.info, tool.log
    <folder>/work/next-<id>/         the batch after it, laid out meanwhile

A picture is done when its dump *and* a timing of it are there. A batch that fails leaves the dumps it finished; its
pictures run again, on another device or in the next run, so that every picture judged is also timed. At most two batches
a device lie on the disk as bins: the whole set would be 107 GB.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from rfcn_lib.devices import ais_bench, benchmark_tool
from rfcn_lib.devices.filling import Jpegs, Prepare, expect_unchanged, ledger, unfinished
from rfcn_lib.devices.om_batch import LOG, Batch, OmRunError, Outputs, Task
from rfcn_lib.devices.om_outputs import bring, content_fault, fault
from rfcn_lib.devices.om_room import NoRoomError, expect_batch_room, plan
from rfcn_lib.devices.sharing import Pile, finished
from rfcn_lib.devices.troubles import note_troubles
from rfcn_lib.pictures.bins import BINS, BinError, lay_out
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.port import Port
from rfcn_lib.progress import progress, say
from rfcn_lib.score.dumps import digest_of, file_names
from rfcn_lib.score.throughput import Timing, chosen, read_timings, write_timing

__all__ = ["Filled", "OmRunError", "Tool", "fill_by_tool", "run_batch"]

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


def run_batch(tool: Tool, task: Task) -> Batch:
    """One batch through a tool: outputs by id, what it said of its speed, the command. Raises OmRunError."""
    run = benchmark_tool.run_batch if tool.name == benchmark_tool.NAME else ais_bench.run_batch
    return run(tool.program, task)


def work_folder(folder: Path, device: int) -> Path:
    """Where a device's batch is laid out, and its tool is run."""
    return folder / WORK / f"device{device}"


def _next_folder(folder: Path, ids: Sequence[str]) -> Path:
    return folder / WORK / f"next-{ids[0]}"


def _forget_next(folder: Path) -> None:
    """Remove what was laid out for nobody: a device was lost, or an earlier run."""
    for place in (folder / WORK).glob("next-*"):
        shutil.rmtree(place)


@dataclass(frozen=True, slots=True)
class Filled:
    """Timings that cover every picture once; and devices that were given up, with the reason."""

    timings: tuple[Timing, ...]
    lost: Mapping[int, str]


def fill_by_tool(
    folder: Path,
    ids: Sequence[str],
    port: Port,
    shown: Prepare,
    tool: Tool,
    om: Path,
    devices: Sequence[int],
    *,
    batch: int,
    what: str,
    timeout_s: float | None = None,
    troubles: Callable[[], Sequence[str]] = tuple,
    jpegs: Jpegs | None = None,
) -> Filled:
    """Make what is missing of the dumps and timings of `ids`; devices take batches from one pile.

    A device whose batch fails gets no other one; its pictures go to the others, which is said on stderr and returned.
    Devices: ids as the tool counts them, one thread each. `batch`: pictures per run of the tool, 22 MB each on the disk
    at the published canvas, and as much again for the batch that is laid out meanwhile. `timeout_s`: of one run of the
    tool; default 300 s and 30 s per picture. Timings belong to the content of `om`; those of another are left alone and
    not returned. `troubles()` is asked before the first batch and after the last, however it ends; what it says is kept
    in the folder, as are lost devices: a later run that goes on stands on both. `jpegs`: as in `fill`.

    Raises:
        DumpError: the disk has no room for the dumps that are missing; nothing was begun.
        OmRunError: no device is left, or the disk is full. What was finished stays, and the next call goes on.
        PictureError: a JPEG changed meanwhile.
        Whatever `shown` raises for a picture that cannot be prepared.
    """
    if batch < 1 or not devices or len(set(devices)) != len(devices) or min(devices) < 0:
        raise OmRunError(
            f"batch is {batch} and devices are {list(devices)}, but should be 1 or more pictures, and different device "
            "ids from 0; see `npu-smi info`"
        )
    om_sha256 = _sha256_of(om)
    for name in (DUMPS, TIMINGS, WORK):
        (folder / name).mkdir(parents=True, exist_ok=True)
    _forget_next(folder)
    wanted = _wanted(folder, ids, port, om_sha256, jpegs)
    pile = Pile([wanted[at : at + batch] for at in range(0, len(wanted), batch)])
    job = _Job(folder, port, shown, tool, om.absolute(), om_sha256, timeout_s, jpegs)
    before = len(ids) - len(wanted)
    if wanted:
        pieces = plan(folder, len(wanted), port, f"{tool.name} on {job.om}", devices, batch)
        say(
            f"{what}: {len(wanted):,} pictures to do, {before:,} already there; {tool.name}: {pieces}; stop when you like"
        )
    note_troubles(folder, troubles() if wanted else ())
    try:
        for _ in progress(finished(pile, devices, job.lay, job.do), len(wanted), what, before=before, size=len):
            pass
    finally:
        note_troubles(folder, [f"device {id} was lost: {reason}" for id, reason in pile.lost.items()])
        note_troubles(folder, troubles() if wanted else ())
    _forget_next(folder)
    if pile.fatal and not isinstance(pile.fatal, BinError | OSError | NoRoomError):
        raise pile.fatal  # no fault of a device or the disk: it stays the error it is
    if pile.fatal or pile.batches:
        raise _gave_up(folder, ids, port, pile) from pile.fatal
    expect_unchanged(folder / DUMPS, ids, port, jpegs)
    if not pile.lost:
        shutil.rmtree(folder / WORK)
    timings = chosen(_timings_of(folder, om_sha256).values(), ids)
    return Filled(timings, dict(pile.lost))


@dataclass(frozen=True, slots=True)
class _Job:
    folder: Path
    port: Port
    shown: Prepare
    tool: Tool
    om: Path
    om_sha256: str
    timeout_s: float | None
    jpegs: Jpegs | None
    jpeg_sha256: dict[str, str] = field(default_factory=dict)  # of the pictures laid out so far

    def lay(self, ids: tuple[str, ...]) -> float:
        since = time.time()
        expect_batch_room(self.folder, len(ids), self.port)
        place = _next_folder(self.folder, ids)
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        before = list(self.jpegs(ids)) if self.jpegs else []
        lay_out(place, ids, self.shown)
        if self.jpegs and list(self.jpegs(ids)) != before:
            raise PictureError(
                f"a JPEG of {ids[0]} to {ids[-1]} changed while it was read; leave it alone and run again"
            )
        self.jpeg_sha256.update(zip(ids, before, strict=bool(self.jpegs)))
        return since

    def do(self, ids: tuple[str, ...], device: int, since: float) -> None:
        try:
            _one_batch(self, ids, device, since)
        except OmRunError:
            # a tool on a full disk fails in many ways, and no other device would fare better
            expect_batch_room(self.folder, 0, self.port)
            raise


def _one_batch(job: _Job, ids: tuple[str, ...], device: int, since: float) -> None:
    work = work_folder(job.folder, device)
    canvas_wh = job.port.pictures.canvas_wh_px
    if work.exists():
        shutil.rmtree(work)
    _next_folder(job.folder, ids).rename(work)
    limit_s = job.timeout_s or START_S + PICTURE_S * len(ids)
    began = time.time()
    try:
        made = run_batch(job.tool, Task(job.om, ids, canvas_wh, work, device, limit_s))
    except OmRunError as error:
        kept = _keep(job, ids, error.outputs)
        said = f"{error}\n  its bins are kept in {work / BINS} for the line above, until the next run"
        raise OmRunError(f"{len(ids) - len(kept)} of {len(ids)} pictures are left: {said}") from error
    ended = time.time()
    faults = {id: fault(files, job.port) for id, files in made.outputs.items()}
    strange = [content_fault(files, job.port) for id, files in made.outputs.items() if not faults[id]]
    if all(strange) and len(strange) == len(ids):  # one alone is kept: the audit before the score names it
        raise OmRunError(
            f"none of {len(ids)} pictures has outputs that can be judged, though {made.perf.tool} ended well; {strange[0]}: is "
            f"the om float32, its outputs in order?\n  log:     {work / LOG}\n  by hand: {made.done.typed}"
        )
    kept = _keep(job, ids, made.outputs)
    left = [id for id in ids if id not in kept]
    if left:
        why = faults.get(left[0]) or "the tool wrote nothing for it"
        raise OmRunError(
            f"{len(left)} of {len(ids)} pictures have no whole outputs, though {made.perf.tool} ended well; "
            f"{left[0]}: {why}\n  log:     {work / LOG}\n  by hand: {made.done.typed}"
        )
    shutil.rmtree(work / BINS)
    timing = Timing(ids, job.om_sha256, made.perf, made.done.typed, (began, ended), (since, time.time()))
    write_timing(job.folder / TIMINGS, timing)


def _keep(job: _Job, ids: Sequence[str], outputs: Outputs) -> set[str]:
    """Move whole outputs into the dumps, and note the digest of each; returns whose."""
    whole = {id: files for id, files in outputs.items() if id in ids and not fault(files, job.port)}
    dumps = job.folder / DUMPS
    with ledger(dumps) as note:
        for id, files in whole.items():
            note(f"{id} -")  # a kill amid its three files must not leave them under an older line
            for file, name in zip(files, file_names(id), strict=True):
                bring(file, dumps / name)
            note(" ".join([id, digest_of(dumps, id), *([job.jpeg_sha256[id]] if job.jpegs else [])]))
    return set(whole)


def _wanted(folder: Path, ids: Sequence[str], port: Port, om_sha256: str, jpegs: Jpegs | None) -> tuple[str, ...]:
    """Ids without a dump, then ids without a timing. A timing of a dump that is gone is removed: it runs again."""
    without = set(unfinished(folder / DUMPS, ids, port, jpegs))
    timings = _timings_of(folder, om_sha256)
    for path in [path for path, timing in timings.items() if without.intersection(timing.ids)]:
        path.unlink()
        del timings[path]
    timed = {id for timing in chosen(timings.values(), ids) for id in timing.ids}
    return (*(id for id in ids if id in without), *(id for id in ids if id not in without and id not in timed))


def _timings_of(folder: Path, om_sha256: str) -> dict[Path, Timing]:
    return {path: timing for path, timing in read_timings(folder / TIMINGS).items() if timing.om_sha256 == om_sha256}


def _gave_up(folder: Path, ids: Sequence[str], port: Port, pile: Pile) -> OmRunError:
    """The error of the whole run: how far it came, and every device's reason."""
    there = len(ids) - len(unfinished(folder / DUMPS, ids, port))
    causes: dict[str, list[int]] = {}
    for device, reason in pile.lost.items():
        causes.setdefault(reason, []).append(device)
    said = [f"device {', '.join(map(str, of))}: {reason}" for reason, of in causes.items()]
    if pile.fatal:
        said.insert(0, str(pile.fatal))
        shutil.rmtree(folder / WORK, ignore_errors=True)  # room, when that is what was lacking
    return OmRunError(
        f"{there} of {len(ids)} pictures have dumps, in {folder / DUMPS}; the next run goes on from there\n"
        + "\n".join(said)
    )


def _sha256_of(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise OmRunError(f"cannot read the compiled model {file}: {error.strerror}; compile it again") from error
    return digest.hexdigest()
