"""On a machine with a CUDA device: the source model's detections, scores and rates, written as a reference packet."""

import shutil
from pathlib import Path

import pytest

from rfcn_lib.command import CommandError, run
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.score.packet import Packet, read_packet
from rfcn_lib.score.packet_records import Origin, Rates
from rfcn_lib.store.store import Store
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import expect_fair, expect_names, judge_own_dumps
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.packets import origin_of, this_machine, write_reference

TIMED_PICTURES = 100  # enough for a steady rate; timing all of them would double the run
FILE = "gpu_reference.zip"


@pytest.fixture(scope="session")
def cuda() -> str:
    """The name of the CUDA device."""
    import torch

    sentence = "no CUDA device; run on a machine with an NVIDIA GPU, its driver and a CUDA build of torch==2.13.0"
    require(torch.cuda.is_available(), sentence)
    return str(torch.cuda.get_device_name())


@pytest.fixture(scope="session")
def gpu_reference(
    cuda: str, store: Store, weights: Path, pictures: Pictures, origin: Origin, options: Options
) -> tuple[Path, Packet]:
    """The source model on CUDA over the devkit: the packet's file (default <store>/gpu_reference.zip), what is in it."""
    target = options.write_reference or store.root / FILE
    return target, measure(store, cuda, "cuda", weights, pictures.on_published_canvas(), origin, target)


def measure(
    store: Store, gpu: str, where: str, weights: Path, pictures: Pictures, origin: Origin, target: Path
) -> Packet:
    """Dumps, detections, mean AP and rates of the source model on `where` ("cuda" or "cpu"), written as a packet to `target`.

    Raises:
        UnfairError: the source model finds next to nothing, or an input changed meanwhile.
        PictureError, DumpError, CheckpointError, PacketError: as in any run of the source model.
    """
    import torch

    from rfcn_lib.devices import pytorch
    from rfcn_lib.runs.folder import RunFolder
    from rfcn_lib.runs.local import LocalEngine
    from rfcn_lib.runs.loop import run_missing
    from rfcn_lib.speed.source_model import rates

    port, devkit = pictures.port, pictures.devkit
    made_of = {"weights": weights, "pictures": port.pictures, "proposals": port.proposals, "gpu": gpu}
    sha256 = store.digests.of(weights)
    with store.open_folder(f"dumps/{where}", [pytorch, "rfcn_lib.pictures.preprocess"], **made_of) as folder:
        load = lambda _: store.digests.load_unchanged(weights, lambda: pytorch.load_model(weights, port, where), sha256)  # noqa: E731
        run_missing(RunFolder(folder, port), pictures, LocalEngine(load), f"dumps/{where}")
    judged = judge_own_dumps(folder, pictures)
    expect_fair(judged.evaluation.mean_ap, devkit.ids == devkit.all_ids)
    expect_names(judged.detections, judged.evaluation.ap, pictures)
    timed = devkit.ids[:TIMED_PICTURES]
    device_fps, script_fps = rates(pytorch.load_model(weights, port, where), pictures.load, port, timed)
    versions = {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}  # type: ignore[no-untyped-call]
    measured = Rates(timed=len(timed), device_fps=device_fps, script_fps=script_fps)
    now, maker = origin_of(store, weights, port, devkit), this_machine(gpu, _driver(), versions)
    write_reference(target, judged, origin, now, maker, pictures, measured)
    return read_packet(target)


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown: no nvidia-smi on PATH"
    try:
        done = run([tool, "--query-gpu=driver_version", "--format=csv,noheader"], cwd=Path.cwd(), timeout_s=60)
    except CommandError as error:
        return f"unknown: {error}"
    return (done.stdout.split() or ["unknown"])[0]
