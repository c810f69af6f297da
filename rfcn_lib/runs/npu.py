"""Compiled models on the vendor's devices: batches of bins in, dumps and timings out, by whichever tool is there.

A picture is done when its dump *and* a timing of it are there. A batch that fails leaves the dumps it finished; its
pictures run again, on another device or in the next run, so that every picture judged is also timed. At most two batches
a device lie on the disk as bins: the whole set would be 107 GB. What lies where: `rfcn_lib.runs.npu_batch`.
"""

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rfcn_lib.ascend.health import note_health_problems
from rfcn_lib.ascend.place import needs_plain_folder
from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.files import PathError, plain_place
from rfcn_lib.pictures.bins import BinError
from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, ids_of
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.progress import progress
from rfcn_lib.records import LoadPicture
from rfcn_lib.runs.disk import NoRoomError, bin_bytes, in_batches
from rfcn_lib.runs.filling import Jpegs, expect_unchanged, unfinished
from rfcn_lib.runs.npu_batch import DUMPS, TIMINGS, WORK, Job, Model, Tool, forget_next, work_folder
from rfcn_lib.runs.plans import expect_room, in_canvases, say_hours, say_plan
from rfcn_lib.runs.work_queue import Pile, finished
from rfcn_lib.speed.timings import Timing, chosen, read_timings

__all__ = ["DUMPS", "Filled", "OmRunError", "Tool", "fill_by_tool", "work_folder"]


NAMELESS: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Filled:
    """Timings that cover every picture once; and devices that were given up, with the reason."""

    timings: tuple[Timing, ...]
    lost: Mapping[int, str]


