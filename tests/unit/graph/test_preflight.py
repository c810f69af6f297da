"""Each rule of the preflight: silent on the port's own graph, heard on a graph with that one fault."""

import onnx_ir as ir
import pytest
from onnx import parser

from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.graph.findings import Finding
from rfcn_lib.graph.preflight import RULES, preflight
from rfcn_lib.graph.values import GraphError
from rfcn_lib.graph.vendor_facts import PreflightError, chip_family
from tests.support import tiny

# The port's last steps in small. Nothing in it should be found, but what every graph with PSROIPooling is told.
WHOLE = """<ir_version: 7, opset_import: ["" : 11]> g (float[1,8,4] im_data, float[1,8] scores) => (float[16,2,7,7] pooled)
<int64[1] k = {5}, int64[4] four = {1, 5, 1, 4}, int32 first = {0}, float zero = {0}, int64[4] maps_shape = {1, 98, 9, 9},
 float[1,16,1] column = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
 float[1,16,4] boxes, float[1,16] kept, float[1,16] classes, int32[1] count, float[16,2,7,7] pooled>
{
  best, order = TopK <axis = 1> (scores, k)
  order32 = Cast <to = 6> (order)
  order_1d = Squeeze <axes = [0]> (order32)
  candidates = Gather <axis = 1> (im_data, order_1d)
  by_four = Reshape (candidates, four)
  row = Unsqueeze <axes = [2]> (best)
  boxes, kept, classes, count = BatchMultiClassNMS
      <score_threshold = 0.0, iou_threshold = 0.7, max_size_per_class = 16, max_total_size = 16> (by_four, row)
  rois = Concat <axis = 2> (column, boxes)
  turned = Transpose <perm = [0, 2, 1]> (rois)
  maps = Expand (zero, maps_shape)
  pooled = PSROIPooling
      <pooled_height = 7, pooled_width = 7, spatial_scale = 0.0625, group_size = 7, output_dim = 2> (maps, turned)
}"""


def found_in(*swaps: tuple[str, str], soc: str = "Ascend910B4") -> list[Finding]:
    """Findings of the whole after some replacements, without the one every such graph has."""
    text = WHOLE
    for old, new in swaps:
        assert old in text
        text = text.replace(old, new)
    model = ir.from_proto(parser.parse_model(text))
    before = ir.to_proto(model).SerializeToString()
    findings = preflight(model, soc)
    assert ir.to_proto(model).SerializeToString() == before, "looking changes nothing"
    return [finding for finding in findings if "CANN newer than" not in finding.sentence]


def test_nothing_is_found_in_the_whole() -> None:
    assert found_in() == []
    (every,) = preflight(ir.from_proto(parser.parse_model(WHOLE)), "Ascend910B4")
    assert (every.rule, every.severity) == ("operator", "note")
    assert "E19010" in every.sentence


