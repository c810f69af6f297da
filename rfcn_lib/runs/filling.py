"""One picture after another through a device into a folder of dumps; what is there already is not done again.

The next picture is decoded and resized while the device is at work on this one. Whatever ends a run (Ctrl-C, kill -9, a
full disk, a power cut), a finished picture stays and the next run makes only the others: a dump counts as finished when
its files have their sizes and the ledger beside the folder has its line, which is written last.
"""

import os
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from rfcn_lib.pictures.canvases import IdsByCanvas, Wh
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.port import Port
from rfcn_lib.progress import progress, say
from rfcn_lib.records import Floats, LoadPicture, Outputs, Picture, RunPicture
from rfcn_lib.runs.plans import expect_room, in_canvases, say_hours, say_plan
from rfcn_lib.score.dumps import digest_of, file_names, shapes, sweep, write_dump

Jpegs = Callable[[Sequence[str]], Sequence[str]]  # ids -> sha256 (hex) of their JPEGs as they lie there now

LEDGER: Final = "made.txt"  # beside the folder of dumps: `id sha256-of-dump sha256-of-jpeg`; an id's last line counts
IN_MEMORY: Final = 2  # prepared pictures: the one that runs and the next; 21.7 MB each at the published canvas
_SHA256: Final = "[0-9a-f]{64}"
_LINE: Final = re.compile(rf"(\S+) ({_SHA256})(?: ({_SHA256}))?|(\S+) -")  # `id -`: its dump is being made again


def made(folder: Path) -> Mapping[str, str]:
    """Id -> sha256 of the dump as the device made it; what lies there now can be held against it."""
    return {id: dump for id, (dump, _) in _read_ledger(folder).items()}


def missing(folder: Path, ids: Sequence[str], port: Port) -> tuple[str, ...]:
    """The ids whose dump is not complete in `folder`: a file absent, or of another size than the port's arrays."""
    sizes = [4 * rows * columns for rows, columns in shapes(port)]
    there = {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()}
    return tuple(
        id for id in ids if any(there.get(name) != size for name, size in zip(file_names(id), sizes, strict=True))
    )


def unfinished(folder: Path, ids: Sequence[str], port: Port, jpegs: Jpegs | None = None) -> tuple[str, ...]:
    """The ids to be done: dump not complete, not in the ledger, or made of another JPEG than lies there now."""
    gone, ledger = set(missing(folder, ids, port)), _read_ledger(folder)
    now = dict(zip(ids, jpegs(ids), strict=True)) if jpegs else {}
    return tuple(id for id in ids if id in gone or id not in ledger or (jpegs and ledger[id][1] != now[id]))


def fill(
    folder: Path,
    ids: Sequence[str],
    port: Port,
    prepare: LoadPicture,
    device: Callable[[], RunPicture],
    what: str,
    *,
    jpegs: Jpegs | None = None,
    canvases: IdsByCanvas | None = None,
    first_look: bool = False,
    planned: bool = False,
) -> int:
    """Make the missing dumps of `ids`, in that order; returns how many that were.

    `device` is only started when one is missing. `prepare` runs in a thread, at most IN_MEMORY pictures at a time. With
    `jpegs` a dump belongs to its JPEG: one that has changed is done again, the others are not. `canvases`:
    whose pictures these are, for the plan that is said before the first picture and the hours after the second one of a
    canvas; by default all are of one. `first_look`: end there. `planned`: the plan was said before.
    No two processes may fill a folder at once; `Store.open_folder` sees to that.

    Raises:
        DumpError: the disk has no room for what is missing (before anything is done), or is full.
        PictureError: a JPEG changed meanwhile. Its dump is not kept under the old one's name.
        Whatever `prepare` raises, when the picture's turn comes, and `device`; what was finished before is kept.
    """
    wanted = begun(folder, ids, port, jpegs)
    if not wanted:
        return 0
    room, run = expect_room(folder, len(wanted), port, what), device()
    with (
        keeping(folder, ids, wanted, what) as keep,
        closing(_prepared(wanted, prepare, jpegs)) as pictures,
    ):
        before, canvas_before, paced, done = len(ids) - len(wanted), None, False, 0
        for id in progress(wanted, len(wanted), what, before=before):
            jpeg_sha256, im_data, picture = next(pictures)
            if not done:
                canvases = canvases or {picture.canvas_wh: tuple(ids)}
                if not planned:
                    say_plan(what, len(wanted), before, in_canvases(canvases), room)
            start = time.monotonic()
            outputs = run(im_data, picture)
            del im_data  # else three are in memory while the next one is awaited
            keep(id, outputs, *jpeg_sha256)
            done += 1
            if not paced and picture.canvas_wh == canvas_before:  # the first one of a canvas also paid for its start
                paced = True
                say_hours(what, time.monotonic() - start, [id], wanted[done:], canvases or {})
                if first_look:
                    return done
            canvas_before = picture.canvas_wh
    expect_unchanged(folder, ids, port, jpegs)
    return done


