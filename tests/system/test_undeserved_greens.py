"""Runs that once ended green without a verdict, or with one that they did not deserve. Real command lines."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import picture_records
from rfcn_lib.port import read_port
from rfcn_lib.suite.own_code import own_code
from tests.support.exit_statuses import NOT_JUDGED, WRONG_USAGE
from tests.support.places import ROOT, SPECIMEN
from tests.support.pytest_runs import run_pytest

MEAN_AP = ("-m", "accuracy", "tests/test_accuracy.py", "-k", "every_picture or class_is_lost or drop")
ONE = ("-m", "accuracy", "tests/test_accuracy.py", "-k", "every_picture")


def run(*options, cwd=ROOT, **variables):
    """-> (exit status, all words of a run)."""
    done = run_pytest(*options, cwd=cwd, COLUMNS="200", **variables)
    return done.code, done.words


@pytest.fixture
def old_verdict(tmp_path):
    """A verdict file of an earlier run, which passed."""
    path = tmp_path / "verdict.json"
    path.write_text(json.dumps({"status": "PASSED", "words": "4 criteria hold", "criteria": [], "tests": {}}))
    return path


def status_in(path):
    return json.loads(path.read_text())["status"]


@pytest.mark.parametrize(
    "blocked",
    [
        "acceptance-reporter",
        "rfcn_lib.suite.guard",
        "rfcn_lib.suite.recording",
        "rfcn_lib.suite.limits_published",
        "terminal",
    ],
)
def test_no_plugin_can_be_left_out(blocked, old_verdict):
    code, words = run(*ONE, f"-p no:{blocked}", "--accept", f"--verdict={old_verdict}")

    assert code == WRONG_USAGE, words
    assert blocked == "terminal" or f"-p no:{blocked}: without this plugin there is no verdict" in words
    assert status_in(old_verdict) == "NOT JUDGED"


def test_no_plugin_can_be_left_out_by_the_environment_either(old_verdict):
    addopts = f"-p no:acceptance-reporter --verdict={old_verdict}"
    code, words = run(*ONE, PYTEST_ADDOPTS=addopts)

    assert code == WRONG_USAGE, words
    assert status_in(old_verdict) == "NOT JUDGED"


def test_what_runs_no_test_judges_nothing(old_verdict):
    flags = ("--collect-only", "--setup-plan", "--setup-only", "--fixtures")
    code, words = run("-m", "accuracy", *flags, f"--verdict={old_verdict}")

    assert code == WRONG_USAGE
    for flag in flags:
        assert f"{flag} runs no test, so nothing can be judged" in words
    assert status_in(old_verdict) == "NOT JUDGED"

    code, words = run("-m", "accuracy", "--collect-only", "--accept")
    assert code == WRONG_USAGE
    assert "--collect-only runs no test" in words

    code, words = run("-m", "accuracy", "tests/test_accuracy.py", "--collect-only", "-q")
    assert code == 0, words


@pytest.mark.parametrize("wrong", ["--acept", "--limit=0", "--canvas=fitted --limit=141"])
def test_an_old_verdict_does_not_survive_a_usage_error(wrong, old_verdict):
    code, _ = run("-m", "accuracy", "tests/test_accuracy.py", *wrong.split(), f"--verdict={old_verdict}")

    assert code == WRONG_USAGE
    assert status_in(old_verdict) == "NOT JUDGED"


@pytest.fixture(scope="module")
def whole(pytestconfig, host_dumps, torch_dumps, store):
    """whole(*options): exit code and words of the criteria of mean AP over the specimen, whose dumps are all there.

    Without the criteria of agreement, which take minutes for each port file and set; so these runs are not judged as a whole. The
    status that follows from what is seen here: tests/unit/verdict.
    """
    given = [name for name in ("weights", "port", "devkit", "limit") if pytestconfig.getoption(f"--{name}")]
    if given:
        pytest.skip(f"tried on the specimen alone; run without --{' --'.join(given)}")
    return lambda *options: run(*MEAN_AP, f"--store={store.root}", *options)


@pytest.fixture
def devkit_copy(tmp_path):
    """The specimen's devkit, to spoil; its pictures are links."""
    return Path(shutil.copytree(SPECIMEN / "VOCdevkit", tmp_path / "VOCdevkit", copy_function=os.link))