@pytest.mark.parametrize(
    ("swap", "rule", "severity", "says"),
    [
        (('"" : 11]', '"" : 11, "my" : 1]'), "opset", "refused", "ATC ends with E16005"),
        (("spatial_scale = 0.0625", "spatial_scale = 1"), "attribute", "refused", "spatial_scale as an INT"),
        (("score_threshold = 0.0", "score_threshold = 0"), "attribute", "refused", "score_threshold as an INT"),
        ((", output_dim = 2", ""), "attribute", "refused", "lacks attribute output_dim"),
        (("pooled_height = 7", "pooled_height = 6"), "pooled size", "refused", "should have group_size, 7"),
        (("group_size = 7", "group_size = 128"), "group size", "refused", "should have 1 to 127"),
        (("1, 98, 9, 9}", "1, 49, 9, 9}"), "channels", "refused", "should read 98 channels"),
        (("(maps, turned)", "(maps, rois)"), "rois layout", "refused", "rois of shape (1, 16, 5), but should read"),
        (("{0, 0, 0, 0, 0, 0,", "{0, 0, 0, 0, 0, 1,"), "batch index", "refused", "begin with a row of 1"),
        (("Concat <axis = 2> (column, boxes)", "Concat <axis = 2> (boxes, column)"), "batch index", "refused",
         "begin with a computed row, but should begin with the batch index"),
        (("(maps, turned)", "(maps, moved)"), "batch index", "note", "cannot follow the rois to a constant"),
        (("perm = [0, 2, 1]", "perm = [2, 0, 1]"), "rois layout", "refused", "rois of shape (5, 1, 16)"),
        (("score_threshold = 0.0, iou", "score_threshold = 0.0, more = 1, iou"), "attribute", "refused", "attribute more"),
        (("max_size_per_class = 16", "max_size_per_class = 1001"), "NMS limits", "refused", "should have 1 to 1000"),
        (("iou_threshold = 0.7", "iou_threshold = 1.5"), "NMS limits", "refused", "iou_threshold 1.5"),
        (("(by_four, row)", "(candidates, row)"), "NMS shapes", "refused", "reads boxes (1, 5, 4) and scores (1, 5, 1)"),
        (("(by_four, row)", "(unknown, row)"), "NMS shapes", "note", "and scores (1, 5, 1), but should read"),
        (("Gather <axis = 1>", "Gather <axis = 2>"), "Gather axis", "slow", "along the last axis"),
        (("first = {0}", "first = {-1}"), "negative index", "refused", "reads index -1"),
    ],
)  # fmt: skip
def test_one_fault_one_finding(swap, rule, severity, says) -> None:
    swaps = [swap]
    if "moved" in swap[1]:
        swaps.insert(0, ("maps = Expand", "moved = Relu (turned) maps = Expand"))
    if "unknown" in swap[1]:
        swaps.append(
            (
                "row = Unsqueeze",
                "order64 = Squeeze <axes = [0]> (order) unknown = Reshape (im_data, order64) row = Unsqueeze",
            )
        )
    if rule == "negative index":
        swaps.append(("row = Unsqueeze", "one = Gather <axis = 0> (im_data, first) row = Unsqueeze"))
    heard = [finding for finding in found_in(*swaps) if finding.rule == rule and says in finding.sentence]

    assert heard, found_in(*swaps)
    assert {finding.severity for finding in heard} == {severity}
    assert all(finding.reference and finding.sentence.count(finding.node) for finding in heard)
    assert str(heard[0]) == f"{severity}: {heard[0].sentence} [{heard[0].reference}]"


POOL = """<ir_version: 7, opset_import: ["" : {opset}]> g (float[1,98,9,9] maps, float[1,4,16] boxes) => (float[16,2,7,7] pooled)
<float[1,1,16] column = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}> {{
  rois = Concat <axis = {axis}> (column, boxes)
  pooled = PSROIPooling
      <pooled_height = 7, pooled_width = 7, spatial_scale = 0.0625, group_size = 7, output_dim = 2> (maps, rois)
}}"""


@pytest.mark.parametrize(
    ("opset", "axis", "heard"),
    [
        (11, 1, []),
        (13, -2, []),
        (14, 1, [("opset", "note")]),
        (9, 1, [("opset", "note")]),
        (16, 1, [("opset", "note")]),
        (17, 1, [("plugin opset", "refused"), ("opset", "note")]),
        (19, 1, [("opset", "refused"), ("plugin opset", "refused")]),
    ],
)
def test_the_opset_of_the_graph_and_of_the_plugins(opset, axis, heard) -> None:
    model = ir.from_proto(parser.parse_model(POOL.format(opset=opset, axis=axis)))
    found = [finding for finding in preflight(model, "Ascend310") if finding.rule != "operator"]

    assert [(finding.rule, finding.severity) for finding in found] == heard
    assert all(f"{opset}, but" in finding.sentence for finding in found)


