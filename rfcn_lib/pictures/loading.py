"""The pictures of a run: which they are, each on its canvas, as the network reads them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, ids_of
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.preprocess import PictureError, picture_records, prepare
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.records import Floats, Picture


@dataclass(frozen=True)
class Pictures:
    """The pictures of a run.

    devkit     where their JPEGs lie, and how large the annotations say they are
    port       on its own canvas, the published one
    by_canvas  canvas (width, height) px -> ids of the pictures on it; several canvases with --canvas=fitted
    sha256_of  sha256 (hex) of each file as it lies there now, in the order given; may be called from any thread
    """

    devkit: Devkit
    port: Port
    by_canvas: IdsByCanvas
    sha256_of: Callable[[Iterable[Path]], list[str]]

    @property
    def ids(self) -> tuple[str, ...]:
        """All pictures, canvas by canvas."""
        return ids_of(self.by_canvas)

    def port_on(self, canvas_wh: Wh) -> Port:
        """The port on one of the canvases. Raises PortError where no port may have that canvas."""
        return on_canvas(self.port, canvas_wh)

    def source(self, id: str) -> tuple[Path, tuple[int, int]]:
        """Path of a picture's JPEG, and (width, height) px that its annotation says."""
        return self.devkit.picture_path(id), self.devkit.sizes_wh[id]

    def load(self, id: str) -> tuple[Floats, Picture]:
        """-> the network's input of a picture, (1, 3, H, W) float32 on its own canvas, and its record.

        Raises:
            PictureError: the JPEG is missing, damaged or of another size than its annotation says.
        """
        record = self.records[id]
        path, size_wh = self.source(id)
        return prepare(path, id, size_wh, self.port_on(record.canvas_wh).pictures)

    def digests(self, ids: Sequence[str]) -> list[str]:
        """sha256 (hex) of each picture's JPEG as it lies there now. Raises StoreError where one cannot be read."""
        return self.sha256_of([self.devkit.picture_path(id) for id in ids])

    @cached_property
    def records(self) -> Mapping[str, Picture]:
        """Id -> what preprocessing does to that picture, on its own canvas. No JPEG is opened. Raises PictureError."""
        found: dict[str, Picture] = {}
        for canvas_wh, ids in self.by_canvas.items():
            sizes_wh = {id: self.devkit.sizes_wh[id] for id in ids}
            found |= picture_records(sizes_wh, self.port_on(canvas_wh).pictures)
        return found

    def on_published_canvas(self) -> "Pictures":
        """The same pictures, all on the port's own canvas: what the source model reads, whatever the candidate's canvases are."""
        return replace(self, by_canvas={self.port.pictures.canvas_wh_px: self.devkit.ids})

    def only(self, ids: Collection[str]) -> "Pictures":
        """Some of these pictures, each on the canvas that it has here. A canvas without any of them stays, with no picture.

        So a run over them has the graphs, and the folder of dumps, of a run over all. Their truth and sizes stay too.

        Raises:
            PictureError: an id is none of these.
        """
        chosen = frozenset(ids)
        if unknown := sorted(chosen - set(self.ids)):
            raise PictureError(
                f"{', '.join(unknown[:3])}: not among the {len(self.ids)} pictures of this run; choose from these"
            )
        devkit = replace(
            self.devkit,
            ids=tuple(id for id in self.devkit.ids if id in chosen),
            truth={id: truth for id, truth in self.devkit.truth.items() if id in chosen},
            sizes_wh={id: size_wh for id, size_wh in self.devkit.sizes_wh.items() if id in chosen},
        )
        by_canvas = {wh: tuple(id for id in here if id in chosen) for wh, here in self.by_canvas.items()}
        return replace(self, devkit=devkit, by_canvas=by_canvas)
