"""What can be known before the first hours are spent is said before them."""

import shutil

import pytest

from rfcn_lib.score.packet import read_packet, write_packet
from tests.support.exit_statuses import INCONCLUSIVE
from tests.support.pytest_runs import run_pytest

GRAPHS = ("rfcn.onnx", "rfcn_adapted.onnx", "rfcn_twin.onnx")
FIRST_PICTURES = 2  # of each run, so that its hours are known


@pytest.fixture
def run(store_with):
    """run(marker, *options): the words, and how many pictures of dumps each device then has."""
    store = store_with(*GRAPHS)

    def made(marker, *options):
        done = run_pytest("-m", marker, "tests/test_accuracy.py", f"--store={store}", "--limit=3", *options)
        dumps = {one.parent.name: len([*one.glob("*_1.bin")]) for one in store.glob("kept/dumps--*/*") if one.is_dir()}
        return done.words, {name.split("-")[2]: n for name, n in dumps.items()}

    return made


@pytest.fixture
def packet(store_with, specimen_store, tmp_path):
    """A packet of three pictures, as a host writes it: without rates."""
    path = tmp_path / "reference.zip"
    options = (
        "-m",
        "accuracy",
        "tests/test_accuracy.py",
        "--limit=3",
        f"--store={specimen_store}",
        f"--write-reference={path}",
    )
    assert run_pytest(*options).code == INCONCLUSIVE, "three pictures tell nothing; the packet is written all the same"
    return path


def test_a_published_figure_that_does_not_apply(run):
    words, pictures = run("accuracy", "--reference=published")

    assert "names no published mean AP" in words
    assert pictures == {"onnxruntime": FIRST_PICTURES}


def test_an_edited_packet(run, packet):
    found = read_packet(packet)
    write_packet(packet, found.facts.model_copy(update={"mean_ap": 0.5}), found.detections)
    words, pictures = run("accuracy", f"--reference={packet}")

    assert "says mean AP 0.500000" in words
    assert pictures == {"onnxruntime": FIRST_PICTURES}


def test_a_baseline_of_a_rehearsal(run, packet):
    words, pictures = run("rehearsal", f"--reference={packet}", f"--baseline={packet}")

    assert "has no rates, as a run on a host writes it" in words
    assert pictures == {}


def test_a_prediction_that_is_none(run):
    words, pictures = run("accuracy or npu", "--predicted=Makefile")

    assert "Makefile is no noise floor" in words
    assert pictures == {}


@pytest.mark.usefixtures("packet")  # its run made the dumps of three pictures
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: [path.unlink() for path in folder.iterdir()], "no dumps at"),
        (lambda folder: next(folder.glob("*_3.bin")).unlink(), "1 missing"),
        (lambda folder: next(folder.glob("*_2.bin")).write_bytes(b"\xff" * 4 * 21 * 300), "NaN or infinite"),
    ],
    ids=["no dumps", "a file missing", "not finite"],
)
def test_dumps_that_cannot_be_judged(run, specimen_store, tmp_path, spoil, said):
    made, folder = specimen_store / "dumps" / "onnxruntime", tmp_path / "dumps"
    folder.mkdir()
    for path in sorted(made.glob("*_?.bin"))[: 3 * 3]:
        shutil.copy(path, folder)
    spoil(folder)
    words, pictures = run("accuracy", f"--dumps={folder}")

    assert said in words
    assert pictures == {}


@pytest.mark.parametrize("marker", ["accuracy", "rehearsal"])
def test_what_is_written_at_the_end_does_not_bring_the_long_runs_forward(run, tmp_path, marker):
    written = (f"--write-reference={tmp_path / 'r.zip'}", f"--protocols={tmp_path / 'p.txt'}")
    words, _ = run(marker, "--setup-plan", *written)
    before, long = ("graph_facts", "host_first_pictures", "packet_inputs"), ("host_dumps", "torch_dumps")
    at = {name: words.index(f"SETUP S {name} ") for name in (*before, *long)}

    assert max(at[name] for name in before) < min(at[name] for name in long)
