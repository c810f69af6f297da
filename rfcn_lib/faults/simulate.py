"""What a port with one fault would write: pure functions of the graph's bytes, the fault and the pictures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx_ir as ir
from onnx_ir.passes.common import TopologicalSortPass

from rfcn_lib import spec
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.faults.fault import Fault, FaultError, FilesFault, GraphFault, OutputsFault, PictureFault
from rfcn_lib.graph.legal import read_legal
from rfcn_lib.graph.rehearsal.rehearsed import rehearsed_from_vendor
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.graph.values import all_values, stored_tensor
from rfcn_lib.pictures.preprocess import decode, prepare
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs, Picture, RunPicture


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture to simulate: its JPEG, and its record on the canvas of the graph."""

    path: Path
    picture: Picture


@dataclass(frozen=True, slots=True)
class Simulated:
    """What is simulated.

    adapted  the graph for the compiler, on one canvas; it does not change
    port     the port on that canvas
    soc      the chip whose arithmetic is rehearsed; None: the twin's float32
    threads  of ONNX Runtime; 0: one for each processor
    """

    adapted: Path
    port: Port
    soc: str | None = None
    threads: int = 0

    def model(self, adapted: Path, folder: Path) -> RunPicture:
        """The runnable graph of an adapted one, made in a folder and loaded."""
        target = folder / "runnable.onnx"
        if self.soc is None:
            twin_from_vendor(target, adapted)
        else:
            rehearsed_from_vendor(target, adapted, self.soc)
        return onnx_runtime.load_model(target, self.threads)


def simulate(
    fault: Fault | None, of: Simulated, pictures: Sequence[Shown], plain: Mapping[str, Outputs] | None = None
) -> dict[str, Outputs]:
    """Id -> the outputs with the fault; with None, those without any.

    `plain`: outputs of these pictures without a fault, if the caller has them; faults of outputs and files then run no graph.

    Raises:
        FaultError: the graph or the set has no place for the fault, or the fault is of the command line.
    """
    with TemporaryDirectory(prefix="fault-") as folder:
        if fault is None:
            return _run(_right_model(of), of, pictures)
        if isinstance(fault, GraphFault):
            return _run(of.model(_changed(fault, of.adapted, Path(folder)), Path(folder)), of, pictures)
        if isinstance(fault, PictureFault):
            return _run(_right_model(of), of, pictures, fault)
    right = plain or simulate(None, of, pictures)
    if isinstance(fault, OutputsFault):
        records = {shown.picture.id: shown.picture for shown in pictures}
        return {id: fault.change(outputs, records[id], of.port) for id, outputs in right.items()}
    if isinstance(fault, FilesFault):
        return fault.change(right)
    raise FaultError(f"{fault.name} is a fault of the command line, so it changes no outputs of a picture")


@lru_cache(maxsize=1)
def _right_model(of: Simulated) -> RunPicture:
    """The graph without a fault, loaded; the next picture's fault uses it again."""
    with TemporaryDirectory(prefix="fault-") as folder:
        return of.model(of.adapted, Path(folder))


def _run(
    run: RunPicture, of: Simulated, pictures: Sequence[Shown], fault: PictureFault | None = None
) -> dict[str, Outputs]:
    found = {}
    for shown in pictures:
        picture = shown.picture
        if fault is None:
            im_data, _ = prepare(shown.path, picture.id, picture.size_wh, of.port.pictures)
        else:
            im_data = fault.change(decode(shown.path, picture.size_wh), picture, of.port.pictures)
        found[picture.id] = run(im_data, picture)
    return found


def _changed(fault: GraphFault, adapted: Path, folder: Path) -> Path:
    """Write the adapted graph with the fault in it. Raises FaultError where the graph has no place for it."""
    model = read_legal(adapted).model
    plant(fault.change, model)
    target = folder / "faulty.onnx"
    ir.save(model, target, format="protobuf")
    return target


def plant(change: Callable[[ir.Model], None], model: ir.Model) -> None:
    """Change the graph in place, and forget the sides of values that may have changed."""
    change(model)
    vendor = set(spec.VENDOR_ATTRIBUTES)
    outputs = set(model.graph.outputs)
    for value in all_values(model):
        producer = value.producer()
        declared = value in outputs or (producer is not None and producer.op_type in vendor) or value.is_graph_input()
        if not declared and stored_tensor(value) is None:
            value.shape = None
    TopologicalSortPass()(model)
