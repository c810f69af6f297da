"""Rules of the preflight about operators: what the parsers and kernels of the vendor's two operators require of a node."""

from collections.abc import Iterator
from typing import Final

import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.graph import inspect
from rfcn_lib.graph import vendor_facts as facts
from rfcn_lib.graph.findings import Finding, GraphUnderTest, Severity, int_attribute
from rfcn_lib.graph.values import all_nodes, constant_numbers, node_name

ROIS_RANK: Final = 3


def operators(graph: GraphUnderTest) -> Iterator[Finding]:
    """Every operator is an ONNX operator or one of the vendor's two; these have the attributes and opset their parsers read."""
    version = graph.model.opset_imports.get("", 0)
    foreign = inspect.foreign_operators(graph.model)
    for node in all_nodes(graph.model):
        name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        if node.op_type in facts.PLUGINS:
            if version not in facts.PLUGIN_OPSETS:
                sentence = f"{node_name(node)} ({name}) is of opset {version}, but its parser takes 8 to 16: E19010"
                yield Finding("plugin opset", node_name(node), sentence, facts.PLUGINS[node.op_type], "refused")
        elif name in foreign:
            sentence = f"{node_name(node)} is a {name}, but should be an operator of ONNX, {' or '.join(facts.PLUGINS)}: E19010"
            yield Finding("operator", node_name(node), sentence, facts.ERROR_CODES, "refused")
        if node.op_type == spec.POOL_OPERATOR and not node.domain:
            sentence = f"{node_name(node)} needs a CANN newer than 2021-11; an older one ends with E19010"
            yield Finding("operator", node_name(node), sentence, facts.POOL_PLUGIN, "note")
    for vendor in inspect.vendor_nodes(graph.model):
        for fault in vendor.faults:
            yield Finding(
                "attribute",
                vendor.name,
                f"{fault}: the parser would ignore or misread it",
                facts.PLUGINS[vendor.operator],
                "refused",
            )


def pooling(graph: GraphUnderTest) -> Iterator[Finding]:
    """PSROIPooling reads maps with k * k * depth channels, and rois (1, 5, count) whose row 0 is the batch index, 0."""
    for node in graph.nodes(spec.POOL_OPERATOR):
        name, side, depth = node_name(node), int_attribute(node, "group_size"), int_attribute(node, "output_dim")
        for attribute in ("pooled_height", "pooled_width"):
            if (pooled := int_attribute(node, attribute)) not in (None, side):
                sentence = f"{name} has {attribute} {pooled}, but should have group_size, {side}: the parser ignores it"
                yield Finding("pooled size", name, sentence, facts.POOL_PLUGIN, "refused")
        if side is not None and not 0 < side < 128:
            sentence = f"{name} has group_size {side}, but should have 1 to 127"
            yield Finding("group size", name, sentence, facts.POOL_PROTO, "refused")
        maps, rois = (graph.shape(value) for value in (*node.inputs, None, None)[:2])
        if maps and side and depth and maps[1:2] != (depth * side * side,):
            sentence = f"{name} reads maps of shape {maps}, but should read {depth * side * side} channels"
            yield Finding("channels", name, sentence, facts.POOL_PROTO, "refused")
        if not rois or len(rois) != 3 or rois[:2] != (1, 5):
            sentence = f"{name} reads rois of shape {rois or 'unknown'}, but should read (1, 5, count)"
            yield Finding(
                "rois layout",
                name,
                f"{sentence}: it would read other boxes, without an error",
                facts.POOL_PROTO,
                "refused",
            )
        elif isinstance(rois[2], int) and rois[2] % 16:
            sentence = f"{name} reads {rois[2]} rois; the operator's page requires a multiple of 16"
            yield Finding(
                "rois count", name, f"{sentence}, but the published port runs with 300", facts.POOL_PROTO, "note"
            )
        if fault := _batch_index_fault(node):
            yield Finding("batch index", name, *fault)