def by_canvas(start: Callable[[Wh], RunPicture]) -> RunPicture:
    """A device for pictures that come canvas by canvas: `start(canvas_wh)` at its first picture, one at a time."""
    now: tuple[Wh, RunPicture] | None = None

    def run(im_data: Floats, picture: Picture) -> Outputs:
        nonlocal now
        if now is None or now[0] != picture.canvas_wh:
            now = None  # what the last one holds is given back first
            now = picture.canvas_wh, start(picture.canvas_wh)
        return now[1](im_data, picture)

    return run


def begun(folder: Path, ids: Sequence[str], port: Port, jpegs: Jpegs | None) -> tuple[str, ...]:
    """The ids to be done, once what a killed run left half written is gone."""
    sweep(folder)
    return unfinished(folder, ids, port, jpegs)


@contextmanager
def keeping(folder: Path, ids: Sequence[str], wanted: Sequence[str], what: str) -> Iterator[Callable[..., None]]:
    """keep(id, outputs, *jpeg_sha256): write one picture's dump, then its line. A run that is stopped says what is kept."""
    known, done = made(folder), 0
    try:
        with ledger(folder) as note:

            def keep(id: str, outputs: Outputs, *jpeg_sha256: str) -> None:
                nonlocal done
                if id in known:
                    note(f"{id} -")  # a kill amid its three files must not leave them under the old line
                write_dump(folder, id, outputs)
                note(" ".join([id, digest_of(folder, id), *jpeg_sha256]))
                done += 1

            yield keep
    except BaseException:  # KeyboardInterrupt too
        there = f"{len(ids) - len(wanted) + done:,} of {len(ids):,} pictures finished; they are kept in {folder}"
        say(f"{what}: stopped with {there}, and the same command goes on from there")
        raise


def expect_unchanged(folder: Path, ids: Sequence[str], port: Port, jpegs: Jpegs | None) -> None:
    """Raise PictureError where a dump is not of the JPEG that lies there now."""
    changed = unfinished(folder, ids, port, jpegs)
    if changed:
        raise PictureError(
            f"{len(changed)} of {len(ids)} pictures changed after they were shown to the network: {_some(changed)}; "
            "leave the JPEGs alone and run again: only these are done again"
        )


def _prepared(
    ids: Sequence[str], prepare: LoadPicture, jpegs: Jpegs | None
) -> Generator[tuple[tuple[str, ...], Floats, Picture], None, None]:
    """(JPEG's digest, if asked for; tensor; record) of each id, made in a thread while the caller is at work."""

    def one(id: str) -> tuple[tuple[str, ...], Floats, Picture]:
        before = tuple(jpegs([id])) if jpegs else ()
        im_data, picture = prepare(id)
        if jpegs and tuple(jpegs([id])) != before:
            raise PictureError(f"the JPEG of {id} changed while it was read; leave it alone and run again")
        return before, im_data, picture

    thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")
    try:
        waiting = deque(thread.submit(one, id) for id in ids[: IN_MEMORY - 1])
        for id in ids[IN_MEMORY - 1 :]:
            waiting.append(thread.submit(one, id))
            yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        thread.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for a picture nobody wants any more


def _some(ids: Sequence[str]) -> str:
    return " ".join(ids[:5]) + (" ..." if len(ids) > 5 else "")


def _read_ledger(folder: Path) -> dict[str, tuple[str, str | None]]:
    """Id -> (sha256 of its dump, of its JPEG if that was noted). A line that is torn counts as not written."""
    path = folder.parent / LEDGER
    text = path.read_text(encoding="ascii", errors="replace") if path.exists() else ""
    found: dict[str, tuple[str, str | None]] = {}
    for line in text.split("\n"):
        match = _LINE.fullmatch(line)
        if match and match[4]:
            found.pop(match[4], None)
        elif match:
            found[match[1]] = (match[2], match[3])
    return found


@contextmanager
def ledger(folder: Path) -> Iterator[Callable[[str], None]]:
    """note(line): append it, at once. A last line that a kill left without its end is ended first.

    Not synced to the disk, as dumps are: a line lost in a power cut costs one picture made again, and a line that
    arrived was written after its dump was safe.
    """
    with (folder.parent / LEDGER).open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")

        def note(line: str) -> None:
            file.write(f"{line}\n".encode("ascii"))
            file.flush()

        yield note
