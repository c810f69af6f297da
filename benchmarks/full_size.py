"""The full-size graph beside its source model, turn by turn in one process: `python -m benchmarks.full_size`.

A seeded ResNet-101 in the published shape. Times belong to the machine; read the ratios.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from rich.console import Console
from rich.table import Table

from rfcn_lib import spec
from rfcn_lib.devices import onnx_runtime, pytorch
from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.operators import twin_from_vendor
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.pictures.voc import read_devkit
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.source.seeding import published_architecture, seeded_network

ROUNDS = 3
SGEMM_SIDE = 4096
DEVKIT = Path("specimen/VOCdevkit")


def main() -> None:
    """Print the table."""
    port = read_port(PUBLISHED)
    network = seeded_network(published_architecture(101, port), port, seed=2007)
    devkit = read_devkit(DEVKIT, port.classes)
    id = devkit.ids[0]
    im_data, picture = prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], port.pictures)
    with tempfile.TemporaryDirectory() as scratch:
        vendor, adapted, twin = (Path(scratch) / name for name in ("rfcn.onnx", "adapted.onnx", "twin.onnx"))
        export_s = seconds(lambda: onnx_from_network(vendor, network, port.pictures.canvas_wh_px))
        adapt_s = seconds(lambda: adapted_from_exported(adapted, vendor))
        twin_s = seconds(lambda: twin_from_vendor(twin, adapted))
        session = onnx_runtime.session(twin)
        share = operators_share(twin, im_data)
    runs: dict[str, Callable[[], object]] = {
        "PyTorch source model": lambda: pytorch.run(network, im_data, picture.canvas_wh, picture),
        "ONNX Runtime, twin of the adapted graph": lambda: onnx_runtime.run(session, im_data, picture),
        "preprocess, decode to tensor": lambda: prepare(devkit.picture_path(id), id, picture.size_wh, port.pictures),
    }
    times = turn_by_turn(runs)
    source = statistics.median(times["PyTorch source model"])
    table = Table("full size, 1344 x 1344, ResNet-101, float32", title_justify="left")
    for heading in ("s per picture", "against PyTorch"):
        table.add_column(heading, justify="right")
    for name, taken in times.items():
        table.add_row(name, f"{statistics.median(taken):.3f}", f"{source / statistics.median(taken):.2f}x")
    console = Console()
    console.print(table)
    console.print(f"export {export_s:.1f} s, adapt {adapt_s:.1f} s, twin {twin_s:.1f} s")
    console.print(f"the two vendor operators take {share:.1%} of the twin's run time (wanted: under 15 %)")
    console.print(f"sgemm {SGEMM_SIDE} cubed: {sgemm_gflops():.0f} GFLOP/s on {torch.get_num_threads()} threads")


def turn_by_turn(runs: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each run, interleaved, after one round that does not count."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(seconds(run))
    return times


def operators_share(twin: Path, im_data: np.ndarray) -> float:
    """Share of run time inside the two host definitions: their nodes are inlined without the exporter's names."""
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = False
    options.enable_profiling = True
    options.profile_file_prefix = str(twin.with_suffix(""))
    session = onnxruntime.InferenceSession(str(twin), options, providers=["CPUExecutionProvider"])
    for _ in range(ROUNDS):
        session.run(list(spec.OUTPUTS), {spec.INPUT: im_data})
    events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [(event["name"], event["dur"]) for event in events if event.get("cat") == "Node"]
    inside = sum(taken for name, taken in nodes if not name.startswith("/"))
    return float(inside / sum(taken for _, taken in nodes))


def sgemm_gflops() -> float:
    """What the machine's matrix product does, in the same process."""
    left, right = torch.randn(SGEMM_SIDE, SGEMM_SIDE), torch.randn(SGEMM_SIDE, SGEMM_SIDE)
    best = min(seconds(lambda: left @ right) for _ in range(ROUNDS + 1))
    return 2 * SGEMM_SIDE**3 / best / 1e9


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