def replace(path, text):
    path.unlink()  # a link
    path.write_text(text)


def test_a_set_file_shortened_by_five_pictures_is_no_pass_and_objects_called_difficult_are_no_verdict(
    whole, devkit_copy, tmp_path
):
    path = tmp_path / "v.json"
    options = (f"--devkit={devkit_copy}", f"--verdict={path}")
    set_file = devkit_copy / "VOC2007" / "ImageSets" / "Main" / "test.txt"
    lines = set_file.read_text().splitlines(keepends=True)
    replace(set_file, "".join(lines[5:]))
    code, words = whole(*options)
    found = json.loads(path.read_text())

    assert code == NOT_JUDGED, words
    assert "judged 135 of 140 pictures of set test" in words
    assert "set 5 of the 140 pictures of the port file are not in it" in words
    assert (found["on_trial"]["set_missing"], found["on_trial"]["set_size"]) == (5, 140)
    assert "5 of the 140 pictures of the port file are not in it" in words

    replace(set_file, "".join(lines))
    for id in lines[:7]:
        annotation = devkit_copy / "VOC2007" / "Annotations" / f"{id.split()[0]}.xml"
        replace(annotation, annotation.read_text().replace("<difficult>0<", "<difficult>1<", 1))
    code, words = whole(*options)
    found = json.loads(path.read_text())

    assert (code, found["status"]) == (NOT_JUDGED, "NOT JUDGED"), words
    assert "in 7 files the objects are not those of the port file" in found["words"]
    assert found["on_trial"]["set_changed"] == 7


def test_a_port_that_fixes_no_set_says_so(whole, tmp_path):
    port = tmp_path / "port.toml"
    port.write_text((SPECIMEN / "port.toml").read_text().partition("[fixed_set]")[0])
    _, words = whole(f"--port={port}")

    assert "set nothing fixes it" in words


def test_exchanged_names_of_classes_are_no_verdict_and_both_are_named(whole, tmp_path):
    port = tmp_path / "port.toml"
    text = (SPECIMEN / "port.toml").read_text()
    port.write_text(text.replace('"cat"', '"aside"').replace('"dog"', '"cat"').replace('"aside"', '"dog"'))
    code, words = whole(f"--port={port}")

    assert code == NOT_JUDGED, words
    assert "find the objects of the next one: dog -> cat -> dog" in words or "cat -> dog -> cat" in words
    assert "Names of classes are exchanged in the port file" in words


PLUGINS = {
    "broken": """
def pytest_collection_modifyitems():
    raise RuntimeError("a plugin broke")
""",
    "killed": """
import os, signal
def pytest_collection_modifyitems():
    os.kill(os.getpid(), signal.SIGKILL)
""",
    "remover": """
def pytest_collection_modifyitems(config):
    config.pluginmanager.unregister(name="acceptance-reporter")
""",
    "harmless": "",
}


@pytest.fixture
def plugins(tmp_path):
    for name, text in PLUGINS.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


@pytest.mark.parametrize(("plugin", "ends"), [("broken", 3), ("killed", -9), ("remover", NOT_JUDGED)])
def test_an_old_verdict_does_not_survive_a_run_that_something_ended(plugin, ends, plugins, old_verdict, specimen_store):
    code, words = run(
        *ONE, "-p", plugin, f"--verdict={old_verdict}", f"--store={specimen_store}", PYTHONPATH=str(plugins)
    )

    assert code == ends, words
    assert status_in(old_verdict) == "NOT JUDGED"


def test_the_verdict_names_the_plugins_and_the_options_of_the_environment(plugins, old_verdict, specimen_store):
    code, words = run(
        *ONE, "-p", "harmless", f"--store={specimen_store}", "--limit=4",
        PYTHONPATH=str(plugins), PYTEST_ADDOPTS=f"-p no:randomly --verdict={old_verdict}",
    )  # fmt: skip
    found = json.loads(old_verdict.read_text())["pytest"]

    assert code == NOT_JUDGED, words
    assert {"harmless", "no:randomly"} <= set(found["-p"])
    assert found["environment"]["PYTEST_ADDOPTS"].startswith("-p no:randomly")
    assert any(plugin.startswith("pytest-benchmark ") for plugin in found["plugins"])
    assert "-p harmless" in words and "PYTEST_ADDOPTS=-p no:randomly" in words


