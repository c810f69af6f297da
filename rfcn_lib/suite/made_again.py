"""With --accept, the source model runs some pictures once more: who can write the store can write dumps and their digests."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib.agreement.culprit import share_alike
from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Outputs, Picture
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.score.partners import partners
from rfcn_lib.score.postprocess import detections_from_outputs
from rfcn_lib.suite.host_runs import HostRun
from rfcn_lib.suite.judging import UnfairError

PICTURES: Final = 12  # three minutes at full size; of dumps of which a fifth was changed, 93 % of such samples hold one
LEAST_ALIKE: Final = 0.97  # of the rows; of the specimen on one and on two threads all agree, in each of 140 pictures
LARGEST_SCORE: Final = 0.01


def expect_same_again(run: HostRun, dumps: Path) -> tuple[str, ...]:
    """Run pictures that nobody knows beforehand, and hold the kept dumps against them. Returns their ids.

    Raises:
        UnfairError: a kept dump is not what the model gives now, by more than float32 on another number of threads.
    """
    pictures = run.pictures
    ids = tuple(secrets.SystemRandom().sample(pictures.ids, min(PICTURES, len(pictures.ids))))
    for id in progress(ids, len(ids), "reference pictures run once more, for --accept"):
        record = pictures.records[id]
        port = pictures.port_on(record.canvas_wh)
        for fault in faults_of(read_dump(dumps, id, port), run.again(id), record, port):
            raise UnfairError(
                f"{dumps}: the kept dump of picture {id} is not what the source model gives now: {fault}. The dump was changed "
                f"after it was made, or made with other libraries: remove {dumps.resolve()}, and the next run makes it again"
            )
    return ids


def faults_of(kept: Outputs, now: Outputs, picture: Picture, port: Port) -> Iterator[str]:
    """A sentence for each way in which two float32 runs of one picture differ. Rows first, then confident detections."""
    alike = share_alike({picture.id: kept}, {picture.id: now})[-1]
    if alike < LEAST_ALIKE:
        yield f"{alike:.1%} of the rows agree, but at least {LEAST_ALIKE:.0%} should"
    pairs = partners(*(detections_from_outputs(outputs, picture, port) for outputs in (kept, now)))
    lost = int((~pairs.got_has_partner).sum() + (~pairs.want_has_partner).sum())
    if lost:
        yield f"{lost} confident detections have no partner"
    score = float(np.abs(pairs.scores).max(initial=0.0))
    if score > LARGEST_SCORE:
        yield f"a score is {score:.3f} apart, but should be at most {LARGEST_SCORE:g}"
