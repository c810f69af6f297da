"""The reports that the vendor's inference tools write about their speed, in every known form. Another form is an error.

`benchmark`   result/perf_vision_batchsize_<B>_device_<N>.txt, five records.
              Samples: ModelZoo-PyTorch READMEs (the short tags are of later versions than the published guide's).
`ais_bench`   <output>_summary.json and the last lines of its log. Source: Ascend/tools ais_bench, summary.py.
"""

import json
import math
import re
from typing import Any, Final

from rfcn_lib.speed.perf import Perf, PerfError

SAME: Final = 1e-6  # relative difference of one number that the tool prints in full at two places
PRINTED: Final = 1e-5  # relative error of a product of two numbers that C++ prints with six digits
LOOSE: Final = 0.05  # pictures; rate x time may differ by so much more from a whole number

_NUMBER: Final = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_FIELD: Final = re.compile(rf"([A-Za-z]+(?: [A-Za-z]+)*): *({_NUMBER})")
_SYNONYMS: Final = {"inference": "infer", "postprocess": "post"}
_STAGE: Final = ("throughputRate", "moduleLatency")
_RECORDS: Final = {
    "e2e": ("throughputRate", "latency"),
    "data read": _STAGE,
    "preprocess": _STAGE,
    "infer": ("throughputRate", "Interface throughputRate", "moduleLatency"),
    "post": _STAGE,
}
_SHORT: Final = {
    "infer": ("throughputRate", "Interface throughputRate")
}  # as some README quotes it; the rest is unused
_LOGGED: Final = (
    re.compile(
        rf"throughput 1000\*batchsize(?:\.mean)?\(({_NUMBER})\)/NPU_compute_time\.mean\(({_NUMBER})\): ({_NUMBER})\s*$",
        re.MULTILINE,
    ),
    re.compile(rf"throughput \(1000\*batchsize/NPU_compute_time\)()(): ({_NUMBER})\s*$", re.MULTILINE),
)
_LOGGED_DEVICE: Final = re.compile(
    rf"^.*\bi: *\d+ +device_(\d+) +throughput: *({_NUMBER}) +start_time: *\S+ +end_time: *\S+", re.MULTILINE
)
_LOGGED_SUM: Final = re.compile(rf"summary throughput: *({_NUMBER})\s*$", re.MULTILINE)


def perf_from_benchmark(text: str, device_id: int, where: str = "perf file") -> Perf:
    """The five records of a run over pictures; on lines of their own or all on one.

    `[e2e] latency` is ms for the whole run, so rate x latency is the number of pictures, exact up to some 45 000.

    Raises:
        PerfError: a record or number missing, doubled, cut, not positive, or of another spelling; quotes it.
    """
    head, *parts = re.split(r"\[([^\[\]\n]*)\]", text)
    found: dict[str, list[float]] = {}
    if head.strip():
        raise _unknown(where, head, "nothing before its first record, '[e2e] throughputRate: '")
    for tag, body in zip(parts[::2], parts[1::2], strict=True):
        name = _SYNONYMS.get(tag, tag)
        if name not in _RECORDS:
            raise _unknown(where, f"[{tag}]{body}", f"one of the records {_listed(_RECORDS)}")
        if name in found:
            raise _unknown(where, f"[{tag}]{body}", "this record once; two runs wrote to one file: run again")
        fields = [_FIELD.fullmatch(field.strip()) for field in body.strip().removesuffix(",").split(",")]
        got = tuple(field[1] if field else "" for field in fields)
        if got != _RECORDS[name] and got != _SHORT.get(name):
            raise _unknown(where, f"[{tag}]{body}", " and ".join(f"'{key}: NUMBER'" for key in _RECORDS[name]))
        found[name] = [_positive(where, f"[{tag}] {field[1]}", field[2]) for field in fields if field]
    lacking = [name for name in _RECORDS if name not in found]
    if lacking:
        raise PerfError(
            f"{where} lacks {_listed(lacking)}, it has {text.strip()[:200]!r}; it is cut off: run the pictures again"
        )
    if list(found) != list(_RECORDS):  # in this order a cut can only touch the last one, of which nothing is used
        raise _unknown(where, text, f"these records in this order: {_listed(_RECORDS)}")
    (rate, latency_ms), (pipeline, interface) = found["e2e"], found["infer"][:2]
    seconds = latency_ms / 1000
    what = f"[e2e] throughputRate {rate:g}/s x latency {latency_ms:g} ms"
    return Perf("benchmark", device_id, _count(where, what, rate * seconds), interface, pipeline, seconds, text)


