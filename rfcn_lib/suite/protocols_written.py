"""--protocols=FILE: a table of the same detections under each evaluation protocol, reference and candidate side by side."""

import pytest

from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.port import Port
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.score.protocols import ProtocolScore, scores_by_protocol
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.suite.options import OPTIONS, Options
from rfcn_lib.verdict.page import protocols_page

WIDTH = 120


def pytest_configure(config: pytest.Config) -> None:
    """The file holds this run's tables only."""
    path = config.stash[OPTIONS].protocols
    if path is not None and not hasattr(config, "workerinput"):
        path.unlink(missing_ok=True)


@pytest.fixture(scope="class")
def protocols(candidate: Candidate, reference: Reference, devkit: Devkit, port: Port, options: Options) -> None:
    """Add this candidate's tables to the file: the means, then each class."""
    scores = _scores(candidate.judged, devkit, port)
    of_reference = _scores(reference.judged, devkit, port) if reference.judged else None
    page = protocols_page(of_reference, scores, WIDTH, by_class=True)
    with require(options.protocols, "no --protocols").open("a", encoding="utf-8") as file:
        file.write(f"candidate  {candidate.description}\nreference  {reference.device}\n\n{page}\n")


def _scores(judged: Judged, devkit: Devkit, port: Port) -> tuple[ProtocolScore, ...]:
    return scores_by_protocol(judged.detections, devkit.truth, port.classes, judged=list(judged.evaluation.ap))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path = config.stash[OPTIONS].protocols
    if path is not None and path.is_file():
        terminalreporter.section("evaluation protocols")
        for line in path.read_text(encoding="utf-8").split("\n\nVOC2007 AP")[0].splitlines():
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"each class under each protocol: {path}")
