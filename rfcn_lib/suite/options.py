"""Every option of the command line: declared, checked and read here, into one frozen `Options`.

A wrong value ends the run before anything is built, in one sentence; all wrong values are named at once. What a file holds
is checked later, by whoever reads it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from rfcn_lib.errors import SuiteError
from rfcn_lib.port import PUBLISHED
from rfcn_lib.suite import guard, summary_file
from rfcn_lib.suite.declared_options import DECLARED
from rfcn_lib.suite.evidence_opened import judged_again
from rfcn_lib.suite.marks import asks_for
from rfcn_lib.suite.option_faults import REHEARSED_CHIP, faults, is_packet
from rfcn_lib.suite.verdict_file import write_not_ended

SPECIMEN = Path(__file__).resolve().parents[2] / "specimen"
SPECIMEN_DEVKIT = SPECIMEN / "VOCdevkit"
SPECIMEN_WEIGHTS = SPECIMEN / "rfcn_specimen.pth"
ON_ITS_OWN_CANVAS = "published figures are of the published canvas; judge them without --canvas=fitted"

REHEARSED_PICTURES = 250  # at full size, with fitted canvases and the reference, under two hours on 2 cores


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    given   option name without dashes -> its value as written or by default; for the verdict's file
    here    the folder that pytest was started in; relative paths count from it
    marks   the expression of -m
    """

    weights: Path
    port: Path
    devkit: Path
    set_name: str
    store: Path
    onnx: Path | None
    adapted: Path | None
    om: Path | None
    clip: Literal["canvas", "none"]
    dumps: Path | None
    limit: int | None
    reference: Literal["torch", "published", "packet"]
    reference_packet: Path | None
    write_reference: Path | None
    overflow: Literal["crop", "error"]
    canvas: Literal["published", "fitted"]
    gate: Literal["point", "interval"]
    dask: str | None
    accept: bool
    explain: bool
    explained: str | None
    verdict: Path | None
    report: Path | None
    compare: Path | None
    summary: Path | None
    evidence: Path | None
    evidence_dumps: bool
    evidence_from: Path | None
    evidence_root: str | None
    protocols: Path | None
    baseline: Path | None
    predicted: Path | None
    soc: str | None
    runner: str | None
    devices: str | None
    precision_mode: str | None
    tool_timeout_s: float | None
    atc_args: tuple[str, ...]
    here: Path
    marks: str
    given: Mapping[str, Any] = field(compare=False)

    @property
    def fitted(self) -> bool:
        """Whether each picture is on the smallest of a few canvases."""
        return self.canvas == "fitted"

    @property
    def chip(self) -> str:
        """The chip that a rehearsal is of."""
        return self.soc or REHEARSED_CHIP

    @property
    def sample(self) -> int | None:
        """How many pictures of a larger set are rehearsed, where --limit does not say it; None: all, as another device needs."""
        others = any(asks_for(self.marks, device) for device in ("accuracy", "npu", "gpu"))
        asked = asks_for(self.marks, "rehearsal") and not others
        return REHEARSED_PICTURES if asked and self.limit is None else None

    @property
    def needs_jpegs(self) -> bool:
        """Whether any JPEG is read, by a network or for its digest."""
        return self.dumps is None or self.reference != "published" or self.baseline is not None


