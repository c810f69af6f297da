"""Predict how atc and the chip handle a graph, without atc and without a chip.

Each rule uses a page or a file of the vendor, and each finding names it. We have not tried the rules on a device.
"""

from collections.abc import Callable, Iterator
from typing import Final

import onnx_ir as ir

from rfcn_lib.graph import inspect
from rfcn_lib.graph import vendor_facts as facts
from rfcn_lib.graph.findings import Finding, GraphUnderTest, int_attribute
from rfcn_lib.graph.int64 import INT64, gives_only_int64, pinned_slots, slots
from rfcn_lib.graph.values import all_nodes, all_values, constant_numbers, infer_types, node_name
from rfcn_lib.graph.vendor_rules import operators, pooling, suppression


def preflight(model: ir.Model, soc: str) -> tuple[Finding, ...]:
    """All findings of the rules for one chip, such as "Ascend310P3", the worst first. `model` does not change.

    Raises:
        PreflightError: the suite knows no facts about this chip.
        GraphError: ONNX finds two types or shapes for one value.
    """
    graph = GraphUnderTest(model, infer_types(model), facts.chip_family(soc))
    found = [finding for rule in RULES for finding in rule(graph)]
    order = ("refused", "slow", "note")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def opset(graph: GraphUnderTest) -> Iterator[Finding]:
    """The model imports only the default domain, with an opset that CANN reads."""
    imports = inspect.opset_imports(graph.model)
    if set(imports) != {""}:
        sentence = f"the model imports {imports}, but should import the default domain alone: ATC ends with E16005"
        yield Finding("opset", "", sentence, facts.ERROR_CODES, "refused")
    version = imports.get("", 0)
    if version and version not in facts.EVERY_RELEASE:
        fits = version in facts.ANY_RELEASE
        releases = "only some CANN releases read it" if fits else "no CANN release that we know reads it"
        sentence = (
            f"the opset is {version}, but should be {facts.EVERY_RELEASE[0]} to {facts.EVERY_RELEASE[-1]}: {releases}"
        )
        yield Finding("opset", "", sentence, f"{facts.OLDEST}; {facts.NEWEST}", "note" if fits else "refused")


def top_k(graph: GraphUnderTest) -> Iterator[Finding]:
    """TopK runs on the AI Core: k is small enough, and the axis is the last one."""
    for node in graph.nodes("TopK"):
        name, numbers, shape = node_name(node), constant_numbers((*node.inputs, None)[1]), graph.shape(node.inputs[0])
        axis = int_attribute(node, "axis")
        axis = -1 if axis is None else axis
        if shape and axis not in (-1, len(shape) - 1):
            sentence = f"{name} sorts axis {axis} of {shape}, but the kernel sorts the last: atc adds two transposes"
            yield Finding("TopK axis", name, sentence, facts.TOP_K, "slow")
        if numbers is None or not numbers.size:
            continue  # the rule `dynamic` reports a computed k
        k, length = int(numbers[0]), shape[axis] if shape and -len(shape) <= axis < len(shape) else None
        if k > facts.TOP_K_LARGEST:
            always = graph.chip == "310"
            where = "so it runs on the AI CPU" if always else "with CANN of 2021 it ran on the AI CPU"
            sentence = f"{name} takes the best {k}, but the AI Core takes at most {facts.TOP_K_LARGEST}: {where}"
            yield Finding("TopK k", name, sentence, facts.TOP_K, "slow" if always else "note")
        elif isinstance(length, int) and length > facts.TOP_K_WIDE[0] and k < facts.TOP_K_WIDE[1]:
            sentence = (
                f"{name} takes the best {k} of {length}: with more than {facts.TOP_K_WIDE[0]} elements and k below "
                f"{facts.TOP_K_WIDE[1]} it runs on the AI CPU"
            )
            yield Finding("TopK k", name, sentence, facts.TOP_K, "slow")


