"""`python3 -m ais_bench`: today's inference tool over bins, on one device or several, and pure inference.

The flow is that of infer_process.py of tools-2025-12 and, with STANDIN_STYLE=2023, of __main__.py of tools-2023-06. What ACL
and its C++ say (open, load, execute) is imitated after public logs.
"""

import argparse
import math
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import SENTENCE, mark, style
from .ais_bench_flags import arguments_of
from .ais_bench_paths import READ, fault_of
from .ais_bench_summary import failed, info, private, report
from .chips import opened
from .faults import planted
from .om import DeviceError, FullDiskError, Model, OmError, inferred, truncate

PURE = "pure_infer_data"
BINS = (".npy", ".NPY", ".bin", ".BIN")
NO_CONTEXT, NO_MODEL, NO_RUN = (
    "[507033][Error code unknown] ",
    "[1][ACL: invalid parameter] ",
    "[-1][ACL: general failure] ",
)


def main(arguments: Sequence[str]) -> int:
    """Run; 0, or 1 where one of several devices failed. An error ends in the traceback the real tool shows too."""
    faults = planted("ais_bench")
    args = arguments_of(arguments)
    info(SENTENCE)
    if args.output is None and args.output_dirname is not None:
        failed("parameter --output_dirname cann't be used alone. Please use it together with the parameter --output!\n")
        raise RuntimeError("error bad parameters --output_dirname")
    devices = [int(number) for number in args.device.split(",")]
    if len(devices) > 1:
        return _several(args, devices)
    _one(args, devices[0], faults)
    return 0


def _one(args: argparse.Namespace, device: int, faults: dict[str, str]) -> None:
    """One device, one process."""
    today = style() == "2025"
    info("acl init success")
    chip = opened(device, faults)
    if chip is None:
        print(f"[ACL ERROR] EE9999: SIMULATED Inner Error! device {device} cannot be opened", flush=True)  # imitated
        failed(f"acl open device {device} failed")
        raise failed("create context failed. ret=507033", NO_CONTEXT) if today else RuntimeError(NO_CONTEXT)
    info(f"open device {device} success")
    if today:
        info("create new context")
    try:
        model = Model(Path(args.model))
    except OmError:
        raise _not_loaded(args.model) from None
    if not chip.runs(model.facts["soc_version"]):
        raise _not_loaded(args.model)
    info(f"load model {args.model} success")
    info(f"create model description success\n[INFO] try get model batchsize:{model.input_shape[0]}")
    prefix = None
    if args.output is not None:
        prefix = _joined(args.output, args.output_dirname or time.strftime("%Y_%m_%d-%H_%M_%S"))
        Path(prefix).mkdir(0o750 if today else 0o755, parents=True, exist_ok=True)  # makedirs_safe since 2024
        mark(Path(args.output))
        info(f"output path:{prefix}")
    paths = _files(args.input)
    per_batch = _per_batch(model, paths) if paths else 1
    for _ in range(args.warmup_count):
        model.run(np.fromfile(paths[0], "<f4") if per_batch == 1 and paths else np.zeros(model.input_shape, np.float32))
    info(f"warm up {args.warmup_count} done")
    if per_batch != 1:  # after the first inference, on saving
        blanks = " " * 25 if today else ""
        raise failed(
            f"save out files error array shape:(1, 300, 5) filesinfo:{[paths[:per_batch]]} files_count_perbatch:{per_batch} "
            f"ndata.shape{blanks}{args.output_batchsize_axis}:1"
        )
    filesinfo, times, moved = (
        _infer(model, args, paths, prefix, device, faults) if paths else _pure(model, args, prefix)
    )
    report(args, prefix, filesinfo, times, moved, model.input_shape[0], len(model.outputs), faults)
    for sentence in ("unload model success, model Id is 1", f"end to reset device {device}", "end to finalize acl"):
        info(sentence)


def _not_loaded(path: str) -> RuntimeError:
    failed(f"load model from file failed, model file is {path}")
    print("[WARN] Check failed:processModel->LoadModelFromFile(modelPath), ret:1", flush=True)
    return RuntimeError(NO_MODEL)


def _joined(folder: str, name: str) -> str:
    """As the tool joins them: the folder stays as it was given, "./" too."""
    return f"{folder.rstrip('/')}/{name}"


def _files(given: str | None) -> list[str]:
    """Bins of a folder in natural order, or the files given, comma separated."""
    if not given:
        return []
    inputs = given.split(",")
    if Path(inputs[0]).is_file():
        for index, path in enumerate(inputs):
            if not Path(path).is_file():
                raise failed(f"Invalid input args.--input:{inputs} input[{index}]:{path} {path} not exist")
        return _taken(inputs)
    if not Path(inputs[0]).is_dir() or len(inputs) != 1:
        raise failed(f"Invalid args. {inputs[0]}  of --input is invalid")

    def natural(path: str) -> list[object]:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.lower())]

    found = [_joined(given, path.name) for path in Path(given).iterdir() if path.suffix in BINS]
    if not found:
        raise failed(f"{given} of input args not find valid file,valid file format:[{' '.join(f'*{s}' for s in BINS)}]")
    return _taken(sorted(found, key=natural))


def _taken(paths: list[str]) -> list[str]:
    """The bins, if the tool takes each of them."""
    for path in paths if style() == "2025" else ():
        fault = fault_of(path, READ)
        if fault:
            raise failed(fault, f"input data:{path} is illegal")
    return paths


