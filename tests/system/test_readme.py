"""The commands of README and docs are understood, README's options exist, and its paths are there."""

import json
import re
import subprocess
import sys

import pytest

from tests.support.documents import CI_FILES, PAGES, README, commands
from tests.support.places import ROOT
from tests.support.records import judged_trial, protocol_of, record_of, written
from tests.support.trials import verdict_of

FILES = {  # what is here in place of a reader's file: the question is whether options and markers exist
    "--weights": "specimen/rfcn_specimen.pth",
    "--devkit": "specimen/VOCdevkit",
    "--dumps": "specimen",
    **dict.fromkeys(("--onnx", "--adapted", "--om"), "README.md"),
    "--baseline": "README.md",
    "--reference": "README.md",
    "--predicted": "Makefile",  # read later than collected
    "--compare": "{folder}/earlier.json",
    "--write-reference": "{folder}/reference.zip",
    "--store": "{folder}/store",
    "--verdict": "{folder}/verdict.json",
    "--report": "{folder}/report.html",
    "--summary": "{folder}/summary.md",
    "--junitxml": "{folder}/junit.xml",
}


def in_place(command):
    """The command with files that are here; `{folder}` stands for a temporary folder."""
    names = [word.split("=")[0] for word in command]
    return tuple(f"{name}={FILES[name]}" if name in FILES else word for name, word in zip(names, command, strict=True))


