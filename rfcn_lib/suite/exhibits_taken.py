"""Without --evidence-from: every file that took part lies here, and its digest is taken."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.store.store import Store
from rfcn_lib.suite.inputs import input_paths
from rfcn_lib.suite.judging import Candidate, Reference, UnfairError, expect_other_outputs
from rfcn_lib.suite.options import Options
from rfcn_lib.verdict.verdict import Exhibit


@pytest.fixture(scope="class")
def exhibits(
    candidate: Candidate,
    reference: Reference,
    devkit: Devkit,
    input_digests: Mapping[str, str],
    store: Store,
    options: Options,
) -> dict[str, Exhibit]:
    """Name -> path, sha256 and bytes of every file that took part.

    Raises:
        UnfairError: an input changed since the run began, or the candidate's dumps are the reference's own.
    """
    inputs = input_paths(options.weights, options.port, devkit)
    if not reference.ap:  # a published figure: no weights were run
        del inputs["weights"]
    paths = {**candidate.files, **inputs}
    if options.baseline:
        paths["baseline"] = options.baseline
    if reference.ap:
        paths["pictures"] = devkit.jpegs_folder
    found = {name: _exhibit(store, path) for name, path in paths.items()}
    for name in inputs:
        if found[name]["sha256"] != input_digests[name]:
            raise UnfairError(
                f"the {name} at {inputs[name]} changed while this run used it, so candidate, reference and truth may be of "
                "different ones; leave the file alone and run again"
            )
    if candidate.tool:
        tool = candidate.tool
        found["tool"] = {"path": str(tool.path), "sha256": tool.sha256, "bytes": tool.size_bytes}
    found["candidate dumps"] = _dumps_exhibit(candidate.judged)
    if reference.judged:
        found["reference packet" if reference.packet else "reference dumps"] = reference.packet or _dumps_exhibit(
            reference.judged
        )
    expect_other_outputs(candidate, reference)
    return found


def _exhibit(store: Store, path: Path) -> Exhibit:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {"path": str(path), "sha256": store.digests.of(path), "bytes": sum(file.stat().st_size for file in files)}


def _dumps_exhibit(judged: Judged) -> Exhibit:
    return {"path": str(judged.folder), "sha256": judged.sha256, "bytes": judged.size_bytes}
