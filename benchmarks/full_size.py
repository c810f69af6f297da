"""The full-size graph: source model, the twin at the published canvas, the twin at fitted canvases; turn by turn.

A seeded ResNet-101 in the published shape, which weighs what the real one weighs. One process, one session per canvas.
"""

import json
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from rich.console import Console

from benchmarks.common import Row, seconds, turn_by_turn
from benchmarks.flops import flops_of
from rfcn_lib import spec
from rfcn_lib.devices import onnx_runtime, pytorch, rehearsal
from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.rehearsal.rehearsed import rehearsed_from_vendor
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.pictures.canvases import canvas_of, fitted_canvases, name_of
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Floats, Picture
from rfcn_lib.source.seeding import published_architecture, seeded_network

ROUNDS = 3
CHIP = "Ascend310P3"  # whose arithmetic is rehearsed
SGEMM_SIDE = 4096
DEVKIT = Path("specimen/VOCdevkit")
Wh = tuple[int, int]

# Sizes of VOC2007 test, resized to short side 512 and rounded up to 16 px: longer side -> pictures, 4,952 in all.
WIDE: Final = {
    512: 24, 528: 11, 544: 7, 560: 14, 576: 8, 592: 17, 608: 16, 624: 20, 640: 55, 656: 28, 672: 22, 688: 2250, 704: 43,
    720: 60, 736: 36, 752: 42, 768: 220, 784: 971, 800: 44, 816: 20, 832: 21, 848: 10, 864: 13, 880: 8, 896: 7, 912: 23,
    928: 9, 944: 8, 960: 3, 976: 2, 992: 1, 1008: 4, 1024: 2, 1056: 4, 1072: 3, 1088: 3, 1104: 1, 1120: 4, 1152: 4,
    1168: 2, 1184: 1, 1200: 3, 1216: 2, 1232: 1, 1248: 2, 1264: 1, 1280: 2, 1296: 1, 1312: 1, 1328: 2, 1376: 1, 1392: 1,
    1424: 2, 1456: 1, 1504: 1, 1632: 1, 1648: 1, 1696: 1,
}  # fmt: skip
TALL: Final = {
    528: 10, 544: 11, 560: 4, 576: 7, 592: 5, 608: 5, 624: 11, 640: 13, 656: 8, 672: 12, 688: 412, 704: 17, 720: 9,
    736: 13, 752: 15, 768: 56, 784: 238, 800: 6, 816: 3, 832: 5, 848: 3, 864: 2, 880: 1, 896: 1, 912: 6, 928: 2, 976: 3,
    992: 1, 1072: 1, 1088: 1, 1104: 1, 1152: 1, 1168: 2, 1184: 1, 1520: 1,
}  # fmt: skip
SIZES_WH: Final = {**{(side, 512): n for side, n in WIDE.items()}, **{(512, side): n for side, n in TALL.items()}}


def measure(console: Console) -> list[Row]:
    """Every way once per turn, and the machine's matrix product among them."""
    port = read_port(PUBLISHED)
    network = seeded_network(published_architecture(101, port), port, seed=2007)
    published_wh = port.pictures.canvas_wh_px
    shares = shares_of(fitted_canvases([size for size, n in SIZES_WH.items() for _ in range(n)]))
    with tempfile.TemporaryDirectory() as scratch:
        twins = {canvas: twin_at(Path(scratch), network, canvas, console) for canvas in (published_wh, *shares)}
        flops = {canvas: flops_of(twin) for canvas, twin in twins.items()}
        sessions = {canvas: onnx_runtime.session(twin) for canvas, twin in twins.items()}
        rehearsed = rehearsal.session(rehearsed_beside(twins[published_wh]))
        inside = operators_share(twins[published_wh], shown(port, published_wh)[0])
    products = matrix_products()
    times = turn_by_turn(
        {
            **{f"source {name_of(at)}": partial(source_model, network, at, *shown(port, at)) for at in twins},
            **{name_of(at): partial(onnx_runtime.run, sessions[at], *shown(port, at)) for at in twins},
            "rehearsed": partial(rehearsal.run, rehearsed, *shown(port, published_wh)),
            **products,
        },
        ROUNDS,
    )
    sgemm = max(2 * SGEMM_SIDE**3 / min(times[name]) / 1e9 for name in products)
    source, published = times[f"source {name_of(published_wh)}"], times[name_of(published_wh)]
    mixed, source_mixed = (
        [sum(share * times[kind + name_of(canvas)][turn] for canvas, share in shares.items()) for turn in range(ROUNDS)]
        for kind in ("", "source ")
    )
    fitted_flops = sum(share * flops[canvas] for canvas, share in shares.items())
    work = [
        ("PyTorch", flops[published_wh], source),
        ("published canvas", flops[published_wh], published),
        ("PyTorch on fitted canvases, mean", fitted_flops, source_mixed),
        ("fitted canvases, mean", fitted_flops, mixed),
    ]
    rates = [(name, gflop / 1e9, gflop / statistics.median(turns) / 1e9) for name, gflop, turns in work]
    said = ", ".join(
        f"{name} {gflop:.0f} GFLOP at {rate:.0f} GFLOP/s ({rate / sgemm:.0%})" for name, gflop, rate in rates
    )
    bound = sgemm * 1e9 * statistics.median(source_mixed) / fitted_flops
    most = f"{bound:.3g} x would take the machine's whole matrix product rate"
    chosen = ", ".join(f"{name_of(canvas)} {share:.1%}" for canvas, share in shares.items())
    return [
        Row("ONNX Runtime, published canvas, against PyTorch on it", "s", published, source, 1.1),
        Row("ONNX Runtime, fitted canvases, against PyTorch on them", "s", mixed, source_mixed, 1.36, note=most),
        Row("ONNX Runtime, fitted canvases, against the published one", "s", mixed, published, 4.5, note=chosen),
        Row("ONNX Runtime, fitted canvases, against PyTorch as published", "s", mixed, source, note=said),
        Row(f"rehearsed {CHIP}, published canvas, against the twin", "s", times["rehearsed"], published, 0.5),
        *(Row(f"ONNX Runtime, canvas {name_of(canvas)}", "s", times[name_of(canvas)]) for canvas in shares),
        Row(f"best matrix product, {SGEMM_SIDE} cubed, float32", "GFLOP/s", [sgemm]),
        Row("share of the two vendor operators in the twin's time", "%", [100 * inside], at_most=15),
    ]


