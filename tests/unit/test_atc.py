import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.devices.atc import (
    PRECISION_MODES,
    AtcError,
    atc_arguments,
    atc_words,
    expect_known,
    om_from_adapted,
)
from rfcn_lib.devices.atc_error_codes import MEANINGS
from rfcn_lib.store import Store

START = "ATC start working now, please wait for a moment."
SUCCESS = "ATC run success, welcome to the next use."
FAILURE = "ATC run failed, Please check the detail log, Try 'atc --help' for more information"
# the published guide's line (310)
PUBLISHED = (
    "atc --framework=5 --model=./rfcn_final.onnx --output=rfcn --input_format=NCHW "
    '--input_shape="im_data:1,3,1344,1344" --log=debug --soc_version=Ascend310'
)
# what real runs printed (public logs): after the failure line
REAL = {
    "E19010": "E19010: No parser is registered for Op [grid_sampler_3140, optype [ai.onnx::11::grid_sampler]].",
    "E10007": "E10007: [PID: 10490] 2025-03-18-09:02:18.501.341 [--framework] is required. The value must be [0(Caffe)].",
    "EZ3003": "EZ3003: No supported Ops kernel and engine are found for [AddDsl], optype [AddDsl].\n"
    "        Possible Cause: The operator is not supported by the system.\n"
    "        TraceBack (most recent call last):\n        build graph failed, graph id:0, ret:-1",
    "EC0010": "EC0010: [PID: 129520] 2025-07-08-10:25:28.680.962 Failed to import Python module "
    "[ModuleNotFoundError: No module named 'decorator'.].",
    "E40000": "E40000: Failed to import te.platform.log_util.",
}


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


# -- the line ----------------------------------------------------------------------------------------------------------


def test_the_line_is_the_published_one_flag_by_flag():
    assert list(atc_words((1344, 1344), "Ascend310")) == shlex.split(PUBLISHED)


def test_width_and_height_of_the_canvas_are_not_mixed_up():
    assert "--input_shape=im_data:1,3,256,320" in atc_words((320, 256), "Ascend310")


def test_what_a_port_needs_besides_comes_last():
    words = atc_words((64, 64), "Ascend310P3", "must_keep_origin_dtype", ("--log=error", "--op_debug_level=1"))

    assert words[-4:] == (
        "--soc_version=Ascend310P3",
        "--precision_mode=must_keep_origin_dtype",
        "--log=error",
        "--op_debug_level=1",
    )
    assert sum(word.startswith("--log=") for word in words) == 1


@pytest.mark.parametrize("mode", PRECISION_MODES)
def test_every_precision_mode_of_the_guide_is_taken(mode):
    assert atc_words((64, 64), "Ascend310", mode)[-1] == f"--precision_mode={mode}"


def test_an_unknown_precision_mode_is_refused_with_the_known_ones():
    with pytest.raises(AtcError, match=r"--precision-mode=fp16 should be one of force_fp16, force_fp32, "):
        atc_words((64, 64), "Ascend310", "fp16")


@pytest.mark.parametrize("word", ["--precision_mode_v2=origin", "--precision_mode=force_fp16"])
def test_two_precision_modes_exclude_each_other(word):
    with pytest.raises(AtcError, match=f"--precision-mode=force_fp32 and --atc-arg={word} exclude each other"):
        atc_words((64, 64), "Ascend310", "force_fp32", (word,))


# -- what users add ----------------------------------------------------------------------------------------------------


def test_arguments_are_kept_in_order_and_files_found(tmp_path):
    (tmp_path / "keep.txt").touch()
    words, files = atc_arguments(["--log=error", "--keep_dtype=keep.txt", "--optypelist_for_implmode=a;b"], tmp_path)

    assert words == ("--log=error", f"--keep_dtype={tmp_path}/keep.txt", "--optypelist_for_implmode=a;b")
    assert files == (tmp_path / "keep.txt",)
    assert atc_arguments([], tmp_path) == ((), ())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["log=error"], "--atc-arg=log=error should be a flag of atc with its value: --atc-arg=--NAME=VALUE"),
        (["--log"], "should be a flag of atc with its value"),
        (["--log="], "should be a flag of atc with its value"),
        (["-log=error"], "should be a flag of atc with its value"),
        (["--soc_version=Ascend910A"], "the suite sets --soc_version itself, as published"),
        (["--model=/x.onnx"], "the suite sets --model itself"),
        (["--output_type=FP16"], "--output_type changes the model's outputs, but dumps are read as the graph's own"),
        (["--out_nodes=a:0;b:0"], "--out_nodes changes the model's outputs"),
        (["--log=error", "--log=debug"], "--atc-arg=--log=debug: --log is given twice"),
    ],
)
def test_a_wrong_argument_is_refused(given, says, tmp_path):
    with pytest.raises(AtcError) as caught:
        atc_arguments(given, tmp_path)

    assert says in str(caught.value)


@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_argument_is_taken_or_refused_never_a_traceback(given):
    try:
        words, _ = atc_arguments(given, Path("/"))
    except AtcError:
        return
    assert all(re.match("--[a-z][a-z0-9_]*=.", word) for word in words)


