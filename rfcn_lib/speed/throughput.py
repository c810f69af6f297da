"""Rates in pictures per second. Every rate has a scope, and rates of different scopes are not compared.

The published acceptance compares the model-execute rate of one chip, times the chips of a card, with the wall clock of a whole
GPU script. That is allowed by agreement only: `by_agreement` makes such a limit, and its source says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, get_args

from rfcn_lib.errors import SuiteError
from rfcn_lib.records import Scope
from rfcn_lib.speed.perf import Perf, PerfError
from rfcn_lib.speed.timings import Span, Timing

INCLUDES: Final[Mapping[Scope, str]] = {
    "interface, one chip": "the execute call of the compiled model on one chip; no copies, no preparation, no post-processing",
    "interface x chips (extrapolated)": "one chip's rate times the chips of its card; the chips did not run together",
    "interface, chips running together": "the sum of the chips' rates in the execute call while all of them ran",
    "end to end": "from a picture's preparation to its dump on all devices, with the load of the model once per batch; no "
    "post-processing, no score",
    "whole script": "everything on the clock of a test script: reading, preparation, model, post-processing and score",
}
LEAST_SHARED: Final = 0.5  # of a run's time, during which all other chips ran as well, for "running together"


class ScopeError(SuiteError):
    """Two rates measure different things, or these measurements have no rate of the scope that is needed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Pictures per second, and of what. `source`: who measured it or who agreed on it."""

    fps: float
    scope: Scope
    source: str

    def __post_init__(self) -> None:
        if self.scope not in get_args(Scope):
            raise ScopeError(f"the scope is {self.scope!r}, but should be one of {', '.join(get_args(Scope))}")

    def __str__(self) -> str:
        return f"{self.fps:.6g} fps, {self.scope} ({self.source})"


def expect_timed(timings: Sequence[Timing], om_sha256: Mapping[str, str]) -> None:
    """Raise PerfError unless exactly the ids of `om_sha256` were timed, each once, and each on the very om that is judged.

    `om_sha256`: id -> digest of the compiled model of its canvas. The tools' reports say how many pictures ran; which ones is
    known from what the tools were given.
    """
    ids = list(om_sha256)
    for timing in timings:
        for id in timing.ids:
            if timing.om_sha256 != om_sha256.get(id, timing.om_sha256):
                raise PerfError(
                    f"the om timed on device {timing.perf.device_id} is {timing.om_sha256[:12]}, but the om judged is "
                    f"{om_sha256[id][:12]} for picture {id}; time the one that is judged"
                )
    timed = [id for timing in timings for id in timing.ids]
    ran = sum(timing.perf.pictures or 0 for timing in timings)
    if sorted(timed) != sorted(ids) or ran != len(ids):
        odd = sorted(set(timed) ^ set(ids)) or sorted({id for id in timed if timed.count(id) > 1})
        named = f"; for example {', '.join(odd[:3])}" if odd else ""
        raise PerfError(
            f"the perf files say {ran} pictures, the tools were given {len(timed)}, but {len(ids)} are judged{named}: "
            "a rate over other pictures than those judged says nothing; run again"
        )


def rates_of(timings: Sequence[Timing], om_sha256: Mapping[str, str], chips: int) -> dict[Scope, Rate]:
    """Scope -> rate, for each scope that these timings have.

    om_sha256  id -> sha256 of the compiled model of its canvas
    chips      on the card

    Raises:
        PerfError: see `expect_timed`.
    """
    expect_timed(timings, om_sha256)
    chip = interface_rate([timing.perf for timing in timings])
    found = [chip, per_card(chip, chips), end_to_end(timings)]
    with suppress(ScopeError):
        found.append(together(timings))
    return {rate.scope: rate for rate in found}


def interface_rate(perfs: Sequence[Perf]) -> Rate:
    """Pictures / seconds inside the execute call, over runs one after the other: the rate of one chip.

    Runs on several chips give their mean, weighted by pictures.

    Raises:
        PerfError: no run, runs of different tools, or a run that does not say how many pictures it had.
    """
    if not perfs or len({perf.tool for perf in perfs}) > 1:
        tools = ", ".join(sorted({perf.tool for perf in perfs})) or "no run at all"
        raise PerfError(
            f"a rate is made of runs of one tool, but here are {tools}; time the pictures with one --runner"
        )
    unsaid = next((perf for perf in perfs if perf.pictures is None), None)
    if unsaid:
        raise PerfError(
            f"a run of {unsaid.tool} on device {unsaid.device_id} does not say how many pictures it had, so it cannot "
            f"be combined with others; it said {unsaid.text.strip()[:200]!r}"
        )
    pictures = sum(perf.pictures or 0 for perf in perfs)
    seconds = sum((perf.pictures or 0) / perf.interface_fps for perf in perfs)
    devices = sorted({perf.device_id for perf in perfs})
    named = f"device {devices[0]}" if len(devices) == 1 else f"mean of devices {', '.join(map(str, devices))}"
    return Rate(pictures / seconds, "interface, one chip", f"{perfs[0].tool}, {named}, {pictures} pictures")


def per_card(rate: Rate, chips: int) -> Rate:
    """The published way: one chip's rate x chips of the card. An extrapolation: the chips did not run together.

    Raises:
        ScopeError: `rate` is not one chip's, or the card has no chip.
    """
    if rate.scope != "interface, one chip" or chips < 1:
        raise ScopeError(
            f"{rate} x {chips} chips is no rate of a card; take the interface rate of one chip, and 1 or more"
        )
    return Rate(rate.fps * chips, "interface x chips (extrapolated)", f"{rate.fps:.6g} x {chips} chips; {rate.source}")


def together(timings: Sequence[Timing]) -> Rate:
    """Sum of the chips' interface rates. A run counts if all other chips ran too during at least half of its time.

    Raises:
        ScopeError: there is only one chip, or a chip that never ran while all others did.
    """
    devices = sorted({timing.perf.device_id for timing in timings})
    if len(devices) < 2:
        raise ScopeError(f"{len(devices)} chip cannot run together with others; use --devices=0,1 or more")
    spans = {device: [t.tool_s for t in timings if t.perf.device_id == device] for device in devices}
    rates: list[Rate] = []
    for device in devices:
        mine = [t for t in timings if t.perf.device_id == device]
        shared = [t.perf for t in mine if _shared(t.tool_s, [spans[other] for other in devices if other != device])]
        if not shared:
            raise ScopeError(
                f"device {device} never ran while devices {', '.join(str(d) for d in devices if d != device)} did, so "
                "there is no rate of chips running together; give the run more pictures, or smaller batches"
            )
        rates.append(interface_rate(shared))
    said = " + ".join(f"{rate.fps:.4g}" for rate in rates)
    return Rate(sum(rate.fps for rate in rates), "interface, chips running together", f"{said}, devices {devices}")


def end_to_end(timings: Sequence[Timing]) -> Rate:
    """Pictures / seconds of wall clock, from a picture's preparation to its dump, on all devices together. Pauses do not count.

    Includes loading the model once per batch; excludes post-processing and score.
    """
    if not timings:
        raise PerfError("nothing was timed, so there is no rate; run the pictures")
    pictures = sum(len(timing.ids) for timing in timings)
    seconds = sum(end - start for start, end in _union(timing.whole_s for timing in timings))
    if seconds <= 0:
        raise PerfError(f"{pictures} pictures took {seconds:g} s by this host's clock; was it set back? run again")
    source = f"{timings[0].perf.tool}, {pictures} pictures in {seconds:.1f} s, preparation to dump"
    return Rate(pictures / seconds, "end to end", source)


def by_agreement(rate: Rate, scope: Scope) -> Rate:
    """`rate` as a limit for rates of another scope. It is no measurement of that scope, and its `source` says so."""
    if rate.scope == scope:
        return rate
    return Rate(rate.fps, scope, f"{rate.source}; {rate.scope}, by agreement held against {scope}")


def reaches(rate: Rate, limit: Rate) -> bool:
    """Whether `rate` is at least `limit`. Raises ScopeError when they measure different things."""
    _same_scope(rate, limit)
    return rate.fps >= limit.fps


def _same_scope(rate: Rate, other: Rate) -> None:
    if rate.scope != other.scope:
        raise ScopeError(
            f"{rate} cannot be held against {other}: they measure different things; compare rates of one scope"
        )


def _union(spans: Iterable[Span]) -> list[Span]:
    """The same time as spans that do not touch, in order."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _shared(mine: Span, others: Sequence[Sequence[Span]]) -> bool:
    """Whether during LEAST_SHARED of `mine` every one of the others was running."""
    common = [mine]
    for spans in others:
        pairs = ((max(a, c), min(b, d)) for a, b in common for c, d in _union(spans))
        common = [(start, end) for start, end in pairs if start < end]
    return sum(end - start for start, end in common) >= LEAST_SHARED * (mine[1] - mine[0]) > 0
