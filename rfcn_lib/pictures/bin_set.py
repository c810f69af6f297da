"""The bin data set of a run: every picture as the vendor's inference tools read it.

One bin has 21.7 MB at the published canvas, and a whole set 107 GB. So a run lays the bins out batch by batch, and removes a
batch when its outputs are there. `python -m rfcn_lib.pictures.bins --out=DIR` writes the whole set for a person.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib.pictures.bin_files import bin_bytes, lay_out
from rfcn_lib.pictures.canvases import Wh, name_of
from rfcn_lib.pictures.loading import Pictures

ROOT: Final = Path(__file__).resolve().parents[2]
MOST_BYTES: Final = 900_000_000  # of bins on the disk at a time: on every device the batch that runs and the next one
LARGEST_BATCH: Final = (
    32  # a tool that dies costs a batch; a longer one would save little, the model is loaded once for each
)


@dataclass(frozen=True)
class BinSet:
    """The bins of a run, made when they are asked for.

    port_path  the port's file, for the line that a person can paste
    """

    pictures: Pictures
    port_path: Path

    def batches(self, devices: int) -> Mapping[Wh, int]:
        """Canvas -> pictures of one batch, so that bins never fill the disk: 20 at the published canvas on one device."""
        return {
            canvas: min(max(MOST_BYTES // (2 * devices * bin_bytes(canvas)), 1), LARGEST_BATCH)
            for canvas in self.pictures.by_canvas
        }

    def lay_out(self, folder: Path, ids: Sequence[str]) -> None:
        """Write `<folder>/bin/<name>.bin`, and `<folder>/demo.info` that lists them. Raises BinError, PictureError."""
        lay_out(folder, ids, self.pictures.load)

    def shell_line(self, folder: Path, ids: Sequence[str]) -> str:
        """The line for a shell that lays these pictures out again; all are of one canvas."""
        canvas = name_of(self.pictures.records[ids[0]].canvas_wh)
        words = [sys.executable, "-m", "rfcn_lib.pictures.bins", f"--port={self.port_path.absolute()}"]
        words += [f"--devkit={self.pictures.devkit.folder.absolute()}", f"--canvas={canvas}", f"--out={folder}"]
        words += [f"--set={self.pictures.devkit.set_name}"] if self.pictures.devkit.set_name != "test" else []
        words += ["--", *ids] if any(id.startswith("-") for id in ids) else ids
        return f"cd {shlex.quote(str(ROOT))} && {shlex.join(words)}"
