"""Several processes use one store; some are killed."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from onnx import TensorProto, helper, save

from rfcn_lib import spec
from rfcn_lib.store.store import Store
from tests.support.builds import copied, left_over, made
from tests.support.places import ROOT
from tests.support.processes import wait_for

SLOW = """
import sys, time
from pathlib import Path
from rfcn_lib.store.store import Store

def slow(target, log, finish):
    with open(log, "a") as file:
        file.write("made\\n")
    target.write_text("half")
    Path(log + ".started").touch()
    while not Path(finish).exists():
        time.sleep(0.01)
    target.write_text("whole")

def main(root, name, log, finish):
    print(Store(Path(root)).build(name, slow, log=log, finish=finish).read_text())

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


class Program:
    """A script in a file of its own, started as often as a test needs it."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "program.py"
        self.file.write_text(text)

    def start(self, *words: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "error", str(self.file), *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=self.file.parent
        )


def ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out, err


def test_edited_code_makes_it_again_and_an_edited_comment_does_not(root: Path, tmp_path: Path, log: str) -> None:
    (tmp_path / "finish").touch()
    for text in (SLOW, f"# why\n{SLOW}", SLOW.replace('"whole"', '"all of it"')):
        out, _ = ended(Program(tmp_path, text).start(root, "rfcn.onnx", log, tmp_path / "finish"))
    assert out == "all of it\n"
    assert made(log) == 2


def test_a_killed_build_is_never_taken_for_a_finished_one(root: Path, tmp_path: Path, source: Path, log: str) -> None:
    program, finish = Program(tmp_path, SLOW), tmp_path / "finish"
    process = program.start(root, "rfcn.onnx", log, finish)
    wait_for(Path(f"{log}.started"))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert [path.read_text() for path in (root / "kept" / ".scratch").glob("*/rfcn.onnx")] == ["half"]
    assert not (root / "rfcn.onnx").is_symlink()

    finish.touch()
    assert ended(program.start(root, "rfcn.onnx", log, finish)) == ("whole\n", "")
    assert made(log) == 2
    assert len(left_over(root)) == 1


def test_what_a_killed_build_left_is_swept_by_any_later_one(root: Path, tmp_path: Path, source: Path, log: str) -> None:
    process = Program(tmp_path, SLOW).start(root, "killed.onnx", log, tmp_path / "never")
    wait_for(Path(f"{log}.started"))
    Store(root).build("first.onnx", copied, source=source, log=log)
    assert len(list((root / "kept" / ".scratch").iterdir())) == 1  # it is at work: not to be swept
    process.kill()
    process.communicate(timeout=60)
    Store(root).build("second.onnx", copied, source=source, log=log)
    assert [name.split("-")[0] for name in left_over(root)] == ["first.onnx", "second.onnx"]


def test_two_processes_build_the_same_thing_once(root: Path, tmp_path: Path, log: str) -> None:
    program, finish = Program(tmp_path, SLOW), tmp_path / "finish"
    first = program.start(root, "rfcn.onnx", log, finish)
    wait_for(Path(f"{log}.started"))
    second = program.start(root, "rfcn.onnx", log, finish)
    lines: list[str] = []
    said = threading.Thread(target=lambda: lines.append(second.stderr.readline() if second.stderr else ""))
    said.start()
    said.join(timeout=30)  # after a few seconds it says what it waits for
    assert lines[0].startswith("waiting for another process that makes rfcn.onnx (lock file ")
    assert first.poll() is None
    assert second.poll() is None
    finish.touch()
    assert ended(first)[0] == ended(second)[0] == "whole\n"
    assert made(log) == 1


def test_two_processes_started_together_build_once(root: Path, tmp_path: Path, log: str) -> None:
    (tmp_path / "finish").touch()
    program = Program(tmp_path, SLOW)
    processes = [program.start(root, "rfcn.onnx", log, tmp_path / "finish") for _ in range(3)]
    assert [ended(process) for process in processes] == [("whole\n", "")] * 3
    assert made(log) == 1


def test_different_things_are_built_at_the_same_time(root: Path, tmp_path: Path, log: str) -> None:
    program = Program(tmp_path, SLOW)  # each one ends only when the other one has started
    one, other = f"{log}.one", f"{log}.other"
    first = program.start(root, "rfcn.onnx", one, f"{other}.started")
    second = program.start(root, "rfcn.onnx", other, f"{one}.started")
    assert ended(first)[0] == ended(second)[0] == "whole\n"
    assert (root / "rfcn.onnx").read_text() == "whole"


FILLING = """
import sys, time
from pathlib import Path
from rfcn_lib.store.store import Store

def fill(root, log, finish):
    with Store(Path(root)).open_folder("dumps/torch", [fill], count=5) as folder:
        for number in range(5):
            piece = folder / f"{number}.bin"
            if not piece.exists():
                with open(log, "a") as file:
                    file.write("made\\n")
                piece.with_suffix(".part").write_text("whole")
                piece.with_suffix(".part").rename(piece)
            if number == 2:
                Path(log + ".started").touch()
                while not Path(finish).exists():
                    time.sleep(0.01)
        print(len(list(folder.iterdir())))

if __name__ == "__main__":
    fill(*sys.argv[1:])
