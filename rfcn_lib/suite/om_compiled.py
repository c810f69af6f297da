"""Without --om: atc compiles the adapted graph on this host."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from rfcn_lib.ascend.toolkit import Atc
from rfcn_lib.graph.rehearsal.rounding import BY_DEFAULT
from rfcn_lib.store.store import Store
from rfcn_lib.suite.ascend import atc_ingredients
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.options import Options

OM_FROM_ADAPTED = "rfcn_lib.ascend.atc:om_from_adapted"


@pytest.fixture(scope="session")
def compiler(atc: Atc, soc: str, options: Options) -> Mapping[str, object]:
    """What the compiled model depends on besides the graph: chip, toolkit, flags."""
    return {"soc": soc, **atc_ingredients(options, atc)}


@pytest.fixture(scope="session")
def compiled_for(soc: str, options: Options) -> tuple[str, str]:
    """Chip and precision mode of the compiled model."""
    return soc, options.precision_mode or BY_DEFAULT


@pytest.fixture(scope="session")
def om(
    store: Store, canvases: Canvases, adapted: PerCanvas, compiler: Mapping[str, object], options: Options
) -> PerCanvas:
    """The compiled model. Beside it lie atc.log and command.txt."""
    limit = {"timeout_s": options.tool_timeout_s} if options.tool_timeout_s else {}
    made_of = {"adapted": adapted, "canvas_wh": canvases.each, **compiler}
    folders = canvases.build(store, "rfcn_om", OM_FROM_ADAPTED, limit, **made_of)
    return {canvas: folder / "rfcn.om" for canvas, folder in folders.items()}


@pytest.fixture(scope="session")
def npu_files(onnx: PerCanvas, adapted: PerCanvas, om: PerCanvas, canvases: Canvases) -> Mapping[str, Path]:
    """Name in the verdict -> file."""
    graphs = {"onnx": onnx, "adapted": adapted, "om": om}
    return {name: path for kind, paths in graphs.items() for name, path in canvases.exhibits(kind, paths).items()}


@pytest.fixture(scope="session")
def compiled_by(om: PerCanvas) -> tuple[str, ...]:
    """Commands that made the compiled models, ready to paste."""
    return tuple(path.with_name("command.txt").read_text(encoding="utf-8") for path in om.values())
