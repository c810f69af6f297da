import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.ascend import atc as atc_module
from rfcn_lib.ascend.atc import (
    PRECISION_MODES,
    AtcError,
    atc_arguments,
    atc_command,
    expect_known_flags,
    failed_folder,
    om_from_adapted,
)
from rfcn_lib.ascend.atc_error_codes import MEANINGS, advice_lines, error_codes, meaning_of
from rfcn_lib.command import CommandResult
from tests.support.standin_here import run_here

START = "ATC start working now, please wait for a moment."
SUCCESS = "ATC run success, welcome to the next use."
FAILURE = "ATC run failed, Please check the detail log, Try 'atc --help' for more information"
# the published guide's line (310)
PUBLISHED = (
    "atc --framework=5 --model=./rfcn_final.onnx --output=rfcn --input_format=NCHW "
    '--input_shape="im_data:1,3,1344,1344" --log=debug --soc_version=Ascend310'
)
# what real runs printed (public logs) after the failure line -> its code and the text of it
REAL = {
    "E19010: No parser is registered for Op [grid_sampler_3140, optype [ai.onnx::11::grid_sampler]].": (
        "E19010",
        "No parser is registered for Op [grid_sampler_3140, optype [ai.onnx::11::grid_sampler]].",
    ),
    "E10007: [PID: 10490] 2025-03-18-09:02:18.501.341 [--framework] is required. The value must be [0(Caffe)].": (
        "E10007",
        "[--framework] is required. The value must be [0(Caffe)].",
    ),
    "EZ3003: No supported Ops kernel and engine are found for [AddDsl], optype [AddDsl].\n"
    "        Possible Cause: The operator is not supported by the system.\n"
    "        TraceBack (most recent call last):\n        build graph failed, graph id:0, ret:-1": (
        "EZ3003",
        "No supported Ops kernel and engine are found for [AddDsl], optype [AddDsl].",
    ),
    "[PID: 123] 2026-01-02-03:04:05.678.901 Unsupported_Operator(EZ3003): No supported Ops kernel and engine are found "
    "for [AsStrided12], optype [AsStrided]": (
        "EZ3003",
        "No supported Ops kernel and engine are found for [AsStrided12], optype [AsStrided]",
    ),
    "Unsupported_Operator(EZ3003): No supported Ops kernel and engine are found for [/conv1/Conv], optype [Conv2D]": (
        "EZ3003",
        "No supported Ops kernel and engine are found for [/conv1/Conv], optype [Conv2D]",
    ),
    "EC0010: [PID: 129520] 2025-07-08-10:25:28.680.962 Failed to import Python module "
    "[ModuleNotFoundError: No module named 'decorator'.].": (
        "EC0010",
        "Failed to import Python module [ModuleNotFoundError: No module named 'decorator'.].",
    ),
    "E40000: Failed to import te.platform.log_util.": ("E40000", "Failed to import te.platform.log_util."),
    "E20001: [PID: 200452] 2025-06-16-13:02:36.801.136 Failed to compile Op [/layers.4/Slice_5]. (optype: [StridedSliceD])\n"
    "        Possible Cause: The operator has an invalid argument.": (
        "E20001",
        "Failed to compile Op [/layers.4/Slice_5]. (optype: [StridedSliceD])",
    ),
    "E60108: 2024-09-09-06:13:16.140.829 In op[conv3d_backprop_input], [prebuild failed, not support input size's shape "
    "[-1] and [-2]]\n        TraceBack (most recent call last):\n        Failed to compile Op [Conv3DTranspose1].": (
        "E60108",
        "In op[conv3d_backprop_input], [prebuild failed, not support input size's shape [-1] and [-2]]",
    ),
    "EZ9999: Inner Error!\nEZ9999: [PID: 7] 2025-03-18-09:02:18.501.341 Call InferShape failed": (
        "EZ9999",
        "Inner Error! Call InferShape failed",
    ),
    "E19999: Inner Error!": ("E19999", "Inner Error!"),
    "E19999  Call InferShape failed": ("E19999", "Call InferShape failed"),
}
# the user guide's and a public log's outputs, cut: a failure without a code, and codes in the text of another error
AMCT = (
    "[ERROR] AMCT(21177,atc.bin):2023-04-14-14:43:17[utils_acl.cpp:133]input image size[1579014] is not equal to model "
    "input size[3158028]\n"
    "[ERROR] AMCT(21177,atc.bin):2023-04-14-14:43:17[sample_process.cpp:234]memcpy device buffer failed\n"
    f"...\n{FAILURE}"
)
TRACEBACK = (
    "E40021: [PID: 35515] 2025-06-09-21:25:59.698.173 Failed to compile Op [Add1]. (oppath: [Compile add.py failed with "
    'errormsg/stack: File "tbe_python_error_mgr.py", line 111, in raise_tbe_python_err\n'
    "    raise TBEPythonError(args_dict)\n\n"
    "tvm.error_mgr.TBEPythonError: [EB9999] [errClass:N/A][errCode:EB0500][message:compile error In file included\n"
    "fatal error: 'type_traits' file not found"
)


