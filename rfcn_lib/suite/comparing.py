"""--compare=OLD.json: a run beside an earlier one. Numbers of different protocols are refused before the hours are spent."""

from collections.abc import Mapping

import pytest

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import read_port
from rfcn_lib.score.average_precision import VOC07
from rfcn_lib.score.fingerprint import Fingerprint, expect_same, fingerprint
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.fingerprints import of_candidate
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.guard import REPORTER, refused
from rfcn_lib.suite.options import OPTIONS, Options
from rfcn_lib.suite.report import EARLIER, Reporter
from rfcn_lib.verdict.comparison_page import comparison_page
from rfcn_lib.verdict.earlier import Earlier, read_earlier


def pytest_configure(config: pytest.Config) -> None:
    """Read the earlier verdict, and refuse it where the options alone say that its protocol is another one."""
    options = config.stash[OPTIONS]
    if options.compare is None:
        return
    try:
        found = read_earlier(options.compare)
        expect_same(known_now(found.protocol, options), found.protocol, "this run", f"--compare={options.compare}")
    except SuiteError as error:
        refused(config, str(error))
        raise pytest.UsageError(str(error)) from error
    config.stash[EARLIER] = found


def known_now(theirs: Mapping[str, str], options: Options) -> Fingerprint:
    """The protocol of this run as far as the options say it; what the data set and the graphs will say is taken from `theirs`.

    Raises:
        PortError: the port file is none.
    """
    canvas = "fitted" if options.fitted else name_of(read_port(options.port).pictures.canvas_wh_px)
    own_export = options.onnx is None and options.adapted is None and options.om is None and options.dumps is None
    said = fingerprint(
        VOC07,
        spec.MATCH_IOU,
        set=theirs["set"],
        cropped=0,
        canvas=canvas,
        clip=options.clip if own_export else theirs["clip"],
    )
    return Fingerprint(**{**said.fields(), "overflow": theirs["overflow"]})


@pytest.fixture(scope="session")
def earlier(
    pytestconfig: pytest.Config, pictures: Pictures, canvases: Canvases, graph_facts: GraphFacts, options: Options
) -> Earlier | None:
    """The verdict of --compare, of the same protocol as this run; None without the option.

    Raises:
        FingerprintError: the protocols differ; names every field that does, on both sides. No picture has been run yet.
    """
    found = pytestconfig.stash.get(EARLIER, None)
    if found is not None:
        mine = of_candidate(pictures, graph_facts.clip, fitted=canvases.fitted)
        expect_same(mine, found.protocol, "this run", f"--compare={options.compare}")
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin(REPORTER)
    if config.stash.get(EARLIER, None) is None or not isinstance(reporter, Reporter):
        return
    terminalreporter.section("compared with an earlier run")
    if reporter.compared is None:
        terminalreporter.write_line("nothing was judged in this run, so there is nothing to compare")
        return
    for line in comparison_page(reporter.compared, terminalreporter._tw.fullwidth).splitlines():
        terminalreporter.write_line(line)
