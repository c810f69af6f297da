"""Pictures through the suite's own graph with a fault in it, in the arithmetic of the candidate; the store keeps them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.faults.fault import Fault, FilesFault, OutputsFault
from rfcn_lib.faults.simulate import Shown, Simulated, simulate
from rfcn_lib.files import write_whole
from rfcn_lib.graph.rehearsal.rounding import BY_DEFAULT
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.records import Outputs
from rfcn_lib.suite.agreement import Agreed

PLAIN: Final = "plain"


@dataclass(frozen=True)
class Simulations:
    """What is simulated, on which pictures, and the folder of the store that keeps it."""

    of: Simulated
    shown: Mapping[str, Shown]
    folder: Path

    @cached_property
    def plain(self) -> dict[str, Outputs]:
        """Id -> the outputs without a fault."""
        return {id: self._kept(PLAIN, None, id) for id in self.shown}

    def outputs(self, fault: Fault, ids: Sequence[str]) -> dict[str, Outputs]:
        """Id -> the outputs with a fault. Raises FaultError where the graph or the set has no place for it."""
        if isinstance(fault, OutputsFault | FilesFault):
            every = simulate(fault, self.of, list(self.shown.values()), self.plain)
            return {id: every[id] for id in ids}
        return {id: self._kept(fault.name, fault, id) for id in ids}

    def _kept(self, name: str, fault: Fault | None, id: str) -> Outputs:
        path = self.folder / f"{name}-{id}.npz"
        if not path.is_file():
            outputs, buffer = simulate(fault, self.of, [self.shown[id]])[id], BytesIO()
            np.savez(buffer, **{output: getattr(outputs, output) for output in spec.OUTPUTS})
            write_whole(path, buffer.getvalue())
        with np.load(path, allow_pickle=False) as kept:
            return Outputs(*(kept[output] for output in spec.OUTPUTS))


@contextmanager
def simulations(agreement: Agreed, pictures: Pictures, ids: Sequence[str]) -> Iterator[Simulations]:
    """The simulations of some pictures, which lie on one canvas."""
    source, canvas = agreement.runs, pictures.records[ids[0]].canvas_wh
    adapted = source.own_adapted()[canvas]
    soc = agreement.soc if agreement.precision_mode in (None, BY_DEFAULT) else None
    shown = {id: Shown(pictures.source(id)[0], pictures.records[id]) for id in ids}
    made_of = {"adapted": adapted, "soc": soc, "pictures": [one.path for one in shown.values()]}
    code = ("rfcn_lib.faults.catalogue", "rfcn_lib.faults.simulate")
    with source.store.open_folder("simulated", code, **made_of) as folder:
        yield Simulations(Simulated(adapted, pictures.port_on(canvas), soc), shown, folder)
