"""--reference=torch: the reference is the source model on the same pictures, run by this suite."""

from importlib.metadata import version
from pathlib import Path

import pytest

from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import cropped
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.host_runs import HostRun
from rfcn_lib.suite.judging import Reference, expect_fair, expect_names, judge_own_dumps
from rfcn_lib.suite.made_again import expect_same_again
from rfcn_lib.suite.options import Options


@pytest.fixture(scope="session")
def reference_first_pictures(torch_run: HostRun) -> Path:
    """The source model's first pictures: how many hours its run takes is known before any hour is spent."""
    return torch_run.first_pictures()


@pytest.fixture(scope="session")
def reference_dumps(torch_dumps: Path) -> Path:
    """The reference's dumps, complete before the candidate is evaluated: both are of the same JPEGs."""
    return torch_dumps


@pytest.fixture(scope="session")
def reference(
    torch_dumps: Path, torch_run: HostRun, pictures: Pictures, canvases: Canvases, options: Options
) -> Reference:
    """The source model's evaluation, on the port's own canvas whatever the candidate's canvases are."""
    own = pictures.on_published_canvas()
    again = f"; {len(expect_same_again(torch_run, torch_dumps))} pictures run once more agree" if options.accept else ""
    judged = judge_own_dumps(torch_dumps, own)
    evaluation, devkit = judged.evaluation, pictures.devkit
    expect_fair(evaluation.mean_ap, devkit.ids == devkit.all_ids)
    expect_names(judged.detections, evaluation.ap, own)
    on = f", on {_canvas_in_words(own)}" if canvases.fitted else ""
    return Reference(
        f"PyTorch {version('torch')}, float32 on the host CPU{on}{again}", evaluation.mean_ap, evaluation.ap, judged
    )


def _canvas_in_words(own: Pictures) -> str:
    lost = len(cropped(own.records.values()))
    part = f", where {lost} pictures lose part of their area" if lost else ""
    return f"the port's own canvas {name_of(own.port.pictures.canvas_wh_px)}{part}"
