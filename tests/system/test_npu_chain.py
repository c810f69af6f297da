"""`pytest -m npu` from end to end, as real subprocesses, with a stand-in for the vendor's tools first on PATH.

Test equipment: it proves that the chain works and blames the right cause, and says nothing about any NPU.
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

from rfcn_lib.suite import ascend
from tests.support.places import ROOT, STANDIN

FEW = "--limit=6"


def run_npu(*options, fault="", chips="310", timeout=400, umask=-1, **more):
    path = os.pathsep.join([str(STANDIN), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(STANDIN),
        "ASCEND_TOOLKIT_HOME": str(STANDIN / "toolkit"),
    }
    environment |= more | {"STANDIN_DEVICES": chips, "STANDIN_FAULT": fault, "COLUMNS": "100"}
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-m",
        "npu",
        *map(str, (ROOT / "tests").glob("test_*.py")),
    ]
    done = subprocess.run(
        [*words, *options], cwd=ROOT, capture_output=True, text=True, timeout=timeout, env=environment, umask=umask
    )
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


@pytest.fixture
def fresh(onnx_paths, adapted_paths, torch_dumps, store, tmp_path):
    """A store that has this host's graphs and the reference's dumps, and nothing of any device."""
    kept = tmp_path / "store" / "kept"
    kept.mkdir(parents=True)
    for artifact in (*onnx_paths.values(), *adapted_paths.values(), torch_dumps):
        home = store.root / "kept" / artifact.relative_to(store.root / "kept").parts[0]
        shutil.copytree(home, kept / home.name, copy_function=os.link)
    return tmp_path / "store"


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


def test_the_whole_chain_passes_and_accepts_nothing(fresh, published_rate, tmp_path):
    verdict = tmp_path / "verdict.json"
    code, words = run_npu(
        f"--store={fresh}", f"--port={published_rate}", "--devices=0,1", f"--verdict={verdict}", chips="310x4"
    )
    found = json.loads(verdict.read_text())

    assert code == 0, words
    assert words.count("SIMULATED") > 3
    limits = "under LOOSENED limits (throughput_fps 0.01, published 3.61)"
    assert f"SIMULATED: 5 criteria hold over 140 pictures, {limits}, but no device was judged" in words
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
    assert sum("-om_path=" in command for command in commands) == 5  # 140 pictures, 32 at a time
    expect_the_same_by_hand(commands, fresh / "dumps" / "npu")

    shutil.copytree(fresh / "dumps" / "npu", tmp_path / "copied out")
    for dumps in (fresh / "dumps" / "npu", tmp_path / "copied out"):
        code, words = run_pytest_on(dumps, fresh, published_rate)
        assert code == 0, words
        assert "no device was judged (SIMULATED: the dumps in" in words


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
    assert len(made) in (3 * 32, 3 * 12)
    for file in made:
        assert file.read_bytes() == (dumps / file.name).read_bytes()


@pytest.mark.slow
def test_fitted_canvases_have_an_om_each_and_each_picture_its_own(fresh, published_rate, tmp_path):
    verdict = tmp_path / "verdict.json"
    options = (f"--store={fresh}", f"--port={published_rate}", "--limit=3", "--canvas=fitted", f"--verdict={verdict}")
    options += ("--runner=ais_bench", "--devices=0,1")  # whose rules for paths are the strictest
    code, words = run_npu(*options, timeout=1200, chips="310P3x2", umask=0o022)
    found = json.loads(verdict.read_text())
    trial, canvases = found["on_trial"], found["on_trial"]["canvases"]

    assert code == 0, words
    assert "SIMULATED: 4 criteria hold over 3 pictures" in words
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

    _, words = run_npu(
        *options, fault="ais_bench:half_way", chips="310P3x2", timeout=1200
    )  # all is there: no device is asked again
    assert "SIMULATED: 4 criteria hold over 3 pictures" in words


def run_pytest_on(dumps, store, port):
    words = [sys.executable, "-m", "pytest", "-m", "accuracy", "tests/test_accuracy.py", f"--dumps={dumps}"]
    done = subprocess.run(
        [*words, f"--store={store}", f"--port={port}"], cwd=ROOT, capture_output=True, text=True, timeout=200
    )
    return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)


@pytest.mark.parametrize("devices", [1, 2, 4, 8, 64])
@pytest.mark.parametrize("canvas_wh", [(1344, 1344), (688, 512), (512, 512)], ids=str)
def test_the_bins_of_a_run_and_the_next_stay_under_a_gigabyte(canvas_wh, devices):
    pictures = ascend.pictures_per_run(canvas_wh, devices)

    assert 1 <= pictures <= 32
    assert pictures == 1 or devices * 2 * pictures * 3 * 4 * canvas_wh[0] * canvas_wh[1] < 1e9


def test_a_throughput_that_is_not_reached_fails(fresh, published_rate, tmp_path):
    fast = tmp_path / "fast.toml"
    fast.write_text(published_rate.read_text().replace("limit = 0.01\nscope", "limit = 1e5\nscope"))
    code, words = run_npu(f"--store={fresh}", FEW, f"--port={fast}")

    assert code == 1
    assert "throughput, interface x chips" in words.split("FAILED: judged and found wanting (SIMULATED")[1]


def test_a_limit_agreed_for_another_scope_is_not_judged(fresh, published_rate, tmp_path):
    """Reached many times over, were it held against this rate."""
    other = tmp_path / "other.toml"
    other.write_text(published_rate.read_text().replace("interface x chips (extrapolated)", "end to end"))
    code, words = run_npu(f"--store={fresh}", FEW, f"--port={other}")

    assert code == 1
    assert "fps, interface x chips (extrapolated) (" in words
    assert "cannot be held against 0.01 fps, end to end (this test): they measure different things" in words
    assert "NOT JUDGED: no verdict, because of errors and not of numbers: test_npu_throughput_reaches" in words


def test_the_newer_runner_on_a_newer_chip(fresh):
    _, words = run_npu(f"--store={fresh}", FEW, "--runner=ais_bench", chips="310P3")

    assert "SIMULATED 310P3 device 0 (NPU 0 chip 0), ais_bench" in words
    assert "every picture judged 6 == 6 passed" in re.sub(r"[│ ]+", " ", words)
    assert "no device was judged" in words or "FAILED: judged and found wanting (SIMULATED" in words, words


@pytest.mark.slow
@pytest.mark.parametrize(
    ("umask", "folder", "devices", "style"),
    [
        (0o000, "a b+店", "0", "2025"),
        (0o002, "plain", "0,1", "2025"),
        (0o022, "plain", "0", "2025"),
        (0o022, "a b+店", "0,1", "2025"),
        (0o027, "a b+店", "0", "2023"),
        (0o077, "plain", "0,1", "2025"),
    ],
)
def test_the_strict_tool_takes_every_umask_and_every_store(fresh, tmp_path, umask, folder, devices, style):
    """And the lines of the verdict run in a fresh shell, whose umask is nobody's choice."""
    store, verdict = tmp_path / folder / "store", tmp_path / "verdict.json"
    store.parent.mkdir()
    fresh.rename(store)
    options = (f"--store={store}", "--limit=33", f"--devices={devices}", "--runner=ais_bench", f"--verdict={verdict}")
    _, words = run_npu(*options, chips="310P3x2", umask=umask, STANDIN_STYLE=style)
    found = json.loads(verdict.read_text())

    assert "every picture judged 33 == 33 passed" in re.sub(r"[│ ]+", " ", words), words
    assert "NOT JUDGED" not in words
    assert "troubles" not in words
    commands = found["on_trial"]["commands"]
    exports = [command for command in commands if command.startswith("export ")]
    batch = next(command for command in reversed(commands) if "--model " in command)
    environment = {"STANDIN_DEVICES": "310P3x2", "STANDIN_STYLE": style}
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
    if folder != "plain":  # the line itself brings the bins there
        shutil.rmtree(place)


