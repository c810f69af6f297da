"""Without --evidence-from: the NPU of this host, or the chip's arithmetic, gives the outputs of every picture."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from rfcn_lib.pictures.bin_set import BinSet
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.store.store import Store
from rfcn_lib.suite.ascend import NpuHost, NpuRun, run_on_npus, unpublished_flags
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.host_runs import HostRun
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, judge_own_dumps
from rfcn_lib.suite.options import Options
from rfcn_lib.verdict.verdict import NPU, SIMULATED


@pytest.fixture(scope="session")
def npu_run(
    store: Store,
    npu_ready: NpuHost,
    om: PerCanvas,
    compiled_by: tuple[str, ...],
    bins: BinSet,
    canvases: Canvases,
    options: Options,
) -> NpuRun:
    """The compiled model over every picture, on every device: dumps and timings."""
    require(options.dumps is None, "--dumps judges what was made elsewhere, so this host's NPU is not asked")
    return run_on_npus(store, npu_ready, om, compiled_by, bins, canvases, options)


@pytest.fixture(scope="session")
def npu_dumps(npu_run: NpuRun) -> Path:
    """rois, cls_prob and bbox_pred of every picture, as the vendor's tool wrote them."""
    return npu_run.dumps


@pytest.fixture(scope="session")
def npu_candidate(
    npu_dumps: Path,
    reference_dumps: Path | None,
    npu_run: NpuRun,
    npu_files: Mapping[str, Path],
    compiled_for: tuple[str | None, str | None],
    pictures: Pictures,
    options: Options,
) -> Candidate:
    """The NPU's evaluation, once the reference's dumps are complete too."""
    chip, precision_mode = compiled_for
    return Candidate(
        device="npu",
        on=SIMULATED if npu_run.simulated else NPU,
        description=str(npu_run),
        judged=judge_own_dumps(npu_dumps, pictures),
        files=npu_files,
        commands=npu_run.commands,
        tool=npu_run.host.tool,
        unpublished=unpublished_flags(options),
        chip=chip,
        precision_mode=precision_mode,
    )


@pytest.fixture(scope="session")
def rehearsal_dumps(rehearsal_run: HostRun) -> Path:
    """rois, cls_prob and bbox_pred of every picture, with the chip's arithmetic."""
    return rehearsal_run.all()
