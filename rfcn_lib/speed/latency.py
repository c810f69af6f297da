"""How long one picture takes in the vendor's tool, where the tool said it. It times the execute call, on one device."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rfcn_lib.speed.timings import Timing


@dataclass(frozen=True, slots=True)
class Latency:
    """ms per picture of one device; None where the tool does not say it.

    runs      of the tool; one for each batch of pictures
    mean_ms   over all pictures
    lowest_ms, highest_ms  of any picture
    medians_ms, percentiles_99_ms  (smallest, largest) over the runs: the tool gives one for each run, and none for all
    """

    device_id: int
    pictures: int
    runs: int
    mean_ms: float
    lowest_ms: float | None = None
    highest_ms: float | None = None
    medians_ms: tuple[float, float] | None = None
    percentiles_99_ms: tuple[float, float] | None = None


def latencies_of(timings: Sequence[Timing]) -> tuple[Latency, ...]:
    """One row for each device, in the order of their ids."""
    devices = sorted({timing.perf.device_id for timing in timings})
    return tuple(_of_device(device, [one for one in timings if one.perf.device_id == device]) for device in devices)


def _of_device(device: int, timings: Sequence[Timing]) -> Latency:
    pictures = sum(len(timing.ids) for timing in timings)
    mean_ms = 1000 * sum(len(timing.ids) / timing.perf.interface_fps for timing in timings) / pictures
    said = [_said(timing) for timing in timings]

    def of(name: str) -> list[float] | None:
        found = [one[name] for one in said if isinstance(one.get(name), int | float)]
        return found if len(found) == len(said) else None

    lowest, highest, medians, late = of("min"), of("max"), of("median"), of("percentile(99%)")
    return Latency(
        device,
        pictures,
        len(timings),
        mean_ms,
        min(lowest) if lowest else None,
        max(highest) if highest else None,
        (min(medians), max(medians)) if medians else None,
        (min(late), max(late)) if late else None,
    )


def _said(timing: Timing) -> Mapping[str, Any]:
    """Times of one picture that the tool gave besides the mean: `ais_bench` in its summary, `benchmark` none."""
    if timing.perf.tool != "ais_bench":
        return {}
    try:
        times = json.loads(timing.perf.text)["NPU_compute_time"]
    except (ValueError, KeyError, TypeError):  # the last lines of its log, which are no JSON
        return {}
    return times if isinstance(times, dict) else {}