# -- success -----------------------------------------------------------------------------------------------------------


def test_a_conversion_leaves_om_log_and_the_line_to_repeat_it(tmp_path, adapted, atc):
    atc(f"echo '{START}'; echo $PWD >&2; echo \"om of $*\" > rfcn.om; mkdir kernel_meta; echo '{SUCCESS}'")
    om_from_adapted(tmp_path / "out", adapted, (320, 256), "Ascend310", "8.1.RC1")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["atc.log", "command.txt", "rfcn.om"]
    words = atc_words((320, 256), "Ascend310")
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


# -- failure -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", REAL)
def test_a_code_is_shown_with_its_meaning_and_what_to_try(code, tmp_path, adapted, atc):
    (tmp_path / "said").write_text(f"{START}\n...\n{FAILURE}\n{REAL[code]}\n")
    atc(f"cat {tmp_path}/said; exit 255")
    error = fails(tmp_path, adapted)
    message = str(error)

    assert error.codes == (code,)
    assert message.startswith("rfcn.om for Ascend310 was not made: atc ended with 255, but should end with 0 after ")
    assert f"  {code}:  {REAL[code].splitlines()[0].removeprefix(f'{code}: ')}" in message
    assert f"means: {MEANINGS[code][0]}" in message
    assert f"try:   {MEANINGS[code][1]}" in message


def test_the_log_stays_and_the_line_can_be_repeated_where_it_ran(tmp_path, adapted, atc):
    atc(f'echo "{FAILURE}"; echo "E10001: Value [x] for parameter [--soc_version] is invalid."; exit 255')
    message = str(fails(tmp_path, adapted))

    log = Path(re.search(r"log:     (\S+)", message)[1])
    assert log.is_relative_to(tmp_path / "tmp")
    assert FAILURE in log.read_text()
    line = re.search(r"by hand: (.*)", message)[1]
    assert subprocess.run(["/bin/sh", "-c", line], capture_output=True, cwd="/").returncode == 255


def test_several_codes_are_each_told_once_in_their_order(tmp_path, adapted, atc):
    said = "E40021: Failed to compile Op [a].\\nEZ9999: Inner Error!\\n[ERROR] x E40021: again\\nE98765: new"
    atc(f"printf '{said}\\n'; exit 1")
    error = fails(tmp_path, adapted)

    assert error.codes == ("E40021", "EZ9999", "E98765")
    assert str(error).count("means:") == 3
    assert "E40021: Failed to compile Op [a]." in str(error)
    assert "a code unknown here" in str(error)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("kill -SEGV $$", "was killed by SIGSEGV (139 in a shell)"),
        ("kill -SEGV $$", "a crash without a word is known of graphs with an NMS"),
        ("exit 139", "what a script says of a tool that SIGSEGV killed"),
        ("exit 139", "a crash without a word is known of graphs with an NMS"),
        ("kill -KILL $$", "killed it for want of memory"),
        (
            "echo 'atc.bin: error while loading shared libraries: libascend_hal.so: cannot open it' >&2; exit 127",
            "libascend_hal.so comes with the driver or the toolkit: source the toolkit's set_env.sh",
        ),
        ("echo om > rfcn.om", "atc ended with 0, but never said 'ATC run success'"),
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
    assert "by hand: cd " in str(error)


def test_an_om_of_an_earlier_run_is_no_new_om(tmp_path, adapted, atc, monkeypatch):
    (tmp_path / "rfcn.om").write_text("old")
    monkeypatch.chdir(tmp_path)
    atc(f"echo '{SUCCESS}'")

    assert "wrote no rfcn*.om" in str(fails(tmp_path, adapted))


def test_a_hang_is_ended_and_told(tmp_path, adapted, atc):
    atc(f"echo '{START}'; sleep 60")
    message = str(fails(tmp_path, adapted, timeout_s=0.5))

    assert "rfcn.om for Ascend310 was not made: atc did not end within 0.5 s, and was ended" in message
    assert "try:     known of hosts with little memory" in message
    assert START in message


def test_without_atc_it_says_so(tmp_path, adapted, atc, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert "was not made: atc is not on PATH" in str(fails(tmp_path, adapted))
    assert not list((tmp_path / "tmp").iterdir())


def test_every_code_has_a_meaning_and_an_advice():
    assert all(re.fullmatch(r"E([0-9]{5}|[A-Z][0-9]{4})", code) for code in MEANINGS)
    assert all(len(text) > 15 for pair in MEANINGS.values() for text in pair)


USAGE = "usage: atc <args>\n  --framework   0: Caffe\n  --op_select_implmode  x\n  --fusion_switch_file  y\n"


def test_a_flag_that_this_atc_does_not_know_names_those_near():
    expect_known(("--fusion_switch_file=a.cfg",), USAGE)
    expect_known(("--anything=1",), "a usage that lists no flag")

    with pytest.raises(
        AtcError, match=r"--fusion_switch: this atc has no such flag, but 3 others, such as --fusion_switch_f"
    ):
        expect_known(("--fusion_switch=a.cfg",), USAGE)
