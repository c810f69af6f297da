"""Graphs and compiled models that the user gives, at the command line: the published forms pass, the others are told why."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from rfcn_lib.graph.export import onnx_from_network
from rfcn_lib.port import read_port
from rfcn_lib.source.checkpoint import network_from_checkpoint
from tests.support import published
from tests.support.exit_statuses import NOT_JUDGED
from tests.support.places import ROOT, STANDIN
from tests.support.pytest_runs import run_pytest

SIZES, UNDECLARED, INT32 = published.sizes_at_run_time, published.undeclared, published.int32_everywhere


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The specimen as torch 1.7 exports it, the same in int32 form, as a newer torch exports it, and with other weights."""
    folder = tmp_path_factory.mktemp("given")
    port = read_port(ROOT / "specimen" / "port.toml")
    network, canvas = network_from_checkpoint(ROOT / "specimen" / "rfcn_specimen.pth", port), port.pictures.canvas_wh_px
    onnx_from_network(folder / "plain.onnx", network, canvas, "none")
    published.changed(folder / "plain.onnx", folder / "exported.onnx", SIZES, UNDECLARED)
    published.changed(folder / "exported.onnx", folder / "int32.onnx", INT32)
    first_wh = (192, 245)  # of picture 000001, resized
    onnx_from_network(folder / "plain.onnx", published.with_frozen_clip(network, first_wh), canvas)
    published.changed(folder / "plain.onnx", folder / "frozen.onnx", UNDECLARED)
    network.RCNN_rpn.RPN_bbox_pred.bias.data += 0.5
    onnx_from_network(folder / "other_weights.onnx", network, canvas)
    return folder


def run(*options, store, **environment):
    done = run_pytest(f"--store={store}", *options, **environment)
    return done.code, done.words


BOTH = ("tests/test_export.py", "tests/test_adapt.py", "-m", "not npu")


def test_the_published_graph_passes_with_two_notes_and_its_int32_form_is_bit_identical(files, specimen_store):
    given = (f"--onnx={files / 'exported.onnx'}", f"--adapted={files / 'int32.onnx'}")
    code, words = run(*BOTH, *given, store=specimen_store)

    assert code == 0, words
    notes = [part.split(": ", 1) for part in words.split("= notes =")[1].split(f"{files}/")[1:]]
    exported, int32 = ([note for of, note in notes if of == f"{name}.onnx"] for name in ("exported", "int32"))
    assert len(exported) == 3, "two of the exported graph, and the rewrites that adapting it would need"
    assert "nodes compute fixed sizes and constants" in exported[0]
    assert exported[1].startswith("proposals are not clipped, as in the published graph")
    assert any("int32 stands in" in note for note in int32)
    assert any("hold 8 bytes a number" in note for note in int32)


def test_a_clip_frozen_to_one_picture_is_named_and_another_adapted_graph_too(files, specimen_store):
    given = (f"--onnx={files / 'frozen.onnx'}", f"--adapted={files / 'exported.onnx'}")
    code, words = run(*BOTH, *given, store=specimen_store)
    failed = words.split("short test summary")[1]

    assert code == 1
    assert "clips the proposals of every picture to 192 x 245 px (the size of picture 000001)" in words
    assert "test_proposals_are_clipped_to_the_canvas_or_to_nothing" in failed
    assert "test_adapted_and_exported_graph_are_bit_identical" in failed


def test_the_verdict_is_of_the_given_files(files, specimen_store, tmp_path):
    given = [files / "exported.onnx", files / "int32.onnx"]
    options = (f"--onnx={given[0]}", f"--adapted={given[1]}", "--limit=4", f"--verdict={tmp_path / 'verdict.json'}")
    _, words = run("-m", "accuracy", *options, store=specimen_store)
    trial = json.loads((tmp_path / "verdict.json").read_text())["on_trial"]

    assert "proposals not clipped, as published" in words
    assert trial["clip"] == "none"
    assert [trial["exhibits"][name]["path"] for name in ("onnx", "adapted")] == list(map(str, given))
    assert any("int32 stands in" in note for note in trial["notes"])


def test_a_graph_of_other_weights_is_known_before_the_pictures_are_run(files, specimen_store):
    code, words = run("-m", "accuracy", f"--onnx={files / 'other_weights.onnx'}", "--limit=9", store=specimen_store)

    assert code == NOT_JUDGED
    assert "are they of one training? Pass the checkpoint of this graph as --weights" in words
    assert "pictures to do" not in words
    assert "NOT JUDGED" in words


def test_a_given_om_is_run_without_a_compiler(specimen_store, store_with, tmp_path):
    """The stand-in's om carries its graph; first it is compiled, then it is given where no atc is."""
    store = store_with("rfcn.onnx", "rfcn_adapted.onnx", "dumps/torch")
    python = str(Path(sys.executable).parent)
    there = {"PATH": os.pathsep.join([str(STANDIN), python, os.environ["PATH"]]), "PYTHONPATH": str(STANDIN)}
    there |= {"STANDIN_DEVICES": "310P3", "ASCEND_TOOLKIT_HOME": str(STANDIN / "toolkit")}
    run("-m", "npu", "--limit=2", store=store, **there)
    (compiled,) = (store / "kept").glob("rfcn_om-*/rfcn_om/rfcn.om")
    (tmp_path / "ship.om").write_bytes(compiled.read_bytes())
    for name in ("npu-smi", "benchmark.x86_64", "benchmark.aarch64", "simulated", "SIMULATED"):
        (tmp_path / name).symlink_to(STANDIN / name)
    there |= {
        "PATH": os.pathsep.join([str(tmp_path), python, os.environ["PATH"]]),
        "ASCEND_TOOLKIT_HOME": str(tmp_path),
    }
    verdict = tmp_path / "verdict.json"
    given = (f"--om={tmp_path / 'ship.om'}", f"--verdict={verdict}")
    _, words = run("-m", "npu", "--limit=2", *given, store=store, **there)
    found = json.loads(verdict.read_text())

    assert found["status"] == "SIMULATED", words
    assert found["on_trial"]["exhibits"]["om"]["path"] == str(tmp_path / "ship.om")
    assert not {"onnx", "adapted"} & set(found["on_trial"]["exhibits"])
    assert not any(re.search(r"\batc\b", command) for command in found["on_trial"]["commands"])
    assert "which graph it was compiled from" in found["on_trial"]["notes"][0]
