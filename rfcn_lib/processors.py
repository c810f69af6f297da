"""The processor's name, and how many this process may really use: affinity, hyperthreads, the quotas of its cgroups.

A container started with `--cpus=2` on 64 cores sees all 64, but the kernel stops its threads when together they have used
the time of two. 64 threads then wait for one another most of the time.

Why no library: loky 3.7 reads a quota at the root of the cgroup tree only, Dask 2026.8 at the group of the process only, and
os.process_cpu_count none. A systemd slice or a pod sets its quota on a group between those two.
"""

import math
import os
import platform
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def usable_processors(root: Path = Path("/"), cpus: Collection[int] | None = None) -> int:
    """Physical cores among `cpus`, at most the smallest CPU quota, rounded up; at least 1.

    A quota of 0.5 processors gives 1, one of 1.5 gives 2, as in loky, Dask and Java.

    Args:
        root: where /proc and /sys lie; a test passes a folder of its own.
        cpus: numbers of the logical processors that this process may run on; None: its affinity.
    """
    cpus = os.sched_getaffinity(0) if cpus is None else cpus
    return max(1, min([_cores(root, cpus), *(math.ceil(quota) for quota in _quotas(root))]))


def cpu_model() -> str:
    """The processor's name as Linux gives it, or else its architecture."""
    lines = (line.partition(":") for line in _text(Path("/proc/cpuinfo")).splitlines())
    return next((name.strip() for key, _, name in lines if key.strip() == "model name"), platform.machine())


def _cores(root: Path, cpus: Collection[int]) -> int:
    """Hyperthreads of one core count once, as PyTorch and ONNX Runtime count them; where Linux does not tell, each counts."""
    cores = set()
    for cpu in cpus:
        siblings = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        cores.add(_text(siblings).strip() or str(cpu))
    return len(cores)


def _quotas(root: Path) -> Iterator[float]:
    """Every CPU quota that holds for this process, in processors: of its cgroup and of all groups above, v1 and v2."""
    for folder in _groups(root):
        words = _text(folder / "cpu.max").split()  # v2: `150000 100000`, or `max 100000`
        words = words or [
            _text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")
        ]  # v1: -1 is none
        with suppress(ValueError):  # `max`, or no such file
            quota_us, period_us = map(int, words)
            if quota_us > 0 and period_us > 0:
                yield quota_us / period_us


def _groups(root: Path) -> Iterator[Path]:
    """Folders of this process's cgroups that limit processor time, each with all folders above it, as far as they are mounted.

    Formats: proc(5), /proc/PID/mountinfo; cgroups(7), /proc/PID/cgroup.
    """
    lines = (line.split(":", 2) for line in _text(root / "proc/self/cgroup").splitlines())
    paths = {
        "cgroup2" if not names else "cgroup": path for _, names, path in lines if not names or "cpu" in names.split(",")
    }
    for line in _text(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind not in paths or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        shown, mount = left.split(" ")[3:5]
        path = PurePosixPath(paths[kind])
        inner = path.relative_to(shown) if path.is_relative_to(shown) else PurePosixPath()
        if ".." in inner.parts:  # a group outside this process's cgroup namespace
            inner = PurePosixPath()
        for part in (inner, *inner.parents):
            yield root / mount.lstrip("/") / part


def _text(path: Path) -> str:
    """The file's text; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
