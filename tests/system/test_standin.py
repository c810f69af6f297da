"""The stand-in speaks as the vendor's tools do, fails as it is told to, and never hides what it is."""

import ast
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import stat
import subprocess

import numpy as np
import onnx
import pytest

from rfcn_lib import spec
from rfcn_lib.devices import onnx_runtime
from rfcn_lib.graph.twin import twin_from_vendor
from rfcn_lib.pictures.bin_files import write_bins
from tests.support import tiny
from tests.support.places import STANDIN
from tests.support.standin_here import environment, im_data_of

WIDTH, HEIGHT = tiny.CANVAS_WH
IDS = ("000001", "000002", "000010")
ATC = {
    "framework": "5", "model": "adapted.onnx", "output": "rfcn", "input_format": "NCHW",
    "input_shape": f"im_data:1,3,{HEIGHT},{WIDTH}", "log": "debug", "soc_version": "Ascend310",
}  # fmt: skip
BENCHMARK = {
    "model_type": "vision", "device_id": "0", "batch_size": "1", "om_path": "rfcn.om", "input_text_path": "./demo.info",
    "input_width": WIDTH, "input_height": HEIGHT, "output_binary": "True", "useDvpp": "False",
}  # fmt: skip
AIS_BENCH = ("--model", "rfcn.om", "--input", "./bin", "--output", "./", "--output_dirname", "result")
PERF = re.compile(
    r"\[e2e\] throughputRate: (\S+), latency: (\S+)\s"
    r"\[data read\] throughputRate: (\S+), moduleLatency: (\S+)\s"
    r"\[preprocess\] throughputRate: (\S+), moduleLatency: (\S+)\s"
    r"\[(infer|inference)\] throughputRate: (\S+), Interface throughputRate: (\S+), moduleLatency: (\S+)\s"
    r"\[(post|postprocess)\] throughputRate: (\S+), moduleLatency: (\S+)\n"
)


@pytest.fixture
def work(tiny_made, tmp_path):
    """A fresh folder that has the adapted graph, its om, three bins and their info file; today's ais_bench takes no link."""
    for name in ("adapted.onnx", "rfcn.om"):
        (tmp_path / name).hardlink_to(tiny_made / name)
    write_bins(tmp_path / "bin", tmp_path / "demo.info", ((id, im_data_of(id)) for id in IDS), listed_folder="./bin")
    tmp_path.chmod(0o750)
    return tmp_path


def words_of(tool, *more, **changed) -> list[str]:
    """The published command of a tool, with changes; a change to None leaves a flag out."""
    if tool == "ais_bench":
        return ["python3", "-m", "ais_bench", *AIS_BENCH, *more]
    name, flags, dashes = ("atc", ATC, "--") if tool == "atc" else ("benchmark.x86_64", BENCHMARK, "-")
    found = {**flags, **changed}
    return [name, *(f"{dashes}{flag}={value}" for flag, value in found.items() if value is not None), *more]


def run(work, words, **planted):
    """The command as a real process."""
    return subprocess.run(words, cwd=work, env=environment(**planted), capture_output=True, text=True, timeout=120)


