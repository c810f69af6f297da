"""atc as a process: where it works, what it leaves, and how it fails."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rfcn_lib.ascend.atc import (
    AtcError,
    atc_command,
    om_from_adapted,
)
from rfcn_lib.store.store import Store
from tests.support.places import ROOT

START = "ATC start working now, please wait for a moment."


SUCCESS = "ATC run success, welcome to the next use."


FAILURE = "ATC run failed, Please check the detail log, Try 'atc --help' for more information"


@pytest.fixture
def adapted(tmp_path) -> Path:
    path = tmp_path / "rfcn_adapted.onnx"
    path.write_bytes(b"graph")
    return path


@pytest.fixture
def atc(tmp_path, monkeypatch):
    """atc(script): the atc on PATH runs this shell text; scratch folders are made in <tmp_path>/tmp."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)

    def put(script: str) -> None:
        path = tmp_path / "bin" / "atc"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return put


def fails(tmp_path: Path, adapted: Path, **options) -> AtcError:
    with pytest.raises(AtcError) as caught:
        om_from_adapted(tmp_path / "out", adapted, (1344, 1344), "Ascend310", "8.1.RC1", **options)
    assert not (tmp_path / "out").exists()
    return caught.value


def test_a_conversion_leaves_om_log_and_the_line_to_repeat_it(tmp_path, adapted, atc):
    atc(f"echo '{START}'; echo $PWD >&2; echo \"om of $*\" > rfcn.om; mkdir kernel_meta; echo '{SUCCESS}'")
    om_from_adapted(tmp_path / "out", adapted, (320, 256), "Ascend310", "8.1.RC1")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["atc.log", "command.txt", "rfcn.om"]
    words = atc_command((320, 256), "Ascend310")
    assert (tmp_path / "out" / "rfcn.om").read_text() == f"om of {' '.join(words[1:])}\n"
    assert SUCCESS in (tmp_path / "out" / "atc.log").read_text()
    assert not list((tmp_path / "tmp").iterdir())
    first, line = (tmp_path / "out" / "command.txt").read_text().splitlines()
    assert first == "# toolkit 8.1.RC1"
    again = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, cwd="/")
    assert SUCCESS in again.stdout


def test_a_graph_whose_path_atc_would_refuse_is_compiled_under_its_published_name(tmp_path, adapted, atc):
    """GE takes letters, digits, '-', '.', '_' and Chinese ones alone, of the real path; the store's own names have a '+'."""
    odd = tmp_path / "my store" / "fitted+512x784+rfcn_adapted.onnx"
    odd.parent.mkdir()
    adapted.rename(odd)
    atc(f'for word; do case "$word" in --model=*) cat "${{word#*=}}" > rfcn.om;; esac; done; echo "{SUCCESS}"')
    om_from_adapted(tmp_path / "out", odd, (64, 64), "Ascend310", "8.1")

    assert (tmp_path / "out" / "rfcn.om").read_bytes() == b"graph"
    again = (tmp_path / "out" / "command.txt").read_text().splitlines()[1]
    assert SUCCESS in subprocess.run(["/bin/sh", "-c", again], capture_output=True, text=True, cwd="/").stdout


def test_a_newer_toolkits_name_of_the_om_and_a_warning_after_success(tmp_path, adapted, atc):
    atc(f"echo om > rfcn_linux_x86_64.om; echo '...'; echo '{SUCCESS}'; echo 'W11001: Op does not hit the library.'")
    om_from_adapted(tmp_path / "out", adapted, (64, 64), "Ascend310", "9.0")

    assert (tmp_path / "out" / "rfcn.om").read_text() == "om\n"


def test_the_store_keys_graph_flags_soc_and_toolkit(tmp_path, adapted, atc):
    atc(f"echo run >> {tmp_path}/runs; echo om > rfcn.om; echo '{SUCCESS}'")
    store = Store(tmp_path / "store")
    (tmp_path / "keep.txt").write_text("a")

    def build(**changed) -> int:
        made_of = {"adapted": adapted, "canvas_wh": (64, 64), "soc": "Ascend310", "toolkit_version": "8.1", **changed}
        assert (store.build("rfcn_om", om_from_adapted, **made_of) / "rfcn.om").read_text() == "om\n"
        return len((tmp_path / "runs").read_text().splitlines())

    assert build() == 1
    assert build() == 1
    assert build(soc="Ascend310P3") == 2
    assert build(toolkit_version="SIMULATED 8.1") == 3
    assert build(extra=("--log=error",)) == 4
    assert build(precision_mode="force_fp32") == 5
    assert build(extra_files=(tmp_path / "keep.txt",)) == 6
    (tmp_path / "keep.txt").write_text("b")
    assert build(extra_files=(tmp_path / "keep.txt",)) == 7
    adapted.write_bytes(b"another graph")
    assert build() == 8


