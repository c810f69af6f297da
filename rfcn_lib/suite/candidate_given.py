"""--dumps=DIR: the host's candidate is a folder of dumps that somebody made elsewhere."""

from pathlib import Path

import pytest

from rfcn_lib.ascend import toolkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.score.dump_forms import form_of
from rfcn_lib.store.store import Store
from rfcn_lib.suite.ascend import unpublished_flags
from rfcn_lib.suite.canvases import Canvases
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judged_dumps import expect_sound
from rfcn_lib.suite.judging import Candidate, expect_noted_canvases, judge_dumps, judge_own_dumps
from rfcn_lib.suite.options import Options
from rfcn_lib.verdict.verdict import ELSEWHERE, HOST, REHEARSED, SIMULATED, CandidateOn

OWN = ("torch", "onnxruntime")  # folders of dumps that this suite's host runs make
REHEARSED_DUMPS = "rehearsed"  # and so begin the names of those that its rehearsals make


@pytest.fixture(scope="session")
def host_dumps(options: Options) -> Path:
    """The folder of --dumps."""
    return require(options.dumps, "no --dumps")


@pytest.fixture(scope="session")
def host_first_pictures(host_dumps: Path, pictures: Pictures, canvases: Canvases, store: Store) -> None:
    """Nothing to run: the dumps are there. What is wrong with them is known before the source model runs."""
    expect_noted_canvases(host_dumps, pictures.port, canvases)
    if not _is_own(host_dumps, store):
        expect_sound(host_dumps, pictures, form_of(host_dumps, pictures.devkit.all_ids))


@pytest.fixture(scope="session")
def host_candidate(
    host_dumps: Path, reference_dumps: Path | None, pictures: Pictures, store: Store, options: Options
) -> Candidate:
    """The evaluation of those dumps, once the reference's dumps are complete too."""
    own, rehearsed = _is_own(host_dumps, store), host_dumps.resolve().name.startswith(REHEARSED_DUMPS)
    on: CandidateOn
    if toolkit.simulated([host_dumps]):
        on, words = SIMULATED, f"SIMULATED: the dumps in {host_dumps} were made by a stand-in for the vendor's tools"
    elif own and rehearsed:
        on, words = (
            REHEARSED,
            f"REHEARSED: {host_dumps} in this host's own store, a chip's arithmetic on the CPU, and no NPU",
        )
    elif own:
        on, words = HOST, f"this host's own store, {host_dumps}, and no NPU"
    else:
        on, words = ELSEWHERE, f"unknown: the dumps in {host_dumps} were made elsewhere"
    if own:
        judged = judge_own_dumps(host_dumps, pictures)
    else:
        form = form_of(host_dumps, pictures.devkit.all_ids)
        words += f"; files {form}"
        judged = judge_dumps(host_dumps, pictures, form=form)
    return Candidate(device="host", on=on, description=words, judged=judged, unpublished=unpublished_flags(options))


def _is_own(folder: Path, store: Store) -> bool:
    """Whether a host run or a rehearsal of this store made the dumps."""
    real = folder.resolve()
    return real.is_relative_to(store.root.resolve()) and (real.name in OWN or real.name.startswith(REHEARSED_DUMPS))
