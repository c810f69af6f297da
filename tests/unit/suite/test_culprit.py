"""A red run is put down to a stage, to the fault of the catalogue that gives its outputs, or to pictures that were exchanged."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from rfcn_lib.agreement import heads, proposals
from rfcn_lib.agreement.figures import Figure
from rfcn_lib.agreement.pictures import apart
from rfcn_lib.faults.fault import FaultError, GraphFault, OutputsFault
from rfcn_lib.suite import culprit
from rfcn_lib.suite.agreement import Agreed
from tests.support.agreement_scenes import PICTURES, changed, noisy, source

ARITHMETIC = noisy(3)
LIMITS = {"uncovered": 0.05, "scores": 0.01, "deltas": 0.01}
HALVED, DOUBLED, NOWHERE = (
    GraphFault(name, stage, f"{name} in a sentence.", lambda model: None)
    for name, stage in (("halved", "heads"), ("doubled", "pooling"), ("nowhere", "heads"))
)
NAMED = OutputsFault("named", "post-processing", "", lambda outputs, picture, port: outputs)
IDS = ("000001", "000002")


def with_deltas(times):
    return lambda id: changed(ARITHMETIC(id), bbox_pred=times * ARITHMETIC(id).bbox_pred)


def agreed(*measures, reference=source, got=ARITHMETIC):
    found = tuple(Figure(one, 3.0, 0.1, 1.0, 9.0) for one in measures)
    each = {id: apart(got(id), source(id), PICTURES[id]) for id in PICTURES}
    runs = SimpleNamespace(port=None)
    return Agreed("floor", IDS, found, each, LIMITS, runs, "Ascend310P3", None, reference, PICTURES)


@pytest.fixture
def judged(monkeypatch):
    """-> the blame of a candidate's outputs; the catalogue has two faults that can be simulated."""

    def blame(agreement, got, simulated=None):
        made = {"plain": 1.0, "halved": 0.5, "doubled": 2.0} if simulated is None else simulated
        runs = [(name, {id: with_deltas(times)(id) for id in IDS}) for name, times in made.items()]
        monkeypatch.setattr(
            culprit,
            "simulations",
            lambda agreement, faults: (
                run for run in runs if run[0] == culprit.PLAIN or run[0] in {fault.name for fault in faults}
            ),
        )
        monkeypatch.setattr(culprit, "CATALOGUE", (HALVED, DOUBLED))
        monkeypatch.setattr(culprit, "reader", lambda judged, port: got)
        return culprit.blame_of(agreement, SimpleNamespace(judged=None))

    return blame


def test_a_run_that_agrees_has_no_culprit_and_nothing_is_simulated(judged):
    assert judged(agreed(), ARITHMETIC, {}) is None


def test_the_fault_that_gives_the_same_outputs_is_named(judged):
    found = judged(agreed(heads.DELTAS, got=source), with_deltas(0.5))

    assert (found.stage, found.fault) == ("heads", "halved")
    assert found.sentence.startswith("halved in a sentence.") and "100.0% of the rows" in found.sentence
    assert heads.DELTAS.name in found.evidence


def test_where_no_fault_fits_the_stage_is_named(judged):
    found = judged(agreed(heads.DELTAS, got=source), with_deltas(-1.0))

    assert (found.stage, found.fault) == ("heads", "")
    assert "2 were simulated" in found.sentence


def test_of_faults_that_fit_alike_the_one_of_the_stage_is_named_and_the_others_are_said(judged):
    same = {"plain": 1.0, "halved": 0.5, "doubled": 0.5}
    found = judged(agreed(heads.DELTAS, got=source), with_deltas(0.5), same)

    assert (found.stage, found.fault) == ("heads", "halved")
    assert "doubled" in found.sentence


def exchanged(pairs):
    return lambda id: ARITHMETIC(pairs.get(id, id))


@pytest.mark.parametrize("count", [1, len(PICTURES)], ids=["two of them", "all of them"])
def test_pictures_that_have_the_outputs_of_others_are_named_whatever_else_departs(judged, count):
    ids = list(PICTURES)
    pairs = dict(zip(ids, ids[1:] + ids[:1], strict=True)) if count > 1 else {ids[4]: ids[7], ids[7]: ids[4]}
    got = exchanged(pairs)
    measures = (proposals.LOST, heads.SCORES) if count > 1 else ()
    agreement = agreed(*measures, got=got)
    found = judged(agreement, got, {})

    assert (found.stage, found.fault) == ("files", "")
    for id in list(dict.fromkeys(id for id, *_ in agreement.alone))[: culprit.SHOWN]:
        assert f"{id} has the outputs of {pairs[id]}" in found.sentence


def test_a_spoilt_picture_without_another_owner_is_only_named(judged):
    def got(id):
        return changed(ARITHMETIC(id), cls_prob=ARITHMETIC(id).cls_prob[:, ::-1]) if id == "000005" else ARITHMETIC(id)

    found = judged(agreed(got=got), got, {})
    assert found.stage == "files"
    assert "000005" in found.sentence and "has the outputs" not in found.sentence


def test_with_a_packet_the_owner_is_not_looked_for(judged):
    got = exchanged({"000005": "000008"})
    found = judged(agreed(reference=None, got=got), got, {})
    assert found.stage == "files" and "000005" in found.sentence and "has the outputs" not in found.sentence


def test_a_simulation_is_kept_in_the_store_and_made_once(monkeypatch, tmp_path):
    made = []
    shown = [SimpleNamespace(picture=PICTURES[id]) for id in IDS]
    plain = {id: source(id) for id in IDS}

    def simulate(fault, of, shown, plain=None):
        made.append(fault.name)
        return {one.picture.id: source(one.picture.id) for one in shown}

    monkeypatch.setattr(culprit, "simulate", simulate)
    for _ in range(2):
        found = culprit._kept(tmp_path, "halved", HALVED, None, shown, plain)
        for id in IDS:
            for name in ("rois", "cls_prob", "bbox_pred"):
                assert np.array_equal(getattr(found[id], name), getattr(source(id), name))
    assert made == ["halved"]
    culprit._kept(tmp_path, "named", NAMED, None, shown, plain)
    assert [path.name for path in tmp_path.iterdir()] == ["halved.npz"], "what needs no graph is not kept"


def test_a_fault_without_a_place_in_this_graph_is_left_out(monkeypatch, tmp_path):
    def simulate(fault, of, shown, plain=None):
        if fault is NOWHERE:
            raise FaultError("no place")
        return {one.picture.id: source(one.picture.id) for one in shown}

    sample = SimpleNamespace(
        by_canvas={(640, 640): IDS}, records=PICTURES, port_on=lambda canvas: None, source=lambda id: (tmp_path, (1, 1))
    )
    runs = SimpleNamespace(
        sample=sample,
        with_heads=IDS,
        own_adapted=lambda: {(640, 640): tmp_path},
        store=SimpleNamespace(open_folder=lambda name, code, **made_of: nullcontext(tmp_path)),
    )
    monkeypatch.setattr(culprit, "simulate", simulate)
    agreement = SimpleNamespace(runs=runs, soc="Ascend310P3", precision_mode=None)

    found = dict(culprit.simulations(agreement, (HALVED, NOWHERE, NAMED)))
    assert list(found) == ["plain", "halved", "named"]
    assert all(tuple(outputs) == IDS for outputs in found.values())