def _per_batch(model: Model, paths: Sequence[str]) -> int:
    size = Path(paths[0]).stat().st_size
    if size == 0 or model.input_bytes % size:
        raise failed(f"arg0 tensorsize: {model.input_bytes} filesize: {size} not match")
    count = model.input_bytes // size
    info(
        f"get filesperbatch files0 size:{size} tensor0size:{model.input_bytes} filesperbatch:{count} "
        f"runcount:{math.ceil(len(paths) / count)}"
    )
    return count


Work = tuple[dict[str, dict[str, list[str]]], list[float], list[float]]  # filesinfo, ms of each run, ms of each copy


def _infer(
    model: Model, args: argparse.Namespace, paths: list[str], prefix: str | None, device: int, faults: dict[str, str]
) -> Work:
    filesinfo: dict[str, dict[str, list[str]]] = {}
    times, moved = [], []
    try:
        for done, picture in enumerate(inferred(model, paths, device, faults), start=1):
            out = _save(prefix, Path(picture.path).name.split(".")[0], picture.outputs, args.outfmt)
            if prefix is not None:
                filesinfo[str(picture.index)] = {"infiles": [picture.path], "outfiles": out}
            times.append(picture.run_s * 1000)
            moved.append(picture.read_s * 1000)
            bar = f"{100 * done // len(paths):3}%|{'#' * done}| {done}/{len(paths)} [00:00<00:01,  1.66it/s]"  # tqdm's, on stdout
            print(f"\rInference array Processing: {bar}", end="", flush=True)
        print(flush=True)
    except FullDiskError:
        path = _joined(prefix or ".", f"{Path(paths[len(times)]).name.split('.')[0]}_0.{args.outfmt.lower()}")
        Path(path).write_bytes(bytes(64))  # what numpy leaves of a file
        raise OSError("25200 requested and 23520 written") from None
    except DeviceError as death:
        print(f"\n[ACL ERROR] EE9999: SIMULATED {death}", flush=True)  # imitated
        for sentence in ("execute model failed, modelId is 1", "acl execute failed:1", "execute Infer failed ret:-1"):
            failed(sentence)
        raise RuntimeError(NO_RUN) from None
    if "truncated_output" in faults and prefix is not None:
        truncate(Path(filesinfo[str(len(paths) - 1)]["outfiles"][1]))
    return filesinfo, times, moved


def _pure(model: Model, args: argparse.Namespace, prefix: str | None) -> Work:
    high = 256 if args.pure_data_type == "random" else 1
    numbers = np.random.default_rng(0).integers(0, high, model.input_bytes, np.uint8).view("<f4")
    times, outputs = [], []
    for _ in range(args.loop):
        started = time.perf_counter()
        outputs = model.run(numbers)
        times.append((time.perf_counter() - started) * 1000)
    out = _save(prefix, PURE, outputs, args.outfmt)
    return ({"0": {"infiles": [PURE], "outfiles": out}} if out else {}), times, [0.0]


def _save(prefix: str | None, stem: str, outputs: Sequence[np.ndarray], form: str) -> list[str]:
    """`<stem>_<i>.<ext>`, i from 0; BIN and TXT and NPY in the om's own dtype."""
    if prefix is None:
        return []
    saved = []
    for i, output in enumerate(outputs):
        path = _joined(prefix, f"{stem}_{i}.{form.lower()}")
        with open(path, "wb", opener=private) as file:
            if form == "BIN":
                file.write(output.tobytes())
            elif form == "NPY":
                np.save(file, output)
            else:  # a line for each row, a blank after each number
                shape = "%d " if np.issubdtype(output.dtype, np.integer) else "%f "
                rows = output.reshape(-1, output.shape[-1])
                file.write("".join("".join(shape % number for number in row) + "\n" for row in rows).encode())
        saved.append(path)
    return saved


def _several(args: argparse.Namespace, devices: list[int]) -> int:
    """One process per device, each with its own folder and summary.

    tools-2023-06 gives each its share of the files; tools-2025-12 gives all of them to each, unless --divide_input is set.
    """
    info(f"multidevice:{devices} run begin")
    paths, today = _files(args.input), style() == "2025"
    share = math.ceil(len(paths) / len(devices))
    folder = args.output_dirname or time.strftime("%Y_%m_%d-%H_%M_%S")
    running = []
    for i, device in enumerate(devices):
        words = [f"--model={args.model}", f"--device={device}", f"--outfmt={args.outfmt}", f"--loop={args.loop}"]
        if paths:
            words.append(f"--input={','.join(paths[i * share : (i + 1) * share] if args.divide_input else paths)}")
        if args.output is not None:
            own = f"device{device}_{i}" if today else f"device{device}"
            words += [f"--output={args.output}", f"--output_dirname={_joined(folder, own)}"]
        command = [sys.executable, "-m", "ais_bench", *words]
        running.append(
            (time.time(), subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        )
    rates = []
    for i, (started, process) in enumerate(running):
        said, _ = process.communicate()
        print(said, end="", flush=True)
        found = re.findall(r"throughput .*: (\S+)$", said, re.MULTILINE)
        if process.returncode == 0 and found:
            rates.append(float(found[-1]))
            head, gap = ("[INFO] ", " " * 16) if today else ("", " ")
            print(
                f"{head}i:{i} device_{devices[i]} throughput:{rates[-1]}{gap}start_time:{started} end_time:{time.time()}"
            )
        else:
            failed(f"subprocess run failed error_callback:{NO_CONTEXT if today else f'device_{devices[i]}'}")
    result = 0 if len(rates) == len(devices) else 1
    size = len(rates) if today else 2 * len(devices)  # tools-2023-06 puts a start message of each in the queue too
    info(f"multidevice run end qsize:{size} result:{result}")
    info(f"summary throughput:{sum(rates)}")
    return result
