"""Reference packets of a run: what is on trial here, and a packet written of the source model's evaluation."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import pytest

from rfcn_lib import spec
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.processors import cpu_model
from rfcn_lib.score.arrays import classes_with_truth
from rfcn_lib.score.average_precision import Evaluation, evaluate
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.fingerprint import UNKNOWN, expect_same
from rfcn_lib.score.packet import Packet, read_packet, write_packet
from rfcn_lib.score.packet_origin import expect_same as expect_same_origin
from rfcn_lib.score.packet_records import HOW, LARGEST_AP, Facts, Maker, Origin, PacketError, PictureFiles, Rates
from rfcn_lib.store.code import code_behind
from rfcn_lib.store.store import Store
from rfcn_lib.suite.fingerprints import of_reference
from rfcn_lib.suite.judging import UnfairError
from rfcn_lib.suite.options import Options

MADE_BY = ("rfcn_lib.devices.pytorch", "rfcn_lib.pictures.preprocess", "rfcn_lib.score.postprocess")
ROUNDING = LARGEST_AP - 1  # another machine may add the APs of the classes in another order


@pytest.fixture(scope="session")
def origin(store: Store, weights: Path, port: Port, devkit: Devkit) -> Origin:
    """Digests of what the source model's detections depend on, before anything is made of it."""
    return origin_of(store, weights, port, devkit)


def origin_of(store: Store, weights: Path, port: Port, devkit: Devkit) -> Origin:
    """Weights, port, the JPEGs and annotations of this run's ids, and the code, as they are now. Raises StoreError."""
    jpegs = store.digests.of_each([devkit.picture_path(id) for id in devkit.ids])
    annotations = store.digests.of_each([devkit.annotations_folder / f"{id}.xml" for id in devkit.ids])
    return Origin(
        weights=store.digests.of(weights),
        port=port.model_dump(mode="json", exclude={"name", "criteria"}),
        pictures={
            id: PictureFiles(jpeg=jpeg, annotation=annotation)
            for id, jpeg, annotation in zip(devkit.ids, jpegs, annotations, strict=True)
        },
        code=code_behind(*MADE_BY)[0],
    )


def read_of_this_run(path: Path, origin: Origin, devkit: Devkit, options: Options, *, whole: bool) -> Packet:
    """Read a packet that was made of what is on trial; `whole`: of exactly the ids of this run.

    Raises:
        PacketError: it is no packet, or something differs; names everything that does.
    """
    packet = read_packet(path)
    files = {
        "weights": options.weights,
        "port": options.port,
        "devkit": devkit.folder / spec.VOC_YEAR_FOLDER,
    }
    expect_same_origin(path, packet.facts.origin, origin, files, devkit.all_ids, whole=whole)
    return packet


def evaluation_of(packet: Packet, path: Path, devkit: Devkit, port: Port) -> Evaluation:
    """The evaluation of the packet's detections, on the pictures of this run.

    Raises:
        PacketError: the packet says another mean AP than its detections have.
    """
    detections = {id: packet.detections[id] for id in devkit.ids}
    classes = None if devkit.ids == devkit.all_ids else classes_with_truth(devkit.truth, port.classes)
    found, facts = evaluate(detections, devkit.truth, port.classes, judged=classes), packet.facts
    said, should = (facts.protocol, facts.mean_ap), (found.protocol.name, found.mean_ap)
    if packet.ids == devkit.ids and not (said[0] == should[0] and abs(said[1] - should[1]) <= ROUNDING):
        raise PacketError(
            f"{path} says mean AP {said[1]:.6f} ({said[0]}), but its detections have {should[1]:.6f} ({should[0]}); it was "
            f"edited: {HOW}"
        )
    return found


def expect_same_protocol(packet: Packet, path: Path, pictures: Pictures) -> None:
    """See that the packet's numbers were made under the protocol of this run. A packet of more pictures is of another set.

    Raises:
        FingerprintError: a field differs; shows both, field by field.
    """
    theirs = packet.facts.fingerprint
    if theirs and packet.ids != pictures.devkit.ids:
        theirs = {**theirs, "set": UNKNOWN, "overflow": UNKNOWN}
    expect_same(of_reference(pictures), theirs, "this run's reference", str(path))


def write_reference(
    path: Path,
    judged: Judged,
    origin: Origin,
    now: Origin,
    maker: Maker,
    pictures: Pictures,
    rates: Rates | None = None,
) -> None:
    """Write the source model's evaluation as a packet. `origin`, `now`: before and after it was made.

    Raises:
        UnfairError: what it was made of changed meanwhile.
        PacketError: the file cannot be written.
    """
    if now != origin:
        raise UnfairError(f"weights, pictures or annotations changed while {path} was made of them; run again")
    evaluation = judged.evaluation
    facts = Facts(
        origin=origin,
        maker=maker,
        protocol=evaluation.protocol.name,
        mean_ap=evaluation.mean_ap,
        ap=dict(evaluation.ap),
        outputs_sha256=judged.sha256,
        rates=rates,
        fingerprint=of_reference(pictures, protocol=evaluation.protocol).fields(),
    )
    write_packet(path, facts, judged.detections)


def this_machine(device: str, driver: str = "", more: Mapping[str, str] | None = None) -> Maker:
    """Who makes a packet here. `device` ran the network; `more`: versions of what only that device has."""
    machine = f"{platform.node()}, {cpu_model()}, {os.cpu_count()} cores"
    versions = {"python": platform.python_version(), **code_behind(*MADE_BY)[1], **(more or {})}
    return Maker(machine=machine, device=device, driver=driver, versions=versions)