def said(text: str, returncode: int = 255) -> CommandResult:
    return CommandResult(("atc",), Path("/"), {}, returncode, f"{START}\n{text}\n", "", 1.0)


@pytest.fixture
def adapted(tmp_path) -> Path:
    path = tmp_path / "rfcn_adapted.onnx"
    path.write_bytes(b"graph")
    return path


def fails(tmp_path: Path, adapted: Path, **options) -> AtcError:
    with pytest.raises(AtcError) as caught:
        om_from_adapted(tmp_path / "out", adapted, (1344, 1344), "Ascend310", "8.1.RC1", **options)
    assert not (tmp_path / "out").exists()
    return caught.value


# -- the line ----------------------------------------------------------------------------------------------------------


def test_the_line_is_the_published_one_flag_by_flag():
    assert list(atc_command((1344, 1344), "Ascend310")) == shlex.split(PUBLISHED)


def test_width_and_height_of_the_canvas_are_not_mixed_up():
    assert "--input_shape=im_data:1,3,256,320" in atc_command((320, 256), "Ascend310")


def test_what_a_port_needs_besides_comes_last():
    words = atc_command((64, 64), "Ascend310P3", "must_keep_origin_dtype", ("--log=error", "--op_debug_level=1"))

    assert words[-4:] == (
        "--soc_version=Ascend310P3",
        "--precision_mode=must_keep_origin_dtype",
        "--log=error",
        "--op_debug_level=1",
    )
    assert sum(word.startswith("--log=") for word in words) == 1


@pytest.mark.parametrize("mode", PRECISION_MODES)
def test_every_precision_mode_of_the_guide_is_taken(mode):
    assert atc_command((64, 64), "Ascend310", mode)[-1] == f"--precision_mode={mode}"


def test_an_unknown_precision_mode_is_refused_with_the_known_ones():
    with pytest.raises(AtcError, match=r"--precision-mode=fp16 should be one of force_fp16, force_fp32, "):
        atc_command((64, 64), "Ascend310", "fp16")


@pytest.mark.parametrize("word", ["--precision_mode_v2=origin", "--precision_mode=force_fp16"])
def test_two_precision_modes_exclude_each_other(word):
    with pytest.raises(AtcError, match=f"--precision-mode=force_fp32 and --atc-arg={word} exclude each other"):
        atc_command((64, 64), "Ascend310", "force_fp32", (word,))


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
        (["--output_type=FP16"], "--output_type changes the model's outputs"),
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


# -- failure -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def answers(monkeypatch):
    """answers(text, returncode): atc prints this text and ends so; no process is started."""

    def put(text: str, returncode: int = 255) -> None:
        def run(words, *, cwd, timeout_s, log, set_up):
            log.write_text(text)
            return CommandResult(tuple(words), cwd, {}, returncode, text, "", 1.0, log, set_up)

        monkeypatch.setattr(atc_module, "run", run)

    return put


@pytest.mark.parametrize("printed", REAL)
def test_a_code_is_shown_with_its_text_meaning_and_what_to_try(printed, tmp_path, adapted, answers):
    code, text = REAL[printed]
    answers(f"{START}\n...\n{FAILURE}\n{printed}\n")
    error = fails(tmp_path, adapted)
    message = str(error)

    assert error.codes == (code,)
    assert message.startswith("rfcn.om for Ascend310 was not made: atc ended with 255, but should end with 0 after ")
    assert f"  {code}:  {text}\n" in message
    means, try_this = meaning_of(code)
    assert f"means: {means}" in message
    assert f"try:   {try_this}" in message


@pytest.mark.parametrize("code", ["E20001", "E60000", "E60108", "E69999", "EB0500", "EB9999"])
def test_a_code_of_the_compilers_operators_has_a_meaning_of_its_own(code):
    assert meaning_of(code) is not None
    assert meaning_of(code) not in (meaning_of("E40021"), meaning_of("E19999"))


@pytest.mark.parametrize("code", ["E98765", "E70000", "EX0001"])
def test_a_code_that_nobody_explained_is_called_unknown(code):
    assert meaning_of(code) is None
    assert "does not know" in advice_lines(said(f"{code}: new"))[0]


def test_a_code_in_the_text_of_another_error_is_no_error_of_its_own():
    done = said(TRACEBACK)
    first, second = advice_lines(done)

    assert error_codes(done) == ("E40021",)
    assert first.startswith(
        "  E40021:  Failed to compile Op [Add1]. (oppath: [Compile add.py failed with errormsg/stack: File"
    )
    assert second.startswith("  EB9999, EB0500, inside other text")
    assert "TBEPythonError: [EB9999] [errClass:N/A][errCode:EB0500][message:compile error In file included" in second
    assert all(part in second for part in meaning_of("EB9999"))
    assert second.count("means:") == 1


def test_a_code_that_stands_in_other_text_alone_is_told_too():
    done = said("[ERROR] GE(1,atc.bin):2025-01-01-00:00:00.1.2[error_manager.cc:12] [Report][Error]E19010: No parser")

    assert error_codes(done) == ()
    assert any(
        "E19010, inside other text" in advice and MEANINGS["E19010"][0] in advice for advice in advice_lines(done)
    )