def number_types(graph: GraphUnderTest) -> Iterator[Finding]:
    """A value is int64 only where ONNX requires it, no value is float64, and atc supports the inputs' types."""
    pinned = pinned_slots(graph.model)
    for value in graph.model.graph.inputs:
        if value.dtype not in facts.INPUT_TYPES:
            sentence = f"input {value.name} is {value.dtype}, but should be float32, float16 or uint8"
            yield Finding("input type", str(value.name), sentence, facts.LIMITS, "refused")
    for value in all_values(graph.model):
        name = str(value.name)
        dtype = graph.values[name].dtype if name in graph.values else value.dtype
        if dtype == ir.DataType.DOUBLE:
            sentence = (
                f"{name} is float64, but the vendor lists the AI Core's operators for fp16 and fp32; make it float32"
            )
            yield Finding("float64", name, sentence, facts.OPS_INFO, "slow")
        if dtype != INT64 or value.is_graph_input():
            continue
        if value.is_graph_output():
            sentence = f"output {name} is int64, but the om may give int32; read its type from the om"
            yield Finding("int64", name, sentence, facts.MODEL_ZOO, "note")
        readers = [use.node for use in value.uses() if use.node.op_type != "Cast" or use.node.domain]
        must = gives_only_int64(graph.model, value) if value.producer() is not None else False
        if (must and readers and value not in pinned) or not (must or all(slot in pinned for slot in slots(value))):
            who = f", read by {node_name(readers[0])}" if readers else ""
            sentence = f"{name} is int64{who}, but could be int32, which runs on the AI Core; adapt the graph"
            yield Finding("int64", name, sentence, facts.MODEL_ZOO, "slow")


def dynamic(graph: GraphUnderTest) -> Iterator[Finding]:
    """Every value has one fixed shape without a side of length 0, and a node reads every input."""
    names = [node_name(node) for node in all_nodes(graph.model)] + [
        str(value.name) for value in all_values(graph.model)
    ]
    for sentence in inspect.dynamic_parts(graph.model):
        node = max((name for name in names if sentence.startswith(f"{name} ")), key=len, default="")
        yield Finding("dynamic", node, sentence, facts.MODEL_ZOO, "refused")
    for lost in graph.nodes("NonZero") if graph.chip in facts.NO_NON_ZERO else ():
        sentence = f"{node_name(lost)} is a NonZero, for which {graph.chip} has no AI Core kernel: ATC ends with EZ3003"
        yield Finding("NonZero", node_name(lost), sentence, facts.OPS_INFO, "refused")
    for name in inspect.unread_inputs(graph.model):
        sentence = f"no node reads input {name}, but atc would make it an input of the om; export without it"
        yield Finding("unread input", name, sentence, facts.LIMITS, "refused")
    for name, value in graph.values.items():
        if value.shape is not None and 0 in graph.shape(value) and not value.is_initializer():
            yield Finding("empty", name, f"{name} has a side of length 0, which ATC refuses", facts.LIMITS, "refused")


def gathering(graph: GraphUnderTest) -> Iterator[Finding]:
    """Gather has no negative index, and its axis is not the last one."""
    for node in graph.nodes("Gather"):
        name, numbers, shape = node_name(node), constant_numbers(node.inputs[1]), graph.shape(node.inputs[0])
        if numbers is not None and numbers.size and int(numbers.min()) < 0:
            sentence = f"{name} reads index {numbers.min()}, but should read none below 0: the chip gives another row"
            yield Finding("negative index", name, sentence, facts.NEGATIVE_INDEX, "refused")
        axis = int_attribute(node, "axis") or 0
        if len(shape) > 1 and axis in (-1, len(shape) - 1):
            yield Finding(
                "Gather axis", name, f"{name} gathers along the last axis, which is slow", facts.MODEL_ZOO, "slow"
            )


RULES: Final[tuple[Callable[[GraphUnderTest], Iterator[Finding]], ...]] = (
    opset, operators, pooling, suppression, top_k, number_types, dynamic, gathering,
)  # fmt: skip
