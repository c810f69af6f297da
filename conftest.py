"""The build graph. Each fixture is one artifact, made from the fixtures it names, at most once, when it is asked for.

Heavy stages are imported where they are used, so that judging dumps needs no deep-learning framework.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib.pictures.preprocess import picture_record, prepare, refuse_cropped
from rfcn_lib.pictures.voc import Devkit, read_devkit
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Floats, Picture
from rfcn_lib.score.verdict import (
    Criterion,
    Relation,
)
from rfcn_lib.store import Store

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: its threads give the core away when they wait. Spinning, several workers slow each other
    # down twentyfold; alone, a process that gives the core away is half as fast.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

pytest_plugins = ("reporting", "trial", "ascend", "gpu")

ROOT = Path(__file__).parent
SPECIMEN = ROOT / "specimen"
SPECIMEN_WEIGHTS = SPECIMEN / "rfcn_specimen.pth"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("acceptance", "what is on trial (write --option=value, with '=')")
    add = group.addoption
    add("--weights", metavar="PATH", help="source checkpoint, upstream format; default: the specimen's")
    add(
        "--port",
        metavar="FILE",
        help="the port's numbers, TOML; default: the specimen's, the published once --weights is given",
    )
    add("--devkit", metavar="PATH", help="VOCdevkit folder, the one that holds VOC2007/; default: the specimen's")
    add("--store", metavar="DIR", default=".artifacts", help="where artifacts are kept; default: %(default)s")
    add("--dumps", metavar="DIR", help="judge these dumps, made elsewhere, instead of making any")
    add("--limit", metavar="N", help="first N ids of the set; such a run is marked partial")
    add(
        "--reference",
        metavar="torch|published",
        default="torch",
        help="source model on the same pictures, or published figure",
    )
    add(
        "--overflow",
        metavar="crop|error",
        default="crop",
        help="a picture larger than the canvas: cropped as published, or refused",
    )
    add(
        "--dask",
        metavar="ADDRESS",
        help="share the pictures over a Dask cluster, tcp://HOST:8786, or over local:N processes of this machine",
    )
    add("--accept", action="store_true", help="nothing may be skipped: what would be skipped is an error")
    add(
        "--verdict",
        metavar="FILE",
        help="write the verdict as JSON: what was on trial, every criterion, its number, its outcome",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What the options call for is declared before anything runs, so that --setup-plan shows the whole build graph."""
    reference = [] if config.getoption("--reference") == "published" else ["torch_dumps"]
    candidate = {"host": [] if config.getoption("--dumps") else ["onnxruntime_dumps"], "npu": ["npu_run"]}
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            params, names = item.callspec.params, item.fixturenames
            first = [*candidate[str(params["device"])], *reference] if "candidate" in names else []
            first += ["twin_path"] if params.get("graphs") == "on-trial" else []
            item.fixturenames = [*first, *names]  # a list of its own: parametrized items share theirs


@pytest.fixture(scope="session")
def weights(pytestconfig: pytest.Config) -> Path:
    return Path(pytestconfig.getoption("--weights") or SPECIMEN_WEIGHTS)


@pytest.fixture(scope="session")
def port_path(pytestconfig: pytest.Config) -> Path:
    default = PUBLISHED if pytestconfig.getoption("--weights") else SPECIMEN / "port.toml"
    return Path(pytestconfig.getoption("--port") or default)


@pytest.fixture(scope="session")
def port(port_path: Path) -> Port:
    return read_port(port_path)


@pytest.fixture(scope="session")
def devkit(pytestconfig: pytest.Config, port: Port) -> Devkit:
    folder = Path(pytestconfig.getoption("--devkit") or SPECIMEN / "VOCdevkit")
    limit = pytestconfig.getoption("--limit")
    jpegs_needed = not (pytestconfig.getoption("--dumps") and pytestconfig.getoption("--reference") == "published")
    return read_devkit(folder, port.classes, limit=limit and int(limit), pictures=jpegs_needed)


@pytest.fixture(scope="session")
def pictures(pytestconfig: pytest.Config, devkit: Devkit, port: Port) -> Mapping[str, Picture]:
    """What preprocessing does to each picture, by id."""
    records = {id: picture_record(id, devkit.sizes_wh[id], port.pictures) for id in devkit.ids}
    if pytestconfig.getoption("--overflow") == "error":
        refuse_cropped(records.values())
    return records


@pytest.fixture(scope="session")
def shown(devkit: Devkit, port: Port) -> Callable[[str], tuple[Floats, Picture]]:
    """shown(id): what the network is shown of a picture, (1, 3, H, W) float32, and its record."""
    return lambda id: prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], port.pictures)


