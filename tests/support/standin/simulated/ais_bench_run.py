"""One device of `ais_bench`, one process: load, warm up, infer and save each picture, report.

The flow, and what Python logs, is that of infer_process.py of tools-2025-12 and __main__.py of tools-2023-06, as seen in runs.
IMITATED, after public logs: what ACL and the C++ above it say when a device does not open, a model does not load or run.
"""

import argparse
import errno
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import mark, style
from .ais_bench_inputs import PADDING, files_of, in_batches
from .ais_bench_log import error, failed, info
from .ais_bench_paths import make_result, opener
from .ais_bench_summary import Times, report
from .chips import opened
from .om import DeviceError, FullDiskError, Model, OmError, inferred, numbers_of

PURE = "pure_infer_data"
BAR_S = 0.1  # tqdm's mininterval
# IMITATED: what the C++ raises; Python adds no word
NO_CONTEXT, NO_MODEL, NO_RUN = (
    "[507033][Error code unknown] ",
    "[1][ACL: invalid parameter] ",
    "[-1][ACL: general failure] ",
)

Filesinfo = dict[str, dict[str, list[str]]]


def one(args: argparse.Namespace, device: int, faults: dict[str, str]) -> None:
    """Raises what the real tool ends with.

    Source: infer_process.py and __main__.py, seen; the closing lines too.
    """
    model = _loaded(args.model, device, faults)
    prefix = None
    if args.output is not None:
        prefix = f"{args.output.rstrip('/')}/{args.output_dirname or time.strftime('%Y_%m_%d-%H_%M_%S')}"
        make_result(prefix)
        mark(Path(args.output))
        info(f"output path:{prefix}")
    paths = files_of(args.input)
    batches = in_batches(paths, model.input_bytes) if paths else []
    first = _whole(batches[0]) if batches else np.zeros(model.input_shape, np.float32)
    for _ in range(args.warmup_count):
        model.run(first)
    info(f"warm up {args.warmup_count} done")
    times = Times()
    if not batches:
        filesinfo = _pure(model, args, prefix, times)
    else:
        if len(batches[0]) > 1:
            raise _not_saved(model, batches, args.output_batchsize_axis)
        filesinfo = _infer(model, args, paths, prefix, device, faults, times)
    report(args, prefix, filesinfo, times, model, faults)
    for sentence in ("unload model success, model Id is 1", f"end to reset device {device}", "end to finalize acl"):
        info(sentence)


def _loaded(path: str, device: int, faults: dict[str, str]) -> Model:
    """IMITATED: all of it is said by C++. The order and the words are those of public logs.

    Source: public logs, IMITATED.
    """
    info("acl init success")
    chip = opened(device, faults)
    if chip is None:
        print(f"[ACL ERROR] EE9999: SIMULATED Inner Error! device {device} cannot be opened", flush=True)
        error(f"acl open device {device} failed")
        if style() == "2025":
            error("create context failed. ret=507033")
        raise RuntimeError(NO_CONTEXT)
    info(f"open device {device} success")
    if style() == "2025":  # since 2024
        info("create new context")
    try:
        model = Model(Path(path))
    except OmError:
        model = None
    if model is None or not chip.runs(model.facts["soc_version"]):
        error(f"load model from file failed, model file is {path}")
        print("[WARN] Check failed:processModel->LoadModelFromFile(modelPath), ret:1", flush=True)
        raise RuntimeError(NO_MODEL)
    info(f"load model {path} success")
    info("create model description success")
    info(f"try get model batchsize:{model.input_shape[0]}")
    return model


def _whole(files: Sequence[str]) -> np.ndarray:
    """The files of one input behind each other; what fills up is the first."""
    return np.concatenate([numbers_of(files[0] if path == PADDING else path).reshape(-1) for path in files])


def _not_saved(model: Model, batches: Sequence[list[str]], axis: int) -> RuntimeError:
    """Several files for an input of batch 1: known to be wrong after the first inference, on saving. Seen.

    Source: io_operations.py, seen; the blanks read.
    """
    bar = Bar(len(batches))
    bar.show(0)
    output = model.run(_whole(batches[0]))[0]
    blanks = " " * 25 if style() == "2025" else ""  # a continued line of its source
    return failed(
        f"save out files error array shape:{output.shape} filesinfo:{[batches[0]]} "
        f"files_count_perbatch:{len(batches[0])} ndata.shape{blanks}{axis}:{output.shape[axis]}"
    )


