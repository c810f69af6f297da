"""`benchmark.<arch>`, the published inference tool: vision models over bins, and pure inference.

Flags, folders, names and the perf file are those of the published port's guide (5.2) and of ModelZoo-PyTorch's READMEs. The tool
is a binary: its [INFO] and [ERROR] lines, and the exit status of a failure, are made up.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import SENTENCE, mark
from .chips import opened
from .faults import planted
from .om import DeviceError, Model, OmError, inferred

KNOWN = (
    "model_type", "device_id", "batch_size", "om_path", "input_text_path", "input_width", "input_height",
    "output_binary", "useDvpp", "round",
)  # fmt: skip


class RefusedError(Exception):
    """What the tool says before it ends with status 1."""


def main(arguments: Sequence[str]) -> int:
    """Run; 0, or 1 after an [ERROR] line. Writes under ./result.

    Source: made up, exit status 1 too.
    """
    faults = planted("benchmark")
    print(f"[INFO] {SENTENCE}", flush=True)
    try:
        flags = _flags(arguments)
        device = int(flags["device_id"])
        chip = opened(device, faults)
        if chip is None:
            raise RefusedError(f"acl open device {device} failed")
        model = Model(Path(flags["om_path"]))
        if not chip.runs(model.facts["soc_version"]):
            raise RefusedError(
                f"load model failed: it is for {model.facts['soc_version']}, the device is a {chip.name}"
            )
        if int(flags["batch_size"]) != model.input_shape[0]:
            raise RefusedError(f"batch_size {flags['batch_size']} is not the model's, {model.input_shape[0]}")
        if "round" in flags:
            _pure(model, flags, device)
        else:
            _vision(model, flags, device, faults)
    except (RefusedError, DeviceError, OmError, FileNotFoundError) as error:
        print(f"[ERROR] {error}")
        return 1
    return 0


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """-name=value; what the chosen way of running needs must be there.

    Source: ModelZoo-PyTorch READMEs for the names; the refusals are made up.
    """
    flags = {}
    for word in arguments:
        name, equals, value = word.removeprefix("-").partition("=")
        if not word.startswith("-") or not equals or name not in KNOWN:
            raise RefusedError(f"unknown parameter {word}; usage: -name=value with a name of {', '.join(KNOWN)}")
        flags[name] = value
    vision = ("model_type", "input_text_path", "input_width", "input_height", "output_binary", "useDvpp")
    for name in ("om_path", "device_id", "batch_size", *(() if "round" in flags else vision)):
        if not flags.get(name):
            raise RefusedError(f"parameter -{name} is missing")
    for name in ("device_id", "batch_size", "input_width", "input_height", "round"):
        if name in flags and not flags[name].isdigit():
            raise RefusedError(f"parameter -{name} is {flags[name]}, which is no number")
    if flags.get("model_type", "vision") != "vision" or flags.get("useDvpp", "False").lower() != "false":
        raise RefusedError("the stand-in runs -model_type=vision with -useDvpp=False alone")
    return flags


def _listed(model: Model, flags: dict[str, str]) -> list[str]:
    """Paths of the info file, `<index> <path> <width> <height>` a line, from the working folder.

    Source: get_info.py and rfcn_preprocess.py for the form of the file; the refusals are made up.
    """
    if (int(flags["input_height"]), int(flags["input_width"])) != model.input_shape[2:]:
        raise RefusedError(f"input_width, input_height should be the model's, {model.input_shape[:1:-1]}")
    paths = []
    for number, line in enumerate(Path(flags["input_text_path"]).read_text().splitlines()):
        columns = line.split()
        if (
            len(columns) != 4
            or columns[0] != str(number)
            or columns[2:] != [flags["input_width"], flags["input_height"]]
        ):
            raise RefusedError(f"{flags['input_text_path']} line {number + 1} is wrong: {line}")
        if not Path(columns[1]).is_file():
            raise RefusedError(f"can not open {columns[1]}")
        size = Path(columns[1]).stat().st_size
        if size != model.input_bytes:
            raise RefusedError(f"input size {size} of {columns[1]} not match model input size {model.input_bytes}")
        paths.append(columns[1])
    if not paths:
        raise RefusedError(f"{flags['input_text_path']} lists nothing")
    return paths


def _vision(model: Model, flags: dict[str, str], device: int, faults: dict[str, str]) -> None:
    """Source: ModelZoo-PyTorch READMEs for folder and file names; the two [INFO] lines are made up."""
    paths = _listed(model, flags)
    folder = Path("result") / f"dumpOutput_device{device}"  # not cleaned: what an earlier run left stays
    folder.mkdir(parents=True, exist_ok=True)
    mark(folder.parent)
    read_s, run_s, post_s, count, started = 0.0, 0.0, 0.0, 0, time.perf_counter()
    for picture in inferred(model, paths, device, faults):
        saving = time.perf_counter()
        _save(folder, picture.path, picture.outputs, flags["output_binary"])
        read_s, run_s, post_s = read_s + picture.read_s, run_s + picture.run_s, post_s + time.perf_counter() - saving
        count += 1
    whole_s = time.perf_counter() - started
    print(f"[INFO] Dataset number: {count} finished cost {whole_s * 1000:g}ms")
    counted = count - ("perf_count" in faults)
    perf = _perf(counted, whole_s * counted / count, read_s / count, run_s / count, post_s / count)
    if "no_perf" not in faults:
        name = f"perf_vision_batchsize_{flags['batch_size']}_device_{device}.txt"
        (folder.parent / name).write_text(perf, encoding="utf-8")
        print(f"[INFO] PerfInfo result saved in ./result/{name}")


def _save(folder: Path, path: str, outputs: Sequence[np.ndarray], binary: str) -> None:
    """`<stem>_<k>.bin` or `.txt`, k from 1 in the om's output order.

    Source: ModelZoo-PyTorch READMEs and eval scripts.
    """
    for k, output in enumerate(outputs, start=1):
        name = f"{Path(path).stem}_{k}"
        if binary.lower() == "true":
            output.tofile(folder / f"{name}.bin")
        else:
            (folder / f"{name}.txt").write_text(" ".join(f"{number:g}" for number in output.reshape(-1)))


def _perf(count: int, whole_s: float, read_s: float, run_s: float, post_s: float) -> str:
    """The five records. read_s, run_s, post_s are means of one picture; numbers have six digits, as C++ streams have."""
    step_s = whole_s / count if count else math.inf
    move_s = max(step_s - read_s - run_s - post_s, 1e-6)
    records = [
        f"[e2e] throughputRate: {1 / step_s:g}, latency: {whole_s * 1000:g}",
        f"[data read] throughputRate: {1 / read_s:g}, moduleLatency: {read_s * 1000:g}",
        f"[preprocess] throughputRate: {1 / move_s:g}, moduleLatency: {move_s * 1000:g}",
        f"[infer] throughputRate: {1 / step_s:g}, Interface throughputRate: {1 / run_s:g}, moduleLatency: {run_s * 1000:g}",
        f"[post] throughputRate: {1 / step_s:g}, moduleLatency: {post_s * 1000:g}",
    ]
    return "\n".join(records) + "\n"


def _pure(model: Model, flags: dict[str, str], device: int) -> None:
    """-round=N: the same made-up input N times.

    Source: ModelZoo-PyTorch READMEs for file and figures; the lines on stdout are made up.
    """
    rounds, numbers = int(flags["round"]), np.zeros(model.input_shape, np.float32)
    started = time.perf_counter()
    for _ in range(rounds):
        model.run(numbers)
    mean_ms = (time.perf_counter() - started) * 1000 / rounds
    Path("result").mkdir(exist_ok=True)
    mark(Path("result"))
    name = f"PureInfer_perf_of_{Path(flags['om_path']).stem}_in_device_{device}.txt"
    (Path("result") / name).write_text(
        f"ave_throughputRate = {1000 / mean_ms:g}samples/s, ave_latency = {mean_ms:g}ms\n"
    )
    print(f"[INFO] Dataset number: {rounds} finished cost {mean_ms * rounds:g}ms")
    print(f"[INFO] PureInfer result saved in ./result/{name}")
    print("-----------------PureInfer Performance Summary------------------")
    print(f"[INFO] ave_throughputRate: {1000 / mean_ms:g}samples/s, ave_latency: {mean_ms:g}ms")
