"""The candidate finds what the reference finds, on every picture of the set: on this host, and on the NPU."""

from dataclasses import asdict

from rfcn_lib.score.evaluation import Judged
from rfcn_lib.verdict.verdict import Reference, Trial


def test_every_picture_is_judged(trial: Trial, candidate: Judged, devkit, criterion, record_property):
    record_property("trial", asdict(trial))
    judged = criterion(
        "every picture judged", len(trial.ids), "==", len(devkit.ids), f"set {devkit.set_name!r} of the devkit"
    )
    assert judged.holds(), str(judged)
    assert candidate.evaluation.ids == devkit.ids


def test_no_class_is_lost(candidate: Judged, reference_by_class: Reference, port, criterion):
    found = candidate.evaluation.ap
    kept = {name: found[name] / ap for name, ap in reference_by_class.ap.items() if ap > 0}
    worst = min(kept, key=kept.__getitem__)
    agreed = port.criteria["class_ap_kept"]
    judged = criterion("no class lost", kept[worst], ">=", agreed.limit, agreed.source)
    assert judged.holds(), f"{judged}\n{worst}: {found[worst]:.4f} of {reference_by_class.ap[worst]:.4f} is left"


def test_mean_ap_drop_relative(candidate: Judged, reference: Reference, port, criterion):
    agreed, found = port.criteria["mean_ap_drop"], candidate.evaluation
    drop = 1 - found.mean_ap / reference.mean_ap
    judged = criterion("mean AP drop, relative", drop, "<=", agreed.limit, agreed.source)
    assert judged.holds(), f"{judged}\n{found}"


def test_mean_ap_drop_absolute(candidate: Judged, reference: Reference, port, criterion):
    agreed, found = port.criteria["mean_ap_drop"], candidate.evaluation
    drop = reference.mean_ap - found.mean_ap
    judged = criterion("mean AP drop, absolute", drop, "<=", agreed.limit, agreed.source)
    assert judged.holds(), f"{judged}\n{found}"


def test_mean_ap_reaches_the_published(candidate: Judged, published_mean_ap, criterion):
    found = candidate.evaluation
    judged = criterion(
        "mean AP reaches the published figure", found.mean_ap, ">=", published_mean_ap.limit, published_mean_ap.source
    )
    assert judged.holds(), f"{judged}\n{found}"
