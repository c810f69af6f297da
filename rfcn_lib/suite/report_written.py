"""--report=FILE: one page of HTML that a person reads: the verdict, curves, the pictures that lost, where the outputs depart.

What needs the detections is drawn where they are judged, and waits beside the page until the run ends: with pytest-xdist that is
another process.
"""

import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import pytest

from rfcn_lib.files import write_whole
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.report.drawn import Drawn
from rfcn_lib.report.page import Judgement, Run, page
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.suite.commands import commands
from rfcn_lib.suite.drawing import drawn_of
from rfcn_lib.suite.exhibits_kept import checks_of, times_of
from rfcn_lib.suite.guard import REPORTER
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.suite.options import OPTIONS, Options
from rfcn_lib.suite.report import DEVICES, Reporter

UNWRITTEN = pytest.StashKey[str]()
LIBRARIES = (  # whose numbers or pictures are in the page
    *(
        "numpy",
        "torch",
        "onnx",
        "onnxruntime",
        "opencv-python-headless",
        "pillow",
        "pycocotools",
        "matplotlib",
        "jinja2",
    ),
)


def pytest_configure(config: pytest.Config) -> None:
    """No page of an earlier run outlives the beginning of this one."""
    path = config.stash[OPTIONS].report
    if path is not None and not hasattr(config, "workerinput"):
        for old in (path, *(_waiting(path, device) for device in DEVICES)):
            old.unlink(missing_ok=True)


@pytest.fixture(scope="class")
def drawn(
    candidate: Candidate, reference: Reference, baseline: Facts | None, pictures: Pictures, options: Options
) -> Drawn:
    """Curves, errors and the pictures that lost, of this candidate."""
    found = drawn_of(candidate, reference, pictures, baseline)
    path = _waiting(require(options.report, "no --report"), candidate.device)
    write_whole(path, found.model_dump_json().encode())
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page of whatever was judged. Where nothing was, there is none."""
    config = session.config
    path = config.stash[OPTIONS].report
    reporter = config.pluginmanager.get_plugin(REPORTER)
    if path is None or not isinstance(reporter, Reporter) or hasattr(config, "workerinput"):
        return
    parts = [_judgement(reporter, device, path) for device in reversed(DEVICES) if device in reporter.asked]
    for device in DEVICES:
        _waiting(path, device).unlink(missing_ok=True)
    try:
        if parts:
            write_whole(path, page(parts, _run(reporter)).encode())
    except OSError as error:  # the verdict stands without it
        config.stash[UNWRITTEN] = (
            f"{path} could not be written ({error}); make room, or name another place with --report=FILE"
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path = config.stash[OPTIONS].report
    if path is not None:
        terminalreporter.section("report")
        there = f"{path.resolve()}, {path.stat().st_size:,} bytes; open it in a browser" if path.is_file() else ""
        why = config.stash.get(UNWRITTEN, f"nothing was judged, so {path} was not written")
        terminalreporter.write_line(there or why)


def _judgement(reporter: Reporter, device: str, path: Path) -> Judgement:
    waiting = _waiting(path, device)
    found = Drawn.model_validate_json(waiting.read_bytes()) if waiting.is_file() else None
    trial = reporter.trials.get(device)
    exhibits = trial.exhibits if trial else {}
    speed = reporter.speed if device == "npu" else {}
    verdict = reporter.judged(device)
    return Judgement(device, verdict, trial, found, speed, times_of(exhibits), checks_of(exhibits))


def _run(reporter: Reporter) -> Run:
    surroundings = reporter.surroundings
    versions = {
        "suite": str(reporter.code),
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in LIBRARIES},
        "pytest": f"{surroundings['version']}; {', '.join(surroundings['plugins'])}",
        "computer": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }
    made = datetime.now(timezone.utc).isoformat(timespec="seconds")
    here = f"cd {shlex.quote(str(reporter.options.here))} && {shlex.quote(sys.executable)} -m pytest"
    return Run(made, f"{here} {shlex.join(map(str, reporter.args))}", versions, [*reporter.notes], commands())


def _waiting(path: Path, device: str) -> Path:
    """Where the drawings of a candidate wait for the page."""
    return path.with_name(f".{path.name}.{device}.json")