ENDS = {
    "failure": "echo 'E19999: Inner Error!'; exit 1",
    "crash": "kill -SEGV $$",
    "no om": f"echo '{SUCCESS}'",
    "timeout": f"echo '{START}'; sleep 60",
}


def fails_in(store: Store, adapted: Path, **options) -> str:
    with pytest.raises(AtcError) as caught:
        build(store, adapted, **options)
    return str(caught.value)


def build(store: Store, adapted: Path, **options) -> Path:
    words = {"canvas_wh": (64, 64), "soc": "Ascend310", "toolkit_version": "8.1", "adapted": adapted}
    return store.build(
        "rfcn_om", om_from_adapted, unkeyed={"timeout_s": options.pop("timeout_s", 60)}, **words, **options
    )


def logs(folder: Path) -> list[Path]:
    return sorted(folder.rglob("atc.log"))


@pytest.mark.parametrize("folder", ["store", "my store+1"])
@pytest.mark.parametrize("end", ENDS)
def test_a_failure_leaves_its_log_in_the_store_and_nothing_else(folder, end, tmp_path, adapted, atc):
    atc(f"echo kept words; mkdir kernel_meta; {ENDS[end]}")
    store = Store(tmp_path / folder)
    message = fails_in(store, adapted, timeout_s=1)

    (log,) = logs(store.root)
    assert f"log:     {log}\n" in message
    assert "kept words" in log.read_text()
    assert list(log.parent.iterdir()) == [log]
    assert not list((tmp_path / "tmp").iterdir())
    assert not list((store.root / "kept" / ".scratch").iterdir())


@pytest.mark.parametrize("folder", ["store", "my store+1"])
def test_the_line_of_a_failure_works_in_a_new_shell(folder, tmp_path, adapted, atc):
    atc(f'cat ./rfcn_final.onnx; pwd; echo "{FAILURE}"; exit 255')
    message = fails_in(Store(tmp_path / folder), adapted)
    line = re.search(r"by hand: (.*)", message)[1]

    for _ in range(2):
        again = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, cwd="/")
        assert again.returncode == 255, again.stderr
        assert again.stdout.startswith("graph")
        assert re.search(r"^graph([A-Za-z0-9_./-]+)$", again.stdout, re.MULTILINE), "a path that atc takes"


def test_the_next_failure_of_the_same_model_replaces_the_log_and_a_success_removes_it(tmp_path, adapted, atc):
    store = Store(tmp_path / "store")
    atc("echo first; exit 1")
    fails_in(store, adapted)
    atc("echo second; exit 1")
    fails_in(store, adapted)
    (log,) = logs(store.root)
    assert log.read_text() == "second\n"

    atc(f"echo om > rfcn.om; echo '{SUCCESS}'")
    om = build(store, adapted)
    assert [path.resolve() for path in logs(om)] == [(om / "atc.log").resolve()]
    assert not log.parent.exists()


@pytest.mark.parametrize("folder", ["store", "my store"])
def test_what_a_killed_run_left_is_not_taken_for_new(folder, tmp_path, adapted, atc):
    store = Store(tmp_path / folder)
    atc(f"pwd > {tmp_path}/place; exit 1")
    fails_in(store, adapted)
    place = Path((tmp_path / "place").read_text().strip())
    place.mkdir()
    (place / "rfcn.om").write_text("of the killed run")
    atc(f"echo '{SUCCESS}'")

    assert "wrote no rfcn*.om" in fails_in(store, adapted)
    assert not place.exists()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("folder", ["store", "my store"])