@pytest.fixture
def call(work, monkeypatch, capsys):
    """call(tool, words, **planted): the same program in this process, which is quicker -> status, stdout."""
    modules = {"atc": "atc", "benchmark": "benchmark", "ais_bench": "ais_bench_tool", "npu-smi": "chips"}

    def called(tool, words, **planted):
        monkeypatch.syspath_prepend(STANDIN)
        monkeypatch.chdir(work)
        for name in ("STANDIN_FAULT", "STANDIN_DEVICES", "STANDIN_STYLE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in planted.items():
            monkeypatch.setenv(name, value)
        first = 3 if tool == "ais_bench" else 1
        status = importlib.import_module(f"simulated.{modules[tool]}").main(words[first:])
        return status, capsys.readouterr().out

    return called


def dumps(folder, first, ids=IDS):
    """id -> its three files as float32 arrays."""
    return {id: [np.fromfile(folder / f"{id}_{k + first}.bin", "<f4") for k in range(3)] for id in ids}


# -- npu-smi ----------------------------------------------------------------------------------------------------------


def test_npu_smi_draws_the_table_of_a_310_as_published(tmp_path):
    lines = run(tmp_path, ["npu-smi", "info"]).stdout.splitlines()

    assert "SIMULATED" in lines[1]
    assert lines[3:8] == [
        "| NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |",
        "| Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |",
        "+===============================+=================+======================================================+",
        "| 0       310                   | OK              | 12.8         61                0     / 969           |",
        "| 0       0                     | 0000:81:00.0    | 0            577  / 7759                             |",
    ]


@pytest.mark.parametrize(
    ("devices", "rows"),
    [
        ("310x4", ["| 2048    310       | OK              | 12.8              46                   |",
                   "| 3       3         | 0000:84:00.0    | 0                 2621 / 8192          |"]),
        ("310P3", ["| 0       310P3                 | OK              |"]),
        ("300IDuo", ["| 0       310P3                 | OK              | NA ", "| 1       1                     |"]),
        ("910B", ["| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |",
                  "| 0     910B4               | OK            | 88.2        30                0    / 0             |",
                  "| 0                         | 0000:81:00.0  | 0           0    / 0          26838/ 32768         |"]),
        ("A3", ["| Chip  Phy-ID              |", "| 0     Ascend910           | OK            | -  ", "| 1     1      "]),
    ],
)  # fmt: skip
def test_npu_smi_knows_the_generations(call, devices, rows):
    status, said = call("npu-smi", ["npu-smi", "info"], STANDIN_DEVICES=devices)

    assert status == 0
    assert all(row in said for row in rows), said
    widths = {len(line) for line in said.splitlines()}
    assert len(widths) == 1, said


def test_npu_smi_without_a_device_and_misspelt_ones(call, tmp_path):
    assert call("npu-smi", ["npu-smi", "info"], STANDIN_DEVICES="none")[0] != 0
    done = run(tmp_path, ["npu-smi", "info"], STANDIN_DEVICES="V100")
    assert done.returncode != 0
    assert "STANDIN_DEVICES is 'V100', but should be none, or one of 310, 310P3" in done.stderr


# -- atc --------------------------------------------------------------------------------------------------------------


def test_atc_says_what_the_real_one_says_and_the_om_carries_the_graph(work):
    done = run(work, words_of("atc", output="other"))

    assert done.returncode == 0
    first, *rest = done.stdout.splitlines()
    assert first.startswith("SIMULATED")
    assert rest[0] == "ATC start working now, please wait for a moment."
    assert rest[-1] == "ATC run success, welcome to the next use."
    label, facts, graph = (work / "other.om").read_bytes().split(b"\n", 2)
    assert label == b"SIMULATED OM"
    assert stat.S_IMODE((work / "other.om").stat().st_mode) == 0o600
    assert json.loads(facts)["soc_version"] == "Ascend310"
    assert onnx.load_model_from_string(graph) == onnx.load(work / "adapted.onnx")
    assert (work / "other.om").read_bytes() == (work / "rfcn.om").read_bytes(), "the same graph and flags, the same om"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"soc_version": "Ascend31"}, r"E10001: .*Value \[Ascend31\] for parameter \[--soc_version\] is invalid"),
        ({"model": "none.onnx"}, r"E10001: .*\[--model\].*does not exist"),
        ({"precison_mode": "force_fp16"}, r"E10001: .*\[--precison_mode\].*unknown"),
        ({"input_shape": "image:1,3,80,112"}, r"E10016: .*Opname \[image\] is not in the model"),
    ],
)
def test_atc_refuses_bad_flags(call, work, changed, says):
    status, said = call("atc", words_of("atc", **{"output": "new", **changed}))

    assert status == 255
    assert "\nATC run failed, Please check the detail log, Try 'atc --help' for more information\n" in said
    assert re.search(says, said)
    assert not (work / "new.om").exists()


