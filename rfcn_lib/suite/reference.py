"""What the candidate is held against: the source model on the same pictures, a GPU's baseline, or the published figure."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib import spec
from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import cropped, picture_record
from rfcn_lib.port import Criterion as PortCriterion
from rfcn_lib.port import Port
from rfcn_lib.records import Picture
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.speed.baseline import Baseline
from rfcn_lib.store.store import Store
from rfcn_lib.suite.inputs import ON_ITS_OWN_CANVAS, is_fitted
from rfcn_lib.suite.judging import UnfairError, judged
from rfcn_lib.verdict.verdict import Reference

LEAST_REFERENCE_MEAN_AP = 0.3  # a reference that finds less cannot say what a port lost; upstream scores 0.6986
LEAST_OF_A_PART = 0.05  # a few pictures may be hard ones


@pytest.fixture(scope="session")
def source_model(
    torch_dumps: Path, pictures: Mapping[str, Picture], devkit: Devkit, port: Port, aloud: Any, store: Store
) -> Judged:
    folder = RunFolder(torch_dumps, port)
    folder.expect_unchanged(Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, store.digests.of_each))
    source = judged(torch_dumps, pictures, devkit, port, aloud, folder.digests())
    expect_fair(source.evaluation.mean_ap, devkit.ids == devkit.all_ids)
    return source


@pytest.fixture(scope="session")
def published_mean_ap(
    pytestconfig: pytest.Config, port: Port, devkit: Devkit, baseline: Baseline | None, need: Any
) -> PortCriterion:
    """The GPU's mean AP: of --baseline, or else the published figure, on the one set it was published for."""
    need(not is_fitted(pytestconfig), ON_ITS_OWN_CANVAS)
    if baseline:
        return PortCriterion(
            limit=baseline.mean_ap, source=f"--baseline: source model on {baseline.gpu}, same pictures"
        )
    found = _published(port, devkit)
    return need(isinstance(found, PortCriterion) and found, found)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def reference(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Reference:
    """What the candidate is held against: the source model on the same pictures, a GPU's own figures, or the published one."""
    wanted = request.getfixturevalue
    if pytestconfig.getoption("--reference") == "published":
        baseline: Baseline | None = wanted("baseline")
        if baseline and not is_fitted(pytestconfig):
            return Reference(f"--baseline: source model on {baseline.gpu}", baseline.mean_ap, baseline.ap)
        figure = ON_ITS_OWN_CANVAS if is_fitted(pytestconfig) else _published(wanted("port"), wanted("devkit"))
        if isinstance(figure, str):
            raise UnfairError(f"--reference=published: {figure}, or use --reference=torch")
        return Reference(f"published figure ({figure.source})", figure.limit, {})
    source: Judged = wanted("source_model")
    on = f", on {_published_canvas(wanted('devkit'), wanted('port'))}" if is_fitted(pytestconfig) else ""
    return Reference(
        f"PyTorch {version('torch')}, float32 on the host CPU{on}", source.evaluation.mean_ap, source.evaluation.ap
    )


@pytest.fixture(scope="session")
def reference_by_class(reference: Reference, need: Any) -> Reference:
    """A reference that knows the AP of every class; the published guide gives the mean alone."""
    return need(reference.ap and reference, "the published figure has no class APs; judge with --reference=torch")  # type: ignore[no-any-return]


def expect_fair(mean_ap: float, whole_set: bool) -> None:
    """Raise UnfairError when the source model itself finds next to nothing."""
    least = LEAST_REFERENCE_MEAN_AP if whole_set else LEAST_OF_A_PART
    if mean_ap < least:
        raise UnfairError(
            f"the source model's mean AP is {mean_ap:.4f}, but should be at least {least} for a fair trial: "
            "who finds so little cannot say what a port lost; are --weights, --port and --devkit of one kind?"
        )


def _published_canvas(devkit: Devkit, port: Port) -> str:
    """The reference's canvas, and what it cuts off there."""
    records = [picture_record(id, size, port.pictures) for id, size in devkit.sizes_wh.items()]
    lost = len(cropped(records))
    said = f", where {lost} pictures lose part of their area" if lost else ""
    return f"the port's own canvas {name_of(port.pictures.canvas_wh_px)}{said}"


def _published(port: Port, devkit: Devkit) -> PortCriterion | str:
    """The published figure, or why there is none to be held against."""
    if "mean_ap" not in port.criteria:
        return f"the port '{port.name}' names no published mean AP ([criteria.mean_ap])"
    if len(devkit.ids) != spec.VOC_TEST_COUNT:
        return (
            "the published mean AP is judged on the whole of VOC2007 test (4,952 ids); pass --devkit=PATH, no --limit"
        )
    return port.criteria["mean_ap"]