"""


def test_two_processes_fill_a_folder_once_and_a_killed_one_keeps_its_pieces(
    root: Path, tmp_path: Path, log: str
) -> None:
    program, finish = Program(tmp_path, FILLING), tmp_path / "finish"
    killed = program.start(root, log, finish)
    wait_for(Path(f"{log}.started"))
    killed.kill()
    killed.communicate(timeout=60)
    assert made(log) == 3
    finish.touch()
    processes = [program.start(root, log, finish) for _ in range(2)]
    assert [ended(process)[0] for process in processes] == ["5\n", "5\n"]
    assert made(log) == 5


def test_a_maker_given_by_name_is_imported_only_when_something_is_made(tmp_path):
    """And keyed as the function itself is."""
    floats = {"score_threshold": 0.0, "iou_threshold": 0.7, "spatial_scale": 0.0625}
    nodes = [
        helper.make_node(name, ["x"], [name], **{key: floats.get(key, 7) for key in kinds})
        for name, kinds in spec.VENDOR_ATTRIBUTES.items()
    ]
    graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])], [])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)]), tmp_path / "vendor.onnx")
    code = (
        "import sys; from pathlib import Path; from rfcn_lib.store.store import Store\n"
        f"store, vendor = Store(Path({str(tmp_path)!r}) / 'store'), Path({str(tmp_path / 'vendor.onnx')!r})\n"
        "made = lambda: store.build('x.onnx', 'rfcn_lib.graph.twin:twin_from_vendor', vendor=vendor)\n"
    )
    first = "made(); from rfcn_lib.graph.twin import twin_from_vendor as it\n"
    first += "assert store.build('x.onnx', it, vendor=vendor) == made(); assert 'onnx' in sys.modules\n"
    for then in (first, "made(); assert 'onnx' not in sys.modules, 'it was there'\n"):
        subprocess.run([sys.executable, "-c", code + then], check=True, cwd=ROOT)


PROGRAM = """
import json, sys
from pathlib import Path
from rfcn_lib import work
from rfcn_lib.store.code import code_behind, sources_at_start
sources_at_start()
if sys.argv[1:]:
    Path(sys.argv[1]).write_text("late = 1")
print(json.dumps(code_behind(work.make)))
"""


def test_a_change_in_any_module_within_reach_counts_and_no_other(tmp_path: Path) -> None:
    package = tmp_path / "rfcn_lib"
    (package / "deep").mkdir(parents=True)
    (package / "store").mkdir()
    for name in ("store/digests", "store/code", "errors"):
        (package / f"{name}.py").write_text((ROOT / "rfcn_lib" / f"{name}.py").read_text())
    for name in ("__init__", "helper", "far", "stranger", "deep/__init__", "deep/down", "deep/beside"):
        (package / f"{name}.py").write_text("value = 1\n")
    (package / "work.py").write_text("from rfcn_lib.deep import down\ndef make():\n    import rfcn_lib.helper\n")
    (package / "helper.py").write_text("from rfcn_lib import far\n")
    (package / "deep" / "down.py").write_text("from . import beside\n")

    def code(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    first = code().stdout
    for name in ("work", "helper", "far", "deep/__init__", "deep/down", "deep/beside", "__init__"):
        assert f'"rfcn_lib/{name}.py"' in first
    assert "stranger" not in first

    with (package / "far.py").open("a") as file:
        file.write("\n# a comment,   and    layout\n\n")
    (package / "stranger.py").write_text("value = 2\n")
    assert code().stdout == first
    seen = {first}
    for name in ("work", "far", "deep/beside", "__init__"):
        with (package / f"{name}.py").open("a") as file:
            file.write("more = 2\n")
        seen.add(code().stdout)
    assert len(seen) == 5

    changed = code(str(package / "far.py"))
    assert changed.returncode != 0
    assert "far.py changed while this process runs" in changed.stderr


KEYS = """
import json
import conftest
from rfcn_lib.store.code import code_behind
from rfcn_lib.suite import om_compiled, rehearsal
from rfcn_lib.suite.ascend import CODE_OF_DUMPS
code = {
    "onnx": [conftest.ONNX_FROM_CHECKPOINT],
    "adapted": [conftest.ADAPTED_FROM_EXPORTED],
    "twin": [conftest.TWIN_FROM_VENDOR],
    "rehearsed": [rehearsal.REHEARSED_FROM_VENDOR],
    "om": [om_compiled.OM_FROM_ADAPTED],
    "torch dumps": [conftest.IN_PYTORCH, conftest.PREPROCESSING],
    "host dumps": [conftest.IN_ONNX_RUNTIME, conftest.PREPROCESSING],
    "npu dumps": CODE_OF_DUMPS,
}
print(json.dumps({name: code_behind(*parts) for name, parts in code.items()}))
"""


def keys_of(checkout: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", KEYS], cwd=checkout, env={**os.environ, "PYTHONPATH": str(checkout)}, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_reworded_docstring_changes_no_key_and_a_changed_constant_does(tmp_path: Path) -> None:
    library = tmp_path / "rfcn_lib"
    shutil.copy(ROOT / "conftest.py", tmp_path)
    shutil.copytree(ROOT / "rfcn_lib", library, ignore=shutil.ignore_patterns("__pycache__"))
    before = keys_of(tmp_path)
    for module in library.rglob("*.py"):
        tree = ast.parse(module.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Expr(ast.Constant("In other words."))
        module.write_text(f"# a comment\n{ast.unparse(tree)}\n", encoding="utf-8")
    assert keys_of(tmp_path) == before

    preprocess = library / "pictures" / "preprocess.py"
    text = preprocess.read_text(encoding="utf-8")
    changed = text.replace("INTER_LINEAR", "INTER_CUBIC")
    assert changed != text
    preprocess.write_text(changed, encoding="utf-8")
    after = keys_of(tmp_path)
    assert [name for name in before if after[name] != before[name]] == ["torch dumps", "host dumps", "npu dumps"]
