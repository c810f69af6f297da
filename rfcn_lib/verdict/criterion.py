"""A criterion: a number and its limit. And whether what a test says of it can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Relation = Literal["<=", ">=", "=="]
Outcome = Literal["passed", "failed", "undecided", "error", "skipped"]


class UndecidedError(AssertionError):
    """The interval of a criterion holds its limit: there are not enough pictures to tell."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion: the number, its relation to the limit, and who agreed on that limit (`source`).

    lower, upper  the interval that judges in place of the number, for a relation of "<="; None where the number judges
    """

    name: str
    number: float
    relation: Relation
    limit: float
    source: str
    lower: float | None = None
    upper: float | None = None

    def holds(self) -> bool:
        """Whether the criterion is met; of an interval, whether all of it lies below the limit. NaN never meets one."""
        if self.lower is not None and self.upper is not None:
            return self.upper < self.limit
        if self.relation == "==":
            return self.number == self.limit
        return self.number <= self.limit if self.relation == "<=" else self.number >= self.limit

    def undecided(self) -> bool:
        """Whether the limit lies within the interval."""
        return self.lower is not None and self.upper is not None and self.lower <= self.limit <= self.upper

    def expect_decided(self) -> None:
        """Raise UndecidedError where the interval holds the limit."""
        if self.undecided():
            raise UndecidedError(f"not enough pictures to tell: {self}")

    def __str__(self) -> str:
        between = "" if self.upper is None else f" (between {self.lower:.6g} and {self.upper:.6g})"
        return (
            f"{self.name}: {self.number:.6g}{between}, but should be {self.relation} {self.limit:.6g} ({self.source})"
        )


def contradictions(found: Sequence[Criterion], outcome: Outcome) -> list[str]:
    """Where a test's outcome and its numbers say different things, a sentence for each number."""
    if outcome == "passed":
        return [f"{c}, and yet its test passed" for c in found if not c.holds()]
    if outcome == "failed" and found and all(c.holds() for c in found):
        return [
            f"{c.name}: {c.number:.6g} holds, being {c.relation} {c.limit:.6g}, and yet its test failed" for c in found
        ]
    if outcome == "undecided" and not any(c.undecided() for c in found):
        told = [str(c) for c in found] or ["it recorded no number"]
        return [f"{words}, and yet its test could not tell" for words in told]
    return []


def weighed(found: Sequence[Criterion], outcome: Outcome) -> Outcome:
    """The outcome of a test, once its numbers have been looked at."""
    return "error" if contradictions(found, outcome) else outcome


def outcome_of(criterion: Criterion, of_test: Outcome) -> Outcome:
    """The outcome of one of a test's criteria: of several, those that hold did not fail."""
    return "passed" if of_test in ("failed", "undecided") and criterion.holds() else of_test