def spoilt(model, what):
    nms = next(node for node in model.graph.node if node.op_type == spec.NMS_OPERATOR)
    pool = next(node for node in model.graph.node if node.op_type == spec.POOL_OPERATOR)
    if what == "domain":
        pool.domain = "rfcn.host"
    elif what == "two opsets":
        model.opset_import.append(onnx.helper.make_opsetid("rfcn.host", 1))
    elif what == "old opset":
        model.opset_import[0].version = 17
    elif what == "unknown":
        pool.op_type = "RoiPool9"
    elif what == "NonZero":
        model.graph.node.append(onnx.helper.make_node("NonZero", ["im_data"], ["where"], name="NonZero_1"))
    elif what == "lost scale":
        next(a for a in pool.attribute if a.name == "spatial_scale").CopyFrom(
            onnx.helper.make_attribute("spatial_scale", 1)
        )
    elif what == "lost threshold":
        next(a for a in nms.attribute if a.name == "iou_threshold").CopyFrom(
            onnx.helper.make_attribute("iou_threshold", 1)
        )


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (
            "domain",
            r"E19010: .*No parser is registered for Op \[\S*PSROIPooling\S*, optype \[rfcn.host::11::PSROIPooling\]\]",
        ),
        ("two opsets", r"E16005: .*The model has \[2\] \[--domain_version\] fields, but only one is allowed."),
        ("old opset", r"E19010: .*optype \[ai.onnx::17::\w+\]\]"),
        ("unknown", r"E19010: .*optype \[ai.onnx::11::RoiPool9\]\]"),
        ("NonZero", r"EZ3003: .*No supported Ops kernel and engine are found for \[NonZero_1\], optype \[NonZero\]."),
        ("lost scale", r"Node must have attr spatial_scale, output_dim, group_size"),
    ],
)
def test_atc_refuses_graphs_its_parser_does_not_know(call, work, what, says):
    model = onnx.load(work / "adapted.onnx")
    spoilt(model, what)
    onnx.save(model, work / "spoilt.onnx")
    status, said = call("atc", words_of("atc", model="spoilt.onnx", output="new"))

    assert status not in (0, 255)
    assert re.search(says, said), said
    assert not (work / "new.om").exists()


def test_atc_drops_an_attribute_of_another_type_without_a_word(call, work):
    model = onnx.load(work / "adapted.onnx")
    spoilt(model, "lost threshold")
    onnx.save(model, work / "spoilt.onnx")
    status, said = call("atc", words_of("atc", model="spoilt.onnx", output="new"))

    assert (status, "iou" in said) == (0, False)
    graph = onnx.load_model_from_string((work / "new.om").read_bytes().split(b"\n", 2)[2])
    nms = next(node for node in graph.graph.node if node.op_type == spec.NMS_OPERATOR)
    assert next(a for a in nms.attribute if a.name == "iou_threshold").f == 0.0


def test_a_misspelt_fault_is_not_a_silent_success(work):
    for planted in ("E1901", "atc:device_lost"):
        done = run(work, words_of("atc", output="new"), STANDIN_FAULT=planted)
        assert done.returncode != 0
        assert f"SIMULATED: STANDIN_FAULT has {planted!r}, but should be [tool:]name[=value]" in done.stderr


# -- the runners ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wanted(tiny_made, tmp_path_factory):
    """What the twin gives for each picture, straight from ONNX Runtime."""
    twin = tmp_path_factory.mktemp("twin") / "twin.onnx"
    twin_from_vendor(twin, tiny_made / "adapted.onnx")
    session = onnx_runtime.session(twin)
    found = {id: onnx_runtime.run(session, tiny.im_data_of(int(id)), tiny.picture_of(id)) for id in IDS}
    return {id: [getattr(outputs, name).reshape(-1) for name in spec.OUTPUTS] for id, outputs in found.items()}


def same(got, want):
    pairs = ((a, b) for id in want for a, b in zip(got[id], want[id], strict=True))
    return got.keys() == want.keys() and all(np.array_equal(a, b) for a, b in pairs)


