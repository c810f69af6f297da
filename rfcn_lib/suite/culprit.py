"""When a candidate departs from the source model: the suite simulates each fault of the catalogue and looks which one fits.

Some pictures of the sample go through the suite's own graph with the fault in it, in the candidate's arithmetic. What was
simulated stays in the store, so only the first red run takes the time.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import numpy as np
import pytest

from rfcn_lib.agreement.culprit import Blame, Explanation, explanation, first_stage, share_alike
from rfcn_lib.agreement.measured import OutputsOf
from rfcn_lib.agreement.pictures import apart
from rfcn_lib.faults.catalogue import CATALOGUE
from rfcn_lib.faults.fault import CommandFault, Fault, FaultError, FilesFault, PictureFault
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.progress import progress
from rfcn_lib.records import Floats, Outputs
from rfcn_lib.suite.agreement import Agreed, reader
from rfcn_lib.suite.judging import Candidate
from rfcn_lib.suite.simulated import PLAIN, Simulations, simulations

PICTURES: Final = 2
FOREIGN: Final = 0.25  # of the specimen's pictures, 0.45 or more of another's first 50 proposals lie elsewhere
NEARER: Final = 0.25  # another picture's scores are four times nearer than its own, or than scores that find nothing
LIKE: Final = (
    0.002  # mean difference of sorted scores; of the specimen's pictures in fp16: 0.0006 in the median, 0.0019 at most
)
SHOWN: Final = 3  # pictures that went wrong alone
CALM: Final = 0.98  # share of the rows that agree: the fault is on other pictures
LIKELY: Final[
    Mapping[str, tuple[str, ...]]
] = {  # the stage that departs first -> stages of the faults that can do this
    "files": ("files", "post-processing"),
    "post-processing": ("files", "post-processing"),
    "proposals": ("files", "proposals"),
    "backbone": ("files", "pictures", "backbone"),
    "pooling": ("files", "pooling", "heads"),
    "heads": ("files", "pooling", "heads", "post-processing"),
}


@pytest.fixture(scope="class")
def culprit(agreement: Agreed, candidate: Candidate, pictures: Pictures) -> Blame | None:
    """What a candidate that departs is put down to."""
    return blame_of(agreement, candidate, pictures)


def blame_of(agreement: Agreed, candidate: Candidate, pictures: Pictures) -> Blame | None:
    """The stage that departs first and, if there is one, the fault that gives the same outputs; None where nothing departs."""
    stage, why = first_stage(agreement.found, len({id for id, *_ in agreement.alone}), len(agreement.each))
    if not stage:
        return None
    evidence = "; ".join(str(one) for one in agreement.found[:3] if one.times > 1)
    owners = owners_of(agreement, candidate)
    if any(id != owner for id, (_, owner) in owners.items()):
        words = f"pictures have the outputs of other pictures: {owners_in_words(owners)}"
        return Blame("files", "", words, evidence)
    found, simulated = _search(agreement, candidate, pictures, stage)
    if found is None:
        which = f": {owners_in_words(owners)}" if owners and stage == "files" else ""
        words = f"{why}{which}. No single fault of the catalogue gives these outputs ({simulated} were simulated)"
        return Blame(stage, "", words, evidence)
    best, some = found
    faults = {fault.name: fault for fault in CATALOGUE}
    first = next((faults[name] for name in best.names if faults[name].stage == stage), faults[best.names[0]])
    others = ", ".join(name for name in best.names if name != first.name)
    share = f"{best.share:.1%} of the rows agree with it to {best.score:.2g} of a score, {best.as_given:.1%} as given"
    also = f"; the same outputs: {others}" if others else ""
    sentence = f"{first.sentence} ({share}{also})"
    if not some:
        return Blame(first.stage, first.name, sentence, evidence)
    if isinstance(first, PictureFault):
        return Blame(
            "data", first.name, f"some pictures only ({some}), as if the device read other JPEGs: {sentence}", evidence
        )
    return Blame(
        "cache and clock", first.name, f"some pictures only ({some}), as if from another run: {sentence}", evidence
    )


def _search(
    agreement: Agreed, candidate: Candidate, pictures: Pictures, stage: str
) -> tuple[tuple[Explanation, str] | None, int]:
    """What explains the candidate's outputs and, if only on some pictures, one of these; and how many faults were simulated.

    The faults that can change what departs come first. Only if none of them fits, the others are simulated too.
    """
    read, count = reader(candidate.judged, agreement.runs.port), 0
    all_faults = [fault for fault in CATALOGUE if not isinstance(fault, CommandFault)]
    likely = [fault for fault in all_faults if fault.stage in LIKELY[stage]]
    ids = pictures_to_simulate(agreement)
    with simulations(agreement, pictures, ids) as simulated:
        if share_of(read, simulated.plain)[0] >= CALM and (worst := worst_alone(agreement, pictures, ids)):
            ids = (worst,)
    with simulations(agreement, pictures, ids) as simulated:
        for faults in (likely, [fault for fault in all_faults if fault not in likely]):
            found, tried = fitting(simulated, read, faults)
            count += tried
            if found:
                best, some = found
                return (best, some or _unlike(agreement, pictures, read, best, ids)), count
    return None, count


def fitting(
    simulated: Simulations, read: OutputsOf, faults: Sequence[Fault]
) -> tuple[tuple[Explanation, str] | None, int]:
    """What explains the candidate; if only on one picture, and the others agree, its id. And how many faults have a place.

    Only the faults that explain it on the picture that departs most go through the others too.
    """
    plain = simulated.plain
    first = min(plain, key=lambda id: share_of(read, {id: plain[id]}))
    as_given, one = share_of(read, {first: plain[first]}), {}
    for fault in progress(faults, len(faults), "faults simulated, to name the culprit"):
        with suppress(FaultError):  # this graph has no place for it
            one[fault.name] = share_of(read, simulated.outputs(fault, [first]))
    fits = [fault for fault in faults if fault.name in one and explanation(as_given, {fault.name: one[fault.name]})]
    every = {fault.name: share_of(read, simulated.outputs(fault, list(plain))) for fault in fits}
    if best := explanation(share_of(read, plain), every):
        return (best, ""), len(one)
    best = explanation(as_given, {fault.name: one[fault.name] for fault in fits})
    others_agree = all(share_of(read, {id: plain[id]})[0] >= CALM for id in plain if id != first)
    return ((best, first) if best and others_agree else None), len(one)


def _unlike(agreement: Agreed, pictures: Pictures, read: OutputsOf, best: Explanation, ids: Sequence[str]) -> str:
    """`ids` in words, if the picture of the sample that departs least has not the fault that explains them; else ""."""
    canvas_wh = pictures.records[ids[0]].canvas_wh
    others = [id for id in agreement.pictures if id not in ids and pictures.records[id].canvas_wh == canvas_wh]
    plain = agreement.plain
    if plain is None or not others:
        return ""
    calm = max(others, key=lambda id: share_of(read, {id: plain(id)}))
    fault = next(fault for fault in CATALOGUE if fault.name == best.names[0])
    if isinstance(fault, FilesFault):
        return ""
    with simulations(agreement, pictures, (calm,)) as simulated:
        with_fault, without = (share_of(read, one) for one in (simulated.outputs(fault, [calm]), simulated.plain))
    return ", ".join(ids) if explanation(with_fault, {PLAIN: without}) else ""


def share_of(read: OutputsOf, outputs: Mapping[str, Outputs]) -> tuple[float, ...]:
    """Share of the candidate's rows that agree with these outputs."""
    return share_alike({id: read(id) for id in outputs}, outputs)


