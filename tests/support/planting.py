"""Plant a fault into the specimen's port, write what an NPU would write, and judge it by the real command line."""

import json
import os
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock

from rfcn_lib.faults.fault import Bench, CommandFault, Fault, unseen
from rfcn_lib.faults.simulate import Shown, Simulated, simulate
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import picture_records
from rfcn_lib.port import Port, read_port
from rfcn_lib.records import Outputs
from rfcn_lib.score.dumps import write_dump
from rfcn_lib.score.partners import partners
from rfcn_lib.score.postprocess import detections_from_outputs
from tests.support.places import SPECIMEN
from tests.support.power_kit import write_kit, write_port
from tests.support.pytest_runs import run_pytest

SOC = "Ascend310P3"
ON_ANOTHER_CHIP = {"pool-corners-half-to-even": "Ascend310"}  # the 310P rounds halves to even by itself
GREEN = ("PASSED", "REHEARSED", "ACCEPTED")


@dataclass
class Finding:
    """What became of one planted fault or one harmless variation; a row of the tables of docs/power.md.

    exercised  whether any output changed; None: outputs are not what it changes
    beyond     whether the outputs changed by more than the chip's arithmetic changes them; None: not compared
    caught_by  names of the criteria that failed; or the words of an error
    """

    name: str
    stage: str
    sentence: str
    harmless: bool
    unseen: bool
    soc: str
    exercised: bool | None = None
    beyond: bool | None = None
    status: str = ""
    exit: int = -1
    mean_ap: float | None = None
    mean_ap_without: float | None = None
    caught_by: tuple[str, ...] = ()
    words: str = ""
    blamed: str | None = None
    explained: str | None = None
    judged_s: float = 0.0

    @property
    def red(self) -> bool:
        return self.status not in GREEN