def test_benchmark_writes_the_published_files(work, wanted):
    done = run(work, words_of("benchmark"))

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("[INFO] SIMULATED")
    folder = work / "result" / "dumpOutput_device0"
    assert sorted(path.name for path in folder.iterdir()) == [f"{id}_{k}.bin" for id in IDS for k in (1, 2, 3)]
    assert same(dumps(folder, first=1), wanted)
    assert (work / "result" / "SIMULATED").exists()
    perf = PERF.fullmatch((work / "result" / "perf_vision_batchsize_1_device_0.txt").read_text())
    assert perf is not None
    rate, latency_ms, interface = float(perf[1]), float(perf[2]), float(perf[9])
    assert rate * latency_ms / 1000 == pytest.approx(len(IDS), rel=1e-4)
    assert interface >= rate
    assert (perf[7], perf[11]) == ("infer", "post")


def test_ais_bench_writes_todays_files_with_the_same_numbers(work, wanted):
    done = run(work, words_of("ais_bench"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (work / "result").iterdir()) == [
        f"{id}_{k}.bin" for id in IDS for k in (0, 1, 2)
    ]
    assert same(dumps(work / "result", first=0), wanted)
    summary = json.loads((work / "result_summary.json").read_text())
    assert summary["filesinfo"] == {
        str(number): {"infiles": [f"./bin/{id}.bin"], "outfiles": [f"./result/{id}_{k}.bin" for k in range(3)]}
        for number, id in enumerate(IDS)
    }
    times = summary["npu_compute_time_list"]
    assert len(times) == summary["NPU_compute_time"]["count"] == len(IDS)
    assert summary["throughput"] == pytest.approx(1000 * len(IDS) / sum(times))
    assert {"min", "max", "mean", "median", "percentile(99%)", "count"} == summary["H2D_latency"].keys()
    assert "SIMULATED" in summary
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[INFO] SIMULATED")
    assert "[INFO] load model rfcn.om success" in lines
    assert lines.index("[INFO] create new context") < lines.index("[INFO] load model rfcn.om success")
    mean = summary["NPU_compute_time"]["mean"]
    assert f"[INFO] throughput 1000*batchsize.mean(1)/NPU_compute_time.mean({mean}): {summary['throughput']}" in lines
    assert lines[-3:] == [
        "[INFO] unload model success, model Id is 1", "[INFO] end to reset device 0", "[INFO] end to finalize acl",
    ]  # fmt: skip
    # \r, which text=True makes \n
    bars = re.findall(r"\nInference array Processing: +(\d+)%\|.{10}\| (\d)/3 \[00:", done.stdout)
    assert (bars[0], bars[-1]) == (("0", "0"), ("100", "3"))
    assert summary["H2D_latency"]["count"] == len(IDS)
    assert summary["D2H_latency"]["count"] == 3 * len(IDS)


@pytest.mark.parametrize(
    ("style", "umask", "folder", "file"),
    [("2023", 0o002, 0o755, 0o664), ("2025", 0o002, 0o750, 0o640), ("2025", 0o077, 0o700, 0o600)],
)
def test_ais_bench_makes_what_it_writes_as_its_generation_does(call, work, style, umask, folder, file):
    old = work / "result_summary.json"
    old.touch()
    old.chmod(0o600 if style == "2023" else 0o666)
    previous = os.umask(umask)
    try:
        call("ais_bench", words_of("ais_bench", "--outfmt", "NPY"), STANDIN_STYLE=style)
    finally:
        os.umask(previous)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (work / "result", work / "result" / f"{IDS[0]}_1.npy", old)]

    assert modes == [folder, file, 0o600 if style == "2023" else file], "today's tool makes an old file anew"
    summary = json.loads(old.read_text())
    order = ["throughput", "npu_compute_time_list"]
    assert list(summary)[-3:] == [*(order if style == "2023" else order[::-1]), "pid"]
    if style == "2023":
        assert all(float(np.float32(time_ms)) == time_ms for time_ms in summary["npu_compute_time_list"])