def test_a_long_text_is_cut_and_says_so():
    assert advice_lines(said(f"E19999: {'x' * 1500}"))[0].splitlines()[0].endswith("xxx")
    assert advice_lines(said(f"E19999: {'x' * 1501}"))[0].splitlines()[0].endswith("xxx [...]")


def test_a_failure_without_a_code_quotes_its_first_error_line():
    (advice,) = advice_lines(said(AMCT))

    assert AMCT.splitlines()[0] in advice
    assert "memcpy" not in advice


@pytest.mark.parametrize("returncode", [1, 127, 128, 193, 200, 254, 255])
def test_an_exit_status_that_names_no_signal_is_no_crash(returncode, tmp_path, adapted, answers):
    answers(FAILURE, returncode)
    message = str(fails(tmp_path, adapted))

    assert f"atc ended with {returncode}, but should end with 0" in message
    assert "crash" not in message
    assert "signal" not in message
    assert "plog" in message


@pytest.mark.parametrize("returncode", [-11, -6, 139, 134, 128 + 64])
def test_a_signal_or_a_script_that_passes_one_on_is_a_crash(returncode):
    assert "crash" in advice_lines(said("", returncode))[0]


# -- where it works, and what stays ----------------------------------------------------------------------------------------


def test_the_log_of_a_failure_lies_beside_the_kept_builds_or_beside_the_target():
    scratch = Path("/s/kept/.scratch/rfcn_om-0123")

    assert failed_folder(scratch / "rfcn_om") == Path("/s/kept/.failed/rfcn_om-0123")
    assert failed_folder(Path("/a/out")) == Path("/a/.failed/out")


# -- other failures ----------------------------------------------------------------------------------------------------


def test_several_codes_are_each_told_once_in_their_order(tmp_path, adapted, answers):
    answers("E40021: Failed to compile Op [a].\nEZ9999: Inner Error!\n[ERROR] x E40021: again\nE98765: new\n", 1)
    error = fails(tmp_path, adapted)

    assert error.codes == ("E40021", "EZ9999", "E98765")
    assert str(error).count("means:") == 3
    assert "E40021: Failed to compile Op [a]." in str(error)
    assert "a code that this suite does not know" in str(error)


def test_every_code_has_a_meaning_and_an_advice():
    assert all(re.fullmatch(r"E([0-9]{5}|[A-Z][0-9]{4})", code) for code in MEANINGS)
    assert all(len(text) > 15 for pair in MEANINGS.values() for text in pair)


USAGE = "usage: atc <args>\n  --framework   0: Caffe\n  --op_select_implmode  x\n  --fusion_switch_file  y\n"


def test_a_flag_that_this_atc_does_not_know_names_those_near():
    expect_known_flags(("--fusion_switch_file=a.cfg",), USAGE)
    expect_known_flags(("--anything=1",), "a usage that lists no flag")

    with pytest.raises(
        AtcError, match=r"--fusion_switch: this atc has no such flag, but has 3 others, such as --fusion_switch_f"
    ):
        expect_known_flags(("--fusion_switch=a.cfg",), USAGE)


# -- the stand-in prints codes as the versions do ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        ({"STANDIN_STYLE": "2023", "STANDIN_FAULT": "EZ3003"}, r"EZ3003: No supported Ops kernel .*"),
        ({"STANDIN_FAULT": "EZ3003"}, r"EZ3003: \[PID: \d+\] [0-9:-]{19}\.\d{3}\.\d{3} No supported Ops kernel .*"),
        (
            {"STANDIN_FAULT": "EZ3003,cann9"},
            r"\[PID: \d+\] [0-9:-]{19}\.\d{3}\.\d{3} Unsupported_Operator\(EZ3003\): No supported Ops kernel .*",
        ),
    ],
)
def test_the_standins_forms_of_a_code_all_give_the_same_text(settings, printed, tmp_path, adapted, monkeypatch):
    message = fails_with_the_standin(settings, tmp_path, adapted, monkeypatch)

    (log,) = tmp_path.rglob("atc.log")
    assert re.fullmatch(printed, log.read_text().splitlines()[-1])
    assert "  EZ3003:  No supported Ops kernel and engine are found for [PSROIPooling_1192], optype " in message


@pytest.mark.parametrize(
    ("fault", "shows"),
    [
        ("E20001", ["E20001:  Failed to compile Op [PSROIPooling_1192]."]),
        ("E60108", ["E60108:  In op["]),
        ("no_code", ["first error: [ERROR] AMCT(", "input image size[1579014] is not equal", "ended with 255"]),
    ],
)
def test_the_standins_other_failures_are_read(fault, shows, tmp_path, adapted, monkeypatch):
    message = fails_with_the_standin({"STANDIN_FAULT": fault}, tmp_path, adapted, monkeypatch)

    assert all(part in message for part in shows), message
    assert "does not know" not in message
    assert "crash" not in message


def fails_with_the_standin(settings: dict[str, str], tmp_path: Path, adapted: Path, monkeypatch) -> str:
    monkeypatch.setattr(atc_module, "run", run_here)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return str(fails(tmp_path, adapted))
