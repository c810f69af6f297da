"""Without --dumps: the host's candidate is the twin, run by this suite in ONNX Runtime."""

from pathlib import Path

import pytest

from rfcn_lib.ascend import toolkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.host_runs import HostRun
from rfcn_lib.suite.judging import Candidate, judge_own_dumps
from rfcn_lib.verdict.verdict import HOST, SIMULATED


@pytest.fixture(scope="session")
def host_first_pictures(host_run: HostRun) -> Path:
    """The twin's first pictures: how many hours its run takes is known before any hour is spent."""
    return host_run.first_pictures()


@pytest.fixture(scope="session")
def host_dumps(host_run: HostRun) -> Path:
    """Every picture through the twin."""
    return host_run.all()


@pytest.fixture(scope="session")
def host_candidate(
    host_dumps: Path,
    reference_dumps: Path | None,
    pictures: Pictures,
    canvases: Canvases,
    onnx: PerCanvas,
    adapted: PerCanvas,
    twin: PerCanvas,
) -> Candidate:
    """The twin's evaluation, once the reference's dumps are complete too."""
    from rfcn_lib.devices import onnx_runtime

    tools = ", beside SIMULATED vendor's tools on PATH" if toolkit.simulated_tools() else ""
    graphs = {"onnx": onnx, "adapted": adapted, "twin": twin}
    return Candidate(
        device="host",
        on=SIMULATED if tools else HOST,
        description=f"{onnx_runtime.describe()}{tools}",
        judged=judge_own_dumps(host_dumps, pictures),
        files={name: path for kind, paths in graphs.items() for name, path in canvases.exhibits(kind, paths).items()},
    )
