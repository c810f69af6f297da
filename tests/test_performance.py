"""It finds it fast enough. On a host without an NPU: the graph carries no work that the source model does not have."""

import statistics
import time

import pytest

from rfcn_lib.score.agreement import agree
from rfcn_lib.score.packet import read_packet
from rfcn_lib.speed.throughput import expect_timed, reaches
from rfcn_lib.suite.speed import speed_of

pytestmark = pytest.mark.performance

ROUNDS = 5
LEAST_PACE = 0.5  # this suite: at half the source model's pace the graph would carry work the network does not have


@pytest.fixture(scope="module")
def runs(port_graphs):
    """Both devices, loaded, on one picture, on one canvas."""
    from rfcn_lib.devices import onnx_runtime, pytorch  # here: an NPU's evidence is judged again without PyTorch
    from rfcn_lib.source.checkpoint import network_from_checkpoint

    im_data, picture = next(port_graphs.two_pictures())
    network = network_from_checkpoint(port_graphs.weights, port_graphs.port)
    session = onnx_runtime.session(port_graphs.twin)
    return (
        lambda: pytorch.run(network, im_data, picture.canvas_wh, picture),
        lambda: onnx_runtime.run(session, im_data, picture),
    )


def test_what_is_timed_is_what_is_judged(runs):
    source, twin = (run() for run in runs)

    assert agree(twin, source, iou_at_least=0.9).matched_share > 0.9


def test_the_twin_keeps_pace_with_the_source_model(runs, benchmark, criterion):
    """A ratio within one run, turn by turn: absolute times belong to the machine."""
    source, twin = runs
    ratios = [seconds(source) / seconds(twin) for _ in range(ROUNDS)]
    benchmark.pedantic(twin, rounds=ROUNDS)
    judged = criterion(
        "twin : source model, pictures per second on this host",
        statistics.median(ratios),
        ">=",
        LEAST_PACE,
        "this suite",
    )
    assert judged.holds(), f"{judged}\nturn by turn: {ratios}"


@pytest.mark.npu
def test_what_the_npu_was_timed_on_is_what_is_judged(
    npu_run, rates, devkit, canvases, om, store, kept_timings, record_property
):
    """The very om of its canvas, and each picture once; how many ran is what the tool's own numbers say."""
    record_property("rates", [f"{'SIMULATED ' if npu_run.simulated else ''}{rate}" for rate in rates.values()])
    record_property("speed", speed_of(npu_run, rates))
    om_sha256 = {id: store.digests.of(om[canvas]) for id, canvas in canvases.canvas_of.items()}
    assert om_sha256.keys() == set(devkit.ids)
    expect_timed(npu_run.timings, om_sha256)


@pytest.mark.npu
def test_npu_throughput_reaches_the_published(rates, agreed_throughput, npu_run, criterion):
    """On the published scope, one chip's interface rate x the chips of a card; the other scopes are put beside it."""
    card = rates["interface x chips (extrapolated)"]
    reached = reaches(card, agreed_throughput)  # refuses a limit that was agreed for another scope
    judged = criterion("throughput, interface x chips", card.fps, ">=", agreed_throughput.fps, agreed_throughput.source)
    seen = f"npu-smi shows {npu_run.host.chips_on_card} chips on this card; an Atlas 300I has 4, a 300I Duo 2: are all mounted?"
    assert judged.holds(), f"{judged}\n{card}\n{seen}"
    assert reached


@pytest.mark.gpu
def test_the_gpu_reference_is_of_every_picture(gpu_reference, devkit, record_property):
    """The source model on CUDA: another host judges with it, `--reference=FILE`, and takes its limits, `--baseline=FILE`."""
    path, packet = gpu_reference
    facts, rates = packet.facts, packet.facts.rates
    words = f"{rates.device_fps:.4g} fps device, {rates.script_fps:.4g} fps whole script"
    record_property("baseline", f"{facts.maker.device}: mean AP {facts.mean_ap:.4f}, {words}")
    assert packet.ids == devkit.ids
    assert read_packet(path).sha256 == packet.sha256


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
