"""Both orders of equal scores in one graph: what depends on NMS is there twice, and everything before it once.

The backbone takes nearly all the time and does not depend on the order. So the second order costs little.
"""

from typing import Final

import onnx

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError

OTHER: Final = " other order"  # ends the names of the second copy's nodes and tensors, and of its outputs
OTHER_NMS: Final = f"{spec.NMS_OPERATOR}OtherOrder"  # the operator, and the function that defines it


class BothOrdersError(SuiteError):
    """The part of the graph that depends on NMS cannot be copied."""


def copy_what_follows_nms(model: onnx.ModelProto) -> None:
    """Copy, in place, each NMS node and all nodes that depend on one. The copied NMS nodes are of the operator `OTHER_NMS`.

    The graph's outputs are there twice then: first those that it had, then the same with names that end in " other order".

    Raises:
        BothOrdersError: a node has a graph inside, or an output of the graph does not depend on NMS.
    """
    graph, copied = model.graph, dict[str, str]()
    nodes = []
    for node in graph.node:
        nodes.append(node)
        is_nms = node.op_type == spec.NMS_OPERATOR
        if not is_nms and copied.keys().isdisjoint(node.input):
            continue
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise BothOrdersError(
                f"{node.op_type} {node.name} after NMS has a graph inside, but should have none: both orders of equal scores "
                "cannot be rehearsed; export the port without control flow"
            )
        other = onnx.NodeProto()
        other.CopyFrom(node)
        copied |= {name: f"{name}{OTHER}" for name in node.output if name}
        other.name = f"{node.name}{OTHER}"
        other.input[:] = [copied.get(name, name) for name in node.input]
        other.output[:] = [copied.get(name, name) for name in node.output]
        if is_nms:
            other.op_type = OTHER_NMS
        nodes.append(other)
    fixed = [output.name for output in graph.output if output.name not in copied]
    if fixed:
        raise BothOrdersError(
            f"the outputs {', '.join(fixed)} should depend on the {spec.NMS_OPERATOR} nodes, but do not; export the port again"
        )
    more = [onnx.ValueInfoProto.FromString(output.SerializeToString()) for output in graph.output]
    for output in more:
        output.name = copied[output.name]
    graph.output.extend(more)
    known = [
        onnx.ValueInfoProto.FromString(info.SerializeToString()) for info in graph.value_info if info.name in copied
    ]
    for info in known:
        info.name = copied[info.name]
    graph.value_info.extend(known)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