def test_an_operator_nobody_reads() -> None:
    (heard,) = found_in(("maps = Expand", "maps = my.Grow"), ('"" : 11]', '"" : 11, "my" : 1]'))[:2][1:]
    assert (heard.rule, heard.severity) == ("operator", "refused")
    assert heard.sentence.startswith("Grow making maps is a my::Grow")


def test_a_vendor_operator_of_another_domain() -> None:
    heard = found_in(("pooled = PSROIPooling", "pooled = my.PSROIPooling"), ('"" : 11]', '"" : 11, "my" : 1]'))
    assert any(finding.rule == "attribute" and "in domain 'my'" in finding.sentence for finding in heard)


TOP_K = """<ir_version: 7, opset_import: ["" : {opset}]> g (float[{shape}] x) => (float[{out}] best)
{{ {k} best, order = TopK <axis = {axis}{old}> (x{read}) }}"""


def top_k(shape: str, out: str, k: int, soc: str, axis: int = 0) -> list[Finding]:
    text = TOP_K.format(
        shape=shape, out=out, axis=axis, opset=11, old="", read=", k", k=f"k = Constant <value = int64[1] {{{k}}}> ()"
    )
    return list(preflight(ir.from_proto(parser.parse_model(text)), soc))


@pytest.mark.parametrize(
    ("soc", "k", "severities"),
    [
        ("Ascend310", 4096, []),
        ("Ascend310", 4097, ["slow"]),
        ("Ascend310P3", 6000, ["note"]),
        ("Ascend910A", 6000, ["note"]),
        ("Ascend310", 15, ["slow"]),
        ("Ascend310", 16, []),
    ],
)
def test_the_limits_of_top_k(soc, k, severities) -> None:
    assert [finding.severity for finding in top_k("63504", str(k), k, soc)] == severities


def test_top_k_of_a_short_axis_may_be_small_and_another_axis_is_slow() -> None:
    assert top_k("32768", "1", 1, "Ascend310") == []
    (heard,) = top_k("20,30", "16,30", 16, "Ascend310B1")
    assert heard.rule == "TopK axis"
    assert "sorts axis 0 of (20, 30)" in heard.sentence


def test_top_k_of_opset_9_is_read_too() -> None:
    text = TOP_K.format(shape="20", out="16", axis=0, opset=9, old=", k = 16", read="", k="")
    assert [finding.rule for finding in preflight(ir.from_proto(parser.parse_model(text)), "Ascend310")] == ["opset"]


NON_ZERO = "(float[3] x) => (float[3] y) { n = NonZero (x) m = Cast <to = 1> (n) y = Abs (x) }"


@pytest.mark.parametrize(
    ("text", "rule", "severity", "node"),
    [
        ("(double[3] x) => (float[3] y) { y = Cast <to = 1> (x) }", "input type", "refused", "x"),
        ("(float[3] x) => (float[3] y) { d = Cast <to = 11> (x) e = Neg (d) y = Cast <to = 1> (e) }", "float64", "slow", "e"),
        ("(float[3] x) => (float[3] y) { d = Cast <to = 7> (x) e = Neg (d) y = Cast <to = 1> (e) }", "int64", "slow", "d"),
        ("(float[3] x) => (int64 y) { y = ArgMax <axis = 0, keepdims = 0> (x) }", "int64", "note", "y"),
        ("(float[N] x) => (float[3] y) { y = Relu (x) }", "dynamic", "refused", "x"),
        (NON_ZERO, "NonZero", "refused", "NonZero making n"),
        (NON_ZERO, "dynamic", "refused", "NonZero making n"),
        ("(float[3] x, float[3] im_info) => (float[3] y) { y = Relu (x) }", "unread input", "refused", "im_info"),
        ("(float[0] x) => (float[0] y) { y = Relu (x) }", "empty", "refused", "x"),
    ],
)  # fmt: skip
def test_types_and_shapes(text, rule, severity, node) -> None:
    model = ir.from_proto(parser.parse_model(f'<ir_version: 7, opset_import: ["" : 11]> g {text}'))
    heard = [finding for finding in preflight(model, "Ascend310") if (finding.rule, finding.node) == (rule, node)]

    assert [finding.severity for finding in heard] == [severity]
    assert node in heard[0].sentence