def test_the_annotations_written_as_dumps_are_too_good(whole, host_dumps, tmp_path):
    port = read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes)
    scale = {id: record.scale for id, record in picture_records(devkit.sizes_wh, port.pictures).items()}
    for id, truth in devkit.truth.items():
        rois = np.tile(np.arange(300, dtype=np.float32)[:, None] / 10, (1, 5)) * [0, 1, 1, 2, 2]
        rois[: len(truth.labels), 1:] = truth.boxes_xyxy * scale[id]
        scores = np.zeros((300, len(port.classes) + 1), np.float32)
        scores[np.arange(len(truth.labels)), truth.labels + 1] = 1
        scores[len(truth.labels) :, 0] = 1
        deltas = np.full((300, 4 * scores.shape[1]), 1e-6) * np.arange(300)[:, None]
        for index, array in enumerate((rois, scores, deltas), 1):
            array.astype("<f4").tofile(tmp_path / f"{id}_{index}.bin")
    code, words = whole(f"--dumps={tmp_path}", "--accept")

    assert code == NOT_JUDGED or "FAILED: does not hold" in words
    assert re.search(
        r"finding TOO GOOD: mean AP (1\.0000|0\.99\d\d) is \d+\.\d\d% above the reference's 0\.9142", words
    ), words

    code, words = whole(f"--dumps={tmp_path}", "--explained=These are the annotations.")
    assert "finding explained: These are the annotations." in words


@pytest.fixture
def edited(tmp_path):
    """A checkout of this suite with one commit, and after it an assert that is commented out."""
    tree = tmp_path / "edited"
    for name in ("tests", "rfcn_lib", "specimen"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "pytest.ini", "pyproject.toml"):
        shutil.copy(ROOT / name, tree / name)
    git = ("git", "-C", str(tree), "-c", "user.name=a tester", "-c", "user.email=tester@example.org")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "as given")):
        subprocess.run([*git, *words], check=True, capture_output=True)
    assert own_code(tree).differs == ()
    text = (tree / "tests" / "test_accuracy.py").read_text()
    changed = text.replace("        assert judged.holds()", "        # assert judged.holds()").replace(
        "        judged.expect_decided()", "        # judged.expect_decided()"
    )
    assert changed != text
    (tree / "tests" / "test_accuracy.py").write_text(changed)
    return tree


def test_with_the_asserts_commented_out_a_loss_is_no_pass_and_the_edited_file_is_named(
    edited, whole, host_dumps, store, tmp_path
):
    lossy = tmp_path / "lossy"
    shutil.copytree(host_dumps, lossy, copy_function=os.link)
    for path in sorted(lossy.glob("*_2.bin"))[::8]:
        scores = np.fromfile(path, "<f4").reshape(300, -1)
        path.unlink()
        np.concatenate([np.ones_like(scores[:, :1]), 1e-9 * scores[:, 1:]], axis=1).tofile(path)
    verdict = tmp_path / "v.json"
    code, words = run(*MEAN_AP, f"--store={store.root}", f"--dumps={lossy}", f"--verdict={verdict}", cwd=edited)
    found = json.loads(verdict.read_text())

    assert (code, found["status"]) == (NOT_JUDGED, "NOT JUDGED"), words
    assert "mean AP drop, relative" in found["words"] and "and yet its test passed" in found["words"]
    assert found["suite"]["differs"] == ["tests/test_accuracy.py"]
    assert "DIFFERS from it in 1 files: tests/test_accuracy.py" in words


def test_a_file_hidden_from_git_s_index_and_one_that_git_does_not_know_are_seen(edited):
    subprocess.run(
        ["git", "-C", str(edited), "update-index", "--assume-unchanged", "tests/test_accuracy.py"], check=True
    )
    (edited / "rfcn_lib" / "more.py").write_text("")
    (edited / "rfcn_lib" / "spec.py").unlink()

    assert own_code(edited).differs == ("rfcn_lib/more.py", "rfcn_lib/spec.py", "tests/test_accuracy.py")


def test_without_git_the_code_is_named_by_its_digest_alone(edited, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = own_code(edited)

    assert (found.commit, found.differs) == (None, ())
    assert found.files > 100
    assert found.sha256 != own_code().sha256
