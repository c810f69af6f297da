"""--reference=FILE: the reference is what the source model found elsewhere, in a packet; no source model is run here."""

from pathlib import Path

import pytest

from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.score.average_precision import Evaluation
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.packet import Packet
from rfcn_lib.score.packet_records import Origin
from rfcn_lib.store.store import Store
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Reference, UnfairError, expect_fair, expect_names
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.packets import evaluation_of, expect_same_protocol, origin_of, read_of_this_run
from rfcn_lib.verdict.verdict import Exhibit


@pytest.fixture(scope="session")
def packet(options: Options, origin: Origin, devkit: Devkit) -> Packet:
    """The packet of --reference. Raises PacketError where it was made of anything else than is on trial."""
    return read_of_this_run(_path(options), origin, devkit, options, whole=False)


@pytest.fixture(scope="session")
def packet_evaluation(packet: Packet, pictures: Pictures, options: Options) -> Evaluation:
    """The evaluation of the packet's detections, on the pictures of this run.

    Raises:
        PacketError: the packet's own mean AP is not that of its detections.
        FingerprintError: its numbers were made under another protocol.
        UnfairError: the source model finds next to nothing, or names of classes are exchanged.
    """
    devkit = pictures.devkit
    expect_same_protocol(packet, _path(options), pictures)
    found = evaluation_of(packet, _path(options), devkit, pictures.port)
    expect_fair(found.mean_ap, devkit.ids == devkit.all_ids)
    expect_names({id: packet.detections[id] for id in devkit.ids}, found.ap, pictures)
    return found


@pytest.fixture(scope="session")
def reference_first_pictures(packet_evaluation: Evaluation) -> None:
    """Nothing to run: a packet that does not fit is refused before the candidate takes hours."""


@pytest.fixture(scope="session")
def reference_dumps() -> None:
    """There are none."""


@pytest.fixture(scope="session")
def reference(
    packet: Packet,
    packet_evaluation: Evaluation,
    store: Store,
    weights: Path,
    port: Port,
    pictures: Pictures,
    origin: Origin,
    options: Options,
) -> Reference:
    """The evaluation of the packet's detections, on the pictures of this run.

    Raises:
        UnfairError: an input changed since the packet was compared with it.
    """
    path, devkit, facts = _path(options), pictures.devkit, packet.facts
    if origin_of(store, weights, port, devkit) != origin:
        raise UnfairError(f"weights, pictures or annotations changed after {path} was compared with them; run again")
    evaluation = packet_evaluation
    judged = Judged(
        evaluation, path, facts.outputs_sha256, packet.size_bytes, {id: packet.detections[id] for id in devkit.ids}
    )
    maker = facts.maker
    torch = maker.versions.get("torch", "torch of unknown version")
    words = f"{torch}, float32 on {maker.device} of {maker.machine}; packet {path.name}"
    exhibit: Exhibit = {"path": str(path), "sha256": packet.sha256, "bytes": packet.size_bytes}
    return Reference(words, evaluation.mean_ap, evaluation.ap, judged, exhibit)


def _path(options: Options) -> Path:
    return require(options.reference_packet, "no --reference=FILE")
