"""Disk and memory of a run over a whole set of 4,952 pictures, killed half way and taken up again.

A devkit of that size is drawn once; the specimen's twin runs over all of it in a process of its own, through the store and
the loop of `rfcn_lib.runs`, as the suite does it. Beside it: the bins that the published way needs before its first picture.
"""

import csv
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.common import FOLDER, BenchError, Row
from rfcn_lib import spec
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.graph.export import onnx_from_checkpoint
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Floats, Outputs, Picture, RunPicture
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.local import LocalEngine
from rfcn_lib.runs.loop import run_missing
from rfcn_lib.store.store import Store

SPECIMEN: Final = Path("specimen")
DUMPS: Final = "dumps/onnxruntime"
EVERY_S: Final = 2.0
WANTED: Final = 100.0
MEGABYTE: Final = 1e6


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the run: seconds since its start, which of the two processes, and what it holds."""

    seconds: float
    process: int
    pictures: int
    rss_bytes: int
    disk_bytes: int


def measure(console: Console, count: int = spec.VOC_TEST_COUNT, folder: Path = FOLDER) -> list[Row]:
    """Run, kill at half, run again; samples go to whole_set.csv, a plot of them to whole_set.png."""
    devkit = drawn_devkit(folder, count, console)
    store, started = folder / "whole_set_store", folder / "whole_set_started.txt"
    shutil.rmtree(store, ignore_errors=True)
    started.unlink(missing_ok=True)
    twin = specimen_twin(Store(store))
    before = disk_bytes(store)
    words = [sys.executable, "-m", "benchmarks.whole_set", *map(str, (store, devkit, twin, started))]
    samples: list[Sample] = []
    start = time.monotonic()
    killed = False
    for process in (1, 2):
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for sample in watched(child, process, store, before, start):
                samples.append(sample)
                if process == 1 and sample.pictures >= count // 2:
                    child.send_signal(signal.SIGKILL)
                    killed = True
                    break
            _, said = child.communicate()
        finally:
            child.kill()  # of one that has ended, nothing; nothing outlives an interrupted bench
        if child.returncode != (-signal.SIGKILL if process == 1 else 0):
            raise BenchError(f"the run's process {process} ended with {child.returncode}: {said[-500:]}")
    ids = started.read_text(encoding="ascii").split()
    twice = len(ids) - len(set(ids))
    if not killed or len(set(ids)) != count or _finished(store) != count:
        raise BenchError(
            f"{len(set(ids))} pictures started, {_finished(store)} finished, but should be {count} of each"
        )
    write_csv(folder / "whole_set.csv", samples)
    plot(folder / "whole_set.png", samples)
    samples.append(Sample(time.monotonic() - start, 2, count, 0, disk_bytes(store) - before))
    return rows(samples, count, twice)


def rows(samples: Sequence[Sample], count: int, twice: int) -> list[Row]:
    """What the samples say: is memory flat, how much disk at most, what the kill cost."""
    ours, published = (read_port(path).pictures.canvas_wh_px for path in (SPECIMEN / "port.toml", PUBLISHED))
    # computed: nobody has 107 GB to spare
    bins = {wh: [count * 4 * 3 * math.prod(wh) / MEGABYTE] for wh in (ours, published)}
    disk = [max(sample.disk_bytes for sample in samples) / MEGABYTE]
    growth = [growth_mb(samples, process) for process in (1, 2)]
    said = f"{count:,} pictures in {samples[-1].seconds:.0f} s; the dumps, which are the result, are all of it"
    size = "{}x{}".format
    return [
        Row(f"disk at most, against computed bins at the same canvas {size(*ours)}", "MB", disk, bins[ours], note=said),
        Row(
            f"disk at most, against computed bins at the published canvas {size(*published)}",
            "MB", disk, bins[published], WANTED,
            note="the published port's dumps are as large as these: 300 rows, 21 classes",
        ),
        Row("memory at most", "MB", [max(sample.rss_bytes for sample in samples) / MEGABYTE]),
        Row("memory that 1,000 further pictures add, each process after its first tenth", "MB", growth, at_most=1),
        Row("pictures run twice because of SIGKILL half way", "pictures", [twice], at_most=1),
    ]  # fmt: skip


def growth_mb(samples: Sequence[Sample], process: int) -> float:
    """MB of memory per 1,000 pictures, a straight line through the samples of one process without its start and its end."""
    mine = [sample for sample in samples if sample.process == process]
    first, last = mine[0].pictures, mine[-1].pictures
    kept = [sample for sample in mine if first + 0.1 * (last - first) <= sample.pictures < last]
    if len({sample.pictures for sample in kept}) < 2:
        return math.nan  # over before there was anything to see
    slope, _ = statistics.linear_regression([s.pictures for s in kept], [s.rss_bytes for s in kept])
    return 1000 * slope / MEGABYTE


def drawn_devkit(folder: Path, count: int, console: Console) -> Path:
    """The devkit of `count` pictures, drawn if it is not there; renamed when whole."""
    devkit = folder / f"VOCdevkit-{count}"
    if not devkit.is_dir():
        console.print(f"drawing {count:,} pictures into {devkit}", highlight=False)
        partial = devkit.with_name(f"{devkit.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "tools.devkit", str(partial), "--count", str(count)], check=True)
        partial.rename(devkit)
    return devkit


def watched(child: "subprocess.Popen[str]", process: int, store: Path, before: int, start: float) -> Iterator[Sample]:
    """A sample every two seconds, until the process ends."""
    while child.poll() is None:
        done = _finished(store)
        yield Sample(time.monotonic() - start, process, done, rss_bytes(child.pid), disk_bytes(store) - before)
        time.sleep(EVERY_S)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process, 0 when it is gone. Linux."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def disk_bytes(folder: Path) -> int:
    """Bytes of disk that the files below take, as du counts them; a file that vanishes meanwhile counts nothing."""
    return sum(_taken(Path(root) / name) for root, _, names in os.walk(folder) for name in names)


def _taken(path: Path) -> int:
    try:
        return 512 * path.lstat().st_blocks
    except FileNotFoundError:
        return 0


def write_csv(path: Path, samples: Sequence[Sample]) -> None:
    """One line a sample."""
    with path.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Sample)])
        writer.writerows(astuple(sample) for sample in samples)


def plot(path: Path, samples: Sequence[Sample]) -> None:
    """Memory and disk against pictures done, both processes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    for process in (1, 2):
        mine = [sample for sample in samples if sample.process == process]
        done = [sample.pictures for sample in mine]
        upper.plot(done, [sample.rss_bytes / MEGABYTE for sample in mine], label=f"process {process}")
        lower.plot(done, [sample.disk_bytes / MEGABYTE for sample in mine])
    upper.set(ylabel="resident memory, MB", ylim=(0, None), title="killed half way, and taken up again")
    lower.set(ylabel="disk, MB", xlabel="pictures done", ylim=(0, None))
    upper.legend()
    figure.savefig(path, dpi=120)


