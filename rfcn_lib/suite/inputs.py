"""What a run is given: weights, port, devkit; and the canvases on which its pictures are shown.

--canvas=published: one canvas, the port's own. --canvas=fitted: a few, chosen from the sizes of the pictures judged;
each picture is shown on the smallest that holds it, and the build graph makes its artifacts once per canvas.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, fitted_canvases, name_of, share_of, shared_out
from rfcn_lib.pictures.devkit import Devkit, read_devkit
from rfcn_lib.pictures.preprocess import expect_sizes, picture_record, prepare, refuse_cropped
from rfcn_lib.port import PUBLISHED, Port, on_canvas, read_port
from rfcn_lib.progress import in_bytes
from rfcn_lib.records import Floats, Picture
from rfcn_lib.store.store import Store

SPECIMEN = Path(__file__).resolve().parents[2] / "specimen"
SPECIMEN_WEIGHTS = SPECIMEN / "rfcn_specimen.pth"
ON_ITS_OWN_CANVAS = "published figures are of the published canvas; judge them without --canvas=fitted"

Shown = Callable[[str], tuple[Floats, Picture]]
_CHOSEN = pytest.StashKey[IdsByCanvas]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("acceptance").addoption(
        "--canvas",
        metavar="published|fitted",
        default="published",
        help="pictures on the port's one canvas, or each on the smallest of a few that fit",
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    if not is_fitted(config):
        return []
    try:
        found = _chosen(config)
        words = [f"canvases: {describe(found, read_port(_port_path(config)))}"]
        return words if config.getoption("--dumps") else [*words, f"graphs: {_graphs_on_disk(config, found)}"]
    except SuiteError as error:  # whoever asks for the pictures meets it again, and says it in full
        return [f"canvases: fitted, but not chosen yet: {str(error).splitlines()[0]}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is said of a graph on trial is said of every canvas's graph, so with --canvas=fitted each has its own tests."""
    fitted: Mapping[str, Wh] = {}
    if is_fitted(metafunc.config):
        try:
            fitted = {name_of(canvas): canvas for canvas in _chosen(metafunc.config)}
        except SuiteError:  # as above: one test each, which ends in that error
            fitted = {}
    if "graphs" in metafunc.fixturenames:
        on_trial = [pytest.param(canvas, id=f"on-trial-{name}") for name, canvas in fitted.items()]
        both = [*(on_trial or [pytest.param("on-trial")]), pytest.param("full-size", marks=pytest.mark.slow)]
        metafunc.parametrize("graphs", both, indirect=True, scope="session")
    if "canvas" in metafunc.fixturenames and fitted:
        metafunc.parametrize("canvas", list(fitted.values()), ids=list(fitted), indirect=True, scope="session")


def is_fitted(config: pytest.Config) -> bool:
    """Whether --canvas=fitted."""
    return str(config.getoption("--canvas")) == "fitted"


def _graphs_on_disk(config: pytest.Config, canvases: IdsByCanvas) -> str:
    weights = Path(config.getoption("--weights") or SPECIMEN_WEIGHTS)
    size = weights.stat().st_size if weights.is_file() else 0
    graphs = ("exported", "adapted", "om" if config.getoption("markexpr") == "npu" else "twin")
    return (
        f"{len(graphs)} of each canvas ({', '.join(graphs)}), each about as large as the weights: they take at most "
        f"{in_bytes(size * len(graphs) * len(canvases))} of the store, whatever the number of pictures"
    )


def describe(canvases: IdsByCanvas, port: Port) -> str:
    """`fitted: 688x512 (2472 pictures), ...; 21.5% of the area of the port's own 1344x1344`."""
    published = port.pictures.canvas_wh_px
    if list(canvases) == [published]:
        return f"{name_of(published)}, the port's own"
    each = ", ".join(f"{name_of(canvas)} ({len(ids)} pictures)" for canvas, ids in canvases.items())
    return f"fitted: {each}; {share_of(canvases, published):.1%} of the area of the port's own {name_of(published)}"


@pytest.fixture(scope="session")
def weights(pytestconfig: pytest.Config) -> Path:
    return Path(pytestconfig.getoption("--weights") or SPECIMEN_WEIGHTS)


@pytest.fixture(scope="session")
def port_path(pytestconfig: pytest.Config) -> Path:
    return _port_path(pytestconfig)


@pytest.fixture(scope="session")
def port(port_path: Path) -> Port:
    return read_port(port_path)


@pytest.fixture(scope="session")
def devkit(pytestconfig: pytest.Config, port: Port) -> Devkit:
    return _devkit(pytestconfig, port)


