"""A folder of dumps: which pictures are in it, and what each dump was made of.

<path>/<id>_<k>.bin       a dump, `rfcn_lib.score.dumps`
<path>/../made.txt        a line for each finished dump: `<id> <sha256 of the dump> <sha256 of its JPEG>`
<path>/../canvases.txt    the canvases that the dumps were made on, one a line: `688x512`
<path>/../seconds.txt     a line for each run that added dumps: `<seconds> <pictures>`; pauses between runs do not count
<path>/../troubles.txt    what was wrong with the devices that made the dumps, one sentence a line

A dump is finished when its three files have their sizes and made.txt has its line. RunFolder writes that line last. So
Ctrl-C, kill -9, a full disk or a power cut costs only the pictures under way, and the next run makes only those.
"""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

from rfcn_lib.ascend.outputs import move_to_dumps
from rfcn_lib.pictures.canvases import Wh, name_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs
from rfcn_lib.score.dumps import digest_of, file_names, shapes, sweep, write_dump

MADE: Final = "made.txt"
CANVASES: Final = "canvases.txt"
PROBLEMS: Final = "troubles.txt"
SECONDS: Final = "seconds.txt"
LONGEST_PROBLEM: Final = 500  # characters of one sentence in troubles.txt
_SHA256: Final = "[0-9a-f]{64}"
_RUN: Final = re.compile(r"(\d{1,9}\.\d) (\d{1,9})")
_LINE: Final = re.compile(rf"(.+) ({_SHA256}) ({_SHA256})|(.+) -")  # `id -`: an older line of this id counts no more