def test_modes_are_the_suites_own_whatever_the_umask(umask, folder, tmp_path, adapted, atc):
    atc(f"stat -c '%a %n' . ./rfcn_final.onnx; echo om > rfcn.om; chmod 600 rfcn.om; echo '{SUCCESS}'")
    store = Store(tmp_path / folder)
    before = os.umask(umask)
    try:
        om = build(store, adapted)
    finally:
        os.umask(before)

    assert (om / "atc.log").read_text().startswith("750 .\n640 ./rfcn_final.onnx\n")
    assert om.stat().st_mode & 0o777 == 0o750
    assert {path.name: path.stat().st_mode & 0o777 for path in om.iterdir()} == dict.fromkeys(
        ("rfcn.om", "atc.log", "command.txt"), 0o640
    )


def test_ctrl_c_ends_atc_and_removes_its_folder(tmp_path, adapted, atc):
    """In a process of its own, as a terminal's Ctrl-C is a signal to the process."""
    atc(f"touch {tmp_path}/started; sleep 60")
    code = (
        "import signal, sys; from pathlib import Path; from rfcn_lib.ascend.atc import om_from_adapted; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a shell in the background has it ignored
        "om_from_adapted(Path(sys.argv[1]), Path(sys.argv[2]), (64, 64), 'Ascend310', '8.1')"
    )
    out = tmp_path / "my store" / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(out), str(adapted)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        for _ in range(600):
            if (tmp_path / "started").exists():
                break
            time.sleep(0.1)
        assert len(list((tmp_path / "tmp").iterdir())) == 1
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert "KeyboardInterrupt" in errors
    assert not list((tmp_path / "tmp").iterdir())
    assert not out.exists()


def test_without_any_plain_path_it_says_what_to_set(tmp_path, adapted, atc, monkeypatch):
    (tmp_path / "t mp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t mp"))
    message = fails_in(Store(tmp_path / "my store"), adapted)

    assert message.startswith("rfcn.om for Ascend310 was not made: ")
    assert "--store" in message
    assert "TMPDIR" in message


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("kill -SEGV $$", "was killed by SIGSEGV (139 in a shell)"),
        ("kill -SEGV $$", "crash without a message on graphs with an NMS"),
        ("exit 139", "a script ends so if SIGSEGV killed its program"),
        ("exit 139", "crash without a message on graphs with an NMS"),
        ("kill -KILL $$", "killed it because memory was full"),
        (
            "echo 'atc.bin: error while loading shared libraries: libascend_hal.so: cannot open it' >&2; exit 127",
            "libascend_hal.so is part of the driver or the toolkit: source the toolkit's set_env.sh",
        ),
        ("echo om > rfcn.om", "atc ended with 0, but did not print 'ATC run success'"),
        (f"echo '{SUCCESS}'", "atc reported success, but wrote no rfcn*.om"),
        (f": > rfcn.om; echo '{SUCCESS}'", "should write one om, but wrote rfcn.om (0 bytes)"),
        (f"echo > rfcn.om; echo > rfcn_b.om; echo '{SUCCESS}'", "but wrote rfcn.om (1 bytes), rfcn_b.om (1 bytes)"),
        (f"echo om > rfcn.om; echo '{SUCCESS}'; exit 1", "ended with 1, but should end with 0"),
    ],
)
def test_every_other_failure_says_what_is_wrong(script, says, tmp_path, adapted, atc):
    atc(script)
    error = fails(tmp_path, adapted)

    assert says in str(error)
    assert error.codes == ()
    assert "by hand: mkdir -p " in str(error)


def test_an_om_of_an_earlier_run_is_no_new_om(tmp_path, adapted, atc, monkeypatch):
    (tmp_path / "rfcn.om").write_text("old")
    monkeypatch.chdir(tmp_path)
    atc(f"echo '{SUCCESS}'")

    assert "wrote no rfcn*.om" in str(fails(tmp_path, adapted))


def test_a_hang_is_ended_and_told(tmp_path, adapted, atc):
    atc(f"echo '{START}'; sleep 60")
    message = str(fails(tmp_path, adapted, timeout_s=0.5))

    assert "rfcn.om for Ascend310 was not made: atc did not end within 0.5 s, so the suite ended it" in message
    assert "try:     this happens on hosts with little memory" in message
    assert START in message


def test_without_atc_it_says_so(tmp_path, adapted, atc, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert "was not made: atc is not on PATH" in str(fails(tmp_path, adapted))
    assert not list((tmp_path / "tmp").iterdir())
    assert not list(tmp_path.glob(".failed/*")), "it never ran, so there is no log"