TEXT = README.read_text(encoding="utf-8")
COMMANDS = [command for page in (*PAGES, *CI_FILES) for command in commands(page)]
MAKE = sorted({tuple(command) for command in COMMANDS if command[0] == "make"})
SIGNOFF = [
    ["pytest", "-m", "accuracy", *word[5:].split()] for make in MAKE for word in make if word.startswith("ARGS=--")
]
PYTEST = sorted({in_place(command) for command in [*COMMANDS, *SIGNOFF] if command[0] == "pytest"})
DASK = sorted({tuple(command[3:]) for command in COMMANDS if command[:3] == ["python", "-m", "dask"]})
IN_ONE_PROCESS = """
import json, sys, pytest
for words in json.loads(sys.argv[1]):
    print("COMMAND", *words, flush=True)
    print("STATUS", int(pytest.main(words)), flush=True)
"""
SETUP_PLANS = [["-m", mark, "tests/test_accuracy.py", "--setup-plan"] for mark in ("accuracy", "npu")]
RECORDS = """
def test_a_criterion(record_property):
    record_property("criterion", {"name": "mean AP drop", "number": 0.25})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


def judges(word):
    """Whether a word asks for a verdict: a run that only collects refuses it."""
    return word.startswith(("--accept", "--verdict", "--summary", "--evidence"))


@pytest.fixture(scope="module")
def printed(folder):
    """command -> (exit status, text) of each pytest command of the pages and of two set-up plans, all in one process."""
    (folder / "test_records.py").write_text(RECORDS)
    written(folder / "earlier.json", record_of(verdict_of(judged_trial(protocol=protocol_of(canvas="unknown")))))
    shown = {
        command: [*(word.format(folder=folder) for word in command[1:] if not judges(word)), "--collect-only", "-q"]
        for command in PYTEST
    }
    shown |= {("plan", plan[1]): plan for plan in SETUP_PLANS}
    shown |= {("junit",): [str(folder / "test_records.py"), f"--junitxml={folder / 'junit.xml'}", "--noconftest"]}
    words = [["-p", "no:cacheprovider", *command] for command in shown.values()]
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS, json.dumps(words)], cwd=ROOT, capture_output=True, text=True
    )
    texts = re.split(r"^COMMAND ", done.stdout, flags=re.MULTILINE)[1:]
    assert len(texts) == len(shown), done.stdout + done.stderr
    statuses = [int(re.findall(r"^STATUS (\d+)$", text, re.MULTILINE)[0]) for text in texts]
    errors = done.stderr  # a wrong option's sentence
    return {command: (status, text + errors) for command, status, text in zip(shown, statuses, texts, strict=True)}


def test_the_pages_show_commands():
    assert len(PYTEST) > 10 and len(MAKE) > 4 and len(DASK) == 2


def test_each_pytest_command_is_understood(printed):
    for command in PYTEST:
        status, text = printed[command]

        assert status == 0, text
        assert re.search(r"[1-9]\d*(/\d+)? tests collected|1 test collected|[1-9]\d*/\d+ tests", text), text


@pytest.mark.parametrize("command", MAKE, ids=" ".join)
def test_a_make_target_exists(command):
    done = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", DASK, ids=" ".join)
def test_a_dask_command_is_understood(command):
    from distributed.cli import dask_scheduler, dask_worker

    main = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}[command[0]]

    assert main.make_context(command[0], list(command[1:]))


def test_every_option_is_in_the_readme_and_no_other(pytestconfig):
    group = next(group for group in pytestconfig._parser._groups if group.name == "acceptance")
    options = {name for option in group.options for name in option.names()}

    assert set(re.findall(r"^\| `(--[a-z-]+)", TEXT, re.MULTILINE)) == options


def test_every_marker_of_the_pages_is_registered(pytestconfig):
    registered = {line.split(":")[0] for line in pytestconfig.getini("markers")}

    assert {command[2] for command in PYTEST if command[1] == "-m"} <= registered
    assert set(re.findall(r"`(\w+)`", re.findall(r"Markers: ([^.]+)\.", TEXT)[0])) <= registered


def test_every_folder_of_the_map_is_there():
    block = TEXT.split("## Map")[1].split("`make test`")[0]
    names = re.findall(r"(?<=\s)((?:rfcn_lib/)?\w+(?:/|\.py))(?=\s)", block)

    assert {"conftest.py", "tests/", "docs/"} <= set(names)
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_every_room_of_the_package_is_in_the_map():
    rooms = {f"rfcn_lib/{folder.parent.name}/" for folder in (ROOT / "rfcn_lib").glob("*/__init__.py")}

    assert rooms <= set(re.findall(r"rfcn_lib/\w+/", TEXT.split("## Map")[1]))


def test_the_criteria_are_properties_of_the_tests_in_a_junit_file(printed, folder):
    status, text = printed["junit",]

    assert status == 0, text
    assert "mean AP drop" in (folder / "junit.xml").read_text(encoding="utf-8")


def test_the_setup_plan_asks_for_an_npu_before_anything_is_made_and_runs_the_first_pictures_before_the_npu_s_hours(
    printed,
):
    built = re.findall(r"SETUP +[SC] (\w+)", printed["plan", "npu"][1])

    chain = ["npus", "npu_ready", "atc", "onnx", "adapted", "om", "reference_first_pictures", "bins", "npu_run"]
    chain += ["npu_dumps", "torch_dumps", "npu_candidate", "reference", "candidate", "trial"]
    assert [name for name in built if name in chain] == chain


def test_the_setup_plan_shows_the_pipeline(printed):
    built = re.findall(r"SETUP +[SC] (\w+)", printed["plan", "accuracy"][1])

    chain = ["weights", "onnx", "adapted", "twin", "host_first_pictures", "reference_first_pictures", "host_dumps"]
    chain += ["torch_dumps", "host_candidate", "reference", "candidate", "trial"]
    assert [name for name in built if name in chain] == chain


def test_the_command_that_writes_all_bins_writes_the_first(folder):
    command = next(command for command in COMMANDS if command[:3] == ["python", "-m", "rfcn_lib.pictures.bins"])
    files = {"--out": str(folder / "bins"), "--devkit": FILES["--devkit"]}
    words = [f"{name}={files[name]}" if (name := word.split("=")[0]) in files else word for word in command[1:]]
    done = subprocess.run([sys.executable, *words, "--limit=1"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert (folder / "bins" / "bin" / "000001.bin").stat().st_size == 3 * 1344 * 1344 * 4  # of the published canvas
    assert (folder / "bins" / "demo.info").read_text(encoding="utf-8").endswith("000001.bin 1344 1344\n")