class RunFolder:
    """A folder of dumps. Only one process may add to it at a time; `Store.open_folder` sees to that.

    path   the folder itself, or a link to it
    port   gives the dumps their sizes
    added  ids that this object has added
    more_bytes  what a picture takes besides its dump
    """

    more_bytes: int = 0

    def __init__(self, path: Path, port: Port) -> None:
        self.path = path
        self.port = port
        self.added: set[str] = set()
        self._beside = path.resolve().parent

    def begin(self) -> None:
        """Remove files that a killed run left half written. Call this before a run, and only when no other run is under way."""
        sweep(self.path)

    # -- what is in it -----------------------------------------------------------------------------------------------

    def missing(self, pictures: Pictures) -> tuple[str, ...]:
        """The ids that the next run has to make, in the order of `pictures.ids`."""
        return self.without_dump(pictures)

    def without_dump(self, pictures: Pictures) -> tuple[str, ...]:
        """The ids that have no finished dump, or one of another JPEG than lies there now.

        Raises:
            DumpError: an id cannot be a file's name.
            StoreError: a JPEG cannot be read.
        """
        incomplete, lines = set(self.incomplete(pictures.ids)), self._lines()
        jpeg_sha256 = zip(pictures.ids, pictures.digests(pictures.ids), strict=True)
        return tuple(id for id, now in jpeg_sha256 if id in incomplete or id not in lines or lines[id][1] != now)

    def finished(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Those of `ids` that have a finished dump, whatever their JPEGs are now."""
        incomplete, lines = set(self.incomplete(ids)), self._lines()
        return tuple(id for id in ids if id in lines and id not in incomplete)

    def incomplete(self, ids: Sequence[str]) -> tuple[str, ...]:
        """Those of `ids` of which a file is absent, or has another size than the port's arrays."""
        sizes = [4 * rows * columns for rows, columns in shapes(self.port)]
        there = {entry.name: entry.stat().st_size for entry in os.scandir(self.path) if entry.is_file()}
        return tuple(
            id for id in ids if any(there.get(name) != size for name, size in zip(file_names(id), sizes, strict=True))
        )

    def digests(self) -> dict[str, str]:
        """Id -> sha256 (hex) of its dump as it was made. Compare it with what lies there now."""
        return {id: dump_sha256 for id, (dump_sha256, _) in self._lines().items()}

    def expect_unchanged(self, pictures: Pictures) -> None:
        """Raise PictureError where a dump is missing, or was made of another JPEG than lies there now."""
        changed = self.without_dump(pictures)
        if changed:
            raise PictureError(
                f"{len(changed)} of {len(pictures.ids)} pictures changed after they were shown to the network: "
                f"{' '.join(changed[:5])}{' ...' if len(changed) > 5 else ''}; leave the JPEGs alone and run again: only "
                "these are done again"
            )

    # -- how a dump gets into it -------------------------------------------------------------------------------------

    def add(self, id: str, outputs: Outputs, jpeg_sha256: str) -> None:
        """Write the dump of one picture, then its line. `jpeg_sha256`: of the JPEG that the network was given.

        Raises:
            DumpError: the folder or its disk does not take the files.
        """
        with self._line_of(id, jpeg_sha256):
            write_dump(self.path, id, outputs)

    def add_files(self, id: str, files: Sequence[Path], jpeg_sha256: str) -> None:
        """Move a tool's three files of one picture here, then write its line. The files must have no `fault` (ascend.outputs).

        Threads may call this at the same time, each with ids of its own.

        Raises:
            OSError: the disk does not take them.
        """
        with self._line_of(id, jpeg_sha256):
            for file, name in zip(files, file_names(id), strict=True):
                move_to_dumps(file, self.path / name)

    @contextmanager
    def _line_of(self, id: str, jpeg_sha256: str) -> Iterator[None]:
        """Write the line of a dump when its files are in place.

        An older line is made void before the first file changes: a kill in between must not leave files of two runs under it.
        """
        if id in self._ids_with_line:
            self._write_line(f"{id} -")
        yield
        self._write_line(f"{id} {digest_of(self.path, id)} {jpeg_sha256}")
        self._ids_with_line.add(id)
        self.added.add(id)

    @cached_property
    def _ids_with_line(self) -> set[str]:
        return set(self._lines())

    def _lines(self) -> dict[str, tuple[str, str]]:
        """Id -> (sha256 of its dump, sha256 of its JPEG). The last line of an id counts; a torn line does not count."""
        path = self._beside / MADE
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        found: dict[str, tuple[str, str]] = {}
        for line in text.split("\n"):
            match = _LINE.fullmatch(line)
            if match and match[4]:
                found.pop(match[4], None)
            elif match:
                found[match[1]] = match[2], match[3]
        return found

    def _write_line(self, line: str) -> None:
        """Append a line to made.txt in one write. If a kill left the last line without its end, end that one first.

        The line is not synced to the disk, the dump was. A power cut may cost the line: then that picture is made again.
        """
        with (self._beside / MADE).open("a+b") as file:
            end = b""
            if file.tell():
                file.seek(-1, os.SEEK_END)
                end = b"" if file.read(1) == b"\n" else b"\n"
            file.write(end + f"{line}\n".encode())

    # -- notes beside it ---------------------------------------------------------------------------------------------

    def note_canvases(self, canvases_wh: Collection[Wh]) -> None:
        """Write canvases.txt: the canvases that the dumps are made on."""
        text = "".join(f"{name_of(canvas_wh)}\n" for canvas_wh in canvases_wh)
        (self._beside / CANVASES).write_text(text, encoding="utf-8")

    def noted_canvases(self) -> frozenset[str]:
        """Names of the canvases in canvases.txt; empty where that file is not there, as beside dumps made elsewhere."""
        path = self._beside / CANVASES
        return frozenset(path.read_text(encoding="utf-8").split()) if path.is_file() else frozenset()

    def note_seconds(self, seconds: float, pictures: int) -> None:
        """Append to seconds.txt how long a run took to add so many pictures."""
        with (self._beside / SECONDS).open("a", encoding="utf-8") as file:
            file.write(f"{seconds:.1f} {pictures}\n")

    def note_problems(self, sentences: Sequence[str]) -> None:
        """Append to troubles.txt what was wrong with the devices; a sentence that is there already is not written again."""
        known = self.problems()
        all_of_them = dict.fromkeys([*known, *(" ".join(one.split())[:LONGEST_PROBLEM] for one in sentences)])
        if len(all_of_them) > len(known):
            (self._beside / PROBLEMS).write_text("\n".join(all_of_them) + "\n", encoding="utf-8")

    def problems(self) -> tuple[str, ...]:
        """The sentences of troubles.txt, those of earlier runs too; () is best."""
        path = self._beside / PROBLEMS
        return tuple(path.read_text(encoding="utf-8").splitlines()) if path.exists() else ()


def noted_seconds(path: Path) -> tuple[float, int] | None:
    """(seconds, pictures) of all runs that added dumps to a folder and came to an end or were stopped; None where none is noted.

    A run that was killed noted nothing, so there may be fewer pictures than dumps. A torn line does not count.
    """
    file = path.resolve().parent / SECONDS
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    runs = [match for match in map(_RUN.fullmatch, lines) if match]
    return (sum(float(run[1]) for run in runs), sum(int(run[2]) for run in runs)) if runs else None