@pytest.fixture(scope="session")
def canvases(pytestconfig: pytest.Config, devkit: Devkit, port: Port) -> IdsByCanvas:
    """Which pictures are shown on which canvas: all on the port's own, or each on one that fits."""
    return _chosen(pytestconfig) if is_fitted(pytestconfig) else {port.pictures.canvas_wh_px: devkit.ids}


@pytest.fixture(scope="session")
def canvas(request: pytest.FixtureRequest, canvases: IdsByCanvas) -> Wh:
    """One of the canvases; whatever asks for it is done for each of them."""
    found: Wh = getattr(request, "param", None) or next(iter(canvases))
    return found


@pytest.fixture(scope="session")
def kept_as(pytestconfig: pytest.Config) -> Callable[..., str]:
    """kept_as(name, canvas): an artifact's name in the store; the published canvas's are where they always were."""

    def named(name: str, canvas: Wh | None = None) -> str:
        folder = f"{name_of(canvas)}/" if canvas else ""
        return f"fitted/{folder}{name}" if is_fitted(pytestconfig) else name

    return named


@pytest.fixture(scope="session")
def pictures(
    pytestconfig: pytest.Config, canvases: IdsByCanvas, devkit: Devkit, port: Port, as_given: object
) -> Mapping[str, Picture]:
    """What preprocessing does to each picture, by id; on its own canvas."""
    records = {
        id: picture_record(id, devkit.sizes_wh[id], on_canvas(port, canvas).pictures)
        for canvas, ids in canvases.items()
        for id in ids
    }
    if pytestconfig.getoption("--overflow") == "error":
        refuse_cropped(records.values())
    # a finished dump's JPEG is opened no more, but its boxes are scaled by its annotation
    if _jpegs_needed(pytestconfig):
        expect_sizes({devkit.picture_path(id): devkit.sizes_wh[id] for id in devkit.ids})
    return records


@pytest.fixture(scope="session")
def shown(devkit: Devkit, port: Port, pictures: Mapping[str, Picture]) -> Shown:
    """shown(id): what the candidate is shown of a picture, (1, 3, H, W) float32 on its own canvas, and its record."""
    numbers = {canvas: on_canvas(port, canvas).pictures for canvas in {p.canvas_wh for p in pictures.values()}}
    return lambda id: prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], numbers[pictures[id].canvas_wh])


@pytest.fixture(scope="session")
def shown_as_published(devkit: Devkit, port: Port) -> Shown:
    """What the source model is shown, whatever the candidate is: every picture on the port's own canvas."""
    return lambda id: prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], port.pictures)


@pytest.fixture(scope="session")
def jpegs(store: Store, devkit: Devkit) -> Callable[[Iterable[str]], list[str]]:
    """jpegs(ids): sha256 of each picture's JPEG as it lies there now."""
    return lambda ids: store.digests.of_each([devkit.picture_path(id) for id in ids])


@pytest.fixture(scope="session")
def as_given(store: Store, weights: Path, port_path: Path, devkit: Devkit) -> Mapping[str, str]:
    """Name -> sha256 of what was given, before anything was made of it: a verdict is of these bytes or of none."""
    year = devkit.folder / spec.VOC_YEAR_FOLDER
    given = {"weights": weights, "port": port_path, "annotations": year / "Annotations"}
    given["set"] = year / "ImageSets" / "Main" / f"{devkit.set_name}.txt"
    return {name: store.digests.of(path) for name, path in given.items()}


def _port_path(config: pytest.Config) -> Path:
    default = PUBLISHED if config.getoption("--weights") else SPECIMEN / "port.toml"
    return Path(config.getoption("--port") or default)


def _devkit(config: pytest.Config, port: Port) -> Devkit:
    folder = Path(config.getoption("--devkit") or SPECIMEN / "VOCdevkit")
    limit = config.getoption("--limit")
    return read_devkit(folder, port.classes, limit=limit and int(limit), pictures=_jpegs_needed(config))


def _jpegs_needed(config: pytest.Config) -> bool:
    return not (config.getoption("--dumps") and config.getoption("--reference") == "published")


def _chosen(config: pytest.Config) -> IdsByCanvas:
    """The fitted canvases, from the sizes of the pictures judged; chosen once, as tests are collected by them."""
    if _CHOSEN not in config.stash:
        port = read_port(_port_path(config))
        sizes_wh = _devkit(config, port).sizes_wh
        scaled_wh = {id: picture_record(id, size, port.pictures).scaled_wh for id, size in sizes_wh.items()}
        found = shared_out(scaled_wh, fitted_canvases(list(scaled_wh.values())))
        for canvas in found:
            on_canvas(port, canvas)
        config.stash[_CHOSEN] = found
    return config.stash[_CHOSEN]
