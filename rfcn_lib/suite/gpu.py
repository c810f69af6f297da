"""The build graph, continued on a machine with a CUDA device: the source model's own figures, as a baseline file."""

import hashlib
import os
import platform
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib.command import CommandError, run
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.speed.baseline import Baseline, expect_same, read_baseline, write_baseline
from rfcn_lib.store.store import Store
from rfcn_lib.suite.reference import expect_fair

TIMED_PICTURES = 100  # enough for a steady rate; timing all of them would double the run


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("acceptance")
    text = "a GPU baseline made by `pytest -m gpu`: replaces the published constants in the criteria"
    group.addoption("--baseline", metavar="FILE", help=text)


def pytest_configure(config: pytest.Config) -> None:
    given = config.getoption("--baseline")
    if given is not None and not Path(given).is_file():
        raise pytest.UsageError(f"--baseline={given} is not a file; make one with `pytest -m gpu` on a CUDA machine")


@pytest.fixture(scope="session")
def digests(store: Store, weights: Path, port: Port, devkit: Devkit) -> dict[str, str]:
    """Which weights, which pictures: what a baseline is bound to."""
    return {
        "weights_sha256": store.digests.of(weights),
        "jpegs_sha256": store.digests.of(devkit.jpegs_folder),
        "annotations_sha256": store.digests.of(devkit.annotations_folder),
        "ids_sha256": hashlib.sha256("\n".join(devkit.ids).encode()).hexdigest(),
        "port_sha256": hashlib.sha256(port.model_dump_json(exclude={"name", "criteria"}).encode()).hexdigest(),
    }


@pytest.fixture(scope="session")
def baseline(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Baseline | None:
    """--baseline, if it was measured on what is on trial."""
    given = pytestconfig.getoption("--baseline")
    if given is None:
        return None
    found = read_baseline(Path(given))
    expect_same(found, Path(given), request.getfixturevalue("port").classes, **request.getfixturevalue("digests"))
    return found


@pytest.fixture(scope="session")
def cuda(need: Any) -> str:
    """The name of the CUDA device."""
    import torch

    sentence = "no CUDA device; run on a machine with an NVIDIA GPU, its driver and a CUDA build of torch==2.13.0"
    need(torch.cuda.is_available(), sentence)
    return str(torch.cuda.get_device_name())


@pytest.fixture(scope="session")
def measured_baseline(
    cuda: str, request: pytest.FixtureRequest, store: Store, aloud: Callable[[], AbstractContextManager[object]]
) -> Baseline:
    """The source model on CUDA over the devkit, written to <store>/gpu_baseline.json."""
    wanted = request.getfixturevalue
    with aloud():
        return measure(
            store,
            cuda,
            "cuda",
            *(wanted(name) for name in ("weights", "port", "devkit", "pictures", "shown_as_published", "digests")),
        )


def measure(
    store: Store,
    gpu: str,
    where: str,
    weights: Path,
    port: Port,
    devkit: Devkit,
    pictures: Any,
    shown: Any,
    digests: Any,
) -> Baseline:
    """Dumps, score and rates of the source model on `where`, as a baseline file in the store."""
    import torch

    from rfcn_lib.devices import pytorch
    from rfcn_lib.runs.dask.worker import cpu_model
    from rfcn_lib.runs.folder import RunFolder
    from rfcn_lib.runs.local import LocalEngine
    from rfcn_lib.runs.loop import run_missing
    from rfcn_lib.score.evaluation import judge
    from rfcn_lib.speed.source_model import rates

    on_published = Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, store.digests.of_each)
    made_of = {"weights": weights, "pictures": port.pictures, "proposals": port.proposals, "gpu": gpu}
    keyed = store.digests.of(weights)
    with store.growing(f"dumps/{where}", [pytorch, "rfcn_lib.pictures.preprocess"], **made_of) as folder:
        source_model = lambda _: store.as_keyed(weights, lambda: pytorch.load_model(weights, port, where), keyed)  # noqa: E731
        run_missing(RunFolder(folder, port), on_published, LocalEngine(source_model), f"dumps/{where}")
    whole = devkit.ids == devkit.all_ids
    others = {*devkit.all_ids, *RunFolder(folder, port).digests()}
    found = judge(folder, pictures, devkit.truth, port, whole_set=whole, surplus_allowed=others).evaluation
    expect_fair(found.mean_ap, whole)
    timed = devkit.ids[:TIMED_PICTURES]
    device_fps, script_fps = rates(pytorch.load_model(weights, port, where), shown, port, timed)
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
    write_baseline(store.root / "gpu_baseline.json", result)
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
