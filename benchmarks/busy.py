"""Pictures of the specimen through PyTorch and ONNX Runtime, alone and beside one busy process per processor.

"here" is this suite's threads (`rfcn_lib.devices.threads`), "libraries" what each library does by itself. Each of the two has
a process of its own, which loads its model once. In every round both run alone, one after the other, and then both run
beside the busy processes, so other work on the machine meets both sides.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Literal

from rich.console import Console

from benchmarks.common import BenchError, Row
from rfcn_lib.devices.threads import NUMBERS, prepare_threads
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import read_port
from rfcn_lib.processors import usable_processors
from rfcn_lib.records import RunPicture

Runtime = Literal["pytorch", "onnx_runtime"]
Way = Literal["here", "libraries"]
Seconds = Mapping[
    tuple[Way, bool], Sequence[float]
]  # (way, whether beside busy processes) -> for one picture, by round

ROUNDS: Final = 5
PICTURES: Final = 6
SPECIMEN: Final = Path("specimen")
WEIGHTS: Final = SPECIMEN / "rfcn_specimen.pth"
NAMES: Final[Mapping[Runtime, str]] = {"pytorch": "PyTorch", "onnx_runtime": "ONNX Runtime"}
WAYS: Final[Sequence[Way]] = ("here", "libraries")
LEAST_ALONE: Final = 0.9  # of the libraries' own speed
LEAST_BUSY: Final = 0.25  # of the speed alone
OF_THREADS: Final = (*NUMBERS, "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
BUSY: Final = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"  # ends when this process does


def measure(console: Console) -> list[Row]:
    """Both runtimes: against the libraries' own threads, and beside busy processes against alone."""
    console.print(f"{usable_processors()} busy processes, {PICTURES} pictures of the specimen a turn", highlight=False)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        twin = twin_at(Path(scratch))
        for runtime in NAMES:
            rows += rows_of(runtime, turns(runtime, twin, ROUNDS, PICTURES))
    return rows


def rows_of(runtime: Runtime, taken: Seconds) -> list[Row]:
    """The two ratios that are asked for, and how the libraries do beside the same busy processes."""
    alone, busy = taken["here", False], taken["here", True]
    own, own_busy = taken["libraries", False], taken["libraries", True]
    name = NAMES[runtime]
    return [
        Row(f"{name}, alone, against the library's own threads", "s", alone, own, LEAST_ALONE),
        Row(f"{name}, beside busy processes, against alone", "s", busy, alone, LEAST_BUSY),
        Row(f"{name}, beside busy processes, against the library's own threads", "s", busy, own_busy),
    ]


def turns(runtime: Runtime, twin: Path, rounds: int, pictures: int) -> Seconds:
    """Every round's turns."""
    taken: dict[tuple[Way, bool], list[float]] = {(way, beside): [] for way in WAYS for beside in (False, True)}
    with ExitStack() as stack:
        started = {way: stack.enter_context(runner(runtime, way, twin, pictures)) for way in WAYS}
        for _ in range(rounds):
            for way, process in started.items():
                taken[way, False].append(turn(process))
            with busy_processes(usable_processors()):
                for way, process in started.items():
                    taken[way, True].append(turn(process))
    return taken


@contextmanager
def runner(runtime: Runtime, way: Way, twin: Path, pictures: int) -> Iterator["subprocess.Popen[str]"]:
    """A process that has loaded its model and run each picture once; it runs them again at each `turn`."""
    environment = {name: value for name, value in os.environ.items() if name not in OF_THREADS}
    command = [sys.executable, "-m", "benchmarks.busy", runtime, way, str(twin), str(pictures)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    ) as process:
        turn(process)
        yield process  # it ends when its stdin is closed


def turn(process: "subprocess.Popen[str]") -> float:
    """Let the process run its pictures; the seconds that one took.

    Raises:
        BenchError: the process has ended.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    line = process.stdout.readline()
    if not line:
        raise BenchError(f"{process.args!r} ended with {process.wait()}; see what it printed above")
    return float(line)


@contextmanager
def busy_processes(count: int) -> Iterator[Sequence["subprocess.Popen[bytes]"]]:
    """Processes that never wait, as long as the block runs."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        time.sleep(0.5)  # Python itself starts
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def twin_at(folder: Path) -> Path:
    """The specimen's twin, made in `folder`."""
    from rfcn_lib.graph.adapt import adapted_from_exported
    from rfcn_lib.graph.export import onnx_from_checkpoint
    from rfcn_lib.graph.twin import twin_from_vendor

    onnx_from_checkpoint(folder / "rfcn.onnx", WEIGHTS, read_port(SPECIMEN / "port.toml"))
    adapted_from_exported(folder / "adapted.onnx", folder / "rfcn.onnx")
    twin_from_vendor(folder / "twin.onnx", folder / "adapted.onnx")
    return folder / "twin.onnx"


def loaded(runtime: str, way: str, twin: Path) -> RunPicture:
    """The model, with this suite's threads or as the library starts them."""
    if way == "here":
        prepare_threads()  # before torch is imported
    if runtime == "pytorch":
        from rfcn_lib.devices import pytorch

        return pytorch.load_model(WEIGHTS, read_port(SPECIMEN / "port.toml"))
    import onnxruntime

    from rfcn_lib.devices import onnx_runtime

    if way == "here":
        return onnx_runtime.load_model(twin)
    options = onnxruntime.SessionOptions()
    options.enable_mem_pattern = False  # as here: threads are the one difference
    session = onnxruntime.InferenceSession(str(twin), options, providers=["CPUExecutionProvider"])
    return lambda im_data, picture: onnx_runtime.run(session, im_data, picture)


def answer(runtime: str, way: str, twin: str, pictures: str) -> None:
    """Load the model; for each line on stdin run the pictures and print the seconds that one took."""
    run = loaded(runtime, way, Path(twin))
    port = read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=int(pictures))
    ready = [prepare(devkit.picture_path(id), id, devkit.sizes_wh[id], port.pictures) for id in devkit.ids]
    for _ in sys.stdin:
        start = time.perf_counter()
        for im_data, picture in ready:
            run(im_data, picture)
        print((time.perf_counter() - start) / len(ready), flush=True)


if __name__ == "__main__":
    answer(*sys.argv[1:])