class Planter:
    """Makes dumps with faults, and judges them. One in each process; processes share the store.

    place    the session's store; a store of its own, for reference and rehearsals, and the results lie in its folder `power`.
             In the session's own store, links to the dumps of other tests would lead to these ones
    adapted  the port's graph for the compiler
    """

    def __init__(self, place: Path, adapted: Path) -> None:
        self.results, self.adapted = place / "power", adapted
        self.store = self.results / "store"
        self.store.mkdir(parents=True, exist_ok=True)
        self.devkit, self.port_file = self._kit()
        self.port: Port = read_port(self.port_file)
        self._plain: dict[str | None, dict[str, Outputs]] = {}
        self._without: dict[str, Finding] = {}

    def _kit(self) -> tuple[Path, Path]:
        """The devkit and the port file; another process may have made them."""
        devkit, port_file = self.results / "VOCdevkit", self.results / "port.toml"
        with FileLock(self.results / "kit.lock"):
            if not port_file.is_file():
                write_port(write_kit(devkit), port_file)
        return devkit, port_file

    @cached_property
    def shown(self) -> list[Shown]:
        kit = read_devkit(self.devkit, self.port.classes)
        records = picture_records(kit.sizes_wh, self.port.pictures)
        return [Shown(kit.picture_path(id), records[id]) for id in kit.ids]

    def of(self, soc: str | None) -> Simulated:
        return Simulated(self.adapted, self.port, soc, threads=1 if os.environ.get("OMP_NUM_THREADS") == "1" else 0)

    def plain(self, soc: str | None) -> dict[str, Outputs]:
        """Id -> what the chip writes without a fault; None: the twin."""
        if soc not in self._plain:
            self._plain[soc] = simulate(None, self.of(soc), self.shown)
        return self._plain[soc]

    def write(self, outputs: dict[str, Outputs], folder: Path) -> Path:
        folder.mkdir(parents=True)
        for id, one in outputs.items():
            write_dump(folder, id, one)
        return folder

    # -- judging ---------------------------------------------------------------------------------------------------------

    def judge(self, finding: Finding, options: tuple[str, ...], folder: Path) -> Finding:
        """Run the command line, and fill in what its verdict says. Later options replace earlier ones."""
        verdict = folder / "verdict.json"
        wanted = {
            "--devkit": str(self.devkit), "--store": str(self.store), "--port": str(self.port_file),
            "--weights": str(SPECIMEN / "rfcn_specimen.pth"), "--soc": finding.soc, "--verdict": str(verdict),
        }  # fmt: skip
        wanted |= dict(option.split("=", 1) for option in options)
        words = (
            "-q",
            "-m",
            "accuracy",
            "tests/test_accuracy.py",
            *(f"{name}={value}" for name, value in wanted.items()),
        )
        begun = time.monotonic()
        done = run_pytest(*words, COLUMNS="200")
        finding.judged_s = round(time.monotonic() - begun, 2)
        finding.exit = done.code
        found = (
            json.loads(verdict.read_text())
            if verdict.is_file()
            else {"status": "NO VERDICT", "words": done.stdout[-2000:]}
        )
        finding.status, finding.words = found["status"], found.get("words", "")[:600]
        failed = [row["name"] for row in found.get("criteria", ()) if row["outcome"] == "failed"]
        errors = [line for line in done.stdout.splitlines() if line.startswith(("ERROR ", "E  "))]
        finding.caught_by = tuple(failed) or (("refused: " + " ".join(errors)[:300],) if errors else ())
        trial = found.get("on_trial") or {}
        finding.mean_ap = trial.get("candidate_mean_ap")
        blame = trial.get("blame") or {}
        finding.blamed, finding.explained = blame.get("stage"), blame.get("fault")
        return finding

    def without(self, soc: str, folder: Path) -> Finding:
        """The chip's dumps without a fault, judged; the first call makes reference, twin and rehearsal."""
        if soc not in self._without:
            kept = self.results / f"without-{soc}.lock"
            with FileLock(kept):
                finding = Finding("nothing", "", "Nothing is planted.", True, False, soc)
                dumps = self.write(self.plain(soc), folder / f"without-{soc}")
                self._without[soc] = self.judge(finding, (f"--dumps={dumps}",), folder)
        return self._without[soc]

    # -- planting --------------------------------------------------------------------------------------------------------

    def plant(self, fault: Fault, folder: Path) -> Finding:
        """Plant, judge, and keep the row."""
        soc = ON_ANOTHER_CHIP.get(fault.name, SOC)
        finding = Finding(fault.name, fault.stage, fault.sentence, False, unseen(fault), soc)
        before = self.without(soc, folder)
        finding.mean_ap_without = before.mean_ap
        if isinstance(fault, CommandFault):
            own = folder / "own"
            own.mkdir()
            dumps = self.write(self.plain(soc), folder / "right")
            twin = self.write(self.plain(None), folder / "twin")
            bench = Bench(own, self.devkit, self.port_file, SPECIMEN / "rfcn_specimen.pth", dumps, self.store, twin)
            options = (f"--dumps={dumps}", *fault.change(bench))
            self.judge(finding, options, own)
        else:
            wrong = simulate(fault, self.of(soc), self.shown, self.plain(soc))
            finding.exercised = changed(wrong, self.plain(soc))
            finding.beyond = finding.exercised and self.beyond(wrong, soc)
            if finding.exercised:
                self.judge(finding, (f"--dumps={self.write(wrong, folder / 'dumps')}",), folder)
        self.keep(finding)
        return finding

    def beyond(self, wrong: dict[str, Outputs], soc: str) -> bool:
        """Whether detections depart from the chip's by more than those do from the twin's: on one picture, or in the mean."""
        floor, found = self.departures(self.plain(soc), self.plain(None)), self.departures(wrong, self.plain(soc))
        return bool((found.max(0) > floor.max(0)).any() or (found.mean(0) > floor.mean(0)).any())

    def departures(self, got: dict[str, Outputs], want: dict[str, Outputs]) -> np.ndarray:
        """(pictures, 3): share of confident detections without a partner, mean score difference, and 1 - mean IoU of partners."""
        rows = []
        for shown in self.shown:
            picture = shown.picture
            one, other = (detections_from_outputs(side[picture.id], picture, self.port) for side in (got, want))
            try:
                pairs = partners(one, other)
            except ValueError:
                rows.append((1.0, 1.0, 1.0))
                continue
            has = np.concatenate([pairs.got_has_partner, pairs.want_has_partner])
            some = len(pairs.ious) > 0
            rows.append((
                1 - has.mean() if len(has) else 0.0,
                np.abs(pairs.scores).mean() if some else 0.0,
                1 - pairs.ious.mean() if some else 0.0,
            ))  # fmt: skip
        return np.asarray(rows)

    def keep(self, finding: Finding) -> None:
        kind = "harmless" if finding.harmless else "fault"
        path = self.results / f"{kind}-{finding.name}.json"
        path.write_text(json.dumps({**asdict(finding), "red": finding.red}, indent=1) + "\n")


def changed(one: dict[str, Outputs], other: dict[str, Outputs]) -> bool:
    """Whether any number differs."""
    return any(
        not np.array_equal(getattr(one[id], name), getattr(other[id], name))
        for id in one
        for name in ("rois", "cls_prob", "bbox_pred")
    )