@pytest.fixture(scope="session")
def store(pytestconfig: pytest.Config) -> Store:
    return Store(pytestconfig.invocation_params.dir / pytestconfig.getoption("--store"))


@pytest.fixture(scope="session")
def aloud(pytestconfig: pytest.Config) -> Callable[[], AbstractContextManager[object]]:
    """with aloud(): progress is seen although pytest captures what tests print."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled if capture else nullcontext


@pytest.fixture(scope="session")
def dask(pytestconfig: pytest.Config) -> str | None:
    """The cluster that shares the pictures, or None: they are run here, one after the other."""
    address: str | None = pytestconfig.getoption("--dask")
    return address


@pytest.fixture(scope="session")
def onnx_path(store: Store, weights: Path, port: Port) -> Path:
    from rfcn_lib.graph.export import onnx_from_checkpoint

    return store.build("rfcn.onnx", onnx_from_checkpoint, weights=weights, port=port)


@pytest.fixture(scope="session")
def adapted_path(store: Store, onnx_path: Path) -> Path:
    from rfcn_lib.graph.adapt import adapted_from_exported

    return store.build("rfcn_adapted.onnx", adapted_from_exported, exported=onnx_path)


@pytest.fixture(scope="session")
def twin_path(store: Store, adapted_path: Path) -> Path:
    from rfcn_lib.graph.operators import twin_from_vendor

    return store.build("rfcn_twin.onnx", twin_from_vendor, vendor=adapted_path)


@pytest.fixture(scope="session")
def torch_dumps(
    store: Store, weights: Path, port: Port, devkit: Devkit, pictures: object, shown: Any, aloud: Any, dask: str | None
) -> Path:
    """The source model's outputs, float32 on the host's CPU."""
    from rfcn_lib.devices import pytorch

    made_of = {"weights": weights, "pictures": port.pictures, "proposals": port.proposals, "jpegs": devkit.jpegs_folder}
    return _filled(
        store,
        "dumps/torch",
        pytorch,
        made_of,
        devkit,
        port,
        shown,
        aloud,
        lambda: pytorch.device(weights, port),
        weights,
        dask,
    )


@pytest.fixture(scope="session")
def onnxruntime_dumps(
    store: Store,
    twin_path: Path,
    port: Port,
    devkit: Devkit,
    pictures: object,
    shown: Any,
    aloud: Any,
    dask: str | None,
) -> Path:
    """The adapted graph's outputs: its executable twin in ONNX Runtime, standing in for the NPU."""
    from rfcn_lib.devices import onnx_runtime

    made_of = {"twin": twin_path, "pictures": port.pictures, "jpegs": devkit.jpegs_folder}
    return _filled(
        store,
        "dumps/onnxruntime",
        onnx_runtime,
        made_of,
        devkit,
        port,
        shown,
        aloud,
        lambda: onnx_runtime.device(twin_path),
        twin_path,
        dask,
    )


@pytest.fixture(scope="session")
def candidate_dumps(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Path:
    """What is judged: --dumps, or else this host's own."""
    elsewhere = pytestconfig.getoption("--dumps")
    return Path(elsewhere) if elsewhere else request.getfixturevalue("onnxruntime_dumps")


@pytest.fixture(scope="session")
def need() -> Callable[[Any, str], Any]:
    """need(value, sentence): the value, or else a skip that says what is missing and how to get it."""
    return lambda value, sentence: value or pytest.skip(sentence)


@pytest.fixture
def criterion(record_property: Callable[[str, object], None]) -> Callable[..., Criterion]:
    """criterion(name, number, relation, limit, source): put on record what this test judges, whatever the outcome."""

    def on_record(name: str, number: float, relation: Relation, limit: float, source: str) -> Criterion:
        judged = Criterion(name, float(number), relation, float(limit), source)
        record_property("criterion", asdict(judged))
        return judged

    return on_record


def _filled(
    store: Store,
    name: str,
    code: Any,
    made_of: dict[str, Any],
    devkit: Devkit,
    port: Port,
    shown: Any,
    aloud: Any,
    device: Any,
    program: Path,
    dask: str | None,
) -> Path:
    from rfcn_lib.devices.filling import fill

    with aloud(), store.growing(name, code, **made_of) as folder:
        if dask:
            from rfcn_lib.devices.cluster import Program, fill_on_cluster

            sources = lambda id: (devkit.picture_path(id), devkit.sizes_wh[id])  # noqa: E731
            loaded = Program(code.__name__.rpartition(".")[2], program, store.digests.of(program))
            fill_on_cluster(folder, devkit.ids, port, sources, loaded, dask, name)
        else:
            fill(folder, devkit.ids, port, shown, device, name)
    return folder
