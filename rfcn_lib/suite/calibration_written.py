"""--predicted=FILE: beside each figure that a rehearsal predicted stands the one that was measured on the device."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.score.calibration import calibration as compared
from rfcn_lib.score.fingerprint import expect_same
from rfcn_lib.score.noise_floor import ids_sha256, noise_floor
from rfcn_lib.score.noise_floor_file import NoiseFloor, NoiseFloorError, read_noise_floor, write_noise_floor
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.fingerprints import of_candidate
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.inputs import require, sample_of
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.suite.options import OPTIONS, Options
from rfcn_lib.verdict.page import calibration_page
from rfcn_lib.verdict.verdict import HOST, REHEARSED

WIDTH = 120


def _files(options: Options) -> tuple[Path, Path]:
    """The table, and the measured figures."""
    return options.store / "calibration.txt", options.store / "calibration.json"


def pytest_configure(config: pytest.Config) -> None:
    """The files hold this run's figures only."""
    if not hasattr(config, "workerinput"):
        for path in _files(config.stash[OPTIONS]):
            path.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def predicted(
    devkit: Devkit, pictures: Pictures, canvases: Canvases, graph_facts: GraphFacts, options: Options
) -> NoiseFloor:
    """The prediction of --predicted.

    Raises:
        NoiseFloorError: it is none, or not one of this run: known before any picture is run.
        FingerprintError: its numbers were made under another protocol.
    """
    path = require(options.predicted, "no --predicted")
    found = read_noise_floor(path)
    if options.reference == "published":
        raise NoiseFloorError(
            f"--predicted={path} is compared picture by picture with a reference, but --reference=published has no detections; "
            "pass --reference=torch or a packet"
        )
    for name, asked, said in (
        ("soc", options.soc, found.chip),
        ("precision-mode", options.precision_mode, found.precision_mode),
    ):
        if asked and asked != said:
            raise NoiseFloorError(
                f"--predicted={path} is a rehearsal of {said}, but this run has --{name}={asked}; rehearse with "
                f"--{name}={asked}, or pass the file of that rehearsal"
            )
    ids = predicted_ids(found, devkit.ids, path)
    mine = of_candidate(pictures, graph_facts.clip, fitted=canvases.fitted, ids=ids)
    expect_same(mine, found.fingerprint, "this run", f"--predicted={path}")
    return found


def predicted_ids(predicted: NoiseFloor, ids: Sequence[str], path: Path) -> tuple[str, ...]:
    """Those of this run's ids that the prediction is of: all, the first ones (--limit), or a rehearsal's sample.

    Raises:
        NoiseFloorError: the prediction is of other pictures.
    """
    count = predicted.pictures
    for some in (tuple(ids[:count]), sample_of(ids, count)):
        if ids_sha256(some) == predicted.ids_sha256:
            return some
    raise NoiseFloorError(
        f"--predicted={path} is of {count} pictures that are not all among the {len(ids)} of this run; rehearse with the --limit "
        "and --set of this run"
    )


@pytest.fixture(scope="class")
def calibration(
    candidate: Candidate,
    reference: Reference,
    predicted: NoiseFloor,
    pictures: Pictures,
    canvases: Canvases,
    graph_facts: GraphFacts,
    options: Options,
) -> None:
    """Write <store>/calibration.txt, predicted and measured side by side, and <store>/calibration.json, what was measured.

    Nothing is written for what this host computed itself: only a device's outputs are a measurement.
    """
    judged = reference.judged
    if judged is None or (options.dumps is None and candidate.on in (HOST, REHEARSED)):
        return
    ids = predicted_ids(predicted, pictures.devkit.ids, require(options.predicted, "no --predicted"))
    measured = noise_floor(
        {id: candidate.judged.detections[id] for id in ids},
        {id: judged.detections[id] for id in ids},
        pictures.port.classes,
        chip=candidate.chip or predicted.chip,
        precision_mode=candidate.precision_mode or predicted.precision_mode,
        compared=f"{candidate.description} against the reference, {reference.device}",
        fingerprint=of_candidate(pictures, graph_facts.clip, fitted=canvases.fitted, ids=ids).fields(),
    )
    rows = compared(predicted, measured)
    table, figures = _files(options)
    write_noise_floor(figures, measured)
    table.write_text(calibration_page(rows, predicted.compared, measured.compared, WIDTH), encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table, figures = _files(config.stash[OPTIONS])
    if table.is_file():
        terminalreporter.section("predicted and measured")
        for line in table.read_text(encoding="utf-8").splitlines():
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"what was measured: {figures}; please send both files back")
