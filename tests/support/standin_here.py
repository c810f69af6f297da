"""The stand-in for the vendor's tools, run in this process: as strict as its processes, and much quicker.

`run_here` takes the place of `rfcn_lib.command.run`; a test patches it into the module that it judges. The fault `hang`
cannot be planted here.
"""

import contextlib
import importlib
import io
import os
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np

from rfcn_lib.command import CommandResult
from rfcn_lib.graph.adapt import adapted_from_exported
from rfcn_lib.pictures.bin_files import write_bins
from tests.support import tiny
from tests.support.places import STANDIN

IDS = tuple(f"{number:06}" for number in range(1, 8))
WIDTH, HEIGHT = tiny.CANVAS_WH
MODULES = {"atc": "atc", "benchmark": "benchmark", "python3": "ais_bench_tool", "npu-smi": "chips"}
ATC = {
    "framework": "5", "model": "adapted.onnx", "output": "rfcn", "input_format": "NCHW",
    "input_shape": f"im_data:1,3,{HEIGHT},{WIDTH}", "log": "debug", "soc_version": "Ascend310",
}  # fmt: skip
ONE_AT_A_TIME = threading.RLock()  # the working folder, the environment and stdout belong to the whole process


def run_here(words, *, cwd, env=None, timeout_s=0, log=None, set_up=""):
    """Run one of the stand-in's tools in the folder `cwd`, and give back what `rfcn_lib.command.run` would."""
    words, before = tuple(map(str, words)), dict(os.environ)
    arguments = words[3:] if Path(words[0]).name == "python3" else words[1:]
    out, err, started = io.StringIO(), io.StringIO(), time.monotonic()
    with ONE_AT_A_TIME, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        home = Path.cwd()
        os.chdir(cwd)
        os.environ.update(env or {})
        try:
            status = simulated(MODULES[Path(words[0]).name.partition(".")[0]]).main(arguments)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
            err.write("" if isinstance(ended.code, int) else f"{ended.code}\n")
        except Exception:
            status = 1
            traceback.print_exc()
        finally:
            os.chdir(home)
            os.environ.clear()
            os.environ.update(before)
    if log:
        log.write_text(out.getvalue() + err.getvalue())
    seconds = time.monotonic() - started
    return CommandResult(
        words, Path(cwd), dict(env or {}), status, out.getvalue(), err.getvalue(), seconds, log, set_up
    )


def environment(**more) -> dict[str, str]:
    """For a process: the stand-in first on PATH, this interpreter's folder next; nothing planted but what is given."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("STANDIN_")}
    path = os.pathsep.join([str(STANDIN), str(Path(sys.executable).parent), own.get("PATH", "")])
    return {**own, "PATH": path, "PYTHONPATH": str(STANDIN), **more}


def do_nothing(words, *, cwd, env=None, timeout_s=0, log=None, set_up=""):
    """In the place of `run_here`: a tool that ends with 0 without a word and without a file."""
    return CommandResult(tuple(map(str, words)), Path(cwd), dict(env or {}), 0, "", "", 0.0, log, set_up)


def simulated(module):
    """A module of the stand-in."""
    if str(STANDIN) not in sys.path:
        sys.path.insert(0, str(STANDIN))
    return importlib.import_module(f"simulated.{module}")


def atc_command(**changed):
    """The published command of atc, with changes; a change to None leaves a flag out."""
    return ["atc", *(f"--{flag}={value}" for flag, value in {**ATC, **changed}.items() if value is not None)]


def make_tiny(folder, exported, ids=IDS):
    """Put into `folder`: adapted.onnx and rfcn.om of the tiny port's export, bin/<id>.bin, and demo.info."""
    adapted_from_exported(folder / "adapted.onnx", exported)
    (folder / "adapted.onnx").chmod(0o640)
    write_bins(folder / "bin", folder / "demo.info", ((id, im_data_of(id)) for id in ids), listed_folder="./bin")
    done = run_here(atc_command(), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def im_data_of(id):
    """(1, 3, H, W) float32, another one for each id."""
    return tiny.im_data_of(int(id)).astype(np.float32)
