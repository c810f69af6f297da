"""The tools of a host are found by asking them, as processes."""

import platform
import sys
from pathlib import Path

import pytest

from rfcn_lib.ascend import toolkit
from rfcn_lib.ascend.npu_smi import NpuSmiError
from rfcn_lib.ascend.toolkit import npus, runner
from tests.support.toolkit_host import executable

pytestmark = pytest.mark.usefixtures("host")

HELP = "usage: ais_bench [-h] --model MODEL [--input INPUT] [--output_dirname D] [--outfmt {NPY,BIN,TXT}]"


TABLE = """\
+--+
| NPU Name | Health | Power(W) |
| Chip Device | Bus-Id | AICore(%) |
| 2048 310 | OK | 12.8 |
| 0 7 | 0000:81:00.0 | 0 |
+==+
"""


def benchmark(host: Path) -> Path:
    return executable(host / "bin" / f"benchmark.{platform.machine()}")


def ais_bench(host: Path, monkeypatch, main: str = f"print({HELP!r})") -> Path:
    """A module ais_bench, and the python3 on PATH that can import it."""
    (host / "bin" / "python3").symlink_to(sys.executable)
    module = executable(host / "modules" / "ais_bench" / "__init__.py", "")
    executable(host / "modules" / "ais_bench" / "__main__.py", main)
    monkeypatch.setenv("PYTHONPATH", str(host / "modules"))
    return module


def test_the_published_tool_is_found(host):
    path = benchmark(host)
    found = runner()

    assert found
    assert (found.name, found.command, found.path) == ("benchmark", (path.name,), path)
    assert not found.simulated


def test_ais_bench_is_found_with_its_usage(host, monkeypatch):
    module = ais_bench(host, monkeypatch)
    found = runner()

    assert found
    assert (found.name, found.command, found.path) == ("ais_bench", ("python3", "-m", "ais_bench"), module.parent)
    assert found.usage.strip() == HELP
    assert found.version == f"of no version, sha256 {found.sha256[:12]}"


def test_another_release_is_told_by_its_files(host, monkeypatch):
    """Five releases call themselves 0.0.2 and have an empty `__init__.py`."""
    package, runtime = ais_bench(host, monkeypatch).parent, host / "modules" / "aclruntime.py"
    found = [runner("ais_bench")]
    for file in (package / "infer" / "summary.py", runtime, package / "infer" / "summary.py"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"# {len(found)}\n")
        found.append(runner("ais_bench"))
    assert len({tool.version for tool in found}) == 4

    compiled = package / "__pycache__" / "summary.cpython-311.pyc"  # Python makes it when the tool is first run
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(b"compiled")
    assert runner("ais_bench") == found[-1]


def test_an_ais_bench_without_aclruntime_lacks_a_wheel_and_not_the_toolkit(host, monkeypatch):
    ais_bench(host, monkeypatch, "import aclruntime")
    found = str(runner("ais_bench"))

    assert "No module named 'aclruntime'; pip install the vendor's aclruntime wheel" in found
    assert "CANN" not in found


def test_the_namesake_without_a_main_module_is_not_it(host, monkeypatch):
    module = ais_bench(host, monkeypatch)
    module.with_name("__main__.py").unlink()

    assert f"ais_bench ({module.parent}) is not the tool that runs om files" in str(runner("ais_bench"))


def test_an_ais_bench_whose_help_is_chinese_starts_under_any_locale(host, monkeypatch):
    for name in ("LANG", "LC_CTYPE", "PYTHONIOENCODING", "PYTHONUTF8"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    ais_bench(host, monkeypatch, f"print({HELP!r}, chr(0xFF0C))")

    assert runner("ais_bench")


def test_ais_bench_has_the_version_it_was_installed_as(host, monkeypatch):
    ais_bench(host, monkeypatch)
    installed = host / "modules" / "ais_bench-0.0.2.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: ais_bench\nVersion: 0.0.2\n")

    assert runner("ais_bench").version.startswith("0.0.2, sha256 ")


