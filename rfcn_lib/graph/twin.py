"""Make the twin: the graph for the compiler, plus definitions of the vendor's two operators, so ONNX Runtime can run it.

The twin has the same nodes. Only the domain of the two vendor operators changes, and the file gets two model-local functions
of standard operators. The private domain is necessary: ONNX Runtime refuses a local function in the default domain.
"""

from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.graph.host_definitions import HOST_DOMAIN, TwinError, nms_function, pool_function
from rfcn_lib.graph.legal import read_legal


def twin_from_vendor(target: Path, vendor: Path) -> None:
    """Write the twin of the graph in `vendor` to the file `target`. `vendor` does not change.

    Raises:
        GraphError: `vendor` cannot be read.
        TwinError: the graph has no node of a vendor operator; a node lacks an attribute or has another one; or two nodes of
            one operator have different numbers.
    """
    model = vendor_model(vendor)
    model.functions.extend(host_functions(model))
    for node in model.graph.node:
        if node.domain == "" and node.op_type in spec.VENDOR_ATTRIBUTES:
            node.domain = HOST_DOMAIN
    model.opset_import.append(onnx.helper.make_opsetid(HOST_DOMAIN, 1))
    onnx.save(model, target)


def vendor_model(vendor: Path) -> onnx.ModelProto:
    """The model of a file for the compiler; of a file that ONNX tools cannot read, its legal copy.

    Raises:
        GraphError: the file cannot be read.
    """
    legal = read_legal(vendor)
    return ir.to_proto(legal.model) if legal.notes else onnx.load(vendor)


def host_functions(model: onnx.ModelProto) -> list[onnx.FunctionProto]:
    """One function for each vendor operator, with the numbers from the attributes of its nodes."""
    functions = []
    for name, write in ((spec.NMS_OPERATOR, nms_function), (spec.POOL_OPERATOR, pool_function)):
        nodes = [node for node in model.graph.node if node.op_type == name and node.domain == ""]
        for node in nodes:
            if attributes(node).keys() != spec.VENDOR_ATTRIBUTES[name].keys():
                raise TwinError(
                    f"{name} node {node.name} has the attributes {sorted(attributes(node))}, but should have "
                    f"{sorted(spec.VENDOR_ATTRIBUTES[name])}; export the port again"
                )
        found = {
            tuple(
                sorted((k, v) for k, v in attributes(node).items() if k != "output_dim")
            )  # the number of maps gives it
            for node in nodes
        }
        if len(found) != 1:
            raise TwinError(
                f"the graph has {len(found)} kinds of {name} nodes, but should have one: {sorted(found)}. "
                "A host definition has one set of numbers; export the port again"
            )
        functions.append(write(**dict(found.pop())))
    return functions


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes as Python values."""
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
