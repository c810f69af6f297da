"""The loop of every run: find the pictures without a dump, run them through an engine, say how far it is, check the JPEGs.

An engine is where the pictures are run: `local.LocalEngine`, `dask.client.DaskEngine`, `npu.NpuEngine`.
"""

import time
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.progress import progress
from rfcn_lib.runs.announcements import say_plan, say_stopped, say_time_left
from rfcn_lib.runs.disk import expect_room
from rfcn_lib.runs.folder import RunFolder

Folder = TypeVar("Folder", bound=RunFolder)
FolderIn = TypeVar("FolderIn", bound=RunFolder, contravariant=True)


@dataclass(frozen=True, slots=True)
class Finished:
    """Pictures that an engine has just added to the folder.

    pace_s  seconds that the whole engine needs for as many pictures of this canvas, once it can tell; the first pictures of
            a canvas say nothing, for they also paid for its start
    """

    ids: tuple[str, ...]
    pace_s: float | None = None


class Engine(Protocol[FolderIn]):
    """Where pictures are run."""

    def describe(self, pictures: Pictures) -> str:
        """What the plan says of this engine; "" for nothing."""

    def run(self, folder: FolderIn, pictures: Pictures, ids: Sequence[str]) -> Generator[Finished, None, None]:
        """Run `ids`, add each dump to the folder, and yield what was added. Closing the generator ends the run early."""


def run_missing(
    folder: Folder,
    pictures: Pictures,
    engine: Engine[Folder],
    name: str,
    *,
    first_pictures: bool = False,
    say_plan_first: bool = True,
) -> int:
    """Make the dumps that `folder` lacks; returns how many pictures that were. The engine starts only if one is missing.

    name            begins every line that is said, for example "dumps/torch"
    first_pictures  end as soon as the time that the run will take is known and said
    say_plan_first  False where the plan was said already, because run_missing was called before with first_pictures

    Raises:
        DumpError: the disk has no room for what is missing (before anything is done), or is full.
        PictureError: a JPEG cannot be read, or changed meanwhile.
        Whatever the engine raises. What was finished before is kept.
    """
    folder.begin()
    ids = folder.missing(pictures)
    if not ids:
        return 0
    there, left = len(pictures.ids) - len(ids), dict.fromkeys(ids)
    room = expect_room(folder, len(ids), name)
    if say_plan_first:
        say_plan(name, len(ids), there, pictures.by_canvas, engine.describe(pictures), room)
    paced, started = False, time.monotonic()
    try:
        with closing(engine.run(folder, pictures, ids)) as run:
            for finished in progress(run, len(ids), name, before=there, size=lambda finished: len(finished.ids)):
                for id in finished.ids:
                    left.pop(id, None)
                if finished.pace_s is not None and not paced:
                    paced = True
                    say_time_left(name, finished.pace_s, finished.ids, left, pictures.by_canvas)
                    if first_pictures:
                        return len(ids) - len(left)
    except BaseException:  # KeyboardInterrupt too
        say_stopped(name, there + len(folder.added.intersection(ids)), len(pictures.ids), folder)
        raise
    finally:
        if done := len(folder.added.intersection(ids)):
            with suppress(OSError):  # the dumps count, not the clock; a full disk has its own words
                folder.note_seconds(time.monotonic() - started, done)
    folder.expect_unchanged(pictures)
    return len(ids)
