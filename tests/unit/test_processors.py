"""How many processors a process may use, on file trees as Linux shows them in containers, slices and pods."""

import os

import pytest

from rfcn_lib.processors import usable_processors

V1 = "31 23 0:28 / /sys/fs/cgroup/{at} rw,relatime - cgroup cgroup rw,cpu,cpuacct"
V2 = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
OTHERS = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd"


def tree(root, files):
    """Write a file tree; `files` is relative path -> text."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    return root


def v2(root, group, limits, mount=V2):
    """A machine with cgroup v2 only; `limits` is group -> text of its cpu.max."""
    files = {f"sys/fs/cgroup/{name}/cpu.max": text for name, text in limits.items()}
    return tree(root, {"proc/self/cgroup": f"0::{group}", "proc/self/mountinfo": f"{OTHERS}\n{mount}", **files})


def v1(root, group, limits, mount=V1, at="cpu,cpuacct"):
    """A machine with cgroup v1; `limits` is group -> (quota, period)."""
    files = {}
    for name, pair in limits.items():
        for what, value in zip(("quota", "period"), pair, strict=True):
            files[f"sys/fs/cgroup/{at}/{name}/cpu.cfs_{what}_us"] = value
    own = f"12:pids:/elsewhere\n4:cpu,cpuacct:{group}\n3:cpuset:/elsewhere\n0::/elsewhere"
    return tree(root, {"proc/self/cgroup": own, "proc/self/mountinfo": f"{OTHERS}\n{mount.format(at=at)}", **files})


@pytest.mark.parametrize(
    ("limit", "count"),
    [
        ("200000 100000", 2),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("150001 50000", 4),
        ("1000 100000", 1),
        ("max 100000", 64),
        ("max", 64),
        ("9900000 100000", 64),
        ("", 64),
        ("0 100000", 64),
        ("no numbers", 64),
    ],
)
def test_a_quota_of_v2_is_rounded_up(tmp_path, limit, count):
    assert usable_processors(v2(tmp_path, "/", {".": limit}), range(64)) == count


@pytest.mark.parametrize(
    ("pair", "count"),
    [((200_000, 100_000), 2), ((50_000, 100_000), 1), ((150_000, 100_000), 2), ((-1, 100_000), 64), ((0, 0), 64)],
)
def test_a_quota_of_v1_is_rounded_up(tmp_path, pair, count):
    assert usable_processors(v1(tmp_path, "/", {".": pair}), range(64)) == count


@pytest.mark.parametrize("at", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
def test_v1_is_found_under_each_name_that_distributions_mount_it_by(tmp_path, at):
    assert usable_processors(v1(tmp_path, "/", {".": (300_000, 100_000)}, at=at), range(64)) == 3


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"kubepods/pod1/box": "800000 100000", "kubepods/pod1": "300000 100000", "kubepods": "max 100000"}, 3),
        ({"kubepods/pod1/box": "200000 100000", "kubepods/pod1": "max 100000", "kubepods": "400000 100000"}, 2),
        ({"kubepods/pod1/box": "max 100000", "kubepods": "500000 100000", "kubepods/pod2": "100000 100000"}, 5),
        ({".": "700000 100000", "kubepods/pod1/box": "max 100000"}, 7),
    ],
    ids=["the group between", "its own", "the top, and not a neighbour's", "the mount's root"],
)
def test_the_smallest_quota_of_all_groups_above_holds(tmp_path, limits, count):
    assert usable_processors(v2(tmp_path, "/kubepods/pod1/box", limits), range(64)) == count


def test_so_it_does_with_v1(tmp_path):
    limits = {"slice/unit": (800_000, 100_000), "slice": (250_000, 100_000), "unit": (100_000, 100_000)}
    assert usable_processors(v1(tmp_path, "/slice/unit", limits), range(64)) == 3


def test_a_container_s_own_group_is_mounted_as_the_root(tmp_path):
    """Docker with v1 and no cgroup namespace: the path is the host's, the mount shows the container's group alone."""
    mount = V1.replace(" / ", " /docker/abc ", 1)
    assert usable_processors(v1(tmp_path, "/docker/abc", {".": (200_000, 100_000)}, mount), range(64)) == 2
    below = v1(tmp_path / "below", "/docker/abc/inner", {"inner": (100_000, 100_000), ".": (200_000, 100_000)}, mount)
    assert usable_processors(below, range(64)) == 1


@pytest.mark.parametrize("group", ["/../../elsewhere", "/not/mounted/here"])
def test_a_group_that_is_not_mounted_leaves_the_mount_s_own_quota(tmp_path, group):
    assert usable_processors(v2(tmp_path, group, {".": "200000 100000"}), range(64)) == 2


def test_both_versions_at_once(tmp_path):
    """A hybrid machine: v1 limits the time, v2 is mounted beside it."""
    v1(tmp_path, "/box", {"box": (300_000, 100_000)})
    mounts = tmp_path / "proc/self/mountinfo"
    mounts.write_text(mounts.read_text() + V2.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ") + "\n")
    assert usable_processors(tmp_path, range(64)) == 3


def test_affinity_counts_without_any_cgroup(tmp_path):
    assert usable_processors(tmp_path, {3}) == 1
    assert usable_processors(tmp_path, range(8)) == 8


def test_affinity_and_quota_the_smaller_holds(tmp_path):
    root = v2(tmp_path, "/", {".": "400000 100000"})
    assert [usable_processors(root, range(cpus)) for cpus in (1, 3, 4, 5)] == [1, 3, 4, 4]


def test_two_hyperthreads_of_one_core_count_once(tmp_path):
    siblings = {
        f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 4},{cpu % 4 + 4}" for cpu in range(8)
    }
    root = tree(tmp_path, siblings)
    assert usable_processors(root, range(8)) == 4
    assert usable_processors(root, {0, 4}) == 1
    assert usable_processors(root, {0, 1}) == 2


def test_this_process_may_use_as_many_as_its_affinity_at_most(monkeypatch):
    assert 1 <= usable_processors() <= len(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert usable_processors() == 1
