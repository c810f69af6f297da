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
from rfcn_lib.suite.marks import asks_for
from rfcn_lib.suite.option_faults import REHEARSED_CHIP, faults, is_packet

SPECIMEN = Path(__file__).resolve().parents[2] / "specimen"
SPECIMEN_DEVKIT = SPECIMEN / "VOCdevkit"
SPECIMEN_WEIGHTS = SPECIMEN / "rfcn_specimen.pth"
ON_ITS_OWN_CANVAS = "published figures are of the published canvas; judge them without --canvas=fitted"

REHEARSED_PICTURES = 250  # at full size, with fitted canvases and the reference, under two hours on 2 cores

DECLARED: Sequence[tuple[str, str, str | None, str]] = (  # name, example of a value, default, help
    ("--weights", "PATH", None, "source checkpoint, upstream format; default: the specimen's"),
    (
        "--port",
        "FILE",
        None,
        "the port's numbers, TOML; default: the specimen's, the published once --weights is given",
    ),
    ("--devkit", "PATH", None, "VOCdevkit folder, the one that holds VOC2007/; default: the specimen's"),
    ("--set", "NAME", "test", "which set of the devkit, ImageSets/Main/NAME.txt; default: %(default)s"),
    ("--store", "DIR", ".artifacts", "where artifacts are kept; default: %(default)s"),
    ("--onnx", "FILE", None, "judge this exported graph instead of the suite's own export"),
    ("--adapted", "FILE", None, "judge this graph, the one that atc was given, instead of adapting the exported one"),
    ("--om", "FILE", None, "judge this compiled model; atc is not needed"),
    (
        "--clip",
        "canvas|none",
        "canvas",
        "the suite's own export clips the proposals to the canvas, or not, as published",
    ),
    ("--dumps", "DIR", None, "judge these dumps, made elsewhere, instead of making any"),
    ("--limit", "N", None, "first N ids of the set; the verdict says PARTIAL"),
    ("--reference", "torch|published|FILE", "torch", "source model run here, published figure, or a reference packet"),
    (
        "--overflow",
        "crop|error",
        "crop",
        "a picture larger than the canvas: crop it as published, or end with an error",
    ),
    (
        "--canvas",
        "published|fitted",
        "published",
        "all pictures on the port's canvas, or each on the smallest of a few",
    ),
    ("--dask", "ADDRESS", None, "share the pictures over a Dask cluster, tcp://HOST:8786, or local:N processes here"),
    ("--verdict", "FILE", None, "write the verdict as JSON: what was judged, every criterion, its number, its outcome"),
    ("--protocols", "FILE", None, "write a table of the same detections under each evaluation protocol"),
    ("--write-reference", "FILE", None, "write what the source model finds as a packet, for other hosts"),
    ("--baseline", "FILE", None, "a packet of `pytest -m gpu`: its figures replace the published ones in the criteria"),
    ("--predicted", "FILE", None, "what -m rehearsal wrote, prediction-CHIP.json: print beside it what was measured"),
    ("--soc", "NAME", None, "chip, such as Ascend310; default: to compile for, the device's; to rehearse, Ascend310P3"),
    ("--runner", "benchmark|ais_bench", None, "the vendor's inference tool; default: the one that is there"),
    ("--devices", "0,1,...", None, "device ids that share the pictures; default: the first"),
    ("--precision-mode", "MODE", None, "handed to atc; default: atc's own, force_fp16"),
    (
        "--tool-timeout",
        "SECONDS",
        None,
        "longest run of a vendor's tool; default: 1 h for atc, 300 s and 30 s per picture for a batch",
    ),
)


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
    dask: str | None
    accept: bool
    explain: bool
    verdict: Path | None
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
    text = "one more flag for atc; may be repeated"
    group.addoption("--atc-arg", metavar="--FLAG=VALUE", action="append", default=[], help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the options, and choose the modules that define what an option exchanges."""
    if not __debug__:
        raise pytest.UsageError("python -O removes every assert, so every criterion would pass; run without -O")
    names = [name.removeprefix("--") for name, *_ in DECLARED]
    given = {name: config.getoption(f"--{name}") for name in (*names, "accept", "explain", "atc-arg")}
    try:
        options = read(given, marks=config.getoption("markexpr"), here=config.invocation_params.dir)
    except SuiteError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[OPTIONS] = options
    for module in (
        REFERENCES[options.reference],
        "packet_left_out" if options.write_reference is None else "packet_written",
        "candidate_made" if options.dumps is None else "candidate_given",
        "graphs_given" if options.onnx or options.adapted else "graphs_made",
        "om_given" if options.om else "om_compiled",
        "limits_published" if options.baseline is None else "limits_measured",
        "calibration_left_out" if options.predicted is None else "calibration_written",
        "protocols_left_out" if options.protocols is None else "protocols_written",
    ):
        config.pluginmanager.import_plugin(f"rfcn_lib.suite.{module}")


@pytest.fixture(scope="session")
def options(pytestconfig: pytest.Config) -> Options:
    """What the command line asks for."""
    return pytestconfig.stash[OPTIONS]


class OptionError(SuiteError):
    """Values of options are wrong, a line for each."""


def read(given: Mapping[str, Any], *, marks: str = "", here: Path | None = None) -> Options:
    """The options, checked. `given`: option name without dashes -> value as written on the command line, or None.

    Raises:
        OptionError: a value is wrong; names every wrong one.
    """
    here = here or Path.cwd()
    wrong = [*faults(given, marks, here, SPECIMEN_DEVKIT)]
    if wrong:
        raise OptionError("\n".join(wrong))
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
        dask=given.get("dask"),
        accept=given["accept"],
        explain=given["explain"],
        verdict=_path(given, "verdict"),
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
