"""A set as people make them: ids and classes of any script, corners at 0, PNG bytes, a set file of another name. It is judged.

Each kind alone: tests/unit/pictures/test_devkit.py. Here it is that nothing later in the chain trips over it, the tools neither.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.exit_statuses import NOT_JUDGED
from tests.support.places import ROOT, STANDIN

SPECIMEN = ROOT / "specimen" / "VOCdevkit" / "VOC2007"
NAMES = ("102-3\u6a2a\u7ed3\u80a0+0.4", "IMG 0001 (2)", "v1.2", "-x", "000003", "\u00e9t\u00e9", "000007", "000008")
CLASSES = {"person": "\u4eba person", "bird": "N/A", "car": "traffic light"}

pytestmark = pytest.mark.slow


@pytest.fixture
def real_set(tmp_path):
    """The specimen's first pictures under other names, in a set `val`; returns the options that name devkit and port."""
    year = tmp_path / "VOCdevkit" / "VOC2007"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (year / name).mkdir(parents=True)
    ids = (SPECIMEN / "ImageSets/Main/test.txt").read_text().split()[: len(NAMES)]
    port, renamed = (ROOT / "specimen" / "port.toml").read_text(), dict(zip(ids, NAMES, strict=True))
    for old, new in CLASSES.items():
        port = port.replace(f'"{old}"', f'"{new}"')
    for number, (id, name) in enumerate(renamed.items()):
        xml = (SPECIMEN / f"Annotations/{id}.xml").read_text().replace(f"{id}.jpg", f"{name}.jpg")
        for old, new in CLASSES.items():
            xml = xml.replace(f"<name>{old}</name>", f"<name>{new}</name>")
        if number == 0:
            xml = re.sub(r"<xmin>\d+", "<xmin>0", xml, count=1)
        if number == 1:
            xml = re.sub(r"\s*<size>.*?</size>", "", xml, flags=re.DOTALL)
        if number in (2, 3):
            xml = xml.replace(f"{name}.jpg", f"{NAMES[5 - number]}.jpg")
        (year / f"Annotations/{name}.xml").write_text(xml, encoding="utf-8")
        if number == 3:
            Image.open(SPECIMEN / f"JPEGImages/{id}.jpg").save(year / f"JPEGImages/{name}.jpg", "PNG")
        else:
            shutil.copy(SPECIMEN / f"JPEGImages/{id}.jpg", year / f"JPEGImages/{name}.jpg")
    (year / "ImageSets/Main/val.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    (tmp_path / "port.toml").write_text(port, encoding="utf-8")
    weights = f"--weights={ROOT / 'specimen' / 'rfcn_specimen.pth'}"
    return weights, f"--port={tmp_path / 'port.toml'}", f"--devkit={tmp_path / 'VOCdevkit'}"


@pytest.fixture
def run(tmp_path):
    """run(*options) -> exit status, words; on the host, and on a stand-in for an NPU."""
    path = os.pathsep.join([str(STANDIN), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(STANDIN), "COLUMNS": "100", "TMPDIR": str(tmp_path)}
    environment |= {"ASCEND_TOOLKIT_HOME": str(STANDIN / "toolkit"), "STANDIN_DEVICES": "310", "STANDIN_FAULT": ""}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-m",
        "accuracy or npu",
        "tests/test_accuracy.py",
    ]

    def call(*options):
        done = subprocess.run(
            [*words, *options], cwd=ROOT, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
        )
        return done.returncode, re.sub(r"[│\s]+", " ", done.stdout + done.stderr)

    return call


def test_a_set_as_people_make_them_is_judged_on_every_device(real_set, run, store_with, tmp_path):
    """With ais_bench; how `benchmark` names its files: tests/unit/runs."""
    store = store_with("rfcn.onnx", "rfcn_adapted.onnx", "rfcn_twin.onnx")
    files = (f"--verdict={tmp_path / 'verdict.json'}", f"--protocols={tmp_path / 'protocols.txt'}")
    code, words = run(*real_set, *files, f"--store={store}", "--set=val", "--limit=4", "--runner=ais_bench")

    assert code == 0, words
    assert words.count("every picture judged 4 == 4 passed") == 2, "the host's twin, and the stand-in for an NPU"
    assert "judged 4 of 8 pictures of set val;" in words
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    judged = verdict["on_trial"]
    assert (judged["set_name"], judged["ids"]) == ("val", list(NAMES[:4]))
    assert sorted(judged["tolerated"].values()) == [1, 1, 1, 2]
    for what, count in judged["tolerated"].items():
        assert words.count(f"tolerated {count} {what}") == 2
    assert set(judged["candidate_ap"]) & set(CLASSES.values())
    assert "comp4_det_test" in (tmp_path / "protocols.txt").read_text()


def test_what_a_header_shows_ends_the_run_before_it_begins_and_all_of_it_is_listed(real_set, run, store_with, tmp_path):
    store = store_with("rfcn.onnx", "rfcn_adapted.onnx", "rfcn_twin.onnx")
    jpegs = tmp_path / "VOCdevkit" / "VOC2007" / "JPEGImages"
    for name in NAMES[1:]:
        whole = (jpegs / f"{name}.jpg").read_bytes()
        (jpegs / f"{name}.jpg").write_bytes(whole[: len(whole) // 2])
    code, words = run(*real_set, f"--store={store}", "--set=val")

    assert code == NOT_JUDGED
    assert "has 7 faults" in words
    assert "and 2 more" in words
    assert f"all 7 are in {store / 'devkit-faults.txt'}" in words
    lines = (store / "devkit-faults.txt").read_text(encoding="utf-8").splitlines()
    assert [any(f"{name}.jpg" in line for line in lines) for name in NAMES] == [False] + [True] * 7
    assert "pictures to do" not in words
    assert "Traceback" not in words
