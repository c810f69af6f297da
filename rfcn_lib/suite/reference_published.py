"""--reference=published: the reference is the published mean AP; no source model is run."""

import pytest

from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.port import Port
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.judging import Reference, UnfairError
from rfcn_lib.suite.limits import published_figure
from rfcn_lib.suite.options import ON_ITS_OWN_CANVAS


@pytest.fixture(scope="session")
def reference_first_pictures(reference: Reference) -> None:
    """Nothing to run: where the published figure does not apply, that is said before the candidate takes hours."""


@pytest.fixture(scope="session")
def reference_dumps() -> None:
    """There are none."""


@pytest.fixture(scope="session")
def reference(port: Port, devkit: Devkit, canvases: Canvases) -> Reference:
    """The published mean AP, on the one set it was published for."""
    if canvases.fitted:
        raise UnfairError(f"--reference=published: {ON_ITS_OWN_CANVAS}, or use --reference=torch")
    figure = published_figure(port, devkit)
    if isinstance(figure, str):
        raise UnfairError(f"--reference=published: {figure}, or use --reference=torch")
    return Reference(f"published figure ({figure.source})", figure.limit, {})
