"""What judging again refuses besides numbers: a departure without a cause, and a cause without a departure."""

from pathlib import Path

import pytest

from rfcn_lib.agreement import proposals
from rfcn_lib.agreement.figures import Figure
from rfcn_lib.agreement.heads import SCORES
from rfcn_lib.agreement.pictures import LEAST, Apart
from rfcn_lib.evidence.layout import EvidenceError
from rfcn_lib.suite.agreement import Agreed
from rfcn_lib.suite.evidence_given import expect_blame


def agreed(times):
    found = (Figure(proposals.LOST, 0.1 * times, 0.05, 0.1, 600.0), Figure(SCORES, 1e-4, 1e-4, 2e-4, 32.0))
    runs = {"runs": None, "soc": None, "precision_mode": None, "reference": None, "records": {}}
    return Agreed("the floor", ("1",), found, {"1": Apart(0.0, 0.0, 0.0)}, dict(LEAST), **runs)


def test_a_departure_has_a_cause_and_only_a_departure_has_one():
    expect_blame(agreed(0.5), False, Path("e.zip"))
    expect_blame(agreed(2.0), True, Path("e.zip"))
    with pytest.raises(
        EvidenceError, match=r"e.zip: member agreement/blame.json: proposals depart first, but there is none"
    ):
        expect_blame(agreed(2.0), False, Path("e.zip"))
    with pytest.raises(EvidenceError, match=r"agreement/blame.json: nothing departs, and yet there is one"):
        expect_blame(agreed(0.5), True, Path("e.zip"))
