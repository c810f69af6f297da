"""What the rules of the preflight read (`GraphUnderTest`), and what they report (`Finding`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from rfcn_lib.graph.values import all_nodes
from rfcn_lib.graph.vendor_facts import Family

Severity = Literal["refused", "slow", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know before the compilation.

    rule       short name of the rule
    node       name of the node or value; "" for the whole graph
    sentence   got, should be, consequence
    reference  the vendor's page or file that the rule uses
    severity   refused: atc fails, or the om computes something else; slow: an operator does not run on the AI Core;
               note: a problem on some releases or chips only
    """

    rule: str
    node: str
    sentence: str
    reference: str
    severity: Severity

    def __str__(self) -> str:
        return f"{self.severity}: {self.sentence} [{self.reference}]"


@dataclass(frozen=True, slots=True)
class GraphUnderTest:
    """The graph that the rules check.

    values  name of a value -> the value with the type and shape that ONNX infers
    chip    the chip's generation
    """

    model: ir.Model
    values: Mapping[str, ir.Value]
    chip: Family

    def nodes(self, operator: str) -> list[ir.Node]:
        """All nodes of one operator, in any domain."""
        return [node for node in all_nodes(self.model) if node.op_type == operator]

    def shape(self, value: ir.Value | None) -> tuple[int | str | None, ...]:
        """The shape of a value; () if it is unknown."""
        found = self.values.get(str(value.name)) if value is not None else None
        if found is None or found.shape is None:
            return ()
        return tuple(side if isinstance(side, int) else side.value for side in found.shape)


def int_attribute(node: ir.Node, name: str) -> int | None:
    """The value of an INT attribute; None if it is absent or has another type."""
    attribute = node.attributes.get(name)
    return attribute.as_int() if attribute is not None and attribute.type == ir.AttributeType.INT else None
