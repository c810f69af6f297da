"""The candidate finds what the reference finds, on every picture of the set: on this host, and on the NPU."""

from dataclasses import asdict

import pytest

from rfcn_lib.agreement.culprit import Blame
from rfcn_lib.agreement.figures import GROUPS, Group
from rfcn_lib.graph.rehearsal.headroom import overflowing
from rfcn_lib.graph.rehearsal.rounding import MOVING
from rfcn_lib.score.paired import paired_of
from rfcn_lib.suite.agreement import Agreed, beyond, in_words
from rfcn_lib.suite.judging import Candidate, Reference
from rfcn_lib.verdict.verdict import AGREEMENT, Trial

HEADROOM_ROWS = 10
WRITTEN = ("written_reference", "protocols", "calibration", "drawn", "kept_evidence")


def limits_of(trial: Trial, times: float = 1.0) -> tuple[float, float] | tuple[None, None]:
    """One-sided limits of the drop, `times` it; None where the point comparison judges."""
    if not trial.by_interval:
        return None, None
    drop = paired_of(trial.paired).drop
    return times * drop.lower, times * drop.upper


class Criteria:
    """The criteria, the same for each device. A class of a device names its candidate.

    It also names what is needed before, in order: what costs least first. pytest takes a base class's fixtures before those of
    the class, so the files that are written at the end (WRITTEN) are named by each class.
    """

    def test_every_picture_is_judged(self, trial: Trial, candidate: Candidate, devkit, criterion, record_property):
        record_property("trial", asdict(trial))
        judged = criterion(
            "every picture judged", len(trial.ids), "==", len(devkit.ids), f"set {devkit.set_name!r} of the devkit"
        )
        assert judged.holds(), str(judged)
        assert candidate.evaluation.ids == devkit.ids

    def test_no_class_is_lost(self, trial: Trial, reference_by_class: Reference, port, criterion):
        """A class fails by the lower limit of its drop. With --gate=interval each one must also be shown to lose less."""
        agreed, by_class = port.criteria["class_ap_drop"], paired_of(trial.paired).drop.classes
        lower = max(one.lower for one in by_class.values())
        upper = max(one.upper for one in by_class.values()) if trial.gate == "interval" else None
        limits = (None, None) if upper is None else (lower, upper)
        judged = criterion("no class lost", lower, "<=", agreed.limit, agreed.source, *limits)
        judged.expect_decided()
        lost = [
            f"{name}: {trial.candidate_ap[name]:.4f} of {trial.reference_ap[name]:.4f} is left; lower limit {one.lower:.1%}"
            for name, one in by_class.items()
            if one.decision == "FAIL"
        ]
        assert judged.holds(), "\n".join([str(judged), *lost])

    def test_mean_ap_drop_relative(self, trial: Trial, candidate: Candidate, reference: Reference, port, criterion):
        """On the whole set the numbers are compared; on a part, or with --gate=interval, the interval of the drop judges."""
        agreed, found = port.criteria["mean_ap_drop"], candidate.evaluation
        drop = 1 - found.mean_ap / reference.mean_ap
        judged = criterion("mean AP drop, relative", drop, "<=", agreed.limit, agreed.source, *limits_of(trial))
        judged.expect_decided()
        assert judged.holds(), f"{judged}\n{found}"

    def test_mean_ap_drop_absolute(self, trial: Trial, candidate: Candidate, reference: Reference, port, criterion):
        agreed, found = port.criteria["mean_ap_drop"], candidate.evaluation
        drop = reference.mean_ap - found.mean_ap
        limits = limits_of(trial, reference.mean_ap)
        judged = criterion("mean AP drop, absolute", drop, "<=", agreed.limit, agreed.source, *limits)
        judged.expect_decided()
        assert judged.holds(), f"{judged}\n{found}"

    @pytest.mark.parametrize("group", GROUPS)
    def test_outputs_agree(self, agreement: Agreed, group: Group, criterion):
        """With the source model's, as far as the arithmetic lets them. Mean AP forgives what these figures see."""
        found = agreement.of(group)
        judged = criterion(AGREEMENT[group], found[0].times, "<=", 1.0, agreement.source)
        assert judged.holds(), f"{judged}\n{beyond(found)}"

    def test_no_picture_goes_wrong_alone(self, agreement: Agreed, criterion):
        judged = criterion(AGREEMENT["pictures"], agreement.worst_picture_times, "<=", 1.0, agreement.source)
        assert judged.holds(), f"{judged}\n{in_words(agreement.alone)}"

    def test_what_departs_is_named(self, agreement: Agreed, culprit: Blame | None, kept_agreement, record_property):
        """It judges nothing: the stage that departs first, and the fault that gives the same outputs."""
        record_property("agreement", agreement.as_json())
        if culprit:
            record_property("blame", asdict(culprit))

    def test_mean_ap_reaches_the_published(self, candidate: Candidate, published_mean_ap, criterion):
        found = candidate.evaluation
        judged = criterion(
            "mean AP reaches the published figure",
            found.mean_ap,
            ">=",
            published_mean_ap.limit,
            published_mean_ap.source,
        )
        assert judged.holds(), f"{judged}\n{found}"


