"""The verdict has power: every planted fault ends red, and every harmless variation green. `make power` writes docs/power.md.

Each test judges one folder of dumps by the real command line. The specimen's port is rehearsed on a chip, with the fault in it.
"""

import pytest

from rfcn_lib.faults.catalogue import CATALOGUE, fault_named
from tests.support.harmless import VARIATIONS, plant_harmless
from tests.support.planting import Planter

SAMPLE = (  # part of every `make test`: mean AP forgives most of these
    "resize-by-pillow", "weights-off-by-10-percent", "rois-cut-to-50", "bins-transposed", "temperature-2", "boxes-moved-2-px",
)  # fmt: skip


@pytest.fixture(scope="session")
def planter(store, canvas, adapted) -> Planter:
    return Planter(store.root.absolute(), adapted[canvas])


def expect_caught(finding):
    if finding.exercised is False:
        pytest.skip(f"not exercised: no output changes on these pictures with {finding.name}")
    if not finding.red and finding.beyond is False:
        pytest.skip(f"within the floor: {finding.name} changes less than the chip's arithmetic does")
    assert finding.red, f"{finding.name} ends {finding.status}: {finding.words}"
    assert finding.blamed in (None, finding.stage), (
        f"{finding.name} is of {finding.stage}, but blamed is {finding.blamed}"
    )


@pytest.mark.power
@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in CATALOGUE])
def test_a_planted_fault_is_caught(fault, planter, tmp_path):
    expect_caught(planter.plant(fault, tmp_path))


@pytest.mark.power
@pytest.mark.parametrize("variation", [pytest.param(one, id=one.name) for one in VARIATIONS])
def test_a_harmless_variation_is_green(variation, planter, tmp_path):
    finding = plant_harmless(variation, planter, tmp_path)

    assert not finding.red, f"{finding.name} ends {finding.status}: {finding.words}"


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_of_the_faults_is_caught(name, planter, tmp_path):
    expect_caught(planter.plant(fault_named(name), tmp_path))