EXPORT = (
    "[ERROR] The file {} is group writable, or is others writable, as export file(or directory), permission should not be "
    "over 0o750(rwxr-x---)"
)
IMPORT = EXPORT.replace("export", "import").replace("0o750(rwxr-x---)", "0o755(rwxr-xr-x)")
LINK = "[ERROR] path :{} is a soft link, not supported, please import file(or directory) directly"
ILLEGAL = {  # what is spoilt: (the file, how, which argument, what is logged)
    "om others may write": ("rfcn.om", lambda path: path.chmod(0o602), "model", IMPORT),
    "om is a link": ("rfcn.om", lambda path: relinked(path), "model", LINK),
    "bins' folder its group may write": ("bin", lambda path: path.chmod(0o770), "input", IMPORT),
    "others may read what is written": ("", lambda path: path.chmod(0o754), "output", EXPORT),
}
REFUSED = {
    "model": "--model/-m: om path:rfcn.om",
    "input": "--input/-i: input path:./bin",
    "output": "--output/-o: output path:./",
}


def relinked(path):
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def refused(call, capsys, words):
    """-> stdout's first line, stderr's last."""
    with pytest.raises(SystemExit) as ended:
        call("ais_bench", words)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert err.startswith("usage: __main__.py [-h] --model MODEL")
    return out.splitlines()[0], err.splitlines()[-1]


@pytest.mark.parametrize("case", ILLEGAL)
def test_todays_ais_bench_refuses_modes_and_links_before_it_does_anything(call, work, capsys, case):
    name, spoil, argument, logged = ILLEGAL[case]
    shutil.copyfile(work / "rfcn.om", work / "copy")  # the linked one is every test's
    (work / "copy").replace(work / "rfcn.om")
    (work / "rfcn.om").chmod(0o600)
    spoil(work / name)
    said, last = refused(call, capsys, words_of("ais_bench"))

    assert said.startswith(logged.format(work / name if name else work))
    assert last == f"__main__.py: error: argument {REFUSED[argument]} is illegal. Please check."
    assert not (work / "result").exists()


@pytest.mark.parametrize("character", ["+", "店"])
def test_todays_ais_bench_refuses_other_characters_anywhere_in_the_path(call, work, capsys, character):
    odd = work / f"a{character}b"
    odd.mkdir(mode=0o750)
    shutil.copyfile(work / "rfcn.om", odd / "rfcn.om")
    said, last = refused(call, capsys, [*words_of("ais_bench"), "--model", str(odd / "rfcn.om")])

    assert said == "[ERROR] path contains illegal char, legal chars include A-Z a-z 0-9 _ - / ."
    assert last == "__main__.py: error: argument --model/-m: om path string is illegal. Please check."


def test_the_older_ais_bench_takes_any_path_and_mode(call, work):
    (work / "bin").chmod(0o777)
    work.chmod(0o777)
    (work / "a b").mkdir()
    shutil.copyfile(work / "rfcn.om", work / "a b" / "rfcn.om")
    status, said = call("ais_bench", [*words_of("ais_bench"), "--model", "a b/rfcn.om"], STANDIN_STYLE="2023")

    assert status == 0
    assert "create new context" not in said


def test_a_misspelt_style_is_refused(call):
    with pytest.raises(SystemExit, match="STANDIN_STYLE is '2024', but should be one of 2023, 2025"):
        call("ais_bench", words_of("ais_bench"), STANDIN_STYLE="2024")


def test_several_devices_of_the_older_tool_share_the_pictures_and_one_may_be_lost(work, wanted):
    planted = {"STANDIN_DEVICES": "310x4", "STANDIN_FAULT": "device_lost=3", "STANDIN_STYLE": "2023"}
    done = run(work, words_of("ais_bench", "--device", "0,3"), **planted)

    assert done.returncode == 1
    assert same(dumps(work / "result" / "device0", 0, IDS[:2]), {id: wanted[id] for id in IDS[:2]})
    assert list((work / "result" / "device3").iterdir()) == []
    assert (work / "result" / "device0_summary.json").exists()
    assert not (work / "result" / "device3_summary.json").exists()
    assert re.search(r"^i:0 device_0 throughput:\S+ start_time:\S+ end_time:\S+$", done.stdout, re.MULTILINE)
    assert "device 3 is lost" in done.stdout
    assert "[ERROR] subprocess run failed error_callback:[-1][ACL: general failure] \n" in done.stdout
    assert "[INFO] multidevice run end qsize:3 result:1" in done.stdout, "both were ready, one has a rate"
    assert done.stderr == ""


