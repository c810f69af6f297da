"""The folder of a rehearsal: dumps of one order of equal scores, a folder beside it for the other, and what was measured.

<path>/<id>_<k>.bin            `rfcn_lib.runs.folder`; of two equal scores, the first row comes first
<path>/../headroom/<id>.json   {"headroom of TENSOR": [six numbers]}, see `rfcn_lib.graph.rehearsal.measuring.add_measuring`
<other order>/<id>_<k>.bin     a folder of its own in the store; of two equal scores, the last row comes first
<path>/../other_order.txt      the path of that folder

One run of a picture gives all of them. A picture is finished when it has all of them, and made.txt gets its line last.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Final

from rfcn_lib.devices.rehearsal import RehearsedOutputs
from rfcn_lib.files import read_bounded, write_whole
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs
from rfcn_lib.runs.disk import dump_bytes
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.dumps import DumpError, file_names

HEADROOM: Final = "headroom"
OTHER_ORDER: Final = "other_order.txt"
LARGEST_FILE_BYTES: Final = 10_000_000
NUMBERS: Final = 6
MEASURES_BYTES: Final = 32_768  # of one picture; a ResNet-101 has 15,000

Measured = dict[str, tuple[float, ...]]


class RehearsalRunFolder(RunFolder):
    """Dumps of both orders, and measures. Only one process may add to it at a time; `Store.open_folder` sees to that."""

    def __init__(self, path: Path, port: Port, other: RunFolder) -> None:
        super().__init__(path, port)
        self.other = other
        self.more_bytes = dump_bytes(port) + MEASURES_BYTES
        self._measures = self._beside / HEADROOM
        self._measures.mkdir(exist_ok=True)
        write_whole(self._beside / OTHER_ORDER, str(other.path).encode())

    def begin(self) -> None:
        """Remove half-written files in all three folders."""
        super().begin()
        self.other.begin()
        for left in self._measures.glob(".*.part"):
            left.unlink()

    def without_dump(self, pictures: Pictures) -> tuple[str, ...]:
        """The ids that lack a dump of either order, or measures; see `RunFolder`."""
        there = {path.name for path in self._measures.iterdir()}
        lacking = {*super().without_dump(pictures), *self.other.without_dump(pictures)}
        return tuple(id for id in pictures.ids if id in lacking or f"{id}.json" not in there)

    def add(self, id: str, outputs: Outputs, jpeg_sha256: str) -> None:
        """Write both dumps and the measures of one picture; the line of made.txt that makes it finished comes last.

        Raises:
            DumpError: a folder or its disk does not take the files.
        """
        if not isinstance(outputs, RehearsedOutputs):
            raise TypeError(f"{id}: a rehearsal's outputs should be RehearsedOutputs, but are {type(outputs).__name__}")
        file_names(id)  # an id that leads elsewhere is refused before any file is written
        try:
            write_whole(self._measures / f"{id}.json", json.dumps(outputs.measured).encode())
        except OSError as error:
            raise DumpError(
                f"cannot write {self._measures / id}.json: {error.strerror}; free some space, or choose another disk "
                "(--store=DIR); what was finished before is kept"
            ) from error
        self.other.add(id, outputs.other, jpeg_sha256)
        super().add(id, outputs, jpeg_sha256)

    def note_canvases(self, canvases_wh: Collection[Wh]) -> None:
        """Write canvases.txt beside the dumps of either order."""
        super().note_canvases(canvases_wh)
        self.other.note_canvases(canvases_wh)


def other_order_of(dumps: Path) -> Path:
    """The folder with the other order, of a folder that `RehearsalRunFolder` filled."""
    return Path((dumps.resolve().parent / OTHER_ORDER).read_text(encoding="utf-8"))


def measured_of(dumps: Path, id: str) -> Measured:
    """The measures of one picture, of a folder that `RehearsalRunFolder` filled.

    Raises:
        DumpError: the file is not there, or not as it was written.
    """
    path = dumps.resolve().parent / HEADROOM / f"{id}.json"
    try:
        data = read_bounded(path, LARGEST_FILE_BYTES)
        found = {name: tuple(map(float, numbers)) for name, numbers in json.loads(data or b"").items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DumpError(
            f"{path} should hold the measures of {id}, but cannot be read ({str(error)[:100]}); remove it, and the next run "
            "makes it again"
        ) from error
    if any(len(numbers) != NUMBERS for numbers in found.values()):
        raise DumpError(
            f"{path} should hold {NUMBERS} numbers for each tensor, but holds others; remove it, and the next run makes it again"
        )
    return found
