"""The canvases of a run, and one artifact per canvas."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, name_of, share_of
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.progress import in_bytes
from rfcn_lib.store.store import NO_ARGUMENTS, Maker, Store

PerCanvas = Mapping[Wh, Path]  # canvas (width, height) px -> the artifact made for it


@dataclass(frozen=True)
class Canvases:
    """Which pictures are on which canvas.

    by_canvas     canvas (width, height) px -> ids of its pictures
    published_wh  px of the port's own canvas
    fitted        whether the canvases were chosen from the pictures (--canvas=fitted); else there is one, the port's own
    """

    by_canvas: IdsByCanvas
    published_wh: Wh
    fitted: bool

    def __iter__(self) -> Iterator[Wh]:
        return iter(self.by_canvas)

    def __len__(self) -> int:
        return len(self.by_canvas)

    def __str__(self) -> str:
        """`fitted: 688x512 (2472 pictures), ...; 21.5% of the area of the port's own 1344x1344`."""
        own = name_of(self.published_wh)
        if list(self.by_canvas) == [self.published_wh]:
            return f"{own}, the port's own"
        each = ", ".join(f"{name_of(canvas)} ({len(ids)} pictures)" for canvas, ids in self.by_canvas.items())
        return f"fitted: {each}; {self.area_share:.1%} of the area of the port's own {own}"

    @property
    def area_share(self) -> float:
        """Area of all the pictures' canvases over that of as many published ones."""
        return share_of(self.by_canvas, self.published_wh)

    @property
    def canvas_of(self) -> Mapping[str, Wh]:
        """Id -> the canvas of that picture."""
        return {id: canvas for canvas, ids in self.by_canvas.items() for id in ids}

    @property
    def each(self) -> Mapping[Wh, Wh]:
        """Canvas -> itself, as an ingredient of `build`."""
        return {canvas: canvas for canvas in self.by_canvas}

    def artifact_name(self, name: str, canvas: Wh | None = None) -> str:
        """Name of an artifact in the store: `rfcn.onnx`, or `fitted/688x512/rfcn.onnx` with --canvas=fitted."""
        folder = f"{name_of(canvas)}/" if canvas else ""
        return f"fitted/{folder}{name}" if self.fitted else name

    def exhibits(self, kind: str, paths: PerCanvas) -> dict[str, Path]:
        """Name in the verdict -> path of each canvas's artifact: `onnx`, or `onnx 688x512` with --canvas=fitted."""
        return {f"{kind} {name_of(canvas)}" if self.fitted else kind: path for canvas, path in paths.items()}

    def given(self, path: Path | None) -> PerCanvas | None:
        """A file that the user gave, for the one canvas; None where there is none."""
        return {canvas: path.absolute() for canvas in self.by_canvas} if path else None

    def build(
        self, store: Store, name: str, make: Maker, unkeyed: Mapping[str, object] = NO_ARGUMENTS, **ingredients: object
    ) -> dict[Wh, Path]:
        """One artifact per canvas, built where the store has none.

        A port among the ingredients is put on the canvas; of an ingredient that is a mapping from canvases, each canvas
        gets its own. Errors: as `Store.build`.
        """
        return {
            canvas: store.build(
                self.artifact_name(name, canvas),
                make,
                unkeyed=unkeyed,
                **{key: _for(canvas, value) for key, value in ingredients.items()},
            )
            for canvas in self.by_canvas
        }

    def disk_words(self, weights_bytes: int, *, npu: bool) -> str:
        """How much of the disk the graphs of all canvases take, in words."""
        graphs = ("exported", "adapted", "om" if npu else "twin")
        most = in_bytes(weights_bytes * len(graphs) * len(self.by_canvas))
        return (
            f"{len(graphs)} of each canvas ({', '.join(graphs)}), each about as large as the weights: they take at most "
            f"{most} of the store, whatever the number of pictures"
        )


def _for(canvas: Wh, value: object) -> object:
    if isinstance(value, Port):
        return on_canvas(value, canvas).model_copy(update={"criteria": {}})  # another limit makes no other graph
    return value[canvas] if isinstance(value, Mapping) and canvas in value else value
