"""What arithmetic alone does to the outputs of a sample of pictures: the floors of the agreement, made when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from rfcn_lib.agreement.figures import Sums
from rfcn_lib.agreement.measured import OutputsOf, sums_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.score.dump_audit import read_dump
from rfcn_lib.store.store import Store
from rfcn_lib.suite.canvases import Canvases, PerCanvas
from rfcn_lib.suite.host_runs import HostRun, SourceHeads, SourceModel
from rfcn_lib.suite.judging import judge_own_dumps
from rfcn_lib.suite.options import Options
from rfcn_lib.suite.rehearsal import TIES, chip_of, rehearse_sample

Clip = Literal["canvas", "none"]
ONNX_FROM_CHECKPOINT = "rfcn_lib.graph.export:onnx_from_checkpoint"
ADAPTED_FROM_EXPORTED = "rfcn_lib.graph.adapt:adapted_from_exported"
IN_PYTORCH, PREPROCESSING = "rfcn_lib.devices.pytorch", "rfcn_lib.pictures.preprocess"


@dataclass(frozen=True)
class Floor:
    """A run that differs from the source model in arithmetic only: its outputs, and its sums against the source model."""

    outputs: OutputsOf
    sums: Sequence[Sums]


@dataclass(frozen=True)
class Source:
    """The source model over a sample of pictures, clipped as the graph clips.

    sample      the pictures, on the candidate's canvases
    with_heads  ids of those whose given proposals go through its heads
    """

    store: Store
    canvases: Canvases
    weights: Path
    port: Port
    sample: Pictures
    with_heads: tuple[str, ...]
    clip: Clip

    def outputs(self, *, double: bool = False) -> OutputsOf:
        """The source model's own outputs of the sample; run where the store has none."""
        words = f"{'-float64' if double else ''}{'' if self.clip == 'canvas' else '-not-clipped'}"
        name = self.canvases.artifact_name(f"dumps/torch-as-exported{words}")
        model = SourceModel(self.weights, self.port, self.clip, double)
        folder = HostRun(name, model, self.sample, self.store, (IN_PYTORCH, PREPROCESSING), None).all()
        return partial(read_dump, folder, port=self.port)

    def heads(self, got: OutputsOf, got_sha256: str, *, double: bool = False) -> OutputsOf:
        """The source model's heads on the proposals of another run, for the pictures of `with_heads`."""
        name = self.canvases.artifact_name(f"dumps/torch-heads{'-float64' if double else ''}")
        model = SourceHeads(self.weights, self.port, got, got_sha256, double)
        some = self.sample.only(self.with_heads)
        folder = HostRun(name, model, some, self.store, (IN_PYTORCH, PREPROCESSING), None).all()
        return partial(read_dump, folder, port=self.port)

    def own_adapted(self) -> PerCanvas:
        """The suite's own graph of these weights, whatever graph is on trial."""
        onnx = self.canvases.build(
            self.store, "rfcn.onnx", ONNX_FROM_CHECKPOINT, weights=self.weights, port=self.port, clip=self.clip
        )
        return self.canvases.build(self.store, "rfcn_adapted.onnx", ADAPTED_FROM_EXPORTED, exported=onnx)

    def floor(self, got: OutputsOf, got_sha256: str, *, double: bool = False) -> Floor:
        """The floor of a run over the sample."""
        records = {id: self.sample.records[id] for id in self.sample.ids}
        heads = self.heads(got, got_sha256, double=double)
        want = self.outputs(double=double)
        return Floor(got, sums_of(records, got, want, heads, self.with_heads, self.port))


def source_floor(source: Source) -> list[Floor]:
    """Of float32: the source model in float32 against float64."""
    single = source.outputs()
    sha256 = judge_own_dumps(single.args[0], source.sample).sha256  # type: ignore[attr-defined]
    return [source.floor(single, sha256, double=True)]


def rehearsed_floors(source: Source, soc: str, precision_mode: str | None, options: Options) -> list[Floor]:
    """Of a chip: its rehearsal against the source model, equal scores in two orders."""
    chip, adapted = chip_of(soc, precision_mode), source.own_adapted()
    found = []
    for ties in TIES:
        folder = rehearse_sample(
            source.store, source.canvases, adapted, chip, source.sample, source.sample.ids, options, ties
        )
        sha256 = judge_own_dumps(folder, source.sample).sha256
        found.append(source.floor(partial(read_dump, folder, port=source.port), sha256))
    return found
