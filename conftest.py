"""The pipeline. Each fixture is one artifact, and its arguments are what it is made from. Read it from top to bottom.

    weights, port --- onnx --- adapted --+-- twin --- host_run --- host_dumps --- host_candidate --+
                                         +-- om -----+                                             +-- candidate --+
    pictures ------------------ bins ----------------+-- npu_run --- npu_dumps --- npu_candidate --+               +-- trial
    weights, port, pictures --- torch_run --- torch_dumps ------------------------ reference ----------------------+

Each artifact is built when a test needs it, once, and kept in the store. With --canvas=fitted, `onnx`, `adapted`, `twin` and
`om` have one file per canvas. Options exchange the modules that define `om`, `reference`, `host_dumps`, the limits and what is
written: see rfcn_lib/suite/options.py. Without --om, rfcn_lib/suite/om_compiled.py defines `om`. Without --evidence-from,
rfcn_lib/suite/devices_asked.py defines `npu_run`, `npu_candidate` and `rehearsal_dumps`.
"""

from collections.abc import Mapping
from pathlib import Path

import pytest

from rfcn_lib.devices.threads import prepare_threads
from rfcn_lib.pictures.bin_set import BinSet
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.given import GraphFacts, expect_runnable
from rfcn_lib.suite.host_runs import HostRun, SourceModel, Twin
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference, trial_of
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.rehearsal import Chip, rehearsed_graphs, run_rehearsed
from rfcn_lib.verdict.verdict import Exhibit, Trial

prepare_threads()  # before torch is imported

# A plugin comes before those that import it. pytest calls the hooks of the last one first.
pytest_plugins = tuple(
    f"rfcn_lib.suite.{name}"
    for name in (
        *("collection", "inputs", "commands", "ascend", "packets", "gpu", "rehearsal", "rehearsal_figures"),
        *("explain", "agreement", "culprit"),
        *("recording", "report", "junit", "comparing", "summarizing", "guard", "options"),
    )
)

ONNX_FROM_CHECKPOINT = "rfcn_lib.graph.export:onnx_from_checkpoint"
ADAPTED_FROM_EXPORTED = "rfcn_lib.graph.adapt:adapted_from_exported"
TWIN_FROM_VENDOR = "rfcn_lib.graph.twin:twin_from_vendor"
PREPROCESSING = "rfcn_lib.pictures.preprocess"
IN_PYTORCH, IN_ONNX_RUNTIME = "rfcn_lib.devices.pytorch", "rfcn_lib.devices.onnx_runtime"

# -- the graphs -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def onnx(
    store: Store, weights: Path, port: Port, canvases: Canvases, input_digests: Mapping[str, str], options: Options
) -> PerCanvas:
    """The checkpoint's network as ONNX, or the file of --onnx."""
    given = canvases.given(options.onnx)
    return given or canvases.build(
        store, "rfcn.onnx", ONNX_FROM_CHECKPOINT, weights=weights, port=port, clip=options.clip
    )


@pytest.fixture(scope="session")
def adapted(store: Store, canvases: Canvases, onnx: PerCanvas, port: Port, options: Options) -> PerCanvas:
    """The graph that ATC takes, int32 wherever ONNX allows it; or the file of --adapted."""
    expect_runnable(port, options)
    given = canvases.given(options.adapted)
    return given or canvases.build(store, "rfcn_adapted.onnx", ADAPTED_FROM_EXPORTED, exported=onnx)


@pytest.fixture(scope="session")
def twin(store: Store, canvases: Canvases, adapted: PerCanvas) -> PerCanvas:
    """The adapted graph with the vendor's two operators defined, so that ONNX Runtime can run it."""
    return canvases.build(store, "rfcn_twin.onnx", TWIN_FROM_VENDOR, vendor=adapted)


# -- the dumps: every picture through one device --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bins(pictures: Pictures, options: Options) -> BinSet:
    """The pictures as the vendor's inference tool reads them, laid out batch by batch while the tool runs."""
    return BinSet(pictures, options.port)


@pytest.fixture(scope="session")
def torch_run(store: Store, weights: Path, port: Port, pictures: Pictures, options: Options) -> HostRun:
    """The source model over every picture, on the port's own canvas whatever the candidate's canvases are."""
    own, code = pictures.on_published_canvas(), (IN_PYTORCH, PREPROCESSING)
    return HostRun("dumps/torch", SourceModel(weights, port), own, store, code, options.dask)


@pytest.fixture(scope="session")
def torch_dumps(torch_run: HostRun) -> Path:
    """rois, cls_prob and bbox_pred of every picture, one file each."""
    return torch_run.all()


@pytest.fixture(scope="session")
def host_run(store: Store, canvases: Canvases, twin: PerCanvas, pictures: Pictures, options: Options) -> HostRun:
    """The twin over every picture."""
    name, code = canvases.artifact_name("dumps/onnxruntime"), (IN_ONNX_RUNTIME, PREPROCESSING)
    return HostRun(name, Twin(twin), pictures, store, code, options.dask)


@pytest.fixture(scope="session")
def rehearsed(store: Store, canvases: Canvases, adapted: PerCanvas, chip: Chip) -> PerCanvas:
    """The adapted graph with the chip's arithmetic: rounding to fp16, and the vendor's two kernels."""
    return rehearsed_graphs(store, canvases, adapted, chip)


@pytest.fixture(scope="session")
def rehearsal_run(
    store: Store, canvases: Canvases, rehearsed: PerCanvas, pictures: Pictures, options: Options
) -> HostRun:
    """The rehearsed graph over every picture."""
    return run_rehearsed(store, canvases, rehearsed, pictures, options)


# -- the comparison -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def reference_by_class(reference: Reference) -> Reference:
    """A reference that knows the AP of every class; the published guide gives the mean alone."""
    words = "the published figure has no class APs; judge with --reference=torch"
    return require(reference if reference.ap else None, words)


@pytest.fixture(scope="class")
def trial(
    candidate: Candidate,
    reference: Reference,
    baseline: Facts | None,
    pictures: Pictures,
    canvases: Canvases,
    graph_facts: GraphFacts,
    exhibits: Mapping[str, Exhibit],
    options: Options,
) -> Trial:
    """Everything that takes part in the comparison of one candidate with the reference, with digests."""
    return trial_of(candidate, reference, baseline, pictures, canvases, graph_facts, exhibits, options)
