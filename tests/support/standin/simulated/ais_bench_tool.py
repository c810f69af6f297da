"""`python3 -m ais_bench`: today's inference tool over bins, on one device or several, and pure inference.

Flags, checks, layout, log and exit codes are those of infer_process.py of tools-2025-12 and, with STANDIN_STYLE=2023, of
__main__.py of tools-2023-06. Nothing is imported before the arguments are checked that a refusal does not need.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence

from . import SENTENCE, style
from .ais_bench_flags import arguments_of
from .ais_bench_inputs import files_of, shares_of
from .ais_bench_log import error, failed, info
from .faults import planted

PASSED_ON = (
    "outfmt",
    "loop",
    "warmup_count",
    "pure_data_type",
    "run_mode",
    "output_batchsize_axis",
    "display_all_summary",
)


def main(arguments: Sequence[str]) -> int:
    """Run; 0, or 1 where one of several devices failed. An error ends in the traceback the real tool shows too.

    Source: infer_process.py, seen for --output_dirname alone, read for the rest.
    """
    faults = planted("ais_bench")
    args = arguments_of(arguments)
    info(SENTENCE)
    if style() == "2025" and (args.output_dirname or "").startswith("/"):  # args_rules, read in the source
        raise ValueError("--output_dirname do not support abs path!")
    if args.output is None and args.output_dirname is not None:
        failed("parameter --output_dirname cann't be used alone. Please use it together with the parameter --output!\n")
        raise RuntimeError("error bad parameters --output_dirname")
    if getattr(args, "threads", 1) > 1:
        info("need to set --pipeline when setting threads number to be more than one.")
    if len(args.device) > 1:
        return _several(args, args.device)
    from .ais_bench_run import one  # here: it needs ONNX Runtime, a refusal does not

    one(args, args.device[0], faults)
    return 0


def _several(args: argparse.Namespace, devices: list[int]) -> int:
    """One process per device, each with its own folder and summary.

    tools-2023-06 gives each its share of the files; tools-2025-12 gives all of them to each, unless --divide_input is set.
    Folders, shares and figures: seen. What the queue counts, and the lines of failures: read. Not modelled: that each waits for
    the others after its warm-up.

    Source: infer_process.py, seen for folders and shares, read for queue and failures.
    """
    info(f"multidevice:{devices} run begin")
    today = style() == "2025"
    inputs = [args.input] * len(devices)
    if args.input and (not today or args.divide_input):
        inputs = [",".join(share) for share in shares_of(files_of(args.input), len(devices))]
    folder = args.output_dirname or time.strftime("%Y_%m_%d-%H_%M_%S")
    running = []
    for i, device in enumerate(devices):
        words = [
            f"--model={args.model}",
            f"--device={device}",
            *(f"--{name}={getattr(args, name)}" for name in PASSED_ON),
        ]
        words += [f"--batchsize={args.batchsize}"] if args.batchsize else []
        words += [] if inputs[i] is None else [f"--input={inputs[i]}"]
        if args.output is not None:
            words += [f"--output={args.output}", f"--output_dirname={folder}/device{device}{f'_{i}' if today else ''}"]
        command = [sys.executable, "-m", "ais_bench", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.append((time.time(), process))
    size, rates = 0, []
    for i, (started, process) in enumerate(running):
        said, complaint = (words.decode() for words in process.communicate())
        info(f"subprocess_{i} main run")
        print(said, end="", flush=True)
        size += "[INFO] warm up" in said  # each puts its number into a queue when it is ready, later its rate
        found = re.findall(r"throughput .*: (\S+)$", said, re.MULTILINE)
        if process.returncode == 0 and found:
            rates.append((i, float(found[-1]), started, time.time()))
        else:  # the exception's words alone come back from the pool
            error(f"subprocess run failed error_callback:{(complaint.splitlines() or [''])[-1].partition(': ')[2]}")
    size += len(rates)
    result = 0 if size == 2 * len(devices) else 1
    info(f"multidevice run end qsize:{size} result:{result}")
    for i, rate, started, ended in rates:
        head, gap = ("[INFO] ", " " * 17) if today else ("", " ")
        print(f"{head}i:{i} device_{devices[i]} throughput:{rate}{gap}start_time:{started} end_time:{ended}")
    info(f"summary throughput:{sum(rate for _, rate, *_ in rates)}")
    return result
