"""A GPU baseline stands in the criteria for the published figures, and only of its own pictures."""

import json
import subprocess
import sys

import pytest

from tests.support.baselines import measured_on_the_cpu
from tests.support.places import ROOT

FEW = 6


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measured_on_the_cpu(tmp_path_factory.mktemp("store"), FEW)


def run(store, baseline, *options):
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "accuracy", "tests/test_accuracy.py"]
    words += [f"--store={store}", f"--baseline={baseline}", *options]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_its_figures_become_criteria_and_a_gpu_that_found_more_fails_the_port(measured, specimen_store, tmp_path):
    assert 0.3 < measured[1].mean_ap <= 1
    better, verdict = tmp_path / "better.json", tmp_path / "v.json"
    better.write_text(json.dumps({**json.loads(measured[0].read_text()), "mean_ap": 0.9999}))
    done = run(specimen_store, better, f"--limit={FEW}", f"--verdict={verdict}")
    rows = {row["name"]: row for row in json.loads(verdict.read_text())["criteria"]}

    assert done.returncode == 1
    assert "mean AP reaches the published figure" in done.stdout.split("FAILED: does not hold")[1]
    row = rows["mean AP reaches the published figure"]
    assert row["limit"] == 0.9999
    assert "the CPU, for a test" in row["source"]
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_a_baseline_of_other_pictures_is_an_error(measured, specimen_store):
    done = run(specimen_store, measured[0], "--limit=7")

    assert done.returncode == 1
    assert "was measured on other ids than are on trial" in done.stdout
    assert "NOT JUDGED" in done.stdout
