"""--om: the compiled model that ships. No compiler is asked for."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.given import given_om
from rfcn_lib.suite.options import Options


@pytest.fixture(scope="session")
def compiler() -> None:
    """None is needed."""


@pytest.fixture(scope="session")
def om(canvases: Canvases, options: Options) -> PerCanvas:
    """The file of --om."""
    return dict.fromkeys(canvases, given_om(options))


@pytest.fixture(scope="session")
def npu_files(om: PerCanvas, options: Options) -> Mapping[str, Path]:
    """Name in the verdict -> file. Graphs are among them only where the user named them too."""
    given = {"onnx": options.onnx, "adapted": options.adapted}
    return {**{name: path for name, path in given.items() if path}, "om": next(iter(om.values()))}


@pytest.fixture(scope="session")
def compiled_for() -> tuple[None, None]:
    """Chip and precision mode of the compiled model: not known."""
    return None, None


@pytest.fixture(scope="session")
def compiled_by() -> tuple[str, ...]:
    """Commands that made the compiled model: not known."""
    return ()
