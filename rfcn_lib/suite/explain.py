"""--explain: what each of the chip's effects costs alone, so that a porting engineer knows which one to fight."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pytest

from rfcn_lib.graph.rehearsal.rehearsed import Effect
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.score.average_precision import Evaluation
from rfcn_lib.score.evaluation import Judged
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.given import GraphFacts
from rfcn_lib.suite.inputs import require
from rfcn_lib.suite.judging import Candidate, Reference, judge_own_dumps
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.rehearsal import Chip, run_some_effects

ALONE: Final[Mapping[str, tuple[Effect, ...]]] = {
    "fp16 alone": ("fp16",),
    "NMS kernel alone": ("nms",),
    "pooling's corners alone": ("pool",),
    "fp16 and pooling's corners": ("fp16", "pool"),
}

TWIN: Final = {  # what the graph clips proposals to -> the twin's line
    "canvas": "clip to the canvas",
    "none": "no clip",
    "frozen": "clip frozen to one picture",
    "unknown": "twin",
}


@dataclass(frozen=True)
class Line:
    """One line of the table: what was run, its mean AP, and AP by class."""

    what: str
    mean_ap: float
    ap: Mapping[str, float]


@pytest.fixture(scope="session")
def explanation(
    reference: Reference,
    graph_facts: GraphFacts,
    host_dumps: Path,
    rehearsal_candidate: Candidate,
    other_order_judged: Judged,
    store: Store,
    canvases: Canvases,
    adapted: PerCanvas,
    pictures: Pictures,
    chip: Chip,
    options: Options,
) -> tuple[Mapping[str, object], ...]:
    """The reference, the twin, each effect alone, all together: mean AP and AP by class, one line each."""
    require(options.explain, "--explain was not asked for")
    lines = [
        Line("reference", reference.mean_ap, reference.ap),
        _line(
            TWIN[graph_facts.clip],
            judge_own_dumps(host_dumps, pictures).evaluation,
        ),
    ]
    for what, effects in ALONE.items():
        run = run_some_effects(store, canvases, adapted, chip, effects, pictures, options)
        lines.append(_line(what, judge_own_dumps(run.all(), pictures).evaluation))
    lines.append(_line("all, equal scores in the other order", other_order_judged.evaluation))
    lines.append(_line("all together", rehearsal_candidate.evaluation))
    return tuple(asdict(line) for line in lines)


def _line(what: str, found: Evaluation) -> Line:
    return Line(what, found.mean_ap, dict(found.ap))
