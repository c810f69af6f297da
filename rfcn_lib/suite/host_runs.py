"""Every picture through one model on this host, or shared over a Dask cluster; the dumps are kept in the store."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rfcn_lib.devices.threads import one_thread
from rfcn_lib.pictures.canvases import Wh, name_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs, RunPicture
from rfcn_lib.runs.dask.client import DaskEngine
from rfcn_lib.runs.dask.members import ModelFile
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.local import LocalEngine
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.runs.rehearsal_folder import RehearsalRunFolder
from rfcn_lib.store.code import Part
from rfcn_lib.store.store import Store


@dataclass(frozen=True)
class SourceModel:
    """The checkpoint in PyTorch, float32 on the CPU.

    clip     what proposals are clipped to: the resized picture, as upstream; the canvas or nothing, as exported graphs do
    double   computed in float64
    engine   module of rfcn_lib.devices that runs it; a Dask cluster has it without `clip` and `double`
    made_of  what its outputs depend on besides the pictures
    """

    weights: Path
    port: Port
    clip: Literal["picture", "canvas", "none"] = "picture"
    double: bool = False
    engine: Literal["pytorch"] = "pytorch"

    @property
    def made_of(self) -> Mapping[str, object]:
        otherwise = {} if self.clip == "picture" and not self.double else {"clip": self.clip, "double": self.double}
        return {"weights": self.weights, "proposals": self.port.proposals, "one_thread": one_thread(), **otherwise}

    def file(self, canvas: Wh) -> Path:  # noqa: ARG002
        """The file that is loaded for pictures on that canvas."""
        return self.weights

    def load(self, canvas: Wh) -> RunPicture:  # noqa: ARG002
        """Load the file; returns the function that runs one picture."""
        from rfcn_lib.devices import pytorch

        return pytorch.load_model(self.weights, self.port, clip=self.clip, double=self.double)


@dataclass(frozen=True)
class SourceHeads:
    """The checkpoint's heads on another run's proposals, in PyTorch on the CPU.

    outputs_of      id -> outputs of that run
    outputs_sha256  of these outputs
    """

    weights: Path
    port: Port
    outputs_of: Callable[[str], Outputs] = field(compare=False)
    outputs_sha256: str
    double: bool = False
    engine: Literal["pytorch"] = "pytorch"

    @property
    def made_of(self) -> Mapping[str, object]:
        of = {"outputs": self.outputs_sha256, "double": self.double}
        return {"weights": self.weights, "proposals": self.port.proposals, "one_thread": one_thread(), **of}

    def file(self, canvas: Wh) -> Path:  # noqa: ARG002
        """The file that is loaded for pictures on that canvas."""
        return self.weights

    def load(self, canvas: Wh) -> RunPicture:  # noqa: ARG002
        """Load the file; returns the function that runs one picture."""
        from rfcn_lib.devices import pytorch

        return pytorch.load_heads(self.weights, self.port, self.outputs_of, double=self.double)


@dataclass(frozen=True)
class Twin:
    """The adapted graph in ONNX Runtime on the CPU, one file per canvas."""

    twins: Mapping[Wh, Path]
    engine: Literal["onnx_runtime"] = "onnx_runtime"

    @property
    def made_of(self) -> Mapping[str, object]:
        return {"twins": {name_of(canvas): twin for canvas, twin in self.twins.items()}}

    def file(self, canvas: Wh) -> Path:
        return self.twins[canvas]

    def load(self, canvas: Wh) -> RunPicture:
        from rfcn_lib.devices import onnx_runtime

        return onnx_runtime.load_model(self.twins[canvas])


@dataclass(frozen=True)
class RehearsedGraph:
    """A graph with a chip's arithmetic in ONNX Runtime on the CPU, one file per canvas.

    other_order  name of the folder in the store for the dumps with the last of two equal scores first
    """

    graphs: Mapping[Wh, Path]
    other_order: str
    engine: Literal["rehearsal"] = "rehearsal"

    @property
    def made_of(self) -> Mapping[str, object]:
        return {"graphs": {name_of(canvas): graph for canvas, graph in self.graphs.items()}}

    def file(self, canvas: Wh) -> Path:
        return self.graphs[canvas]

    def load(self, canvas: Wh) -> RunPicture:
        from rfcn_lib.devices import rehearsal

        return rehearsal.load_model(self.graphs[canvas])


Model = SourceModel | SourceHeads | Twin | RehearsedGraph


@dataclass
class HostRun:
    """One run over a set: `first_pictures()` and then `all()`, or `all()` alone.

    name      of the folder of dumps in the store
    label     stands before the name in every line that is said, for example "REHEARSED "
    code      functions and modules that make a dump: a part of the folder's key
    dask      address of a cluster; None: this host
    """

    name: str
    model: Model
    pictures: Pictures
    store: Store
    code: tuple[Part, ...]
    dask: str | None
    label: str = ""
    plan_said: bool = False
    file_digests: Mapping[Wh, str] = field(init=False)

    def __post_init__(self) -> None:
        self.file_digests = {
            canvas: self.store.digests.of(self.model.file(canvas)) for canvas in self.pictures.by_canvas
        }

    def first_pictures(self) -> Path:
        """Run two pictures, so that the plan and the hours are known; returns the folder of dumps."""
        return self._run(first_pictures=True)

    def all(self) -> Path:
        """Run every picture that has no dump yet; returns the folder of dumps.

        Raises:
            StoreError: a model's file changed since this run was set up.
            PictureError, DumpError, ClusterError, and what the engine raises: see `rfcn_lib.runs`.
        """
        return self._run(first_pictures=False)

    def again(self, id: str) -> Outputs:
        """One picture through the model now, whatever the store has of it."""
        im_data, picture = self.pictures.load(id)
        return self._load(picture.canvas_wh)(im_data, picture)

    def _run(self, *, first_pictures: bool) -> Path:
        self._expect_same_files()
        pictures, rules = self.pictures, self.pictures.port.pictures
        made_of = {**self.model.made_of, "pictures": rules}
        with self.store.open_folder(self.name, self.code, **made_of) as path, ExitStack() as stack:
            folder = RunFolder(path, pictures.port)
            if isinstance(self.model, RehearsedGraph):
                other = stack.enter_context(self.store.open_folder(self.model.other_order, self.code, **made_of))
                folder = RehearsalRunFolder(path, pictures.port, RunFolder(other, pictures.port))
            self._expect_same_files()  # another process may have held the folder for hours
            folder.note_canvases(list(pictures.by_canvas))
            engine = DaskEngine(self.dask, self._model_file) if self.dask else LocalEngine(self._load)
            say_plan, self.plan_said = not self.plan_said, True
            run_missing(
                folder,
                pictures,
                engine,
                f"{self.label}{self.name}",
                first_pictures=first_pictures,
                say_plan_first=say_plan,
            )
        return path

    def _model_file(self, canvas: Wh) -> ModelFile:
        return ModelFile(self.model.engine, self.model.file(canvas).absolute(), self.file_digests[canvas])

    def _load(self, canvas: Wh) -> RunPicture:
        return self.store.digests.load_unchanged(
            self.model.file(canvas), lambda: self.model.load(canvas), self.file_digests[canvas]
        )

    def _expect_same_files(self) -> None:
        """Hours may lie between the first pictures and the others, and workers load the file that was there first."""
        for canvas, sha256 in self.file_digests.items():
            self.store.digests.load_unchanged(self.model.file(canvas), lambda: None, sha256)
