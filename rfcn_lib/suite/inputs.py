"""What a run reads: weights, port, devkit and pictures; and the canvases of the pictures."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import Wh, fitted_canvases, name_of, shared_out
from rfcn_lib.pictures.devkit import Devkit, DevkitError, read_devkit
from rfcn_lib.pictures.devkit_files import FAULTS, with_all_faults
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import picture_records, refuse_cropped
from rfcn_lib.pictures.set_file import set_path
from rfcn_lib.port import Port, on_canvas, read_port
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.options import OPTIONS, SPECIMEN_WEIGHTS, Options

T = TypeVar("T")


def require(value: T | None, sentence: object) -> T:
    """The value; where it is None or false, skip the test with a sentence that says what is missing and how to get it."""
    if not value:
        pytest.skip(str(sentence))
    return value


def read_inputs(options: Options) -> tuple[Port, Devkit]:
    """The port and the devkit. Raises PortError, DevkitError; <store>/devkit-faults.txt has all faults where they are many."""
    found = _inputs_or_error(options)
    if isinstance(found, SuiteError):
        raise found
    return found


@functools.cache
def _inputs_or_error(options: Options) -> tuple[Port, Devkit] | SuiteError:
    """An error is kept too: a set is read once, whoever asks."""
    try:
        port = read_port(options.port)
        needs_jpegs, set_name = options.needs_jpegs, options.set_name
        devkit = read_devkit(options.devkit, port.classes, limit=options.limit, set_name=set_name, pictures=needs_jpegs)
        if options.sample and len(devkit.ids) > options.sample:
            chosen = sample_of(devkit.ids, options.sample)
            devkit = read_devkit(options.devkit, port.classes, only=chosen, set_name=set_name, pictures=needs_jpegs)
        return port, devkit
    except DevkitError as error:
        return with_all_faults(error, options.store / FAULTS)
    except SuiteError as error:
        return error


def sample_of(ids: Sequence[str], count: int) -> tuple[str, ...]:
    """`count` of the ids, chosen by the sha256 of the id, in the order of the set; all where there are no more."""
    chosen = set(sorted(ids, key=lambda id: hashlib.sha256(id.encode()).hexdigest())[:count])
    return tuple(id for id in ids if id in chosen)


@functools.cache
def choose_canvases(options: Options) -> Canvases:
    """The canvases of the run. Raises PortError, DevkitError, PictureError, CanvasError."""
    port, devkit = read_inputs(options)
    if not options.fitted:
        return Canvases({port.pictures.canvas_wh_px: devkit.ids}, port.pictures.canvas_wh_px, fitted=False)
    scaled_wh = {id: record.scaled_wh for id, record in picture_records(devkit.sizes_wh, port.pictures).items()}
    found = shared_out(scaled_wh, fitted_canvases(list(scaled_wh.values())))
    for canvas in found:
        on_canvas(port, canvas)
    return Canvases(found, port.pictures.canvas_wh_px, fitted=True)


def pytest_report_header(config: pytest.Config) -> list[str]:
    options = config.stash[OPTIONS]
    if not options.fitted:
        return []
    canvases = choose_canvases(options)
    size = options.weights.stat().st_size
    words = [f"canvases: {canvases}"]
    return words if options.dumps else [*words, f"graphs: {canvases.disk_words(size, npu=options.marks == 'npu')}"]


def pytest_configure(config: pytest.Config) -> None:
    """With --canvas=fitted the tests of the graphs are as many as the canvases, so the data set is read before collection."""
    options = config.stash[OPTIONS]
    if options.fitted:
        try:
            choose_canvases(options)
        except SuiteError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """With --canvas=fitted there is one graph for each canvas; run every test of a graph once for each of them."""
    options = metafunc.config.stash[OPTIONS]
    if options.fitted and "canvas" in metafunc.fixturenames:
        names = {name_of(canvas): canvas for canvas in choose_canvases(options)}
        metafunc.parametrize("canvas", list(names.values()), ids=list(names), scope="session")


@pytest.fixture(scope="session")
def store(options: Options) -> Store:
    """Where artifacts are kept. With --accept every file is read again, and no digest of an earlier run is believed."""
    return Store(options.store, memo_believed=not options.accept)


@pytest.fixture(scope="session")
def weights(options: Options) -> Path:
    """The source model's checkpoint."""
    return options.weights


@pytest.fixture(scope="session")
def port(options: Options) -> Port:
    """The port's numbers."""
    return read_inputs(options)[0]


@pytest.fixture(scope="session")
def devkit(options: Options) -> Devkit:
    """The set: ids, truth, sizes of its pictures."""
    return read_inputs(options)[1]


@pytest.fixture(scope="session")
def input_digests(store: Store, options: Options, weights: Path, devkit: Devkit) -> Mapping[str, str]:
    """Name -> sha256 of each input, before anything is made of it. `trial` compares them again at the end."""
    return {name: store.digests.of(path) for name, path in input_paths(weights, options.port, devkit).items()}


def input_paths(weights: Path, port_path: Path, devkit: Devkit) -> dict[str, Path]:
    """Name -> path of each input whose content a verdict depends on."""
    set_file = set_path(devkit.folder, devkit.set_name)
    return {"weights": weights, "port": port_path, "annotations": devkit.annotations_folder, "set": set_file}


@pytest.fixture(scope="session")
def pictures_scaled_wh(devkit: Devkit, port: Port) -> Mapping[str, Wh]:
    """Id -> (width, height) px of the resized picture, which im_info would say."""
    return {id: record.scaled_wh for id, record in picture_records(devkit.sizes_wh, port.pictures).items()}


@pytest.fixture(scope="session")
def canvases(options: Options) -> Canvases:
    """Which pictures are on which canvas: all on the port's own, or each on the smallest of a few."""
    return choose_canvases(options)


@pytest.fixture(scope="session")
def canvas(canvases: Canvases) -> Wh:
    """(width, height) px of one canvas. With --canvas=fitted each of them in turn."""
    return next(iter(canvases))


@pytest.fixture(scope="session")
def pictures(
    store: Store, devkit: Devkit, port: Port, canvases: Canvases, options: Options, input_digests: Mapping[str, str]
) -> Pictures:
    """The pictures as the candidate reads them, each on its canvas."""
    found = Pictures(devkit, port, canvases.by_canvas, store.digests.of_each)
    records = found.records.values()  # now: a picture that cannot be resized is an error before the first one is run
    if options.overflow == "error":
        refuse_cropped(records)
    return found


def is_specimen(options: Options) -> bool:
    """Whether the weights are the specimen's."""
    return options.weights == SPECIMEN_WEIGHTS