def pictures_to_simulate(agreement: Agreed) -> tuple[str, ...]:
    """The first pictures of the sample on its largest canvas: the same ones in every run, so the store keeps them."""
    ids = max(agreement.runs.sample.by_canvas.values(), key=len)
    return tuple(id for id in agreement.runs.with_heads if id in ids)[:PICTURES]


def worst_alone(agreement: Agreed, pictures: Pictures, ids: Sequence[str]) -> str | None:
    """The worst picture that went wrong alone, on the canvas of `ids`; None where there is none."""
    canvas_wh = pictures.records[ids[0]].canvas_wh
    return next((id for id, *_ in agreement.alone if pictures.records[id].canvas_wh == canvas_wh), None)


def owners_of(agreement: Agreed, candidate: Candidate) -> dict[str, tuple[str, str]]:
    """The first pictures that went wrong alone -> what of another picture each has, and which: itself, if no other's."""
    alone = list(dict.fromkeys(id for id, *_ in agreement.alone))[:SHOWN]
    if agreement.reference is None:
        return {id: ("", id) for id in alone}
    got, records = reader(candidate.judged, agreement.runs.port), agreement.records
    mine = {id: got(id) for id in alone}
    rows: dict[str, dict[str, float]] = {id: {} for id in alone}
    scores: dict[str, dict[str, float]] = {id: {} for id in alone}
    nothing = {}
    for other in agreement.each if alone else ():
        theirs = agreement.reference(other)
        nothing[other] = _from_nothing(theirs.cls_prob)
        for id in alone:
            rows[id][other] = apart(_first_rows(mine[id]), _first_rows(theirs), records[other]).uncovered
            scores[id][other] = float(np.abs(_sorted(mine[id].cls_prob) - _sorted(theirs.cls_prob)).mean())
    found = {}
    for id in alone:
        other, owner = (min(of, key=of.__getitem__) for of in (rows[id], scores[id]))
        whole = apart(mine[id], agreement.reference(other), records[other]).uncovered
        if rows[id][id] > FOREIGN and whole <= agreement.limits["uncovered"]:
            found[id] = ("outputs", other)
        elif scores[id][owner] <= min(LIKE, NEARER * scores[id][id], NEARER * nothing[owner]):
            found[id] = ("scores", owner)
        else:
            found[id] = ("", id)
    return found


def owners_in_words(owners: Mapping[str, tuple[str, str]]) -> str:
    """Each picture, and what it has of whose outputs, if another picture's."""
    return ", ".join(id if owner == id else f"{id} has the {what} of {owner}" for id, (what, owner) in owners.items())


def _sorted(scores: Floats) -> Floats:
    """Each class's scores from low to high: whose they are shows in any order of the rows."""
    return np.sort(scores, axis=0)


def _from_nothing(scores: Floats) -> float:
    """Mean difference from scores that find nothing: background 1, every class 0. A blind network is near to a calm picture."""
    nothing = np.zeros(scores.shape[1], scores.dtype)
    nothing[0] = 1
    return float(np.abs(scores - nothing).mean())


def _first_rows(outputs: Outputs, count: int = 50) -> Outputs:
    return Outputs(outputs.rois[:count], outputs.cls_prob[:count], outputs.bbox_pred[:count])