def fill_by_tool(
    folder: Path,
    canvases: IdsByCanvas,
    port: Port,
    shown: LoadPicture,
    tool: Tool,
    oms: Mapping[Wh, Path],
    devices: Sequence[int],
    *,
    batch: Mapping[Wh, int],
    what: str,
    timeout_s: float | None = None,
    troubles: Callable[[], Sequence[str]] = tuple,
    jpegs: Jpegs | None = None,
    called: Mapping[int, str] = NAMELESS,
) -> Filled:
    """Make what is missing of the dumps and timings of every canvas's pictures; devices take batches from one pile.

    A device whose batch fails gets no other one; its pictures go to the others, which is said on stderr and returned.
    Devices: ids as the tool counts them, one thread each. `oms`: canvas -> model. `batch`: canvas -> pictures per run of
    the tool, 22 MB each on the disk at the published canvas, and as much again for the batch that is laid out meanwhile.
    `timeout_s`: of one run of the tool; default 300 s and 30 s per picture. Timings belong to the content of the om; those
    of another are left alone and not returned. `troubles()` is asked before the first batch and after the last, however
    it ends; what it says is kept in the folder, as are lost devices: a later run that goes on stands on both. `jpegs`:
    as in `fill`. `called`: device -> what a message calls it, for example with the NPU's own number.

    Raises:
        DumpError: the disk has no room for the dumps that are missing; nothing was begun.
        OmRunError: no device is left, the disk is full, or the tool takes neither the folder's path nor the temporary
            folder's. What was finished stays, and the next call goes on.
        RefusedError: the tool does not accept its command line.
        PictureError: a JPEG changed meanwhile.
        Whatever `shown` raises for a picture that cannot be prepared.
    """
    if min(batch.values(), default=0) < 1 or not devices or len(set(devices)) != len(devices) or min(devices) < 0:
        raise OmRunError(
            f"batches are {list(batch.values())} and devices are {list(devices)}, but should be 1 or more pictures, and "
            "different device ids from 0; see `npu-smi info`"
        )
    models = {
        canvas: Model(oms[canvas].absolute(), _sha256_of(oms[canvas]), on_canvas(port, canvas)) for canvas in canvases
    }
    for model in models.values():
        if needs_plain_folder(folder / WORK, model.om):
            _expect_plain_place(folder / WORK)
    for name in (DUMPS, TIMINGS, WORK):
        (folder / name).mkdir(parents=True, exist_ok=True)
    forget_next(folder)
    pile, ids = Pile([]), ids_of(canvases)
    for canvas, of_canvas in canvases.items():
        left = _wanted(folder, of_canvas, models[canvas], jpegs)
        pile.batches += [left[at : at + batch[canvas]] for at in range(0, len(left), batch[canvas])]
    wanted = [id for of_batch in pile.batches for id in of_batch]
    before = len(ids) - len(wanted)
    if wanted:
        room = expect_room(folder, len(wanted), port, f"{tool.name} on {', '.join(str(m.om) for m in models.values())}")
        bins = in_batches(devices, [batch[canvas] for canvas in canvases], [bin_bytes(canvas) for canvas in canvases])
        say_plan(what, len(wanted), before, f"{tool.name}: {in_canvases(canvases)}", f"{bins}, {room}")
    job = Job(
        folder, {id: models[canvas] for canvas in canvases for id in canvases[canvas]}, shown, tool, timeout_s, jpegs
    )
    note_health_problems(folder, troubles() if wanted else ())
    at_once, start, paced = min(len(devices), len(pile.batches)), time.monotonic(), False
    try:
        for of_batch in progress(finished(pile, devices, job.lay, job.do), len(wanted), what, before=before, size=len):
            if not paced:
                rest = [id for id in wanted if id not in of_batch]
                say_hours(what, (time.monotonic() - start) / at_once, of_batch, rest, canvases)
                paced = True
    finally:
        note_health_problems(
            folder, [f"{called.get(id, f'device {id}')} was lost: {reason}" for id, reason in pile.lost.items()]
        )
        note_health_problems(folder, troubles() if wanted else ())
    forget_next(folder)
    if pile.fatal and not isinstance(pile.fatal, BinError | OSError | NoRoomError):
        raise pile.fatal  # no fault of a device or the disk: it stays the error it is
    if pile.fatal or pile.batches:
        raise _gave_up(folder, ids, port, pile) from pile.fatal
    expect_unchanged(folder / DUMPS, ids, port, jpegs)
    if not pile.lost:
        shutil.rmtree(folder / WORK)
    timings = [
        t for canvas, model in models.items() for t in chosen(_timings_of(folder, model).values(), canvases[canvas])
    ]
    return Filled(tuple(timings), dict(pile.lost))


def _wanted(folder: Path, ids: Sequence[str], model: Model, jpegs: Jpegs | None) -> tuple[str, ...]:
    """Ids without a dump, then ids without a timing. A timing of a dump that is gone is removed: it runs again."""
    without = set(unfinished(folder / DUMPS, ids, model.port, jpegs))
    timings = _timings_of(folder, model)
    for path in [path for path, timing in timings.items() if without.intersection(timing.ids)]:
        path.unlink()
        del timings[path]
    timed = {id for timing in chosen(timings.values(), ids) for id in timing.ids}
    return (*(id for id in ids if id in without), *(id for id in ids if id not in without and id not in timed))


def _timings_of(folder: Path, model: Model) -> dict[Path, Timing]:
    return {path: timing for path, timing in read_timings(folder / TIMINGS).items() if timing.om_sha256 == model.sha256}


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
        if pile.lost:  # each says of its bins that they are kept
            said.append(f"  all bins are removed from {folder / WORK}, for room; the next run lays them out again")
    return OmRunError(
        f"{there} of {len(ids)} pictures have dumps, in {folder / DUMPS}; the next run goes on from there\n"
        + "\n".join(said)
    )


def _expect_plain_place(work: Path) -> None:
    """Before any picture is prepared: there is a folder whose path the tools take."""
    try:
        plain_place(work)
    except PathError as error:
        raise OmRunError(str(error)) from error


def _sha256_of(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise OmRunError(f"cannot read the compiled model {file}: {error.strerror}; compile it again") from error
    return digest.hexdigest()
