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

from rfcn_lib.devices.threads import one_thread
from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, name_of
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.port import Port, on_canvas
from rfcn_lib.store.store import Store
from rfcn_lib.verdict.verdict import Criterion, Relation

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: its threads give the core away when they wait. Spinning, several workers slow each other
    # down twentyfold; alone, a process that gives the core away is half as fast.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# each before those that import it; hooks of the last are called first
pytest_plugins = tuple(
    f"rfcn_lib.suite.{name}"
    for name in ("inputs", "host_runs", "judging", "reference", "ascend_host", "ascend", "gpu", "report", "options")
)

# every picture through a device, or with first_look=True the first ones; returns the folder of dumps
Pass = Callable[..., Path]
UNIT = Path(__file__).parent / "tests" / "unit"
# marks of no test below tests/unit; the first four of one file each
CONTRACT = ("export", "adapt", "accuracy", "performance", "npu", "gpu")


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


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Where only the contract runs, hypothesis is not imported for its line in the summary: that would take a second."""
    plugin = config.pluginmanager.get_plugin("hypothesispytest")
    if plugin and config.getoption("markexpr") in CONTRACT:
        config.pluginmanager.unregister(plugin)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Importing every test, to deselect all but one file's, takes longer than judging a finished run again."""
    asked = config.getoption("markexpr")
    others = [f"test_{mark}.py" for mark in CONTRACT[:4] if mark != asked and asked in CONTRACT[:4]]
    beside = collection_path.parent == UNIT.parent and collection_path.name in others
    return True if asked in CONTRACT and (collection_path == UNIT or beside) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What the options call for is declared before anything runs, so that --setup-plan shows the whole build graph."""
    reference = [] if config.getoption("--reference") == "published" else ["torch"]
    candidate = [] if config.getoption("--dumps") else ["onnxruntime"]
    passes = {"host": [*candidate, *reference], "npu": reference}
    for item in items:
        if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            params, names = item.callspec.params, item.fixturenames
            first: list[str] = []
            if "candidate" in names:
                over, npu = passes[str(params["device"])], params["device"] == "npu"
                looks, dumps = ([f"{one}_{what}" for one in over] for what in ("first_look", "dumps"))
                first = ["npus", "runner", "atc", "om_paths", *looks, "npu_run", *dumps] if npu else [*looks, *dumps]
            first += ["twin_paths"] if params.get("graphs", "full-size") != "full-size" else []
            item.fixturenames = [*first, *names]  # a list of its own: parametrized items share theirs


@pytest.fixture(scope="session")
def store(pytestconfig: pytest.Config) -> Store:
    return Store(pytestconfig.invocation_params.dir / pytestconfig.getoption("--store"))


@pytest.fixture(scope="session")
def aloud(pytestconfig: pytest.Config) -> Callable[[], AbstractContextManager[object]]:
    """with aloud(): progress is seen although pytest captures what tests print."""
    capture: Any = pytestconfig.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled if capture else nullcontext


@pytest.fixture(scope="session")
def onnx_paths(
    store: Store, weights: Path, port: Port, canvases: IdsByCanvas, kept_as: Any, as_given: object
) -> Mapping[Wh, Path]:
    """One graph per canvas; the published port has one of each."""
    return {
        canvas: store.build(
            kept_as("rfcn.onnx", canvas),
            "rfcn_lib.graph.export:onnx_from_checkpoint",
            weights=weights,
            port=on_canvas(port, canvas),
        )
        for canvas in canvases
    }


@pytest.fixture(scope="session")
def adapted_paths(store: Store, onnx_paths: Mapping[Wh, Path], kept_as: Any) -> Mapping[Wh, Path]:
    return {
        canvas: store.build(
            kept_as("rfcn_adapted.onnx", canvas), "rfcn_lib.graph.adapt:adapted_from_exported", exported=exported
        )
        for canvas, exported in onnx_paths.items()
    }


@pytest.fixture(scope="session")
def twin_paths(store: Store, adapted_paths: Mapping[Wh, Path], kept_as: Any) -> Mapping[Wh, Path]:
    return {
        canvas: store.build(kept_as("rfcn_twin.onnx", canvas), "rfcn_lib.graph.twin:twin_from_vendor", vendor=adapted)
        for canvas, adapted in adapted_paths.items()
    }


@pytest.fixture(scope="session")
def torch_pass(weights: Path, port: Port, devkit: Devkit, pictures: object, passing: Callable[..., Pass]) -> Pass:
    """The source model, float32 on the host's CPU; on the published canvas whatever the candidate's."""
    canvases = {port.pictures.canvas_wh_px: devkit.ids}
    made_of = {"weights": weights, "proposals": port.proposals, "one_thread": one_thread()}
    return passing("dumps/torch", "pytorch", made_of, canvases, lambda _: (weights, port))


@pytest.fixture(scope="session")
def onnxruntime_pass(
    twin_paths: Mapping[Wh, Path], canvases: IdsByCanvas, pictures: object, kept_as: Any, passing: Any
) -> Pass:
    """The adapted graph: its executable twin in ONNX Runtime, standing in for the NPU."""
    made_of = {"twins": {name_of(canvas): twin for canvas, twin in twin_paths.items()}}
    loaded = lambda canvas: (twin_paths[canvas],)  # noqa: E731
    return passing(kept_as("dumps/onnxruntime"), "onnx_runtime", made_of, canvases, loaded)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def torch_first_look(torch_pass: Pass) -> Path:
    """Its first pictures: how many hours the run takes is said before they are spent, on whichever pass comes first."""
    return torch_pass(first_look=True)


@pytest.fixture(scope="session")
def onnxruntime_first_look(onnxruntime_pass: Pass) -> Path:
    return onnxruntime_pass(first_look=True)


@pytest.fixture(scope="session")
def torch_dumps(torch_pass: Pass) -> Path:
    return torch_pass()


@pytest.fixture(scope="session")
def onnxruntime_dumps(onnxruntime_pass: Pass) -> Path:
    return onnxruntime_pass()


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