def test_of_two_the_published_one_is_taken_unless_asked(host, monkeypatch):
    benchmark(host)
    ais_bench(host, monkeypatch)

    assert runner().name == "benchmark"
    assert runner("ais_bench").name == "ais_bench"


def test_without_any_runner_both_ways_are_told(host):
    (host / "bin" / "python3").symlink_to(sys.executable)
    found = runner()

    assert not found
    assert f"benchmark.{platform.machine()} is not on PATH; put the folder" in str(found)
    assert "; and the python3 on PATH has no module ais_bench; pip install" in str(found)
    assert "ais_bench" not in str(runner("benchmark"))


def test_the_namesake_that_benchmarks_language_models_is_not_it(host, monkeypatch):
    module = ais_bench(host, monkeypatch, "print('usage: ais_bench [--models MODELS] [--datasets DATASETS]')")

    assert str(runner("ais_bench")).startswith(f"ais_bench ({module.parent}) is not the tool that runs om files")


def test_an_ais_bench_that_does_not_start_is_told_with_its_last_word(host, monkeypatch):
    executable(host / "Ascend" / "ascend-toolkit" / "set_env.sh")
    ais_bench(host, monkeypatch, "raise ImportError('libascendcl.so: cannot open shared object file')")
    found = str(runner("ais_bench"))

    assert "does not start: ImportError: libascendcl.so: cannot open shared object file; this shell has not" in found
    assert f"source {host}/Ascend/ascend-toolkit/set_env.sh" in found
    assert found.endswith("python3 -m ais_bench --help")


def test_an_ais_bench_that_hangs_is_not_waited_for(host, monkeypatch):
    ais_bench(host, monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(toolkit, "HELP_TIMEOUT_S", 2.0)

    assert str(runner("ais_bench")).startswith("cannot start ais_bench: python3 did not end within 2 s")


def test_without_python_there_is_no_ais_bench(host, monkeypatch):
    monkeypatch.setenv("PATH", str(host / "bin"))

    assert str(runner("ais_bench")).startswith("cannot start ais_bench: python3 is not on PATH")


def test_devices_are_those_of_npu_smi(host):
    (host / "table").write_text(TABLE)
    executable(host / "bin" / "npu-smi", f"#!/bin/sh\ncat {host}/table\n")

    assert [(npu.device_id, npu.npu_id) for npu in npus()] == [(7, 2048)]


def test_a_host_without_card_says_so(host):
    (host / "table").write_text("\n".join([*TABLE.splitlines()[:3], "+==+"]))
    executable(host / "bin" / "npu-smi", f"#!/bin/sh\ncat {host}/table\n")

    assert not npus()
    assert "this host has no NPU: there is no" in str(npus())
    assert "should be followed by two lines for each chip; the table is cut, or no NPU is visible here" in str(npus())


def test_an_npu_smi_that_fails_where_the_driver_offers_a_device_is_an_error(host, monkeypatch):
    monkeypatch.setattr(toolkit, "DEV", host / "dev")
    executable(host / "bin" / "npu-smi", "#!/bin/sh\necho 'dcmi module initialize failed. ret is -8005'\nexit 1\n")
    executable(host / "dev" / "davinci_manager")

    found = npus()
    assert not found
    assert str(found).startswith(f"this host has no NPU: there is no {host}/dev/davinci0, and cannot list the NPUs")
    assert "dcmi module initialize failed" in str(found)

    executable(host / "dev" / "davinci3")
    with pytest.raises(NpuSmiError, match="ended with 1"):
        npus()


def test_an_unknown_table_is_an_error_on_any_host(host):
    executable(host / "bin" / "npu-smi", "#!/bin/sh\necho hello\n")
    with pytest.raises(NpuSmiError, match="its first line is 'hello'"):
        npus()
