"""What a preflight finds, and what its rules look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from rfcn_lib.graph.values import all_nodes
from rfcn_lib.graph.vendor_facts import Family

Severity = Literal["refused", "slow", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know before compiling.

    rule       short name of the rule
    node       the node or value it is about, or "" for the graph
    sentence   what was found, what should be, what follows
    reference  the vendor's page or file it stands on
    severity   refused: ATC fails, or compiles something that computes another thing; slow: work leaves the AI Core;
               note: right as it is on some releases or chips, so know it
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
    """What the rules look at: the graph, what ONNX infers of its values by name, the chip's generation."""

    model: ir.Model
    values: Mapping[str, ir.Value]
    chip: Family

    def nodes(self, operator: str) -> list[ir.Node]:
        """Nodes of one operator, in whatever domain."""
        return [node for node in all_nodes(self.model) if node.op_type == operator]

    def shape(self, value: ir.Value | None) -> tuple[int | str | None, ...]:
        """Empty where nobody knows."""
        found = self.values.get(str(value.name)) if value is not None else None
        if found is None or found.shape is None:
            return ()
        return tuple(side if isinstance(side, int) else side.value for side in found.shape)


def int_attribute(node: ir.Node, name: str) -> int | None:
    """An INT attribute; None where it is absent or of another type."""
    attribute = node.attributes.get(name)
    return attribute.as_int() if attribute is not None and attribute.type == ir.AttributeType.INT else None