def test_without_a_device_the_graph_is_compiled_and_the_rest_skips(fresh):
    code, words = run_npu(f"--store={fresh}", FEW, "--soc=Ascend310", chips="none")

    assert code == 0, words
    assert "1 passed, 7 skipped" in words
    assert "no NPU" in words


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("E19010", "E19010"),
        ("E10001", "E10001"),
        ("atc:crash139", "139"),
        ("no_success_line", "success"),
        ("truncated_output", "bytes, but"),
        ("wrong_count", "ran 5 pictures by its own perf file, but was given 6"),
        ("benchmark:half_way", "of 6 pictures"),
        ("nan_output", "000001_3.bin"),
        ("swapped_output", "byte for byte"),
        ("cut_perf", "perf"),
        ("unknown_form", "npu-smi"),
    ],
)
def test_a_planted_failure_is_reported_by_its_cause(fresh, fault, cause):
    code, words = run_npu(f"--store={fresh}", FEW, fault=fault)

    assert code == 1
    assert cause in words
    assert "NOT JUDGED" in words
    assert "Traceback (most recent call last)" not in words.split("output:")[0]


def test_a_failure_gives_the_line_and_its_environment(fresh):
    _, words = run_npu(f"--store={fresh}", FEW, fault="E19010")
    line, environment = words.split("by hand: ")[1].split("environment of the line by hand")

    assert "atc --framework=5" in line
    assert (
        f"export ASCEND_TOOLKIT_HOME={STANDIN / 'toolkit'} export PYTHONPATH={STANDIN} export PATH={STANDIN}"
        in re.sub("export (LD_LIBRARY_PATH|ASCEND_(?!TOOLKIT_HOME))[^ ]* ", "", environment)
    )