def _batch_index_fault(node: ir.Node) -> tuple[str, str, Severity] | None:
    """Go up from the rois to the Concat that puts the batch index before the boxes. Return (sentence, reference, severity)."""
    value = node.inputs[1] if len(node.inputs) > 1 else None
    axis = 1  # the axis of the rois with batch index, x1, y1, x2, y2; a Transpose changes it
    while value is not None and (producer := value.producer()) is not None and not producer.domain:
        if producer.op_type == "Transpose" and "perm" in producer.attributes:
            perm = producer.attributes["perm"].as_ints()
            if len(perm) != ROIS_RANK:
                break
            axis = perm[axis]
        elif producer.op_type == "Concat":
            if int_attribute(producer, "axis") not in (axis, axis - ROIS_RANK):
                break
            numbers = constant_numbers(producer.inputs[0])
            if numbers is not None and not numbers.any():
                return None
            got = "a computed row" if numbers is None else f"a row of {numbers[numbers != 0][0]:g}"
            sentence = (
                f"{node_name(node)} reads rois that begin with {got}, but should begin with the batch index, a row of 0"
            )
            return (
                f"{sentence}: the operator would read another picture, which does not exist",
                facts.POOL_PROTO,
                "refused",
            )
        elif producer.op_type not in ("Cast", "Identity"):
            break
        value = producer.inputs[0]
    sentence = (
        f"{node_name(node)} reads rois whose first row should be the batch index, zeros, but the preflight cannot follow "
        "the rois to a constant"
    )
    return sentence, facts.POOL_PROTO, "note"


def suppression(graph: GraphUnderTest) -> Iterator[Finding]:
    """BatchMultiClassNMS: its shapes, its limits, and the number of candidates that the kernel reads."""
    for node in graph.nodes(spec.NMS_OPERATOR):
        name = node_name(node)
        boxes, scores = (graph.shape(value) for value in (*node.inputs, None, None)[:2])
        sides = [side for side in (*boxes, *scores) if isinstance(side, int)]
        known_shapes = bool(boxes and scores) and len(sides) == len(boxes) + len(scores)
        fits = (
            len(boxes) == 4 and len(scores) == 3 and boxes[:2] == scores[:2] and boxes[2:] in ((1, 4), (scores[2], 4))
        )
        if not fits:
            sentence = f"{name} reads boxes {boxes or 'unknown'} and scores {scores or 'unknown'}"
            sentence += ", but should read (1, N, 1, 4) and (1, N, classes)"
            yield Finding("NMS shapes", name, sentence, facts.NMS_PROTO, "refused" if known_shapes else "note")
        for attribute in ("max_size_per_class", "max_total_size"):
            size = int_attribute(node, attribute)
            if size is not None and not 1 <= size <= 1000:
                sentence = f"{name} has {attribute} {size}, but should have 1 to 1000"
                yield Finding("NMS limits", name, sentence, facts.NMS_PROTO, "refused")
        iou = node.attributes.get("iou_threshold")
        if iou is not None and iou.type == ir.AttributeType.FLOAT and not 0 <= iou.as_float() <= 1:
            sentence = f"{name} has iou_threshold {iou.as_float():g}, but should have 0 to 1"
            yield Finding("NMS limits", name, sentence, facts.NMS_PROTO, "refused")
        most = facts.NMS_CANDIDATES.get(graph.chip)
        if most and fits and isinstance(boxes[1], int) and boxes[1] > most:
            sentence = (
                f"{name} reads {boxes[1]} candidates; on {graph.chip} the kernel uses only the best {most} of a class"
            )
            yield Finding("NMS candidates", name, sentence, facts.NMS_KERNEL, "note")
        if graph.chip in facts.NMS_FP16_ONLY:
            sentence = f"{name} computes in fp16 on {graph.chip} in every precision mode: boxes move by up to a pixel"
            yield Finding("NMS precision", name, sentence, facts.OPS_INFO, "note")