REFERENCES = {"torch": "reference_measured", "published": "reference_published", "packet": "reference_given"}
OPTIONS = pytest.StashKey[Options]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("acceptance", "what is judged (write --option=value, with '=')")
    for name, metavar, default, text in DECLARED:
        group.addoption(name, metavar=metavar, default=default, help=text)
    text = "with -m rehearsal: what each of the chip's effects costs alone"
    group.addoption("--explain", action="store_true", help=text)
    group.addoption("--accept", action="store_true", help="nothing may be skipped: what would be skipped is an error")
    group.addoption("--evidence-dumps", action="store_true", help="with --evidence: the outputs of each picture too")
    text = "one more flag for atc; may be repeated"
    group.addoption("--atc-arg", metavar="--FLAG=VALUE", action="append", default=[], help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the options, and choose the modules that define what an option exchanges."""
    if not __debug__:
        raise pytest.UsageError("python -O removes every assert, so every criterion would pass; run without -O")
    guard.expect_not_blocked(config)
    names = [name.removeprefix("--") for name, *_ in DECLARED]
    given = {name: config.getoption(f"--{name}") for name in (*names, "accept", "explain", "evidence-dumps", "atc-arg")}
    asked = any(given[name] for name in ("verdict", "summary", "accept", "evidence", "evidence-from"))
    judging = [*guard.expect_judging(config, verdict_asked=asked), *guard.expect_whole(config, given)]
    try:
        options = read(given, marks=config.getoption("markexpr"), here=config.invocation_params.dir, wrong=judging)
    except SuiteError as error:
        guard.refused(config, str(error))
        raise pytest.UsageError(str(error)) from error
    if options.verdict and not hasattr(config, "workerinput"):
        write_not_ended(options.verdict, list(map(str, config.invocation_params.args)), given)
    if options.summary and not hasattr(config, "workerinput"):
        summary_file.write_not_ended(options.summary, guard.arguments(config))
    config.stash[OPTIONS] = options = judged_again(config, options)
    config.stash[guard.CHOSEN] = (
        *([] if options.evidence_from else _made_of_inputs(options)),
        "packet_left_out" if options.write_reference is None else "packet_written",
        "limits_published" if options.baseline is None else "limits_measured",
        "calibration_left_out" if options.predicted is None else "calibration_written",
        "protocols_left_out" if options.protocols is None else "protocols_written",
        "report_left_out" if options.report is None else "report_written",
        "evidence_left_out" if options.evidence is None else "evidence_written",
        *(
            ["evidence_given", "evidence_of_devices", "evidence_compared"] if options.evidence_from else []
        ),  # the last: it takes the place of others
    )
    for module in config.stash[guard.CHOSEN]:
        config.pluginmanager.import_plugin(f"rfcn_lib.suite.{module}")


def _made_of_inputs(options: Options) -> tuple[str, ...]:
    """The modules that make or read what is judged."""
    return (
        *("exhibits_taken", "devices_asked"),
        REFERENCES[options.reference],
        "candidate_made" if options.dumps is None else "candidate_given",
        "graphs_given" if options.onnx or options.adapted else "graphs_made",
        "om_given" if options.om else "om_compiled",
    )


@pytest.fixture(scope="session")
def options(pytestconfig: pytest.Config) -> Options:
    """What the command line asks for."""
    return pytestconfig.stash[OPTIONS]


class OptionError(SuiteError):
    """Values of options are wrong, a line for each."""


def read(given: Mapping[str, Any], *, marks: str = "", here: Path | None = None, wrong: Sequence[str] = ()) -> Options:
    """The options, checked. `given`: option name without dashes -> value as written on the command line, or None.

    `wrong`: what else is wrong with the command line, a sentence each.

    Raises:
        OptionError: a value is wrong; names every wrong one.
    """
    here = here or Path.cwd()
    all_wrong = [*wrong, *faults(given, marks, here, SPECIMEN_DEVKIT)]
    if all_wrong:
        raise OptionError("\n".join(all_wrong))
    return Options(
        weights=_path(given, "weights") or SPECIMEN_WEIGHTS,
        port=_path(given, "port") or (PUBLISHED if given.get("weights") else SPECIMEN / "port.toml"),
        devkit=_path(given, "devkit") or SPECIMEN_DEVKIT,
        set_name=given["set"],
        store=here / given["store"],
        onnx=_path(given, "onnx"),
        adapted=_path(given, "adapted"),
        om=_path(given, "om"),
        clip=given["clip"],
        dumps=_path(given, "dumps"),
        limit=int(given["limit"]) if given.get("limit") else None,
        reference="packet" if is_packet(given) else given["reference"],
        reference_packet=_path(given, "reference") if is_packet(given) else None,
        write_reference=_path(given, "write-reference"),
        overflow=given["overflow"],
        canvas=given["canvas"],
        gate=given["gate"],
        dask=given.get("dask"),
        accept=given["accept"],
        explain=given["explain"],
        explained=given.get("explained"),
        verdict=_path(given, "verdict"),
        report=_path(given, "report"),
        compare=_path(given, "compare"),
        summary=_path(given, "summary"),
        evidence=_path(given, "evidence"),
        evidence_dumps=bool(given.get("evidence-dumps")),
        evidence_from=_path(given, "evidence-from"),
        evidence_root=given.get("evidence-root"),
        protocols=_path(given, "protocols"),
        baseline=_path(given, "baseline"),
        predicted=_path(given, "predicted"),
        soc=given.get("soc"),
        runner=given.get("runner"),
        devices=given.get("devices"),
        precision_mode=given.get("precision-mode"),
        tool_timeout_s=float(given["tool-timeout"]) if given.get("tool-timeout") else None,
        atc_args=tuple(given["atc-arg"]),
        here=here,
        marks=marks,
        given=dict(given),
    )


def _path(given: Mapping[str, Any], name: str) -> Path | None:
    return Path(given[name]) if given.get(name) else None