@pytest.mark.accuracy
@pytest.mark.usefixtures(
    "pictures",
    "graph_facts",
    "baseline",
    "predicted",
    "earlier",
    "packet_inputs",
    "host_first_pictures",
    "reference_first_pictures",
    "host_dumps",
    "reference_dumps",
    *WRITTEN,
)
class TestHost(Criteria):
    """The twin in ONNX Runtime on this host, or the dumps of --dumps."""

    @pytest.fixture(scope="class")
    @classmethod
    def candidate(cls, host_candidate: Candidate) -> Candidate:
        return host_candidate


@pytest.mark.npu
@pytest.mark.usefixtures(
    "npu_ready",
    "compiler",
    "pictures",
    "graph_facts",
    "baseline",
    "predicted",
    "earlier",
    "packet_inputs",
    "om",
    "reference_first_pictures",
    "npu_dumps",
    "reference_dumps",
    *WRITTEN,
)
class TestNpu(Criteria):
    """The compiled model on this host's NPU."""

    @pytest.fixture(scope="class")
    @classmethod
    def candidate(cls, npu_candidate: Candidate) -> Candidate:
        return npu_candidate


@pytest.mark.rehearsal
@pytest.mark.usefixtures(
    "chip",
    "pictures",
    "graph_facts",
    "baseline",
    "predicted",
    "earlier",
    "packet_inputs",
    "host_first_pictures",
    "reference_first_pictures",
    "rehearsal_dumps",
    "reference_dumps",
    *WRITTEN,
)
class TestRehearsal(Criteria):
    """The chip's arithmetic, computed on this host: a prediction of what the NPU will give."""

    @pytest.fixture(scope="class")
    @classmethod
    def candidate(cls, rehearsal_candidate: Candidate) -> Candidate:
        return rehearsal_candidate

    def test_nothing_overflows_in_fp16(self, headroom, kept_headroom, chip, criterion, record_property, note):
        """The first node in the graph's order is the culprit; those after it may only pass its numbers on."""
        computed = [row for row in headroom if row.operator not in MOVING]
        record_property("headroom", [asdict(row) for row in computed[:HEADROOM_ROWS]])
        for row in computed:
            if 0.5 < row.share <= 1:
                note(f"{chip}: {row.node} ({row.operator}) reaches {row.share:.0%} of the largest fp16 number, 65504")
        first = next(iter(overflowing(headroom)), None)
        share = (first or headroom[0]).share  # what comes after the first may be infinite
        judged = criterion("nothing overflows in fp16", share, "<=", 1.0, "IEEE 754 binary16: 65504")
        named = (
            f"{first.node} ({first.operator}) reaches {first.largest:.6g} on picture {first.picture}" if first else ""
        )
        assert judged.holds(), f"{judged}\n{named}; scale the weights before it, or keep the node in float32"

    def test_the_noise_floor_is_written(self, floors, orders, pictures, chip, note, record_property):
        """How far detections move by the chip's arithmetic alone. It judges nothing; an NPU's dumps are compared with it."""
        note(f"{chip}: {' and '.join(map(str, floors.files))}")
        note(f"{chip}: {orders}")
        record_property("orders", orders.as_json())
        assert floors.against_twin.pictures == len(pictures.ids)
        assert all(path.is_file() for path in floors.files)

    def test_where_the_points_go(self, explanation, chip, record_property):
        """With --explain; it judges nothing."""
        record_property("explanation", (str(chip), explanation, chip.assumed))
        assert len(explanation) > 2