def _infer(
    model: Model, args: argparse.Namespace, paths: list[str], prefix: str | None, device: int, faults: dict[str, str],
    times: Times,
) -> Filesinfo:  # fmt: skip
    """Source: infer_process.py, seen; ACL's lines IMITATED after public logs."""
    filesinfo: Filesinfo = {}
    bar = Bar(len(paths))
    bar.show(0)
    done = 0
    try:
        for picture in inferred(model, paths, device, faults):
            out = _save(prefix, picture.path, picture.outputs, args.outfmt)
            if prefix is not None:
                filesinfo[str(picture.index)] = {"infiles": [picture.path], "outfiles": out}
            times.add(picture.run_s, picture.read_s)
            done += 1
            bar.show(done)
    except FullDiskError:
        bar.end(done)
        raise _cut(prefix, paths[done], model.run(numbers_of(paths[done]))[0], args.outfmt) from None
    except DeviceError as death:
        # IMITATED: behind the bar on its line, as all that is said before the bar is closed
        print(f"[ACL ERROR] EE9999: SIMULATED {death}", flush=True)
        for sentence in ("execute model failed, modelId is 1", "acl execute failed:1", "execute Infer failed ret:-1"):
            error(sentence)
        bar.end(done)
        raise RuntimeError(NO_RUN) from None
    bar.end(done)
    return filesinfo


class Bar:
    """tqdm's bar: on stdout, each state behind a carriage return, a line's end at last. Seen."""

    def __init__(self, count: int) -> None:
        self.count, self.started, self.shown = count, time.monotonic(), 0.0

    def show(self, done: int) -> None:
        """Source: tqdm on stdout, seen."""
        now = time.monotonic()
        if done and now - self.shown < BAR_S:
            return
        self.shown = now
        spent = now - self.started
        block = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
        bar = f"{block * (10 * done // self.count):10}"
        left, rate = "?", "?"
        if done and spent:
            left, rate = _minutes(spent * (self.count - done) / done), f"{done / spent:5.2f}"
        state = f"{100 * done // self.count:3}%|{bar}| {done}/{self.count} [{_minutes(spent)}<{left}, {rate}it/s]"
        print(f"\rInference array Processing: {state}", end="", flush=True)

    def end(self, done: int) -> None:
        """Source: tqdm on stdout, seen."""
        self.shown = 0.0
        self.show(done)
        print(flush=True)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


def _pure(model: Model, args: argparse.Namespace, prefix: str | None, times: Times) -> Filesinfo:
    high = 256 if args.pure_data_type == "random" else 1
    numbers = np.random.default_rng(0).integers(0, high, model.input_bytes, np.uint8).view("<f4")
    bar = Bar(1)
    bar.show(0)
    outputs = []
    for _ in range(args.loop):
        started = time.perf_counter()
        outputs = model.run(numbers)
        times.add(time.perf_counter() - started)
    times.moved_ms.append(0.0)
    out = _save(prefix, PURE, outputs, args.outfmt)
    bar.end(1)
    return {"0": {"infiles": [PURE], "outfiles": out}} if out else {}


def _name(prefix: str, path: str, k: int, form: str) -> str:
    """Up to the first dot of the bin's name, k from 0. Seen; "./" stays."""
    return f"{prefix}/{Path(path).name.split('.')[0]}_{k}.{form.lower()}"


def _written(output: np.ndarray, form: str) -> bytes:
    """The file's bytes, in the om's own dtype. BIN, NPY: seen. TXT, read: a line for each row, a blank after each number."""
    if form == "BIN":
        return output.tobytes()
    if form == "NPY":
        file = io.BytesIO()
        np.save(file, output)
        return file.getvalue()
    shape = "%f " if np.issubdtype(output.dtype, np.floating) else "%d "
    rows = output.reshape(-1, output.shape[-1])
    return "".join("".join(shape % number for number in row) + "\n" for row in rows).encode()


def _save(prefix: str | None, path: str, outputs: Sequence[np.ndarray], form: str) -> list[str]:
    if prefix is None:
        return []
    saved = []
    for k, output in enumerate(outputs):
        saved.append(_name(prefix, path, k, form))
        with open(saved[-1], "wb", opener=opener()) as file:
            file.write(_written(output, form))
    return saved


def _cut(prefix: str | None, path: str, output: np.ndarray, form: str) -> OSError:
    """A full disk: a part of the file, and numpy's words, which have no errno. Seen on a full tmpfs."""
    lost = output.size // 4 + 1
    with open(_name(prefix or ".", path, 0, form), "wb", opener=opener()) as file:
        file.write(_written(output, form)[: -lost * output.itemsize])
    if form == "TXT":
        return OSError(errno.ENOSPC, "No space left on device")
    return OSError(f"{output.size} requested and {output.size - lost} written")
