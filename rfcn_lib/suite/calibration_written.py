"""--predicted=FILE: beside each figure that a rehearsal predicted stands the one that was measured on the device."""

from pathlib import Path

import pytest

from rfcn_lib.port import Port
from rfcn_lib.score.calibration import calibration as compared
from rfcn_lib.score.noise_floor import noise_floor
from rfcn_lib.score.noise_floor_file import NoiseFloorError, read_noise_floor, write_noise_floor
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.suite.options import OPTIONS, Options
from rfcn_lib.verdict.page import calibration_page

WIDTH = 120


def _files(options: Options) -> tuple[Path, Path]:
    """The table, and the measured figures."""
    return options.store / "calibration.txt", options.store / "calibration.json"


def pytest_configure(config: pytest.Config) -> None:
    """The files hold this run's figures only."""
    if not hasattr(config, "workerinput"):
        for path in _files(config.stash[OPTIONS]):
            path.unlink(missing_ok=True)


@pytest.fixture(scope="class")
def calibration(candidate: Candidate, reference: Reference, port: Port, options: Options) -> None:
    """Write <store>/calibration.txt, predicted and measured side by side, and <store>/calibration.json, what was measured."""
    predicted = read_noise_floor(require(options.predicted, "no --predicted"))
    if reference.judged is None:
        raise NoiseFloorError(
            f"--predicted={options.predicted} is compared picture by picture with a reference, but "
            f"--reference={options.reference} has no detections; pass --reference=torch or a packet"
        )
    measured = noise_floor(
        candidate.judged.detections,
        reference.judged.detections,
        port.classes,
        chip=predicted.chip,
        precision_mode=predicted.precision_mode,
        compared=f"{candidate.description} against the reference, {reference.device}",
    )
    if predicted.ids_sha256 != measured.ids_sha256:
        raise NoiseFloorError(
            f"--predicted={options.predicted} is of {predicted.pictures} pictures, but this run has {measured.pictures}, or "
            "others: rehearse with the --limit and --set of this run"
        )
    table, figures = _files(options)
    write_noise_floor(figures, measured)
    page = calibration_page(compared(predicted, measured), predicted.compared, measured.compared, WIDTH)
    table.write_text(page, encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table, figures = _files(config.stash[OPTIONS])
    if table.is_file():
        terminalreporter.section("predicted and measured")
        for line in table.read_text(encoding="utf-8").splitlines():
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"what was measured: {figures}; please send both files back")
