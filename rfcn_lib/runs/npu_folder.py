"""The folder of a run on NPUs: dumps, how long each batch took, and where the batches are laid out.

<root>/dumps/              `rfcn_lib.runs.folder`; made.txt, canvases.txt and troubles.txt lie in <root>
<root>/timings/*.json      what the tool said of its speed, one file a batch; `rfcn_lib.speed.timings`
<root>/logs/*.log          the end of what the tool printed, one file a batch, named as its timing
<root>/work/device<N>/     the batch under way, where the tool runs: bin/, demo.info, tool.log
<root>/work/next-<id>/     the batch after it, prepared meanwhile
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib.ascend.place import needs_plain_folder
from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.files import PathError, plain_place, write_whole
from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.speed.timings import Timing, chosen, read_timings

DUMPS: Final = "dumps"
TIMINGS: Final = "timings"
LOGS: Final = "logs"
LOG_BYTES: Final = 64_000
WORK: Final = "work"


@dataclass(frozen=True, slots=True)
class Model:
    """A compiled model, the digest of its file, and the port on the canvas that it was compiled for."""

    om: Path
    sha256: str
    port: Port


def models_of(oms: Mapping[Wh, Path], pictures: Pictures) -> dict[Wh, Model]:
    """Canvas -> its compiled model, for every canvas of the pictures. Raises OmRunError where a file cannot be read."""
    return {
        canvas_wh: Model(oms[canvas_wh].absolute(), _sha256_of(oms[canvas_wh]), pictures.port_on(canvas_wh))
        for canvas_wh in pictures.by_canvas
    }


class NpuRunFolder(RunFolder):
    """Dumps and timings. A picture is done when it has both, so that every picture that is judged is also timed.

    A timing belongs to the content of the om. Timings of another om are left alone and not counted.
    """

    def __init__(self, root: Path, port: Port, models: Mapping[Wh, Model]) -> None:
        super().__init__(root / DUMPS, port)
        self.root = root
        self.models = models
        self.work = root / WORK

    def begin(self) -> None:
        """Make the folders, and remove bins that an earlier run left: those of a failed batch, of a lost device, of a kill.

        Raises:
            OmRunError: the tools take neither the folder's path nor the temporary folder's.
        """
        if any(needs_plain_folder(self.work, model.om) for model in self.models.values()):
            try:
                plain_place(self.work)
            except PathError as error:
                raise OmRunError(str(error)) from error
        if self.work.exists():
            shutil.rmtree(self.work)
        for folder in (self.path, self.root / TIMINGS, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        super().begin()

    def missing(self, pictures: Pictures) -> tuple[str, ...]:
        """Canvas by canvas: the ids without a finished dump, then the ids without a timing."""
        without = set(self.without_dump(pictures))
        found: list[str] = []
        for canvas_wh, ids in pictures.by_canvas.items():
            timings = [one for one in self._timings_on(canvas_wh).values() if without.isdisjoint(one.ids)]
            timed = {id for timing in chosen(timings, ids) for id in timing.ids}
            found += [id for id in ids if id in without]
            found += [id for id in ids if id not in without and id not in timed]
        return tuple(found)

    def remove_stale_timings(self, pictures: Pictures) -> None:
        """Remove the timings of batches of which a dump is missing: the picture runs again, and is timed with other ones."""
        without = set(self.without_dump(pictures))
        for canvas_wh in pictures.by_canvas:
            for path, timing in self._timings_on(canvas_wh).items():
                if not without.isdisjoint(timing.ids):
                    path.unlink()

    def timings(self, pictures: Pictures) -> tuple[Timing, ...]:
        """Timings that cover every picture once, where none is missing."""
        return tuple(
            timing
            for canvas_wh, ids in pictures.by_canvas.items()
            for timing in chosen(self._timings_on(canvas_wh).values(), ids)
        )

    def _timings_on(self, canvas_wh: Wh) -> dict[Path, Timing]:
        sha256 = self.models[canvas_wh].sha256
        return {path: one for path, one in read_timings(self.root / TIMINGS).items() if one.om_sha256 == sha256}

    def keep_log(self, log: Path, timing: Path) -> None:
        """Keep the end of what the tool printed for a batch. A log that cannot be kept costs no finished batch."""
        with suppress(OSError), log.open("rb") as file:
            file.seek(max(log.stat().st_size - LOG_BYTES, 0))
            target = self.root / LOGS / f"{timing.stem}.log"
            target.parent.mkdir(exist_ok=True)
            write_whole(target, file.read(LOG_BYTES))

    def work_of(self, device: int) -> Path:
        """Where a device's batch lies, and its tool runs."""
        return self.work / f"device{device}"

    def next_of(self, ids: Sequence[str]) -> Path:
        """Where a batch is prepared, for whichever device takes it."""
        return self.work / f"next-{ids[0]}"


def _sha256_of(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise OmRunError(f"cannot read the compiled model {file}: {error.strerror}; compile it again") from error
    return digest.hexdigest()
