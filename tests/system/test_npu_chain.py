"""`pytest -m npu` from end to end, as real subprocesses, with a stand-in for the vendor's tools first on PATH.

Test equipment: it proves that the chain works and blames the right cause, and says nothing about any NPU. Each fault of a
tool is proved once, in the tests of the module that reads the tool; here is what only the whole chain can show.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.evidence import members_in
from tests.support.exit_statuses import INCONCLUSIVE, NOT_JUDGED
from tests.support.judging_again import expect_caught, expect_same_verdict
from tests.support.places import ROOT, STANDIN
from tests.support.pytest_runs import run_pytest

FEW = "--limit=6"


@pytest.fixture
def fresh(store_with):
    """A store that has this host's graphs and the reference's dumps, and nothing of any device."""
    return store_with("rfcn.onnx", "rfcn_adapted.onnx", "dumps/torch")


@pytest.fixture
def run_npu(tmp_path):
    """run_npu(*options) -> exit status, words. After each run the temporary folder is empty."""
    temporary = tmp_path / "tmp"

    def run(*options, fault="", chips="310", umask=-1, **more):
        temporary.mkdir(exist_ok=True)
        path = os.pathsep.join([str(STANDIN), str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {"PATH": path, "PYTHONPATH": str(STANDIN), "COLUMNS": "100", "TMPDIR": str(temporary)}
        variables |= {"ASCEND_TOOLKIT_HOME": str(STANDIN / "toolkit"), **more}
        variables |= {"STANDIN_DEVICES": chips, "STANDIN_FAULT": fault}
        files = sorted(map(str, (ROOT / "tests").glob("test_*.py")))
        done = run_pytest("-m", "npu", *files, *options, umask=umask, **variables)
        assert [path.name for path in temporary.iterdir() if not path.name.startswith("pytest-of-")] == []
        return done.code, done.words

    return run


@pytest.fixture(scope="module")
def published_rate(tmp_path_factory):
    """The specimen's port with a throughput to reach, which any host's stand-in does."""
    path = tmp_path_factory.mktemp("port") / "port.toml"
    text = (ROOT / "specimen" / "port.toml").read_text(encoding="utf-8")
    scope = 'scope = "interface x chips (extrapolated)"'
    path.write_text(
        f'{text}\n[criteria.throughput_fps]\nlimit = 0.01\n{scope}\nsource = "this test"\n', encoding="utf-8"
    )
    return path


def test_the_whole_chain_passes_and_accepts_nothing(fresh, published_rate, tmp_path, run_npu):
    verdict = tmp_path / "verdict.json"
    options = (f"--store={fresh}", f"--port={published_rate}", "--devices=0,1", "--limit=40", f"--verdict={verdict}")
    code, words = run_npu(*options, f"--evidence={tmp_path / 'evidence.zip'}", chips="310x4")
    found = json.loads(verdict.read_text())

    assert code == 0, words
    assert words.count("SIMULATED") > 3
    limits = "under LOOSENED limits (throughput_fps 0.01, published 3.61)"
    assert re.search(
        rf"SIMULATED: 10 criteria hold over 40 pictures.*{re.escape(limits)}, but no device was judged", words
    )
    assert not re.search(r"ACCEPTED|PASSED:", words)
    assert found["status"] == "SIMULATED"
    assert found["on_trial"]["candidate_on"] == "SIMULATED"
    assert {row["name"] for row in found["criteria"]} >= {"mean AP drop, relative", "throughput, interface x chips"}
    for scope in ("interface, one chip", "interface x chips (extrapolated)", "end to end"):
        assert any(f"fps, {scope} (" in rate and rate.startswith("SIMULATED") for rate in found["rates"])
    assert (fresh / "dumps" / "npu" / "000001_1.bin").is_file()
    commands = found["on_trial"]["commands"]
    assert any("npu-smi info" in command for command in commands)
    assert any("atc --framework=5" in command for command in commands)
    assert sum("-om_path=" in command for command in commands) == 2  # 40 pictures, 32 at a time
    expect_the_same_by_hand(commands, fresh / "dumps" / "npu")

    shutil.copytree(fresh / "dumps" / "npu", tmp_path / "copied out")
    words = ("-m", "accuracy", "tests/test_accuracy.py", f"--dumps={tmp_path / 'copied out'}", "--limit=40")
    done = run_pytest(*words, f"--store={fresh}", f"--port={published_rate}")
    assert done.code == 0, done.stdout
    assert "no device was judged (SIMULATED: the dumps in" in done.words

    evidence = tmp_path / "evidence.zip"
    expect_same_verdict(evidence, found)
    expect_caught(
        evidence, "npu.json", lambda data: data.replace(b'"chips_on_card": 4', b'"chips_on_card": 5'), "throughput"
    )
    (first, _) = sorted(name for name in members_in(evidence) if name.startswith("timings/"))
    expect_caught(evidence, first, a_second_more, "rates")


def a_second_more(data):
    """A timing whose batch began a second earlier."""
    timing = json.loads(data)
    timing["whole_s"][0] -= 1
    return json.dumps(timing, indent=1).encode()


def expect_the_same_by_hand(commands, dumps):
    """In a shell that knows nothing: environment, probes and compiler as they stand, then the last batch."""
    exports = [command for command in commands if command.startswith("export ")]
    (compiled,) = (command for command in commands if "atc --framework=5" in command)
    probes = [command for command in commands if command.endswith("npu-smi info")]
    batch = next(command for command in reversed(commands) if "-om_path=" in command)
    script = "\n".join([*exports, *probes, compiled, batch])
    hardware = {"STANDIN_DEVICES": "310x4"}
    done = subprocess.run(
        ["/bin/sh", "-ec", script], capture_output=True, text=True, env=hardware, cwd="/", timeout=300
    )

    assert done.returncode == 0, done.stderr
    assert "ATC run success" in done.stdout
    (result,) = (dumps.resolve().parent / "work").glob("device*/result/dumpOutput_device*")
    made = sorted(result.glob("*.bin"))
    assert len(made) in (3 * 32, 3 * 8)
    for file in made:
        assert file.read_bytes() == (dumps / file.name).read_bytes()


@pytest.mark.slow
def test_fitted_canvases_have_an_om_each_and_each_picture_its_own(fresh, published_rate, tmp_path, run_npu):
    verdict = tmp_path / "verdict.json"
    options = (f"--store={fresh}", f"--port={published_rate}", "--limit=3", "--canvas=fitted", f"--verdict={verdict}")
    options += ("--runner=ais_bench", "--devices=0,1")  # whose rules for paths are the strictest
    code, words = run_npu(*options, chips="310P3x2", umask=0o022)
    found = json.loads(verdict.read_text())
    trial, canvases = found["on_trial"], found["on_trial"]["canvases"]

    assert code == 0, words
    assert "SIMULATED: 9 criteria hold over 3 pictures" in words
    assert "on 3 FITTED canvases, but no device was judged" in words
    assert "published figures are of the published canvas; judge them without --canvas=fitted" in words
    assert "throughput, interface x chips" not in {row["name"] for row in found["criteria"]}
    assert trial["canvas"] == "fitted"
    assert canvases == {"208x192": 1, "192x256": 1, "512x192": 1}
    for canvas in canvases:
        width, height = canvas.split("x")
        assert {f"{kind} {canvas}" for kind in ("onnx", "adapted", "om")} <= set(trial["exhibits"])
        assert any(f"im_data:1,3,{height},{width}" in command for command in trial["commands"])
        assert any(f"/fitted--{canvas}--rfcn_om-" in command for command in trial["commands"] if "--model " in command)
    assert len({trial["exhibits"][f"om {canvas}"]["sha256"] for canvas in canvases}) == len(canvases)
    assert (fresh / "fitted" / "dumps" / "npu" / "000001_1.bin").is_file()
    assert not (fresh / "dumps" / "npu").exists()


def test_with_a_packet_no_source_model_is_run(specimen_store, store_with, published_rate, tmp_path, run_npu):
    packet, verdict = tmp_path / "reference.zip", tmp_path / "verdict.json"
    words = ("-m", "accuracy", "tests/test_accuracy.py", f"--store={specimen_store}", FEW)
    done = run_pytest(*words, f"--write-reference={packet}")
    assert done.code == INCONCLUSIVE, done.stdout
    store = store_with("rfcn.onnx", "rfcn_adapted.onnx")
    options = (f"--store={store}", f"--port={published_rate}", FEW, f"--reference={packet}", f"--verdict={verdict}")
    code, words = run_npu(*options)
    found = json.loads(verdict.read_text())

    assert code == 0, words
    assert found["status"] == "SIMULATED"
    assert found["on_trial"]["exhibits"]["reference packet"]["path"] == str(packet)
    assert found["on_trial"]["paired"]["drop"]["resamples"] == 2000
    assert not (store / "dumps" / "torch").exists()


def test_a_throughput_that_is_not_reached_fails(fresh, published_rate, tmp_path, run_npu):
    fast = tmp_path / "fast.toml"
    fast.write_text(published_rate.read_text().replace("limit = 0.01\nscope", "limit = 1e5\nscope"))
    code, words = run_npu(f"--store={fresh}", FEW, f"--port={fast}")

    assert code == 1
    assert "throughput, interface x chips" in words.split("FAILED: does not hold (SIMULATED")[1]


@pytest.mark.slow
@pytest.mark.parametrize(("umask", "style", "devices", "count"), [(0o000, "2025", "0,1", 33), (0o027, "2023", "0", 4)])
def test_the_strict_tool_takes_any_umask_and_an_odd_store(fresh, tmp_path, run_npu, umask, style, devices, count):
    """And the lines of the verdict run in a fresh shell, whose umask is nobody's choice."""
    store, verdict = tmp_path / "a b+店" / "store", tmp_path / "verdict.json"
    store.parent.mkdir()
    fresh.rename(store)
    options = (
        f"--store={store}",
        f"--limit={count}",
        f"--devices={devices}",
        "--runner=ais_bench",
        f"--verdict={verdict}",
    )
    _, words = run_npu(*options, chips="310P3x2", umask=umask, STANDIN_STYLE=style)
    found = json.loads(verdict.read_text())

    assert re.search(r"SIMULATED 310P3 devices? 0 \(NPU 0 chip 0\).*, ais_bench", words)
    assert f"every picture judged {count} == {count} passed" in re.sub(r"[│ ]+", " ", words), words
    assert "NOT JUDGED" not in words
    assert "troubles" not in words
    commands = found["on_trial"]["commands"]
    exports = [command for command in commands if command.startswith("export ")]
    batch = next(command for command in reversed(commands) if "--model " in command)
    environment = {"STANDIN_DEVICES": "310P3x2", "STANDIN_STYLE": style, "TMPDIR": str(tmp_path / "tmp")}
    for mask in ("022", "002"):
        script = "\n".join([f"umask {mask}", *exports, batch])
        done = subprocess.run(["/bin/sh", "-ec", script], capture_output=True, text=True, env=environment, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr
    place = re.findall(r"cd (\S+) && PYTHONUTF8=1", batch)[-1]
    made = list((Path(place) / "result").glob("*_1.npy"))
    for file in made:
        dump = (store / "dumps" / "npu" / f"{file.name[:-6]}_2.bin").read_bytes()
        assert np.load(file).tobytes() == dump
    assert made


def test_without_a_device_the_graph_is_compiled_and_the_rest_skips(fresh, run_npu):
    code, words = run_npu(f"--store={fresh}", FEW, "--soc=Ascend310", chips="none")

    assert code == 0, words
    assert "1 passed, 13 skipped" in words
    assert "no NPU" in words


def test_a_planted_failure_is_reported_by_its_cause(fresh, run_npu):
    code, words = run_npu(f"--store={fresh}", FEW, fault="E19010")

    assert code == NOT_JUDGED
    assert "E19010" in words
    assert "NOT JUDGED" in words
    assert "Traceback (most recent call last)" not in words.split("output:")[0]
    line, environment = words.split("by hand: ")[1].split("environment of the line by hand")
    assert "atc --framework=5" in line
    exports = f"export ASCEND_TOOLKIT_HOME={STANDIN / 'toolkit'} export PYTHONPATH={STANDIN} export PATH={STANDIN}"
    assert exports in re.sub("export (LD_LIBRARY_PATH|ASCEND_(?!TOOLKIT_HOME))[^ ]* ", "", environment)


def test_a_dump_that_is_not_what_the_device_made_is_refused(fresh, run_npu):
    _, words = run_npu(f"--store={fresh}", FEW)
    assert "no device was judged" in words or "does not hold (SIMULATED" in words
    dump = fresh / "dumps" / "npu" / "000002_3.bin"
    better = np.fromfile(dump, "<f4")
    better[5] += 1e-4
    better.tofile(dump)
    code, words = run_npu(f"--store={fresh}", FEW)

    assert code == NOT_JUDGED
    assert "000002_*.bin are not the files the device made" in words
    assert "NOT JUDGED" in words


@pytest.mark.parametrize(
    ("options", "environment", "answer"),
    [
        ((), {"ASCEND_RT_VISIBLE_DEVICES": "2,3"}, "unset ASCEND_RT_VISIBLE_DEVICES, and choose with --devices="),
        (("--atc-arg=--no_such_flag=1",), {}, "--atc-arg=--no_such_flag: this atc has no such flag"),
        (("--soc=Ascend310P3",), {}, "--soc=Ascend310P3, but device 0 (NPU 0 chip 0) is an Ascend310"),
        (("--accept",), {"fault": "alarm"}, "--accept needs idle, healthy devices"),
    ],
    ids=["renumbered devices", "a flag unknown to this atc", "a model for another chip", "an ill device, --accept"],
)
def test_a_run_that_would_be_in_vain_is_refused_in_a_sentence(fresh, run_npu, options, environment, answer):
    code, words = run_npu(f"--store={fresh}", FEW, *options, **environment)

    assert code == NOT_JUDGED
    assert answer in words
    assert "def npus" not in words


def test_a_busy_device_is_said_and_under_accept_refused_later_too(fresh, run_npu):
    _, words = run_npu(f"--store={fresh}", FEW, fault="busy")
    assert "troubles:" in words

    code, words = run_npu(f"--store={fresh}", FEW, "--accept")
    assert code == NOT_JUDGED
    assert "were made on troubled devices" in words
    assert "def npus" not in words


def test_a_wrong_option_is_answered_in_a_sentence(run_npu):
    """The other options: tests/unit/suite; what each may be: the tests of the modules."""
    code, words = run_npu("--tool-timeout=0")

    assert code == 4
    assert "--tool-timeout=0 should be a whole number of seconds" in words
