"""A red run is put down to a stage, to the fault of the catalogue that gives its outputs, or to pictures that were exchanged."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from rfcn_lib.agreement import heads, proposals
from rfcn_lib.agreement.figures import Figure
from rfcn_lib.agreement.pictures import apart
from rfcn_lib.faults.fault import FaultError, GraphFault, OutputsFault, PictureFault
from rfcn_lib.suite import culprit, simulated
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


def agreed(*measures, reference=source, got=ARITHMETIC, plain=None, pictures=IDS):
    found = tuple(Figure(one, 3.0, 0.1, 1.0, 9.0) for one in measures)
    each = {id: apart(got(id), source(id), PICTURES[id]) for id in PICTURES}
    runs = SimpleNamespace(port=None, sample=SimpleNamespace(by_canvas={(640, 640): IDS}), with_heads=IDS)
    return Agreed("floor", pictures, found, each, LIMITS, runs, "Ascend310P3", None, reference, PICTURES, plain=plain)


class Made:
    """Simulations whose outputs are those of a given factor of the deltas."""

    def __init__(self, factors, ids):
        self.factors, self.ids, self.asked = factors, ids, []

    @property
    def plain(self):
        return {id: with_deltas(1.0)(id) for id in self.ids}

    def outputs(self, fault, ids):
        self.asked.append((fault.name, tuple(ids)))
        if fault.name not in self.factors:
            raise FaultError("no place")
        return {id: with_deltas(self.factors[fault.name])(id) for id in ids}


@pytest.fixture
def judged(monkeypatch):
    """-> the blame of outputs; two faults can be simulated. `judged.made`: the simulations."""
    made = []

    def blame(agreement, got, factors=None):
        @contextmanager
        def simulations(agreement, pictures, ids):
            made.append(Made({"halved": 0.5, "doubled": 2.0} if factors is None else factors, ids))
            yield made[-1]

        monkeypatch.setattr(culprit, "simulations", simulations)
        monkeypatch.setattr(culprit, "CATALOGUE", (HALVED, DOUBLED))
        monkeypatch.setattr(culprit, "reader", lambda judged, port: got)
        return culprit.blame_of(agreement, SimpleNamespace(judged=None), SimpleNamespace(records=PICTURES))

    blame.made = made
    return blame


def test_a_run_that_agrees_has_no_culprit_and_nothing_is_simulated(judged):
    assert judged(agreed(), ARITHMETIC) is None
    assert judged.made == []


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
    same = {"halved": 0.5, "doubled": 0.5}
    found = judged(agreed(heads.DELTAS, got=source), with_deltas(0.5), same)

    assert (found.stage, found.fault) == ("heads", "halved")
    assert "doubled" in found.sentence


def test_only_faults_that_explain_the_picture_that_departs_most_go_through_the_others(judged):
    judged(agreed(heads.DELTAS, got=source), with_deltas(0.5))
    first = judged.made[-1].asked[0][1]
    asked = [("doubled", first), ("halved", first), ("halved", IDS)]
    assert len(first) == 1 and sorted(judged.made[-1].asked) == sorted(asked)


def test_where_the_first_pictures_agree_the_worst_one_that_went_wrong_alone_is_simulated(judged):
    def got(id):
        return with_deltas(0.5)(id) if id == "000007" else ARITHMETIC(id)

    found = judged(agreed(got=got), got)
    assert (found.stage, found.fault) == ("heads", "halved")
    assert [made.ids for made in judged.made] == [IDS, ("000007",)]


@pytest.mark.parametrize("older", [IDS[:1], IDS], ids=["one of the two simulated", "both"])
def test_a_fault_on_some_pictures_only_is_of_two_runs(judged, older):
    def got(id):
        return with_deltas(0.5)(id) if id in older else ARITHMETIC(id)

    found = judged(agreed(heads.DELTAS, got=got, plain=ARITHMETIC, pictures=tuple(PICTURES)), got)
    assert (found.stage, found.fault) == ("cache and clock", "halved")
    assert all(id in found.sentence for id in older)


def test_a_fault_on_all_pictures_is_of_one_run(judged):
    found = judged(agreed(heads.DELTAS, got=source, plain=ARITHMETIC, pictures=tuple(PICTURES)), with_deltas(0.5))
    assert (found.stage, found.fault) == ("heads", "halved")


def test_another_picture_s_pixels_on_one_picture_are_another_jpeg(judged, monkeypatch):
    def got(id):
        return with_deltas(0.5)(id) if id == IDS[0] else ARITHMETIC(id)

    agreement = agreed(heads.DELTAS, got=got)
    judged(agreement, got)
    monkeypatch.setattr(culprit, "CATALOGUE", (PictureFault("halved", "pictures", "Mirrored.", lambda *_: None),))
    found = culprit.blame_of(agreement, SimpleNamespace(judged=None), SimpleNamespace(records=PICTURES))
    assert (found.stage, found.fault) == ("data", "halved")


def test_a_fault_without_a_place_in_this_graph_is_left_out(judged):
    found = judged(agreed(heads.DELTAS, got=source), with_deltas(0.3), {"doubled": 2.0})
    assert found.fault == "" and "1 were simulated" in found.sentence


def exchanged(pairs):
    return lambda id: ARITHMETIC(pairs.get(id, id))


@pytest.mark.parametrize("count", [1, len(PICTURES)], ids=["two of them", "all of them"])
def test_pictures_that_have_the_outputs_of_others_are_named_whatever_else_departs(judged, count):
    ids = list(PICTURES)
    pairs = dict(zip(ids, ids[1:] + ids[:1], strict=True)) if count > 1 else {ids[4]: ids[7], ids[7]: ids[4]}
    got = exchanged(pairs)
    measures = (proposals.LOST, heads.SCORES) if count > 1 else ()
    agreement = agreed(*measures, got=got)
    found = judged(agreement, got)

    assert (found.stage, found.fault) == ("files", "")
    for id in list(dict.fromkeys(id for id, *_ in agreement.alone))[: culprit.SHOWN]:
        assert f"{id} has the outputs of {pairs[id]}" in found.sentence


def test_pictures_that_have_the_scores_of_others_are_named(judged):
    ids = list(PICTURES)
    pairs = dict(zip(ids, ids[1:] + ids[:1], strict=True))

    def got(id):
        return changed(ARITHMETIC(id), cls_prob=ARITHMETIC(pairs[id]).cls_prob[::-1])

    agreement = agreed(heads.SCORES, got=got)
    found = judged(agreement, got)
    assert (found.stage, found.fault) == ("files", "")
    for id in list(dict.fromkeys(id for id, *_ in agreement.alone))[: culprit.SHOWN]:
        assert f"{id} has the scores of {pairs[id]}" in found.sentence


def test_a_spoilt_picture_without_another_owner_is_only_named(judged):
    def got(id):
        return changed(ARITHMETIC(id), cls_prob=ARITHMETIC(id).cls_prob[:, ::-1]) if id == "000005" else ARITHMETIC(id)

    found = judged(agreed(got=got), got)
    assert found.stage == "files"
    assert "000005" in found.sentence and "has the outputs" not in found.sentence


def test_with_a_packet_the_owner_is_not_looked_for(judged):
    got = exchanged({"000005": "000008"})
    found = judged(agreed(reference=None, got=got), got)
    assert found.stage == "files" and "000005" in found.sentence and "has the outputs" not in found.sentence


def test_a_simulation_is_kept_in_the_store_and_made_once(monkeypatch, tmp_path):
    made, opened = [], []

    def simulate(fault, of, shown, plain=None):
        made.append((fault.name if fault else "plain", tuple(one.picture.id for one in shown)))
        return {one.picture.id: source(one.picture.id) for one in shown}

    def open_folder(name, code, **made_of):
        opened.append((name, made_of["soc"]))
        return nullcontext(tmp_path)

    monkeypatch.setattr(simulated, "simulate", simulate)
    runs = SimpleNamespace(own_adapted=lambda: {(640, 640): tmp_path}, store=SimpleNamespace(open_folder=open_folder))
    pictures = SimpleNamespace(records=PICTURES, port_on=lambda canvas: None, source=lambda id: (tmp_path / id, (1, 1)))
    for mode in (None, "must_keep_origin_dtype"):
        agreement = SimpleNamespace(runs=runs, soc="Ascend310P3", precision_mode=mode)
        with simulated.simulations(agreement, pictures, IDS) as one:
            found = one.outputs(HALVED, IDS)
            one.outputs(NAMED, IDS[:1])
        for id in IDS:
            for name in ("rois", "cls_prob", "bbox_pred"):
                assert np.array_equal(getattr(found[id], name), getattr(source(id), name))

    assert opened == [("simulated", "Ascend310P3"), ("simulated", None)]
    once = [(name, (id,)) for name in ("halved", "plain") for id in IDS]
    assert sorted(made) == sorted([*once, ("named", IDS), ("named", IDS)])
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(
        f"{name}-{id}" for name in ("plain", "halved") for id in IDS
    ), "what needs no graph is not kept"
