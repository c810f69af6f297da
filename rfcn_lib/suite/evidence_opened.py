"""--evidence-from=FILE: the file is opened and checked before any test, for it says what the run was told."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from rfcn_lib.errors import SuiteError
from rfcn_lib.evidence.archive import Archive, open_archive
from rfcn_lib.evidence.contents import Judged
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.evidence.reading import expect_statement_of, judged_of, run_of
from rfcn_lib.evidence.records import Run, Verdict
from rfcn_lib.suite import guard
from rfcn_lib.verdict.status import EXIT_STATUS

if TYPE_CHECKING:
    from rfcn_lib.suite.options import Options


@dataclass(frozen=True)
class Evidence:
    """A file of evidence that was opened.

    folder  a temporary one with port.toml and set.txt, for what reads them as files
    """

    path: Path
    run: Run
    said: Verdict
    judged: Judged
    archive: Archive
    folder: "TemporaryDirectory[str]"

    def file(self, name: str) -> Path:
        """port.toml, set.txt."""
        return Path(self.folder.name) / name


EVIDENCE = pytest.StashKey[Evidence]()


def judged_again(config: pytest.Config, options: "Options") -> "Options":
    """The options with which the run of --evidence-from judged; `options` itself without it.

    Ends pytest where the file is no evidence: nothing can be judged then.
    """
    if options.evidence_from is None:
        return options
    try:
        found = opened(options.evidence_from, options.evidence_root, options.marks)
    except SuiteError as error:
        guard.refused(config, str(error))
        pytest.exit(f"NOT JUDGED: {error}", returncode=EXIT_STATUS["NOT JUDGED"])
    config.stash[EVIDENCE], run = found, found.run
    config.option.markexpr = run.marks
    return replace(
        options,
        port=found.file("port.toml"),
        baseline=found.path if found.judged.baseline else None,
        accept=run.accept,
        gate=run.gate,
        explained=run.explained,
        soc=run.soc,
        precision_mode=run.precision_mode,
        marks=run.marks,
    )


def opened(path: Path, root: str | None, marks: str) -> Evidence:
    """Open and read a file of evidence. `marks`: the expression of -m, accuracy or that of the run.

    Raises:
        EvidenceError: names the member.
    """
    archive = open_archive(path, root)
    (run, said), judged = run_of(archive), judged_of(archive)
    expect_statement_of(archive, said, judged)
    if marks not in ("accuracy", run.marks):
        raise EvidenceError(f"{path} was judged with -m {run.marks}, but this is -m {marks}; use -m {run.marks}")
    folder = TemporaryDirectory(prefix="rfcn-evidence-")
    found = Evidence(path, run, said, judged, archive, folder)
    found.file("port.toml").write_bytes(judged.port_toml)
    found.file("set.txt").write_bytes(judged.set_txt)
    return found
