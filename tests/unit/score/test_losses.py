"""The picture that lost, and the one fact that made it lose."""

import pytest

from rfcn_lib.score.losses import losses
from rfcn_lib.score.marked import mark
from tests.support.detector_pairs import CLASSES, detections_of, truth_of

CAT, DOG = 0, 1
ON_FIRST, ON_SECOND = [0, 0, 99, 99], [200, 0, 299, 99]
GOOD = ([ON_FIRST, ON_SECOND], [0.9, 0.8], [CAT, DOG])


def lost(*pictures):
    """Of pictures with a cat and a dog, (reference, candidate) each as (boxes, scores, labels)."""
    ids = [f"{number}" for number in range(len(pictures))]
    truth = {id: truth_of([CAT, DOG]) for id in ids}
    sides = [{id: detections_of(*both[side]) for id, both in zip(ids, pictures, strict=True)} for side in (0, 1)]
    return losses(*(mark(side, truth, CLASSES, CLASSES[:2]) for side in sides), CLASSES)


@pytest.mark.parametrize(
    ("candidate", "why", "loss", "said"),
    [
        (([ON_FIRST], [0.9], [CAT]), "missed", 0.8, "dog"),
        (([ON_FIRST, [240, 0, 339, 99]], [0.9, 0.7], [CAT, DOG]), "moved", 1.5, "IoU 0.43"),
        (([ON_FIRST, ON_SECOND], [0.9, 0.7], [CAT, CAT]), "other class", 1.5, "dog is called cat"),
        (([ON_FIRST, ON_SECOND], [0.9, 0.3], [CAT, DOG]), "lower score", 0.5, "0.30"),
        (([ON_FIRST, ON_SECOND, ON_FIRST], [0.9, 0.8, 0.6], [CAT, DOG, CAT]), "double", 0.6, "cat is found twice"),
        (
            ([*GOOD[0], [0, 500, 99, 599]], [0.9, 0.8, 0.4], [CAT, DOG, DOG]),
            "nothing there",
            0.4,
            "dog with score 0.40",
        ),
    ],
)
def test_each_fact_has_its_known_answer(candidate, why, loss, said):
    (found,) = lost((GOOD, candidate))

    assert (found.picture, found.why) == (0, why)
    assert found.loss == pytest.approx(loss, abs=1e-6)
    assert said in found.fact


def test_the_largest_loss_comes_first_and_a_gain_is_none():
    none, half, all = (GOOD, GOOD), (GOOD, ([ON_FIRST], [0.9], [CAT])), (GOOD, ([], [], []))

    assert [one.picture for one in lost(none, half, all, half[::-1])] == [2, 1]


def test_what_the_reference_has_wrong_too_is_no_loss():
    both = ([*GOOD[0], [0, 500, 99, 599]], [0.9, 0.8, 0.4], [CAT, DOG, DOG])

    assert lost((both, both)) == ()
    (found,) = lost((both, ([*both[0]], [0.9, 0.8, 0.7], both[2])))
    assert found.loss == pytest.approx(0.3, abs=1e-6)
    assert lost((both, GOOD)) == ()
