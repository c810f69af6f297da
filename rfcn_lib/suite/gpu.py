"""On a machine with a CUDA device: the source model's mean AP and rates, written as a baseline file for other runs."""

import hashlib
import os
import platform
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest

from rfcn_lib.command import CommandError, run
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.speed.baseline import Baseline, write_baseline
from rfcn_lib.store.store import Store
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import expect_fair, judge_own_dumps

TIMED_PICTURES = 100  # enough for a steady rate; timing all of them would double the run
FILE = "gpu_baseline.json"


@pytest.fixture(scope="session")
def cuda() -> str:
    """The name of the CUDA device."""
    import torch

    sentence = "no CUDA device; run on a machine with an NVIDIA GPU, its driver and a CUDA build of torch==2.13.0"
    require(torch.cuda.is_available(), sentence)
    return str(torch.cuda.get_device_name())


@pytest.fixture(scope="session")
def baseline_digests(store: Store, weights: Path, port: Port, devkit: Devkit) -> dict[str, str]:
    """sha256 of the weights, pictures and numbers of this run."""
    return digests_of(store, weights, port, devkit)


def digests_of(store: Store, weights: Path, port: Port, devkit: Devkit) -> dict[str, str]:
    """Name -> sha256 of what a baseline belongs to: weights, pictures, annotations, ids, the port's numbers."""
    return {
        "weights_sha256": store.digests.of(weights),
        "jpegs_sha256": store.digests.of(devkit.jpegs_folder),
        "annotations_sha256": store.digests.of(devkit.annotations_folder),
        "ids_sha256": hashlib.sha256("\n".join(devkit.ids).encode()).hexdigest(),
        "port_sha256": hashlib.sha256(port.model_dump_json(exclude={"name", "criteria"}).encode()).hexdigest(),
    }


@pytest.fixture(scope="session")
def measured_baseline(
    cuda: str, store: Store, weights: Path, pictures: Pictures, baseline_digests: dict[str, str]
) -> Baseline:
    """The source model on CUDA over the devkit, written to <store>/gpu_baseline.json."""
    return measure(store, cuda, "cuda", weights, pictures.on_published_canvas(), baseline_digests)


def measure(store: Store, gpu: str, where: str, weights: Path, pictures: Pictures, digests: dict[str, str]) -> Baseline:
    """Dumps, mean AP and rates of the source model on `where` ("cuda" or "cpu"), as a baseline file in the store.

    Raises:
        UnfairError: the source model finds next to nothing.
        PictureError, DumpError, CheckpointError: as in any run of the source model.
    """
    import torch

    from rfcn_lib.devices import pytorch
    from rfcn_lib.processors import cpu_model
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
    found = judge_own_dumps(folder, pictures).evaluation
    expect_fair(found.mean_ap, devkit.ids == devkit.all_ids)
    timed = devkit.ids[:TIMED_PICTURES]
    device_fps, script_fps = rates(pytorch.load_model(weights, port, where), pictures.load, port, timed)
    result = Baseline(
        format="rfcn gpu baseline 3",
        made=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        machine=f"{platform.node()}, {cpu_model()}, {os.cpu_count()} cores",
        gpu=gpu,
        driver=_driver(),
        versions={
            "torch": torch.__version__,
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),  # type: ignore[no-untyped-call]
        },
        **digests,
        pictures=len(found.ids),
        protocol=found.protocol.name,
        mean_ap=found.mean_ap,
        ap=dict(found.ap),
        timed=len(timed),
        device_fps=device_fps,
        script_fps=script_fps,
    )
    write_baseline(store.root / FILE, result)
    return result


def _driver() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown: no nvidia-smi on PATH"
    try:
        done = run([tool, "--query-gpu=driver_version", "--format=csv,noheader"], cwd=Path.cwd(), timeout_s=60)
    except CommandError as error:
        return f"unknown: {error}"
    return (done.stdout.split() or ["unknown"])[0]
