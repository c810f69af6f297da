"""The criteria of export and adapt hold for a seeded ResNet-101 in the published shape and weight, too."""

import pytest

from rfcn_lib.suite.graphs import Exported, Graphs, full_size_graphs
from tests import test_adapt, test_export

pytestmark = pytest.mark.full_size


@pytest.fixture(scope="session")
def seeded_graphs(store) -> Graphs:
    """Its files, from checkpoint to twin."""
    return full_size_graphs(store)


class TestExport(test_export.Criteria):
    """The exported graph."""

    @pytest.fixture(scope="class")
    @classmethod
    def exported(cls, seeded_graphs: Graphs) -> Exported:
        return seeded_graphs.exported

    @pytest.fixture(scope="class")
    @classmethod
    def graphs(cls, seeded_graphs: Graphs) -> Graphs:
        return seeded_graphs


class TestAdapt(test_adapt.Criteria):
    """The adapted graph."""

    @pytest.fixture(scope="class")
    @classmethod
    def graphs(cls, seeded_graphs: Graphs) -> Graphs:
        return seeded_graphs
