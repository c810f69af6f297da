"""The pipeline of a run for the report: which artifact is made of which, and where the candidate's numbers first depart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from rfcn_lib.verdict.trial import Trial
from rfcn_lib.verdict.verdict import Verdict

GROUPS: Final = ("proposals", "rows", "heads", "detections")  # of figures, in the order of the pipeline
MADE, WITH = "→", "+"
OF_CANDIDATE: Final = (  # how it came about: an artifact is made of what stands before it
    (MADE, "weights"),
    (MADE, "onnx"),
    (MADE, "adapted"),
    (MADE, "twin"),
    (MADE, "rehearsed"),
    (MADE, "om"),
    (WITH, "tool"),
    (WITH, "pictures"),
    (MADE, "candidate dumps"),
)
OF_REFERENCE: Final = (
    (MADE, "weights"),
    (WITH, "pictures"),
    (MADE, "reference dumps"),
    (MADE, "reference packet"),
)
GRAPHS: Final = ("onnx", "adapted", "twin", "rehearsed", "om")
BIT_IDENTICAL: Final = "test_adapted_and_exported_graph_are_bit_identical"
DROP: Final = "mean AP drop, relative"


@dataclass(frozen=True, slots=True)
class Step:
    """One place where numbers are compared.

    against  what with what
    words    what came of it; `tone`: "good", "bad", or "open" where it was not asked
    first    whether no earlier place departs
    """

    name: str
    against: str
    words: str
    tone: str
    first: bool = False


def lines(trial: Trial) -> list[tuple[str, list[tuple[str, str, Any]]]]:
    """Two lines of artifacts: how the candidate came about, and the reference. With fitted canvases a graph is several files.

    Of dumps that were made elsewhere nobody knows what they were made of.
    """
    graphs = [name for name in trial.exhibits if name.startswith(GRAPHS)]
    sides = {"candidate": OF_CANDIDATE if graphs else OF_CANDIDATE[-1:], "reference": OF_REFERENCE}
    return [
        (
            side,
            [
                (sign, found, exhibit)
                for sign, name in artifacts
                for found, exhibit in trial.exhibits.items()
                if found == name or found.startswith(f"{name} ")
            ],
        )
        for side, artifacts in sides.items()
        if side == "candidate" or any(name.startswith("reference") for name in trial.exhibits)
    ]


def steps(trial: Trial, found: Verdict) -> list[Step]:
    """Where numbers are compared, in the order of the pipeline: the graphs, the groups of figures, mean AP."""
    every = [*_graphs(found.tests), *_groups(trial), *_drop(found)]
    first = next((place for place, step in enumerate(every) if step.tone == "bad"), None)
    return [replace(step, first=place == first) for place, step in enumerate(every)]


def _graphs(tests: Mapping[str, str]) -> list[Step]:
    """What the tests of the graphs said, where this run had them."""
    export = [outcome for test, outcome in tests.items() if "test_export.py" in test]
    adapt = [outcome for test, outcome in tests.items() if BIT_IDENTICAL in test]
    return [
        Step("onnx", "with PyTorch", *_outcome(export, "equal within the float32 noise", "export")),
        Step("adapted", "with onnx", *_outcome(adapt, "equal, bit for bit", "adapt")),
    ]


def _outcome(outcomes: list[str], equal: str, mark: str) -> tuple[str, str]:
    if "failed" in outcomes or "error" in outcomes:
        return f"{outcomes.count('failed') + outcomes.count('error')} of {len(outcomes)} tests do not hold", "bad"
    return (equal, "good") if "passed" in outcomes else (f"not asked in this run (pytest -m {mark})", "open")


def _groups(trial: Trial) -> list[Step]:
    """Each group of figures of the agreement. A figure of 0 means that nothing differs."""
    rows = trial.agreement["figures"] if trial.agreement else []
    found = []
    for group in GROUPS:
        mine = [row for row in rows if row["group"] == group]
        beyond, equal = sum(float(row["times"]) > 1 for row in mine), sum(row["got"] == 0 for row in mine)
        words = (
            f"{beyond} of {len(mine)} figures beyond" if beyond else f"all {len(mine)} figures hold, {equal} are equal"
        )
        if mine:
            found.append(Step(group, "with the source model", words, "bad" if beyond else "good"))
    return found


def _drop(found: Verdict) -> list[Step]:
    """The drop of mean AP, where it was judged."""
    tones = {"passed": "good", "failed": "bad"}
    return [
        Step(
            "mean AP",
            "with the reference",
            f"drop {row['number']:.4g}: {row['outcome']}",
            tones.get(row["outcome"], "open"),
        )
        for row in found.criteria
        if row["name"] == DROP
    ]
