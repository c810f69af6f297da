"""A criterion: a number and its limit. And whether what a test says of it can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Relation = Literal["<=", ">=", "=="]
Outcome = Literal["passed", "failed", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion: the number, its relation to the limit, and who agreed on that limit (`source`)."""

    name: str
    number: float
    relation: Relation
    limit: float
    source: str

    def holds(self) -> bool:
        """Whether the criterion is met. NaN never meets one."""
        if self.relation == "==":
            return self.number == self.limit
        return self.number <= self.limit if self.relation == "<=" else self.number >= self.limit

    def __str__(self) -> str:
        return f"{self.name}: {self.number:.6g}, but should be {self.relation} {self.limit:.6g} ({self.source})"


def contradictions(found: Sequence[Criterion], outcome: Outcome) -> list[str]:
    """Where a test's outcome and its numbers say different things, a sentence for each number."""
    if outcome == "passed":
        return [f"{c}, and yet its test passed" for c in found if not c.holds()]
    if outcome == "failed" and found and all(c.holds() for c in found):
        return [
            f"{c.name}: {c.number:.6g} holds, being {c.relation} {c.limit:.6g}, and yet its test failed" for c in found
        ]
    return []


def weighed(found: Sequence[Criterion], outcome: Outcome) -> Outcome:
    """The outcome of a test, once its numbers have been looked at."""
    return "error" if contradictions(found, outcome) else outcome


def outcome_of(criterion: Criterion, of_test: Outcome) -> Outcome:
    """The outcome of one of a test's criteria: of several, those that hold did not fail."""
    return "passed" if of_test == "failed" and criterion.holds() else of_test