def test_a_dump_that_is_not_what_the_device_made_is_refused(fresh):
    _, words = run_npu(f"--store={fresh}", FEW)
    assert "no device was judged" in words or "judged and found wanting (SIMULATED" in words
    dump = fresh / "dumps" / "npu" / "000002_3.bin"
    better = np.fromfile(dump, "<f4")
    better[5] += 1e-4
    better.tofile(dump)
    code, words = run_npu(f"--store={fresh}", FEW)

    assert code == 1
    assert "000002_*.bin are not the files the device made" in words
    assert "NOT JUDGED" in words


def test_renumbered_devices_are_refused(fresh):
    code, words = run_npu(f"--store={fresh}", FEW, ASCEND_RT_VISIBLE_DEVICES="2,3")

    assert code == 1
    assert "unset ASCEND_RT_VISIBLE_DEVICES, and choose with --devices=" in words


def test_a_flag_that_atc_does_not_know_is_refused_before_it_is_tried(fresh):
    code, words = run_npu(f"--store={fresh}", FEW, "--atc-arg=--no_such_flag=1")

    assert code == 1
    assert "--atc-arg=--no_such_flag: this atc has no such flag, but" in words


def test_a_model_for_another_chip_is_refused_before_it_is_compiled(fresh):
    code, words = run_npu(f"--store={fresh}", FEW, "--soc=Ascend310P3", chips="310")

    assert code == 1
    assert "--soc=Ascend310P3, but device 0 (NPU 0 chip 0) is an Ascend310" in words


def test_a_hang_is_ended_and_what_was_finished_is_kept(fresh):
    code, words = run_npu(f"--store={fresh}", FEW, "--tool-timeout=12", fault="benchmark:hang")
    kept = len(list((next((fresh / "kept").glob("npu-*")) / "npu" / "dumps").glob("*_3.bin")))

    assert code == 1
    assert "did not end within 12 s" in words
    assert 0 < kept < 6

    code, words = run_npu(f"--store={fresh}", FEW)
    assert "no device was judged" in words or "judged and found wanting (SIMULATED" in words


def test_a_lost_device_s_pictures_go_to_the_others(fresh):
    _, words = run_npu(f"--store={fresh}", "--limit=40", "--devices=2,0", fault="device_lost=2", chips="310x4")

    assert "troubles: device 2 (NPU 2048 chip 2) was lost" in words  # two batches of 32 and 8: each device took one
    assert "every picture judged 40 == 40 passed" in re.sub(r"[│ ]+", " ", words)
    assert "NOT JUDGED" not in words


def test_a_busy_device_is_said_and_under_accept_refused_later_too(fresh):
    _, words = run_npu(f"--store={fresh}", FEW, fault="busy")
    assert "troubles:" in words

    code, words = run_npu(f"--store={fresh}", FEW, "--accept")
    assert code == 1
    assert "were made on troubled devices" in words
    assert "def npus" not in words


def test_a_warning_of_the_driver_is_said_and_under_accept_refused(fresh):
    _, words = run_npu(f"--store={fresh}", FEW, fault="driver_warning")
    assert "troubles: npu-smi info says '[WARNING]The driver package" in words
    assert "NOT JUDGED" not in words

    code, words = run_npu(f"--store={fresh}", FEW, "--accept", fault="driver_warning")
    assert code == 1
    assert "[WARNING]The driver package" in words
    assert "--accept needs idle, healthy devices" in words


def test_a_container_s_devices_are_the_tools_and_not_the_host_s(fresh):
    """Its table shows Phy-ID 8 and 9; --device 8 opens nothing."""
    _, words = run_npu(
        f"--store={fresh}", FEW, "--devices=1", "--soc=Ascend910_9392", "--runner=ais_bench", chips="A3container"
    )

    assert "SIMULATED Ascend910 device 1 (NPU 4 chip 1), ais_bench" in words
    assert "NOT JUDGED" not in words


def test_an_ill_device_is_refused_under_accept(fresh):
    code, words = run_npu(f"--store={fresh}", FEW, "--accept", fault="alarm")

    assert code == 1
    assert "Alarm" in words
    assert "--accept needs idle, healthy devices" in words
    assert "def npus" not in words


@pytest.mark.parametrize(
    ("option", "answer"),
    [
        ("--soc=Ascend311", "--soc=Ascend311 should be one of"),
        ("--runner=msame", "--runner=msame should be benchmark or ais_bench"),
        ("--devices=0;1", "--devices=0;1 should be device ids"),
        ("--precision-mode=fast", "--precision-mode=fast should be one of"),
        ("--atc-arg=fast", "--atc-arg=fast should be a flag of atc"),
        ("--atc-arg=--soc_version=Ascend310", "the suite sets --soc_version itself"),
        ("--tool-timeout=0", "--tool-timeout=0 should be a whole number of seconds"),
    ],
)
def test_a_wrong_option_is_answered_in_a_sentence(option, answer):
    code, words = run_npu(option)

    assert code == 4
    assert answer in words


def test_a_device_that_is_not_there_is_an_error_naming_those_that_are(fresh):
    code, words = run_npu(f"--store={fresh}", FEW, "--devices=7", chips="310x4")

    assert code == 1
    assert "7" in words
    assert "NOT JUDGED" in words
