"""What the report says of speed: rates with what they include, the GPU's beside the NPU's, and the latency of a picture."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Scope
from rfcn_lib.report.drawn import Pace
from rfcn_lib.score.packet_records import Facts
from rfcn_lib.speed.latency import latencies_of
from rfcn_lib.speed.throughput import INCLUDES, Rate
from rfcn_lib.suite.ascend import NpuRun

ON_GPU: Final = "the network's call on the GPU, copies to and from it included; no preparation, no post-processing"


def speed_of(run: NpuRun, rates: Mapping[Scope, Rate]) -> dict[str, Any]:
    """Plain values of an NPU run: `paces`, a row for each rate, and `latencies`, a row for each device."""
    whose = f"{'SIMULATED ' if run.simulated else ''}{run.host.npus[0].name}"
    paces = [
        Pace(whose=whose, fps=rate.fps, scope=scope, includes=INCLUDES[scope], source=rate.source)
        for scope, rate in rates.items()
    ]
    latencies = [{**asdict(one), "device": run.host.names.get(one.device_id)} for one in latencies_of(run.timings)]
    return {"paces": [pace.model_dump() for pace in paces], "latencies": latencies}


def gpu_of(port: Port, baseline: Facts | None) -> tuple[Pace, ...]:
    """The published rate of a T4; and of --baseline, if there is one."""
    published = read_port(PUBLISHED)
    limit, of = published.criteria["throughput_fps"], "" if port == published else ", the published port"
    script = INCLUDES["whole script"]
    found = [Pace(whose=f"T4{of}", fps=limit.limit, scope="whole script", includes=script, source=limit.source)]
    if baseline and baseline.rates:
        rates, source = baseline.rates, f"--baseline, {baseline.rates.timed} pictures"
        whose = baseline.maker.device
        found += [
            Pace(whose=whose, fps=rates.script_fps, scope="whole script", includes=script, source=source),
            Pace(whose=whose, fps=rates.device_fps, scope="device", includes=ON_GPU, source=source),
        ]
    return tuple(found)
