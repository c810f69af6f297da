"""`python3 -m ais_bench`: today's inference tool over bins, on one device or several, and pure inference."""

import argparse
import math
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import SENTENCE, mark
from .ais_bench_flags import arguments_of
from .ais_bench_summary import failed, info, report
from .chips import opened
from .faults import planted
from .om import DeviceError, HalfDeadError, Model, OmError, inferred, truncate

PURE = "pure_infer_data"


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
    chip = opened(device, faults)
    if chip is None:
        raise failed(f"acl open device {device} failed")
    info("acl init success")
    info(f"open device {device} success")
    try:
        model = Model(Path(args.model))
    except OmError as error:
        raise failed(f"load model from file failed: {error}") from None
    if not chip.runs(model.facts["soc_version"]):
        raise failed(f"load model from file failed: it is for {model.facts['soc_version']}, not for a {chip.name}")
    info(f"load model {args.model} success")
    info(f"create model description success\n[INFO] try get model batchsize:{model.input_shape[0]}")
    prefix = None
    if args.output is not None:
        prefix = _joined(args.output, args.output_dirname or time.strftime("%Y_%m_%d-%H_%M_%S"))
        Path(prefix).mkdir(0o755, parents=True, exist_ok=True)
        mark(Path(args.output))
        info(f"output path:{prefix}")
    paths = _files(args.input)
    per_batch = _per_batch(model, paths) if paths else 1
    for _ in range(args.warmup_count):
        model.run(np.fromfile(paths[0], "<f4") if per_batch == 1 and paths else np.zeros(model.input_shape, np.float32))
    info(f"warm up {args.warmup_count} done")
    if per_batch != 1:
        raise failed(
            f"save out files error array shape:(1, 300, 5) filesinfo:{[paths[:per_batch]]} files_count_perbatch:{per_batch} "
            f"ndata.shape{args.output_batchsize_axis}:1"
        )
    if not paths:
        filesinfo, times, moved = _pure(model, args, prefix)
    else:
        try:
            filesinfo, times, moved = _infer(model, args, paths, prefix, device, faults)
        except HalfDeadError:
            return
    report(args, prefix, filesinfo, times, moved, model.input_shape[0], faults)


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
        return inputs
    if not Path(inputs[0]).is_dir() or len(inputs) != 1:
        raise failed(f"Invalid args. {inputs[0]}  of --input is invalid")

    def natural(name: str) -> list[object]:
        return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]

    names = sorted((path.name for path in Path(given).iterdir() if path.suffix.lower() == ".bin"), key=natural)
    if not names:
        raise failed(f"Invalid args. {given} has no .bin or .npy")
    return [_joined(given, name) for name in names]


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
        for picture in inferred(model, paths, device, faults):
            out = _save(prefix, Path(picture.path).name.split(".")[0], picture.outputs, args.outfmt)
            if prefix is not None:
                filesinfo[str(picture.index)] = {"infiles": [picture.path], "outfiles": out}
            times.append(picture.run_s * 1000)
            moved.append(picture.read_s * 1000)
    except DeviceError as death:
        raise failed(str(death)) from None
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
        if form == "BIN":
            output.tofile(path)
        elif form == "NPY":
            np.save(path, output)
        else:
            np.savetxt(path, output.reshape(-1, output.shape[-1]), fmt="%f")
        saved.append(path)
    return saved


def _several(args: argparse.Namespace, devices: list[int]) -> int:
    """One process per device, the files in equal runs of their order, each with its own folder and summary."""
    info(f"multidevice:{devices} run begin")
    paths = _files(args.input)
    share = math.ceil(len(paths) / len(devices))
    folder = args.output_dirname or time.strftime("%Y_%m_%d-%H_%M_%S")
    running = []
    for i, device in enumerate(devices):
        words = [f"--model={args.model}", f"--device={device}", f"--outfmt={args.outfmt}", f"--loop={args.loop}"]
        if paths:
            words.append(f"--input={','.join(paths[i * share : (i + 1) * share])}")
        if args.output is not None:
            words += [f"--output={args.output}", f"--output_dirname={_joined(folder, f'device{device}')}"]
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
            end = time.time()
            print(f"i:{i} device_{devices[i]} throughput:{rates[-1]} start_time:{started} end_time:{end}")
        else:
            failed(f"subprocess run failed error_callback:device_{devices[i]}")
    result = 0 if len(rates) == len(devices) else 1
    info(f"multidevice run end qsize:{len(rates)} result:{result}")
    info(f"summary throughput:{sum(rates)}")
    return result