def source_model(network: Any, canvas_wh: Wh, im_data: Floats, picture: Picture) -> object:
    """The same picture on the same canvas, its proposals clipped to the canvas as the graph's are."""
    return pytorch.run(network, im_data, canvas_wh, picture)


def shares_of(canvases: Sequence[Wh]) -> dict[Wh, float]:
    """Canvas -> share of VOC2007 test that is shown on it; each picture goes on the smallest that holds it."""
    shares: dict[Wh, float] = dict.fromkeys(canvases, 0.0)
    for size, count in SIZES_WH.items():
        shares[canvas_of(size, canvases)] += count / spec.VOC_TEST_COUNT
    return shares


def twin_at(folder: Path, network: Any, canvas_wh: Wh, console: Console) -> Path:
    """Export, adapt, twin, at one canvas."""
    name = name_of(canvas_wh)
    vendor, adapted, twin = (folder / f"{name}_{stage}.onnx" for stage in ("rfcn", "adapted", "twin"))
    taken = (
        seconds(lambda: onnx_from_network(vendor, network, canvas_wh)),
        seconds(lambda: adapted_from_exported(adapted, vendor)),
        seconds(lambda: twin_from_vendor(twin, adapted)),
    )
    rehearsed_from_vendor(rehearsed_beside(twin), adapted, CHIP, ties="both", measure=True)
    vendor.unlink()
    adapted.unlink()
    console.print("{}: export {:.1f} s, adapt {:.1f} s, twin {:.1f} s".format(name, *taken), highlight=False)
    return twin


def rehearsed_beside(twin: Path) -> Path:
    """The same graph with a chip's arithmetic, both orders of equal scores, and its measures."""
    return twin.with_name(f"rehearsed_{twin.name}")


def shown(port: Port, canvas_wh: Wh) -> tuple[Floats, Picture]:
    """A drawn picture of the canvas's orientation, as the port shows it, on that canvas."""
    pictures = port.pictures.model_copy(update={"canvas_wh_px": canvas_wh})
    devkit = read_devkit(DEVKIT, port.classes)
    upright = canvas_wh[0] < canvas_wh[1]
    id = next(id for id in devkit.ids if (devkit.sizes_wh[id][0] < devkit.sizes_wh[id][1]) == upright)
    return prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], pictures)


def operators_share(twin: Path, im_data: Floats) -> float:
    """Share of run time inside the two host definitions: their nodes are inlined without the exporter's names."""
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = False
    options.enable_profiling = True
    options.profile_file_prefix = str(twin.with_suffix(""))
    session = onnxruntime.InferenceSession(str(twin), options, providers=["CPUExecutionProvider"])
    for _ in range(2):
        session.run(list(spec.OUTPUTS), {spec.INPUT: im_data})
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    nodes = [(event["name"], event["dur"]) for event in events if event.get("cat") == "Node"]
    inside = sum(taken for name, taken in nodes if not name.startswith("/"))
    return float(inside / sum(taken for _, taken in nodes))


def matrix_products() -> Mapping[str, Callable[[], object]]:
    """The same float32 product in each library; the best of them is what the machine can do."""
    random = np.random.default_rng(0)
    left, right = (random.standard_normal((SGEMM_SIDE, SGEMM_SIDE), np.float32) for _ in range(2))
    of_torch = torch.from_numpy(left), torch.from_numpy(right)
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, left.shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", value[:2], value[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", spec.OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return {
        "numpy": lambda: left @ right,
        "torch": lambda: of_torch[0] @ of_torch[1],
        "onnxruntime": lambda: session.run(None, {"a": left, "b": right}),
    }
