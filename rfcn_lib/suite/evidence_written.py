"""--evidence=FILE: all that another person needs to judge again, in one zip.

What needs the detections is kept where they are judged, and waits beside the file until the run ends: with pytest-xdist that is
another process.
"""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from rfcn_lib.agreement.culprit import Blame as FoundBlame
from rfcn_lib.command import export_lines
from rfcn_lib.errors import SuiteError
from rfcn_lib.evidence.archive import Archive, Content, Streamed, open_archive, write_archive
from rfcn_lib.evidence.contents import RUN, STATEMENT, VERDICT, agreement_members, as_bytes, json_bytes, members_of
from rfcn_lib.evidence.reading import exhibits_of
from rfcn_lib.evidence.records import Blame, Run
from rfcn_lib.evidence.records import Verdict as Said
from rfcn_lib.evidence.statement import statement_of
from rfcn_lib.files import write_whole
from rfcn_lib.graph.rehearsal.headroom import Headroom
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.processors import cpu_model
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.store.store import Store
from rfcn_lib.suite.agreement import Agreed
from rfcn_lib.suite.ascend import NpuRun
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.commands import commands
from rfcn_lib.suite.evidence_kept import judged_here, npu_members
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.guard import REPORTER
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.suite.options import OPTIONS, Options
from rfcn_lib.suite.report import Reporter
from rfcn_lib.suite.verdict_file import finite
from rfcn_lib.verdict.verdict import Exhibit, Trial

UNWRITTEN = pytest.StashKey[str]()
PARTS = ("judged", "agreement", "headroom", "timings")
LIBRARIES = ("numpy", "onnx", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "pytest", "torch")


def statement_path(path: Path) -> Path:
    """Where the in-toto Statement of a file of evidence lies: evidence.zip, evidence.intoto.json."""
    return path.with_suffix(".intoto.json")


def pytest_configure(config: pytest.Config) -> None:
    """No evidence of an earlier run outlives the beginning of this one."""
    path = config.stash[OPTIONS].evidence
    if path is not None and not hasattr(config, "workerinput"):
        for old in (path, statement_path(path), *(_waiting(path, part) for part in PARTS)):
            old.unlink(missing_ok=True)


@pytest.fixture(scope="class")
def kept_evidence(
    trial: Trial,
    candidate: Candidate,
    reference: Reference,
    baseline: Facts | None,
    exhibits: Mapping[str, Exhibit],
    pictures: Pictures,
    canvases: Canvases,
    graph_facts: GraphFacts,
    options: Options,
) -> None:
    """Keep what was judged, until the verdict is known."""
    found = judged_here(candidate, reference, baseline, exhibits, pictures, canvases, graph_facts, options)
    _keep("judged", members_of(found), options)


@pytest.fixture(scope="class")
def kept_agreement(agreement: Agreed, culprit: FoundBlame | None, options: Options) -> None:
    """Keep what the figures and limits of the agreement were computed from."""
    measured = require(agreement.measured, "nothing was measured")
    blame = None if culprit is None else Blame(**asdict(culprit))
    _keep("agreement", agreement_members(agreement.floor, agreement.pictures, measured, blame), options)


@pytest.fixture(scope="session")
def kept_headroom(headroom: Sequence[Headroom], options: Options) -> None:
    """Keep the rows of a rehearsal."""
    _keep("headroom", {"headroom.json": json_bytes(finite([asdict(row) for row in headroom]))}, options)


@pytest.fixture(scope="session")
def kept_timings(npu_run: NpuRun, om: PerCanvas, canvases: Canvases, store: Store, options: Options) -> None:
    """Keep what the throughput was computed from."""
    _keep("timings", npu_members(npu_run, om, canvases, store), options)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the file, with the verdict. Where nothing was judged, there is none."""
    config = session.config
    options, reporter = config.stash[OPTIONS], config.pluginmanager.get_plugin(REPORTER)
    path = options.evidence
    if path is None or not isinstance(reporter, Reporter) or hasattr(config, "workerinput"):
        return
    waiting = [file for file in (_waiting(path, part) for part in PARTS) if file.is_file()]
    try:
        if _waiting(path, "judged") in waiting and reporter.asked:
            reporter.root = _written(path, [open_archive(file) for file in waiting], reporter, options)
    except (OSError, SuiteError) as error:  # the verdict stands without it
        config.stash[UNWRITTEN] = f"{path} could not be written: {error}"
    finally:
        for file in waiting:
            file.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    path = config.stash[OPTIONS].evidence
    if path is not None:
        terminalreporter.section("evidence")
        there = f"{path.resolve()}, {path.stat().st_size:,} bytes; judge it again: " if path.is_file() else ""
        why = config.stash.get(UNWRITTEN, f"nothing was judged to the end, so {path} was not written")
        terminalreporter.write_line(f"{there}pytest -m accuracy --evidence-from={path}" if there else why)
        if there:
            terminalreporter.write_line(f"{statement_path(path).resolve()}; sign it: docs/evidence.md")


def _written(path: Path, parts: Sequence[Archive], reporter: Reporter, options: Options) -> str:
    """Write the file and its Statement; returns the root digest. `parts`: what the fixtures kept, `judged` first."""
    members: dict[str, Content] = {name: _streamed(part, name) for part in parts for name in part.digests}
    kept = {name: digest for part in parts for name, digest in part.digests.items()}
    device = reporter.asked[0]
    said = Said.model_validate(finite(asdict(reporter.judged(device))))
    last = {RUN: as_bytes(_run(reporter, device, options)), VERDICT: as_bytes(said)}
    digests = {**kept, **{name: sha256(data).hexdigest() for name, data in last.items()}}
    statement = statement_of(said, digests, exhibits_of(parts[0]))
    root = write_archive(path, {**members, **last, STATEMENT: statement})
    write_whole(statement_path(path), statement)
    return root


def _run(reporter: Reporter, device: str, options: Options) -> Run:
    content = {
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "marks": options.marks,
        "device": device,
        "command": ["pytest", *map(str, reporter.args)],
        "here": str(options.here),
        "options": options.given,
        "accept": options.accept,
        "gate": options.gate,
        "explained": options.explained,
        "soc": options.soc,
        "precision_mode": options.precision_mode,
        "environment": {
            "python": sys.version.split()[0],
            "machine": f"{platform.node()}, {platform.platform()}, {cpu_model()}, {os.cpu_count()} cores",
            "numpy": np.__version__,
            "libraries": {name: _version(name) for name in LIBRARIES},
            "pytest": reporter.surroundings,
            "variables": export_lines(),
        },
        "suite": asdict(reporter.code),
        "commands": commands(),
        "notes": [*reporter.notes],
        "rates": list(reporter.rates),
    }
    return Run.model_validate(finite(content))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _streamed(kept: Archive, name: str) -> Streamed:
    return Streamed(kept.entries[name].size, lambda: kept.parts(name))


def _keep(part: str, members: Mapping[str, Content], options: Options) -> None:
    write_archive(_waiting(require(options.evidence, "no --evidence"), part), members)


def _waiting(path: Path, part: str) -> Path:
    """Where a part of what was judged waits for the verdict."""
    return path.with_name(f".{path.name}.{part}.waiting")
