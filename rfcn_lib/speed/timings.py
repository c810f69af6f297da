"""One file for each batch, beside the dumps: what the tool reported about its speed. `throughput` makes rates of them."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib.files import write_whole
from rfcn_lib.speed.perf import Perf, PerfError, read_text
from rfcn_lib.speed.perf_files import perf_from_benchmark, perf_from_summary

Span = tuple[float, float]  # from, to: seconds since the epoch, this host's clock

_KEYS: Final = {"ids", "om_sha256", "tool", "device_id", "text", "typed", "tool_s", "whole_s"}


@dataclass(frozen=True, slots=True)
class Timing:
    """One run of a tool over some pictures: what it reported, and when it ran by this host's clock.

    om_sha256  digest of the compiled model that ran
    shell_line  the command as one line for a shell
    tool_s     from the tool's start to its end
    whole_s    from the first picture's preparation to the last dump in its place
    """

    ids: tuple[str, ...]
    om_sha256: str
    perf: Perf
    shell_line: str
    tool_s: Span
    whole_s: Span


def write_timing(folder: Path, timing: Timing) -> Path:
    """Keep a timing as `<first id>-<last id>-<count>-device<N>.json`, a digest for an id of other characters; returns the file.

    Raises:
        OSError: it cannot be written.
    """
    perf = timing.perf
    first, last = (_short(id) for id in (timing.ids[0], timing.ids[-1]))
    target = folder / f"{first}-{last}-{len(timing.ids)}-device{perf.device_id}.json"
    content = {
        "ids": timing.ids,
        "om_sha256": timing.om_sha256,
        "tool": perf.tool,
        "device_id": perf.device_id,
        "text": perf.text,
        "typed": timing.shell_line,
        "tool_s": timing.tool_s,
        "whole_s": timing.whole_s,
    }
    write_whole(target, json.dumps(content, indent=1).encode())
    return target


def _short(id: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", id)
    return id if plain else hashlib.sha256(id.encode()).hexdigest()[:16]


def read_timings(folder: Path) -> dict[Path, Timing]:
    """Path -> timing, for every file of `folder`. The tool's report is parsed again.

    Raises:
        PerfError: a file is damaged; says to remove it, and then its pictures are timed again.
    """
    return {path: _timing(path) for path in sorted(folder.glob("[!.]*.json"))}


def _timing(path: Path) -> Timing:
    try:
        kept = json.loads(read_text(path))
        if not isinstance(kept, dict) or kept.keys() != _KEYS or not kept["ids"]:
            raise ValueError("it should have the keys " + ", ".join(sorted(_KEYS)))
        read = {"benchmark": perf_from_benchmark, "ais_bench": perf_from_summary}[kept["tool"]]
        perf = read(str(kept["text"]), int(kept["device_id"]), str(path))
        (began, ended), (first, last) = kept["tool_s"], kept["whole_s"]
        spans = (float(began), float(ended)), (float(first), float(last))
        return Timing(tuple(map(str, kept["ids"])), str(kept["om_sha256"]), perf, str(kept["typed"]), *spans)
    except (PerfError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise PerfError(f"{path} is no kept timing: {error}; remove it, and its pictures are timed again") from error


def chosen(timings: Iterable[Timing], ids: Collection[str]) -> tuple[Timing, ...]:
    """Timings that hold pictures of `ids` only, and no picture twice; large batches are taken first."""
    free = set(ids)
    kept: list[Timing] = []
    for timing in sorted(timings, key=lambda timing: (-len(timing.ids), timing.tool_s)):
        if free.issuperset(timing.ids):
            free.difference_update(timing.ids)
            kept.append(timing)
    return tuple(kept)