def perf_from_summary(text: str, device_id: int, where: str = "summary") -> Perf:
    """The summary JSON of `ais_bench`. Throughput is 1000 x batch size / mean ms of the execute calls, copies excluded.

    pictures = calls x batch size, and has to be what `filesinfo` lists.

    Raises:
        PerfError: no JSON object, a key missing or of another kind, or numbers that contradict one another.
    """
    summary = summary_from_text(text, where)
    times = summary.get("NPU_compute_time")
    if not isinstance(times, dict):
        raise _unknown(where, json.dumps(times), "'NPU_compute_time' with min, max, mean, median, count")
    fps = _positive(where, "throughput", summary.get("throughput"))
    mean_ms = _positive(where, "NPU_compute_time.mean", times.get("mean"))
    calls = _count(where, "NPU_compute_time.count", _positive(where, "NPU_compute_time.count", times.get("count")))
    pictures = _count(where, "count x throughput x mean", calls * fps * mean_ms / 1000)
    listed = len(summary["filesinfo"])
    if listed != pictures:
        raise PerfError(
            f"{where}: 'filesinfo' lists {listed} pictures, but {calls} calls at {fps:g}/s and {mean_ms:g} ms are "
            f"{pictures}; a batch was filled up or pictures were left out: run them with a model of batch 1"
        )
    return Perf("ais_bench", device_id, pictures, fps, None, None, text)


def summary_from_text(text: str, where: str = "summary") -> dict[str, Any]:
    """The summary as a dict whose `filesinfo` is one too. Raises PerfError when it is not."""
    try:
        summary = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PerfError(
            f"{where} is no JSON ({str(error)[:100]}), it ends in {text.strip()[-80:]!r}; it is cut off: "
            "run the pictures again"
        ) from error
    if not isinstance(summary, dict) or not isinstance(summary.get("filesinfo"), dict):
        raise _unknown(where, text, "a JSON object with 'filesinfo', 'NPU_compute_time' and 'throughput'")
    return summary


def perfs_from_log(text: str, device_id: int, where: str = "log") -> tuple[Perf, ...]:
    """The last lines that `ais_bench` prints, in their three forms. A run on several devices gives one Perf per device.

    Raises:
        PerfError: no such line, several, or numbers that contradict one another.
    """
    devices = _LOGGED_DEVICE.findall(text)
    if devices:
        rates = {int(device): _positive(where, f"device_{device} throughput", rate) for device, rate in devices}
        total = _LOGGED_SUM.findall(text)
        if len(rates) != len(devices) or len(total) != 1 or not _same(sum(rates.values()), float(total[0])):
            raise _unknown(where, text[-400:], "a line per device and their sum as 'summary throughput:NUMBER'")
        return tuple(Perf("ais_bench", device, None, rate, None, None, text) for device, rate in rates.items())
    said = [match for form in _LOGGED for match in form.findall(text)]
    if len(said) != 1:
        raise _unknown(
            where, text[-400:], "one '[INFO] throughput 1000*batchsize.mean(B)/NPU_compute_time.mean(MS): FPS'"
        )
    size, mean_ms, rate = said[0]
    fps = _positive(where, "throughput", rate)
    if size and not _same(1000 * float(size) / _positive(where, "NPU_compute_time.mean", mean_ms), fps):
        raise _unknown(where, f"1000*{size}/{mean_ms}: {rate}", "a quotient that is right")
    return (Perf("ais_bench", device_id, None, fps, None, None, text),)


def _count(where: str, what: str, number: float) -> int:
    count = round(number)
    if count < 1 or abs(number - count) > LOOSE + PRINTED * number:
        raise PerfError(
            f"{where}: {what} gives {number:.6g} pictures, but should give a whole number; it is damaged: run again"
        )
    return count


def _positive(where: str, name: str, said: object) -> float:
    """A number above 0 from text or JSON. JSON also has true, NaN and numbers too large for a float: these are refused."""
    number = 0.0
    if isinstance(said, str | int | float) and not isinstance(said, bool):
        try:
            number = float(said)
        except (ValueError, OverflowError):
            number = 0.0
    if not math.isfinite(number) or not 0 < number < 1e12:
        raise PerfError(
            f"{where}: {name} is {str(said)[:40]!r}, but should be a number above 0; run the pictures again"
        )
    return number


def _same(got: float, want: float) -> bool:
    return math.isclose(got, want, rel_tol=SAME)


def _listed(names: Any) -> str:
    return ", ".join(f"[{name}]" for name in names)


def _unknown(where: str, said: str, wanted: str) -> PerfError:
    return PerfError(
        f"{where} says {said.strip()[:200]!r}, but should have {wanted}; a cut file, another version or another language "
        "of the tool: run again, or judge with a version that the README names"
    )
