"""Batches that fail in an odd place: the line to paste, a refused command line, a disk that fills up."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rfcn_lib.ascend.tool_run import OmRunError, RefusedError
from rfcn_lib.files import PathError, plain_place
from rfcn_lib.runs import disk as om_room
from rfcn_lib.runs.npu_batch import Tool
from rfcn_lib.runs.npu_folder import NpuRunFolder
from tests.support import fake_tools
from tests.support.fake_npu import NpuPictures, run_npu
from tests.support.fake_tools import IDS, MODEL, PORT
from tests.support.small_disk import mounted

# As strict as ais_bench of 2025-12: its rules for paths and modes, apart from the owner's.
STRICT = r"""
import glob, os, re, stat, sys
om = next(word.split("=")[-1] for word in sys.argv if word.endswith(".om"))
for path in (om, os.getcwd(), *glob.glob("bin"), *glob.glob("bin/*")):
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not re.fullmatch(r"[_A-Za-z0-9/.-]+", os.path.abspath(path)) or os.path.islink(path):
        print("[ERROR] path contains illegal char"); print("x: error: argument --model/-m: illegal", file=sys.stderr)
        sys.exit(2)
    if mode & (0o027 if path == os.getcwd() else 0o022):  # what it writes in, what it reads
        print("[ERROR] The file %s: permission should not be over 0o750" % path)
        print("x: error: argument --output/-o: illegal", file=sys.stderr)
        sys.exit(2)
"""


@pytest.fixture(params=["benchmark", "ais_bench"])
def strict(request, tmp_path) -> Tool:
    tool = fake_tools.tool_in(tmp_path, request.param)
    script = Path(tool.program)
    first, _, rest = script.read_text().partition("\n")
    script.write_text(f"{first}\n{STRICT}\n{rest}")
    return tool


def fill(folder: Path, tool: Tool, om: Path, **more):
    return run_npu(folder, tool, om, NpuPictures(IDS[:4]), **more)


def problems(folder: Path):
    return NpuRunFolder(folder, PORT, {}).problems()


def compiled(folder: Path) -> Path:
    """An om as a compiler leaves it under umask 000."""
    folder.mkdir(parents=True, exist_ok=True)
    om = folder / "rfcn.om"
    om.write_bytes(MODEL)
    om.chmod(0o666)
    return om


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def left_in_temporary_folder() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"rfcn-{os.getuid()}-*"))


@pytest.mark.parametrize(("mask", "store"), [(0o002, "a b+店"), (0o022, "plain"), (0o022, "a b+店")])
def test_the_line_of_a_failed_batch_runs_in_a_fresh_shell(tmp_path, strict, umask, monkeypatch, mask, store):
    """The bins are kept, and the line brings them where the tool takes them."""
    umask(mask)
    monkeypatch.setenv("FAKE", "half")
    with pytest.raises(OmRunError) as caught:
        fill(tmp_path / store / "npu", strict, compiled(tmp_path / store))
    line = next(part for part in str(caught.value).splitlines() if part.startswith("  by hand: ")).removeprefix(
        "  by hand: "
    )
    log = next(part for part in str(caught.value).splitlines() if part.startswith("  log: ")).split(": ", 1)[1].strip()
    assert Path(log).is_file()
    shell = ["/bin/sh", "-c", f"umask {mask:o}; {line}"]
    try:
        done = subprocess.run(shell, capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"]})
    finally:
        for place in left_in_temporary_folder():
            shutil.rmtree(place)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_temporary_folder_that_is_not_plain_is_said_before_the_first_picture(tmp_path, strict, monkeypatch):
    odd = tmp_path / "t m p"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))
    with pytest.raises(OmRunError, match="pass --store=DIR with a plain path, or set TMPDIR"):
        fill(tmp_path / "a b" / "npu", strict, compiled(tmp_path / "a b"))
    assert not (tmp_path / "a b" / "npu").exists()
    with pytest.raises(PathError):
        plain_place(tmp_path / "a b")


@pytest.mark.parametrize("devices", [(0,), (0, 1)])
def test_a_refused_argument_is_no_lost_device(tmp_path, devices):
    """argparse ends with 2 before it looks at a device: all devices would be refused alike."""
    script = tmp_path / "python3"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nprint('[ERROR] the cause')\n"
        "print('usage: x\\nx: error: argument --model/-m: om path string is illegal.', file=sys.stderr)\nsys.exit(2)\n"
    )
    script.chmod(0o755)
    with pytest.raises(RefusedError, match=r"\[ERROR\] the cause"):
        fill(tmp_path / "npu", Tool("ais_bench", str(script)), compiled(tmp_path), devices=devices)
    assert problems(tmp_path / "npu") == ()

    fill(tmp_path / "npu", fake_tools.tool_in(tmp_path, "ais_bench"), compiled(tmp_path))
    assert problems(tmp_path / "npu") == ()


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "1500k") as place:
        yield place


FULL_AT_THE_THIRD = r"""
import numpy
save = numpy.save
def until_full(path, array):
    if str(path).endswith("000003_1.npy"):
        try:
            with open("../../../ballast", "wb") as ballast:
                while True:
                    ballast.write(bytes(4096)); ballast.flush()
        except OSError:
            pass
    save(path, array)
numpy.save = until_full
"""


def test_a_disk_that_fills_in_mid_batch_names_the_file_and_keeps_what_was_finished(small_disk, tmp_path, monkeypatch):
    monkeypatch.setattr(om_room, "SPARE_BYTES", 100_000)
    tool, om = fake_tools.tool_in(tmp_path, "ais_bench"), compiled(tmp_path)
    script = Path(tool.program)
    plain = script.read_text()
    first, _, rest = plain.partition("\n")
    script.write_text(f"{first}\n{FULL_AT_THE_THIRD}\n{rest}")
    folder = small_disk / "npu"
    with pytest.raises(OmRunError) as caught:
        fill(folder, tool, om, batch=4)

    assert "2 of 4 pictures have dumps" in str(caught.value)
    assert "000003" in str(caught.value)
    assert "--store=DIR on another disk" in str(caught.value)
    assert problems(folder) == ()
    script.write_text(plain)
    (small_disk / "ballast").unlink()
    fill(folder, tool, om, batch=4)
    assert problems(folder) == ()