def test_several_devices_of_todays_tool_do_all_pictures_each_unless_told_to_share(work, wanted):
    done = run(work, words_of("ais_bench", "--device", "0,3"), STANDIN_DEVICES="310x4")

    assert done.returncode == 0, done.stdout + done.stderr
    for folder in ("device0_0", "device3_1"):
        assert same(dumps(work / "result" / folder, 0), wanted)
    assert re.search(r"^\[INFO\] i:0 device_0 throughput:\S+ {17}start_time:\S+", done.stdout, re.MULTILINE)
    assert "[INFO] multidevice run end qsize:4 result:0" in done.stdout

    planted = {"STANDIN_DEVICES": "310x4", "STANDIN_FAULT": "open_fails=3"}
    done = run(
        work, words_of("ais_bench", "--device", "0,3", "--divide_input", "1", "--output_dirname", "shared"), **planted
    )
    assert done.returncode == 1
    assert sorted(path.name for path in (work / "shared" / "device0_0").glob("*_0.bin")) == [
        f"{id}_0.bin" for id in IDS[:2]
    ]
    assert not (work / "shared" / "device3_1").exists()
    assert "[ERROR] subprocess run failed error_callback:[507033][Error code unknown] \n" in done.stdout
    assert "[INFO] multidevice run end qsize:2 result:1" in done.stdout


def test_the_marks_lie_where_one_looks():
    executables = [path for path in STANDIN.iterdir() if path.is_file() and os.access(path, os.X_OK)]
    assert {path.name for path in executables} == {"atc", "npu-smi", "benchmark.x86_64", "benchmark.aarch64"}
    assert "stand-in" in (STANDIN / "SIMULATED").read_text()
    assert (STANDIN / "ais_bench" / "SIMULATED").exists()
    assert (STANDIN / "ais_bench" / "__init__.py").read_bytes() == b"", "as the real one; what marks it lies beside it"
    (found,) = importlib.metadata.distributions(name="ais_bench", path=[str(STANDIN)])
    assert found.version == "0.0.2"
    for info in STANDIN.glob("toolkit/*/ascend_toolkit_install.info"):
        assert re.search(r"^version=.*SIMULATED$", info.read_text(), re.MULTILINE)
    assert (STANDIN / "benchmark.x86_64").read_text() == (STANDIN / "benchmark.aarch64").read_text()


def test_a_shell_can_source_the_stand_in(tmp_path):
    done = run(
        tmp_path, ["bash", "-c", f"unset PYTHONPATH; . {STANDIN}/set_env.sh; command -v atc; atc --help | head -1"]
    )
    assert done.stdout.splitlines() == [str(STANDIN / "atc"), done.stdout.splitlines()[1]]
    assert "SIMULATED" in done.stdout


SPEAKS = {
    "print",
    "info",
    "error",
    "failed",
    "exit",
    "kill",
    "write_text",
    "tofile",
    "RefusedError",
    "ArgumentTypeError",
}


def test_each_function_that_speaks_for_a_tool_names_what_it_stands_on():
    """The stand-in was once written from what its authors believed, and hid two faults that met every user."""
    silent, speaking = [], 0
    for module in sorted((STANDIN / "simulated").glob("*.py")):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                calls = [call.func for call in ast.walk(node) if isinstance(call, ast.Call)]
                names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
                speaking += bool(names & SPEAKS)
                if names & SPEAKS and "Source: " not in (ast.get_docstring(node) or ""):
                    silent.append(f"{module.name}: {node.name}")
    assert speaking > 30
    assert silent == []
