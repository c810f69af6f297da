"""Planted faults: STANDIN_FAULT=name[=value][,...], each name also as tool:name when one tool alone should have it."""

import os
import subprocess
import sys
import time
from typing import NoReturn

RUNNERS = ("benchmark", "ais_bench")
HANG_S = 3600

CODES = {  # texts of CANN 8.1's error_code.json; E16002 is the newest parser's; E20001, E60108 as public logs have them
    "E10001": "Value [{value}] for parameter [{parameter}] is invalid. Reason: {reason}",
    "E10002": "Value [{value}] for parameter [--input_shape] is invalid. Reason: {reason}. "
    'The value must be formatted as "input_name1:n1,c1,h1,w1;input_name2:n2,c2,h2,w2".',
    "E10016": "Value [{value}] for parameter [--input_shape] is invalid. Reason: Opname [{name}] is not in the model.",
    "E10501": "IR for Op [{name}, optype [{optype}]], is not registered.",
    "E16002": "No ONNX parser is registered for optype {optype}.",
    "E16005": "The model has [{count}] [--domain_version] fields, but only one is allowed.",
    "E19010": "No parser is registered for Op [{name}, optype [{optype}]].",
    "E19999": "Inner Error! {reason}",
    "E20001": "Failed to compile Op [{name}]. (optype: [{optype}])",
    "E20007": "Failed to run graph fusion pass [{name}]. The pass type is [built-in-ai-core-graph-pass].",
    "E40021": "Failed to compile Op [{name}]. (oppath: [Pre-compile {optype} failed], optype: [{optype}])",
    "E60108": "In op[{optype}], [{reason}]",
    "EZ3002": "Optype [{optype}] of Ops kernel [AIcoreEngine] is unsupported. Reason: {reason}.",
    "EZ3003": "No supported Ops kernel and engine are found for [{name}], optype [{optype}].",
    "EZ9010": "No parser is registered for Op [{name}, optype [{optype}]].",
}

FAULTS: dict[str, tuple[tuple[str, ...], str]] = {
    **{code: (("atc",), f"the conversion fails with {code}") for code in CODES},
    "hang": (RUNNERS, "after half of the pictures it never ends, and has a child that never ends either"),
    "cann9": (("atc",), "no failure of its own: codes are spelt Name(CODE), as CANN 9 does"),
    "no_code": (("atc",), "the conversion fails with [ERROR] lines and exit status 255, but no code"),
    "half_way": (RUNNERS, "dies with exit status 1 after half of the pictures"),
    "disk_full": (RUNNERS, "no room for the output after half of the pictures, exit status 1"),
    "device_lost": (RUNNERS, "=N: device N is lost after half of its pictures; the others go on"),
    "open_fails": (RUNNERS, "=N, default 0: device N cannot be opened"),
    "truncated_output": (RUNNERS, "the last picture's second output has half of its rows"),
    "wrong_count": (("benchmark",), "the last picture is left out without a word: no output, not counted"),
    "perf_count": (RUNNERS, "every output is there, but the perf file or summary counts one picture fewer"),
    "nan_output": (RUNNERS, "the first picture's third output holds a NaN"),
    "constant_output": (RUNNERS, "every output of every picture is zero"),
    "swapped_output": (RUNNERS, "every picture gets the outputs of the first"),
    "float16_output": (RUNNERS, "outputs are float16, as an om built with another --output_type gives them"),
    "integer_output": (RUNNERS, "outputs are int32, a thousand times the numbers"),
    "transposed_output": (RUNNERS, "the first output has its rows as columns"),
    "reordered_outputs": (RUNNERS, "the outputs come in the opposite order"),
    "two_outputs": (RUNNERS, "the last output is missing"),
    "four_outputs": (RUNNERS, "the first output comes once more at the end"),
    "no_perf": (RUNNERS, "no perf file or summary"),
    "alarm": (("npu-smi",), "=N, default 0: device N's health is Alarm"),
    "busy": (("npu-smi",), "=N, default 0: a process runs on device N"),
}


def planted(tool: str) -> dict[str, str]:
    """Fault -> its value ("" without one) for this tool; ends the process where STANDIN_FAULT is misspelt.

    Source: ours, no tool says it.
    """
    found = {}
    for part in filter(None, os.environ.get("STANDIN_FAULT", "").split(",")):
        whom, _, rest = part.rpartition(":")
        name, _, value = rest.partition("=")
        if name not in FAULTS or (whom and whom not in FAULTS[name][0]):
            sys.exit(
                f"SIMULATED: STANDIN_FAULT has {part!r}, but should be [tool:]name[=value] with a name of "
                f"{', '.join(FAULTS)}" + (f"; {name} is for {' and '.join(FAULTS[name][0])}" if name in FAULTS else "")
            )
        if tool in FAULTS[name][0] and whom in ("", tool):
            found[name] = value
    return found


def hang() -> NoReturn:
    """With a child that holds the same stdout, as the real compiler's workers do.

    Source: ours.
    """
    sys.stdout.flush()
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({HANG_S})"])
    time.sleep(HANG_S)
    sys.exit(1)
