"""When a candidate departs from the source model: the suite simulates each fault of the catalogue and looks which one fits.

Some pictures of the sample go through the suite's own graph with the fault in it, in the candidate's arithmetic. What was
simulated stays in the store, so only the first red run takes the time.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from rfcn_lib import spec
from rfcn_lib.agreement.culprit import Blame, Explanation, explanation, first_stage, share_alike
from rfcn_lib.agreement.pictures import apart
from rfcn_lib.faults.catalogue import CATALOGUE
from rfcn_lib.faults.fault import CommandFault, Fault, FaultError, FilesFault, OutputsFault
from rfcn_lib.faults.simulate import Shown, Simulated, simulate
from rfcn_lib.files import write_whole
from rfcn_lib.graph.rehearsal.rounding import BY_DEFAULT
from rfcn_lib.progress import progress
from rfcn_lib.records import Outputs
from rfcn_lib.suite.agreement import Agreed, reader
from rfcn_lib.suite.judging import Candidate

PICTURES: Final = 2
FOREIGN: Final = 0.25  # of the specimen's pictures, 0.45 or more of another's first 50 proposals lie elsewhere
SHOWN: Final = 3  # pictures that went wrong alone
PLAIN: Final = "plain"
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
def culprit(agreement: Agreed, candidate: Candidate) -> Blame | None:
    """What a candidate that departs is put down to."""
    return blame_of(agreement, candidate)


def blame_of(agreement: Agreed, candidate: Candidate) -> Blame | None:
    """The stage that departs first and, if there is one, the fault that gives the same outputs; None where nothing departs."""
    stage, why = first_stage(agreement.found, len({id for id, *_ in agreement.alone}), len(agreement.each))
    if not stage:
        return None
    evidence = "; ".join(str(one) for one in agreement.found[:3] if one.times > 1)
    owners = owners_of(agreement, candidate)
    if any(id != owner for id, owner in owners.items()):
        words = f"pictures have the outputs of other pictures: {owners_in_words(owners)}"
        return Blame("files", "", words, evidence)
    best, simulated = _best(agreement, candidate, stage)
    if best is None:
        pictures = f": {owners_in_words(owners)}" if owners and stage == "files" else ""
        words = f"{why}{pictures}. No single fault of the catalogue gives these outputs ({simulated} were simulated)"
        return Blame(stage, "", words, evidence)
    faults = {fault.name: fault for fault in CATALOGUE}
    first = next((faults[name] for name in best.names if faults[name].stage == stage), faults[best.names[0]])
    others = ", ".join(name for name in best.names if name != first.name)
    share = f"{best.share:.1%} of the rows agree with it to {best.score:.2g} of a score, {best.as_given:.1%} as given"
    also = f"; the same outputs: {others}" if others else ""
    return Blame(first.stage, first.name, f"{first.sentence} ({share}{also})", evidence)


def _best(agreement: Agreed, candidate: Candidate, stage: str) -> tuple[Explanation | None, int]:
    """What explains the candidate's outputs, and how many faults were simulated.

    The faults that can change what departs come first. Only if none of them fits, the others are simulated too.
    """
    read = reader(candidate.judged, agreement.runs.port)
    shares: dict[str, tuple[float, ...]] = {}
    as_given: tuple[float, ...] = ()
    best = None
    all_faults = [fault for fault in CATALOGUE if not isinstance(fault, CommandFault)]
    likely = [fault for fault in all_faults if fault.stage in LIKELY[stage]]
    for faults in (likely, [fault for fault in all_faults if fault not in likely]):
        for name, outputs in simulations(agreement, faults):
            share = share_alike({id: read(id) for id in outputs}, outputs)
            if name == PLAIN:
                as_given = share
            else:
                shares[name] = share
        if best := explanation(as_given, shares):
            break
    return best, len(shares)


def simulations(agreement: Agreed, faults: Sequence[Fault]) -> Iterator[tuple[str, Mapping[str, Outputs]]]:
    """(fault's name, id -> outputs) of each of the faults, the run without a fault first."""
    source = agreement.runs
    canvas, ids = max(source.sample.by_canvas.items(), key=lambda row: len(row[1]))
    chosen = [id for id in source.with_heads if id in ids][:PICTURES]
    records, adapted = source.sample.records, source.own_adapted()[canvas]
    soc = agreement.soc if agreement.precision_mode in (None, BY_DEFAULT) else None
    of = Simulated(adapted, source.sample.port_on(canvas), soc)
    shown = [Shown(source.sample.source(id)[0], records[id]) for id in chosen]
    made_of = {"adapted": adapted, "soc": soc, "pictures": [source.sample.source(id)[0] for id in chosen]}
    code = ("rfcn_lib.faults.catalogue", "rfcn_lib.faults.simulate")
    with source.store.open_folder("simulated", code, **made_of) as folder:
        plain = _kept(folder, PLAIN, None, of, shown, None)
        yield PLAIN, plain
        for fault in progress(faults, len(faults), "faults simulated, to name the culprit"):
            with suppress(FaultError):  # this graph has no place for it
                yield fault.name, _kept(folder, fault.name, fault, of, shown, plain)


def _kept(
    folder: Path,
    name: str,
    fault: Fault | None,
    of: Simulated,
    shown: list[Shown],
    plain: Mapping[str, Outputs] | None,
) -> dict[str, Outputs]:
    """The outputs with a fault, from the store where they are there."""
    path = folder / f"{name}.npz"
    if isinstance(fault, OutputsFault | FilesFault):
        return simulate(fault, of, shown, plain)
    if not path.is_file():
        found, buffer = simulate(fault, of, shown, plain), BytesIO()
        np.savez(
            buffer, **{f"{id}|{output}": getattr(one, output) for id, one in found.items() for output in spec.OUTPUTS}
        )
        write_whole(path, buffer.getvalue())
    with np.load(path, allow_pickle=False) as kept:
        ids = [one.picture.id for one in shown]
        return {id: Outputs(*(kept[f"{id}|{output}"] for output in spec.OUTPUTS)) for id in ids}


def owners_of(agreement: Agreed, candidate: Candidate) -> dict[str, str]:
    """The first pictures that went wrong alone -> the picture whose outputs each has: itself, if no other's."""
    alone = list(dict.fromkeys(id for id, *_ in agreement.alone))[:SHOWN]
    if agreement.reference is None:
        return {id: id for id in alone}
    got, records = reader(candidate.judged, agreement.runs.port), agreement.records
    mine = {id: _first_rows(got(id)) for id in alone}
    found: dict[str, dict[str, float]] = {id: {} for id in alone}
    for other in agreement.each if alone else ():
        theirs = _first_rows(agreement.reference(other))
        for id in alone:
            found[id][other] = apart(mine[id], theirs, records[other]).uncovered
    nearest = {id: min(uncovered, key=uncovered.__getitem__) for id, uncovered in found.items()}
    whole = {id: apart(got(id), agreement.reference(other), records[other]).uncovered for id, other in nearest.items()}
    return {
        id: other if found[id][id] > FOREIGN and whole[id] <= agreement.limits["uncovered"] else id
        for id, other in nearest.items()
    }


def owners_in_words(owners: Mapping[str, str]) -> str:
    """Each picture, and whose outputs it has, if another picture's."""
    return ", ".join(id if owner == id else f"{id} has the outputs of {owner}" for id, owner in owners.items())


def _first_rows(outputs: Outputs, count: int = 50) -> Outputs:
    return Outputs(outputs.rois[:count], outputs.cls_prob[:count], outputs.bbox_pred[:count])
