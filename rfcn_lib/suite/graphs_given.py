"""--onnx, --adapted: graphs that the user gave are held against the checkpoint before hours are spent on them."""

from pathlib import Path

import pytest

from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.port import Port
from rfcn_lib.suite.canvases import PerCanvas
from rfcn_lib.suite.given import GraphFacts, expect_same_network, facts_of
from rfcn_lib.suite.graphs import Exported, Graphs
from rfcn_lib.suite.options import Options


@pytest.fixture(scope="session")
def graph_facts(
    weights: Path, port: Port, canvas: Wh, onnx: PerCanvas, adapted: PerCanvas, twin: PerCanvas, options: Options
) -> GraphFacts:
    """What the verdict says of the graphs; one picture has gone through the twin and the source model."""
    exported = Exported(port, onnx[canvas], given=options.onnx is not None)
    last = Exported(port, adapted[canvas], given=True)
    facts = facts_of(exported, last, options)
    if options.reference != "published":  # a packet is of these weights too
        expect_same_network(Graphs(last, weights, adapted[canvas], twin[canvas]), options)
    return facts