def test_non_zero_has_a_kernel_on_310p() -> None:
    model = ir.from_proto(parser.parse_model(f'<ir_version: 7, opset_import: ["" : 11]> g {NON_ZERO}'))
    assert "NonZero" not in {finding.rule for finding in preflight(model, "Ascend310P3")}


@pytest.mark.parametrize(
    ("soc", "chip"),
    [
        ("Ascend310", "310"), ("Ascend310P3", "310P"), ("Ascend710", "310P"), ("Ascend310B4", "310B"),
        ("Ascend910A", "910"), ("Ascend910ProB", "910"), ("Ascend910B2C", "910B"), ("Ascend910_9392", "910B"),
        ("Ascend910B", "910"),
    ],
)  # fmt: skip
def test_the_generation_of_a_chip(soc, chip) -> None:
    assert chip_family(soc) == chip


@pytest.mark.parametrize("soc", ["Ascend610", "Ascend910_9589", "Ascend950DT"])
def test_a_chip_without_facts_is_not_judged(soc) -> None:
    with pytest.raises(PreflightError, match=f"the soc is '{soc}', but this suite knows no facts about"):
        chip_family(soc)


def test_no_such_chip() -> None:
    with pytest.raises(PreflightError, match=r"the soc is 'T4', but should begin with one of Ascend310B, .*--soc=NAME"):
        found_in(soc="T4")


def test_a_graph_that_contradicts_itself_is_an_error_not_a_finding() -> None:
    with pytest.raises(GraphError):
        found_in(("row = Unsqueeze", "bad = Slice (im_data, first, k) row = Unsqueeze"))


@pytest.fixture(scope="module")
def tiny_graphs(tmp_path_factory):
    """The tiny port's exported and adapted graph, with more candidates than any kernel takes."""
    folder = tmp_path_factory.mktemp("tiny_graphs")
    port = tiny.port_of(before_nms=4200)
    canvas_wh = (512, 256)  # 512 cells of 9 anchors
    onnx_from_network(folder / "exported.onnx", tiny.network_of(port), canvas_wh)
    adapted_from_exported(folder / "adapted.onnx", folder / "exported.onnx")
    return ir.load(folder / "exported.onnx"), ir.load(folder / "adapted.onnx")


@pytest.mark.parametrize(
    ("soc", "rules"),
    [
        ("Ascend310", {"TopK k": "slow", "Gather axis": "slow", "NMS candidates": "note", "NMS precision": "note"}),
        ("Ascend310P3", {"TopK k": "note", "Gather axis": "slow", "NMS candidates": "note", "NMS precision": "note"}),
        ("Ascend910B4", {"TopK k": "note", "Gather axis": "slow"}),
    ],
)
def test_the_adapted_graph_is_not_refused(tiny_graphs, soc, rules) -> None:
    found = preflight(tiny_graphs[1], soc)

    assert [str(finding) for finding in found if finding.severity == "refused"] == []
    assert {finding.rule: finding.severity for finding in found} == rules | {"operator": "note", "rois count": "note"}


def test_the_exported_graph_has_int64_which_adapting_removes(tiny_graphs) -> None:
    exported, adapted = ([f for f in preflight(graph, "Ascend310") if f.rule == "int64"] for graph in tiny_graphs)

    assert len(exported) == 10
    assert any("TopK" in finding.node for finding in exported)
    assert adapted == []


def test_worst_first(tiny_graphs) -> None:
    severities = [finding.severity for finding in preflight(tiny_graphs[0], "Ascend310")]
    assert severities == sorted(severities, key=("refused", "slow", "note").index)
    assert len(RULES) == 8
