"""What a run prints and writes about itself: what is judged before it, the verdict after it, and the verdict's JSON file."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import pytest

from rfcn_lib.suite.marks import asks_for
from rfcn_lib.suite.options import OPTIONS, SPECIMEN_WEIGHTS, Options
from rfcn_lib.suite.own_code import own_code
from rfcn_lib.suite.surroundings import surroundings, surroundings_words
from rfcn_lib.suite.verdict_file import as_json, write_json
from rfcn_lib.verdict.comparison import Comparison, comparison
from rfcn_lib.verdict.comparison import as_json as comparison_as_json
from rfcn_lib.verdict.earlier import Earlier
from rfcn_lib.verdict.page import explanation_page, headroom_page, page
from rfcn_lib.verdict.status import PYTESTS_OWN, exit_status
from rfcn_lib.verdict.verdict import Criterion, Outcome, Trial, Verdict, verdict

DEVICES = ("host", "rehearsal", "npu")
EARLIER = pytest.StashKey[Earlier]()  # the verdict of --compare, once it has been read
CONTRACT = ("test_export.py", "test_adapt.py", "test_accuracy.py", "test_performance.py")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reporter(config.stash[OPTIONS], config), "acceptance-reporter")


def pytest_report_header(config: pytest.Config) -> list[str]:
    options = config.stash[OPTIONS]
    given = options.given
    if options.evidence_from:
        return [f"judged: again, what is in {options.evidence_from}; nothing else is read, and no network is run"]
    weights, size = options.weights, options.weights.stat().st_size
    named = "the specimen" if weights == SPECIMEN_WEIGHTS and not given["weights"] else f"{weights} ({size:,} bytes)"
    port = given["port"] or ("the published R-FCN's" if given["weights"] else "the specimen's")
    part = f", PARTIAL: first {options.limit} ids" if options.limit else ""
    judged = (
        f"dumps in {options.dumps}"
        if options.dumps
        else "ONNX Runtime on this host, in place of an NPU (-m npu: the NPU)"
    )
    if asks_for(options.marks, "rehearsal"):
        judged = (
            f"REHEARSED {options.chip}, {options.precision_mode or 'force_fp16'}: its arithmetic on this host, no NPU"
        )
    judged += f"; pictures shared over Dask, {options.dask}" if options.dask else ""
    reference = options.reference_packet or options.reference
    return [
        f"judged: weights {named}; port {port}; devkit {given['devkit'] or 'the specimen'}, set {options.set_name}{part}",
        f"candidate: {judged}; reference: {reference}; accept={options.accept}; store {given['store']}",
    ]


class Reporter:
    """Collects what tests record, in the one process that prints (under xdist, the controller)."""

    def __init__(self, options: Options, config: pytest.Config) -> None:
        self.options = options
        self.args = config.invocation_params.args
        self.outcomes: dict[str, Outcome] = {}
        self.device_of: dict[str, str] = {}
        self.criteria: dict[str, list[Criterion]] = {}
        self.trials: dict[str, Trial] = {}
        self.rates: list[str] = []
        self.speed: dict[str, Any] = {}
        self.notes: dict[str, None] = {}
        self.explanation: tuple[Any, ...] = ()
        self.headroom: list[Any] = []
        self.orders: dict[str, Any] = {}
        self.stopped = False
        self.others_failed = False
        self.ended = ""
        self.root = ""  # of the evidence
        self.order: Sequence[
            str
        ] = ()  # of tests, where another run's order is to be kept; with pytest-xdist any order comes
        self.doubt: Callable[[Verdict], str] | None = None  # what speaks against a verdict, "" if nothing
        self.surroundings = surroundings(config)
        self.code = own_code()
        self.compared: Comparison | None = None
        self.record: dict[str, Any] | None = None  # what the file of --verdict holds, once the run has come to its end

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.stopped = isinstance(excinfo.value, KeyboardInterrupt)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid
        if test.split("::")[0].rpartition("/")[2] not in CONTRACT:
            self.others_failed = self.others_failed or report.failed
            return
        recorded: list[tuple[str, Any]] = list(report.user_properties)
        properties = dict(recorded)
        if "device" in properties:
            self.device_of[test] = properties["device"]
        if "undecided" in properties:
            self.outcomes[test] = "undecided"
        elif report.failed:
            self.outcomes[test] = "error" if report.when != "call" or "not judged" in properties else "failed"
        elif report.skipped or (report.when == "call" and self.outcomes.get(test) != "error"):
            self.outcomes[test] = "skipped" if report.skipped else "passed"
        if report.when == "call":
            self.criteria[test] = [Criterion(**row) for name, row in recorded if name == "criterion"]
            self.notes.update((str(words), None) for name, words in recorded if name == "note")
            self.headroom = properties.get("headroom", self.headroom)
            self.orders = properties.get("orders", self.orders)
            self.explanation = properties.get("explanation", self.explanation)
            self.rates = properties.get("rates", self.rates)
            self.speed = properties.get("speed", self.speed)
            if "trial" in properties:
                found = Trial(**properties["trial"])
                self.trials[found.device] = found
            more = {name: properties[name] for name in ("agreement", "blame") if name in properties}
            if more and self.device_of[test] in self.trials:
                self.trials[self.device_of[test]] = replace(self.trials[self.device_of[test]], **more)

    @property
    def asked(self) -> list[str]:
        """Devices whose accuracy this run judges. Where all of a device's tests are skipped, it is not one."""
        judged = {self.device_of.get(t) for t, o in self.outcomes.items() if "test_accuracy.py" in t and o != "skipped"}
        return [device for device in DEVICES if device in judged]

    def judged(self, device: str) -> Verdict:
        """The verdict on one device; tests of the graphs count for every device."""
        place = {test: at for at, test in enumerate(self.order)}
        mine = [test for test in self.outcomes if self.device_of.get(test) in (device, None)]
        tests = {test: self.outcomes[test] for test in sorted(mine, key=lambda test: place.get(test, len(place)))}
        criteria = {test: self.criteria[test] for test in tests if test in self.criteria}
        found = verdict(
            self.trials.get(device),
            criteria,
            tests,
            accept=self.options.accept,
            ended=self.ended,
            code_differs=self.code.differs,
        )
        doubt = self.doubt(found) if self.doubt else ""
        return replace(found, status="NOT JUDGED", words=doubt) if doubt else found

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for device in self.asked:
            chip = f", {self.options.chip}" if device == "rehearsal" else ""
            terminalreporter.section(f"verdict: {device}{chip}")
            rates = self.rates if device == "npu" else []
            width = terminalreporter._tw.fullwidth
            run = [f"suite      {self.code}", *surroundings_words(self.surroundings)]
            for line in page(self.trials.get(device), self.judged(device), rates, width, run, self.root).splitlines():
                terminalreporter.write_line(line)
        if self.headroom:
            terminalreporter.section(f"REHEARSED {self.options.chip}: headroom in fp16 over all pictures, worst first")
            for line in headroom_page(self.headroom, terminalreporter._tw.fullwidth).splitlines():
                terminalreporter.write_line(line)
        if self.explanation:
            terminalreporter.section("where the points go")
            chip, lines, assumed = self.explanation
            for line in explanation_page(lines, chip, assumed, terminalreporter._tw.fullwidth).splitlines():
                terminalreporter.write_line(line)
        if self.notes:
            terminalreporter.section("notes")
            for words in self.notes:
                terminalreporter.write_line(words)
        if self.stopped:
            terminalreporter.write_line(
                f"stopped: finished artifacts and finished pictures are kept in {self.options.store}, and the same "
                "command goes on from there"
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Before whatever writes a file: the exit status and the record of the run."""
        self.ended = PYTESTS_OWN.get(int(session.exitstatus), "")
        found = {device: self.judged(device) for device in self.asked}
        if not found and (self.options.verdict or self.options.summary or self.options.accept):
            found["host"] = self.judged("host")  # a verdict was asked for, and nothing was judged
        session.exitstatus = exit_status(
            session.exitstatus, [one.status for one in found.values()], others_failed=self.others_failed
        )
        self.record = self._record(found) if found else None
        earlier = session.config.stash.get(EARLIER, None)
        if self.record is not None and earlier is not None:
            self.compared = comparison(earlier, self.record)
            self.record["compared"] = comparison_as_json(self.compared)
        if self.options.verdict is not None and self.record is not None:
            write_json(self.options.verdict, self.record)

    def _record(self, found: dict[str, Verdict]) -> dict[str, Any]:
        """What the file of --verdict holds. `found`: by device, at least one."""
        first = next(device for device in reversed(DEVICES) if device in found)
        others = [one for device, one in found.items() if device != first]
        said = {
            "rates": self.rates,
            "notes": [*self.notes],
            "pytest": self.surroundings,
            "suite": asdict(self.code),
        }
        said |= {"rehearsed orders": self.orders} if self.orders else {}
        return as_json(found[first], others, list(map(str, self.args)), self.options.given, said)