def specimen_twin(store: Store) -> Path:
    """The specimen's graph, exported, adapted and made executable in `store`."""
    port = read_port(SPECIMEN / "port.toml")
    onnx = store.build("rfcn.onnx", onnx_from_checkpoint, weights=SPECIMEN / "rfcn_specimen.pth", port=port)
    adapted = store.build("rfcn_adapted.onnx", adapted_from_exported, exported=onnx)
    return store.build("rfcn_twin.onnx", twin_from_vendor, vendor=adapted)


def _finished(store: Path) -> int:
    """How many dumps made.txt says are finished; 0 before the folder is there."""
    return len(RunFolder(store / DUMPS, read_port(SPECIMEN / "port.toml")).digests())


def _run(root: Path, devkit_folder: Path, twin: Path, started: Path) -> None:
    """What is killed and taken up again: the run of the twin over all pictures, and a note of every picture that is run."""
    port, store = read_port(SPECIMEN / "port.toml"), Store(root)
    devkit = read_devkit(devkit_folder, port.classes)

    pictures = Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, store.digests.of_each)

    def load_model(_: tuple[int, int]) -> RunPicture:
        run = onnx_runtime.load_model(twin)

        def noted(im_data: Floats, picture: Picture) -> Outputs:
            with started.open("a", encoding="ascii") as file:
                print(picture.id, file=file)
            return run(im_data, picture)

        return noted

    made_of = {"twins": [twin], "pictures": port.pictures}
    with store.open_folder(DUMPS, [onnx_runtime, "rfcn_lib.pictures.preprocess"], **made_of) as folder:
        run_missing(RunFolder(folder, port), pictures, LocalEngine(load_model), DUMPS)


if __name__ == "__main__":
    _run(*map(Path, sys.argv[1:]))
