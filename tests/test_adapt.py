"""What the compiler needed changed nothing else."""

import onnx
import pytest

from rfcn_lib import spec
from rfcn_lib.graph.adapt import AdaptReport, adapted_from_exported
from rfcn_lib.graph.host_definitions import HOST_DOMAIN
from rfcn_lib.graph.inspect import foreign_operators, opset_imports, unread_inputs, vendor_nodes
from rfcn_lib.graph.judged import JudgedGraph, graph_to_judge
from rfcn_lib.graph.preflight import preflight
from rfcn_lib.graph.twin import host_functions, twin_from_vendor, vendor_model
from rfcn_lib.suite.graphs import Graphs, run_in_onnx_runtime

pytestmark = pytest.mark.adapt

REWRITES = {  # the network's own need, at every size: nine constants of two slices and the TopK rows that Gather reads
    "split_shared_constants": 0,
    "initialisers": 0,
    "constants": 9,
    "constants_of_shape": 0,
    "casts_to_int64": 0,
    "cast_after_shape": 0,
    "cast_after_indices": 1,
}


class Criteria:
    """The criteria, the same for each network. A class of a network names its graphs.

    How often each rewrite fires is demanded of this suite's own export alone. Of a given graph it is said in a note.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def report(cls, graphs, tmp_path_factory) -> AdaptReport:
        """Adapting once more, by hand: the same file comes out, and the exported one is not touched."""
        before = graphs.onnx.read_bytes()
        again = tmp_path_factory.mktemp("adapted") / "again.onnx"
        found = adapted_from_exported(again, graphs.onnx)

        assert graphs.onnx.read_bytes() == before
        assert graphs.adapted_given or again.read_bytes() == graphs.adapted.read_bytes()
        return found

    @pytest.fixture(scope="class")
    @classmethod
    def judged(cls, graphs) -> JudgedGraph:
        """The adapted graph as the criteria read it."""
        return graph_to_judge(graphs.adapted)

    def test_each_rewrite_fired_as_often_as_the_network_needs(self, report, graphs, note):
        if graphs.exported.given:
            note(f"{graphs.onnx}: this suite's rewrites for the compiler: {counted(report)}")
        assert graphs.exported.given or dict(report.counts) == REWRITES

    def test_a_second_pass_finds_nothing(self, graphs, tmp_path, note):
        again = adapted_from_exported(tmp_path / "twice.onnx", graphs.adapted)

        if graphs.adapted_given and any(again.counts.values()):
            note(f"{graphs.adapted}: int64 is left that could be int32, which is slow on the chip: {counted(again)}")
        assert graphs.adapted_given or set(again.counts.values()) == {0}
        assert graphs.adapted_given or again.clamped == ()

    def test_what_was_clamped_is_the_open_end_of_a_slice(self, report, graphs):
        assert report.clamped or graphs.exported.given
        assert all(clamp.value in (2**63 - 1, -(2**63)) and clamp.why for clamp in report.clamped)

    def test_int64_is_left_only_where_onnx_demands_it(self, report, graphs):
        assert report.left or graphs.exported.given
        assert all(why for why in report.left.values())

    def test_the_graph_is_still_onnx_for_the_compiler(self, judged, graphs, note):
        for words in judged.notes:
            note(f"{graphs.adapted}: {words}")
        assert opset_imports(judged.model) == {"": spec.OPSET}
        assert foreign_operators(judged.model) == {spec.NMS_OPERATOR, spec.POOL_OPERATOR}
        assert unread_inputs(judged.model) == ()
        assert [fault for node in vendor_nodes(judged.model) for fault in node.faults] == []

    def test_adapted_and_exported_graph_are_bit_identical(self, graphs, tmp_path):
        exported_twin = tmp_path / "exported_twin.onnx"
        twin_from_vendor(exported_twin, graphs.onnx)
        for got, picture in zip(graphs.twin_outputs, graphs.two_pictures(), strict=True):
            want = run_in_onnx_runtime(exported_twin, *picture)
            apart = [
                words for name in spec.OUTPUTS if (words := difference(name, getattr(got, name), getattr(want, name)))
            ]
            hint = "; name the graph that it was made of with --onnx" if not graphs.exported.given else ""
            assert apart == [], f"{graphs.adapted} and {graphs.onnx} give other numbers{hint}: {'; '.join(apart)}"

    def test_the_twin_is_the_adapted_graph_and_two_functions(self, graphs):
        """Node by node: nothing differs but the domain of the vendor's nodes, its import, and the two bodies."""
        vendor, twin = vendor_model(graphs.adapted), onnx.load(graphs.twin)

        moved = [node for node in twin.graph.node if node.domain == HOST_DOMAIN]
        assert sorted(node.op_type for node in moved) == sorted(
            [spec.NMS_OPERATOR, spec.POOL_OPERATOR, spec.POOL_OPERATOR]
        )
        for node in moved:
            node.ClearField("domain")
        assert list(twin.functions) == host_functions(vendor)
        del twin.functions[:]
        assert [entry.domain for entry in twin.opset_import] == ["", HOST_DOMAIN]
        del twin.opset_import[1:]
        for got, want in zip(twin.graph.node, vendor.graph.node, strict=True):
            assert got == want
        assert twin == vendor

    @pytest.mark.parametrize("chip", ["Ascend310", "Ascend310P3", "Ascend910B4"])
    def test_nothing_is_known_that_the_compiler_would_refuse(self, judged, chip):
        """What is slow or worth a note on that chip is printed with the source of the rule; `pytest -rP` shows it."""
        found = preflight(judged.model, chip)

        print(*found, sep="\n")
        assert [str(finding) for finding in found if finding.severity == "refused"] == []


def difference(name, got, want) -> str:
    """`rois: 3 of 1,500 numbers, worst 0.5 apart`; "" where all bits are equal."""
    other = got != want
    return (
        f"{name}: {other.sum():,} of {other.size:,} numbers, worst {abs(got - want).max():.3g} apart"
        if other.any()
        else ""
    )


def counted(report: AdaptReport) -> str:
    """`constants 36, casts_to_int64 2`, or `none`."""
    return ", ".join(f"{name} {count}" for name, count in report.counts.items() if count) or "none"


class TestPort(Criteria):
    """The port's own graph, or those of --onnx and --adapted; with --canvas=fitted, each of its graphs."""

    @pytest.fixture(scope="class")
    @classmethod
    def graphs(cls, port_graphs: Graphs) -> Graphs:
        return port_graphs


@pytest.mark.npu
def test_there_is_a_compiled_model(om):
    """The NPU's compiler took the adapted graph; or it is the file of --om."""
    assert all(path.stat().st_size > 0 for path in om.values())
