"""A GPU baseline: written, read, bound to its weights and pictures, and standing in the criteria for the published figures.

There is no CUDA device on most hosts, so the measuring is tried on the CPU, under another name; the code is the same.
"""

import json
import re
import subprocess
import sys

import pytest

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import read_port
from rfcn_lib.speed.baseline import BaselineError, expect_same, read_baseline
from rfcn_lib.store.store import Store
from rfcn_lib.suite.gpu import baseline_digests, measure
from tests.support.places import ROOT

SPECIMEN = ROOT / "specimen"
FEW = 6


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The specimen's first pictures, measured on the CPU and called so."""
    root = tmp_path_factory.mktemp("store")
    store, port = Store(root), read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes, limit=FEW)
    pictures = Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, store.digests.of_each)
    weights = SPECIMEN / "rfcn_specimen.pth"
    digests = baseline_digests.__wrapped__(store, weights, port, devkit)
    return root / "gpu_baseline.json", measure(store, "the CPU, for a test", "cpu", weights, pictures, digests)


def test_it_is_measured_written_and_read_back(measured):
    path, found = measured

    assert read_baseline(path) == found
    assert found.pictures == found.timed == FEW
    assert re.fullmatch(r".+, .+, \d+ cores", found.machine)
    assert 0.3 < found.mean_ap <= 1
    assert 0 < found.script_fps < found.device_fps


@pytest.mark.parametrize("name", ["weights_sha256", "jpegs_sha256", "annotations_sha256", "ids_sha256", "port_sha256"])
def test_it_is_no_limit_for_anything_else(measured, name):
    path, found = measured
    own = {
        key: getattr(found, key)
        for key in ("weights_sha256", "jpegs_sha256", "annotations_sha256", "ids_sha256", "port_sha256")
    }
    expect_same(found, path, found.ap.keys(), **own)

    with pytest.raises(BaselineError, match=rf"other {name.removesuffix('_sha256')} than are on trial"):
        expect_same(found, path, found.ap.keys(), **{**own, name: "0" * 64})
    with pytest.raises(
        BaselineError, match=r"has an AP of \w+, \w+, \w+, but the port has no such class; it was edited"
    ):
        expect_same(found, path, ["cat"], **own)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text[: len(text) // 2], "is no baseline: the file"),
        (lambda text: "", "is no baseline: the file"),
        (lambda text: text.replace('"mean_ap": ', '"mean_ap": 1'), "mean_ap"),
        (lambda text: text.replace('"gpu"', '"cpu"'), "gpu"),
        (lambda text: re.sub(r"baseline \d+", "baseline 0", text), "format"),
    ],
    ids=["cut", "empty", "mean AP above 1", "a key is missing", "another format"],
)
def test_a_damaged_file_is_an_error_that_names_it(measured, tmp_path, change, named):
    path = tmp_path / "baseline.json"
    path.write_text(change(measured[0].read_text()))

    with pytest.raises(BaselineError, match=named) as caught:
        read_baseline(path)
    assert str(path) in str(caught.value)
    assert "pytest -m gpu" in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(BaselineError, match="no baseline at"):
        read_baseline(tmp_path / "none.json")


def test_its_figures_become_criteria(measured, store, host_dumps, torch_dumps, tmp_path):
    path, found = measured
    words = [sys.executable, "-m", "pytest", "-m", "accuracy", "tests/test_accuracy.py", f"--limit={FEW}"]
    words += [f"--store={store.root}", f"--baseline={path}", f"--verdict={tmp_path / 'v.json'}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    rows = {row["name"]: row for row in json.loads((tmp_path / "v.json").read_text())["criteria"]}

    row = rows["mean AP reaches the published figure"]
    assert row["limit"] == pytest.approx(found.mean_ap)
    assert "the CPU, for a test" in row["source"]
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_a_gpu_that_found_more_fails_the_port(measured, store, host_dumps, torch_dumps, tmp_path):
    better = tmp_path / "better.json"
    better.write_text(json.dumps({**json.loads(measured[0].read_text()), "mean_ap": 0.9999}))
    words = [sys.executable, "-m", "pytest", "-m", "accuracy", "tests/test_accuracy.py", f"--limit={FEW}"]
    done = subprocess.run(
        [*words, f"--store={store.root}", f"--baseline={better}"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "mean AP reaches the published figure" in done.stdout.split("FAILED: judged")[1]


def test_a_baseline_of_other_pictures_is_an_error(measured, store, host_dumps, torch_dumps):
    words = [sys.executable, "-m", "pytest", "-m", "accuracy", "tests/test_accuracy.py", "--limit=7"]
    done = subprocess.run(
        [*words, f"--store={store.root}", f"--baseline={measured[0]}"], cwd=ROOT, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "was measured on other ids than are on trial" in done.stdout
    assert "NOT JUDGED" in done.stdout
