"""--write-reference=FILE: the source model's evaluation of this run as a packet, for runs elsewhere."""

from pathlib import Path

import pytest

from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.score.packet_records import Origin
from rfcn_lib.store.store import Store
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Reference
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.packets import origin_of, this_machine, write_reference


@pytest.fixture(scope="session")
def packet_inputs(origin: Origin) -> Origin:
    """Digests of what the packet is made of, taken before the long run: what changes during it is found."""
    return origin


@pytest.fixture(scope="class")
def written_reference(
    reference: Reference,
    store: Store,
    weights: Path,
    port: Port,
    pictures: Pictures,
    packet_inputs: Origin,
    options: Options,
) -> None:
    """Write it. Both devices of a run have the same reference, so the file is the same."""
    path = require(options.write_reference, "no --write-reference")
    judged = require(reference.judged, "the reference has no detections")
    now, maker = origin_of(store, weights, port, pictures.devkit), this_machine("the host CPU")
    write_reference(path, judged, packet_inputs, now, maker, pictures)
