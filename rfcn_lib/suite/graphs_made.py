"""Without --onnx and --adapted: the suite exported and adapted the graphs itself, or nothing is known of them (--dumps)."""

import pytest

from rfcn_lib.suite.given import NOT_CLIPPED, GraphFacts
from rfcn_lib.suite.options import Options


@pytest.fixture(scope="session")
def graph_facts(options: Options) -> GraphFacts:
    """What the verdict says of the graphs."""
    if options.om:
        words = "the compiled model is the file of --om: which graph it was compiled from, and with which flags, is not known"
        return GraphFacts("unknown", (words,))
    if options.dumps:
        return GraphFacts("unknown", ())
    return GraphFacts(options.clip, (f"--clip=none: {NOT_CLIPPED}",) if options.clip == "none" else ())
