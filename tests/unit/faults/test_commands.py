"""Faults of the command line: each changes a copy, and says with which options the run then goes."""

import hashlib

import numpy as np
import pytest

from rfcn_lib import spec
from rfcn_lib.faults import commands, raw_files
from rfcn_lib.faults.fault import Bench
from rfcn_lib.score.dumps import FLOAT32, shapes
from tests.support.places import SPECIMEN

IDS = [f"{number:06d}" for number in range(1, 13)]
FAULTS = (*raw_files.FAULTS, *commands.FAULTS)
XML = """<annotation><filename>{id}.jpg</filename><size><width>60</width><height>50</height><depth>3</depth></size>
<object><name>cat</name><difficult>0</difficult><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>30</ymax></bndbox>
</object></annotation>"""


@pytest.fixture
def bench(tmp_path):
    from PIL import Image

    from rfcn_lib.port import read_port

    port = read_port(SPECIMEN / "port.toml")
    year = tmp_path / "VOCdevkit" / spec.VOC_YEAR_FOLDER
    for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (year / part).mkdir(parents=True)
    (year / "ImageSets/Main/test.txt").write_text("".join(f"{id}\n" for id in IDS))
    (tmp_path / "dumps").mkdir()
    devices = [tmp_path / "store" / "dumps" / device for device in ("torch", "onnxruntime")]
    for device in devices:
        device.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for id in IDS:
        (year / "Annotations" / f"{id}.xml").write_text(XML.format(id=id))
        Image.fromarray(rng.integers(0, 256, (50, 60, 3)).astype(np.uint8)).save(year / "JPEGImages" / f"{id}.jpg")
        for folder in (tmp_path / "dumps", *devices):
            for index, shape in enumerate(shapes(port), 1):
                rng.random(shape, np.float32).tofile(folder / f"{id}_{index}.bin")
    own = tmp_path / "own"
    own.mkdir()
    return Bench(
        own,
        tmp_path / "VOCdevkit",
        SPECIMEN / "port.toml",
        tmp_path / "w.pth",
        tmp_path / "dumps",
        tmp_path / "store",
        devices[1],
    )


def digest(*folders):
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in files)).hexdigest()


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS])
def test_a_fault_changes_a_copy_and_names_it(fault, bench):
    before = digest(bench.devkit, bench.dumps, bench.store)
    options = fault.change(bench)

    assert digest(bench.devkit, bench.dumps, bench.store) == before, "the bench itself stays"
    assert options
    assert all(option.startswith("--") and "=" in option for option in options)
    assert any(bench.folder.iterdir())


def test_swapped_outputs_have_each_other_s_bytes(bench):
    raw_files.outputs_swapped(bench)
    changed = bench.folder / "dumps"

    assert (changed / "000001_1.bin").read_bytes() == (bench.dumps / "000001_2.bin").read_bytes()
    assert (changed / "000001_2.bin").read_bytes() == (bench.dumps / "000001_1.bin").read_bytes()


def test_the_truth_as_answers_has_the_objects_where_they_are(bench):
    commands.truth_as_answers(bench)
    rois = np.fromfile(bench.folder / "dumps" / "000001_1.bin", FLOAT32).reshape(-1, 5)
    scores = np.fromfile(bench.folder / "dumps" / "000001_2.bin", FLOAT32).reshape(-1, 21)

    assert rois[0, 1:] / (192 / 50) == pytest.approx([2, 3, 19, 29], abs=1e-3), "zero-based, and scaled"
    assert scores[0].argmax() == 1 + spec.VOC_CLASSES.index("cat")
    assert not rois[1:].any()


def test_only_the_named_dump_of_the_copied_store_is_changed(bench):
    (option,) = commands.reference_edited(bench)
    copy = bench.folder / "store"
    files = [path.relative_to(bench.store) for path in bench.store.rglob("*.bin")]
    other = [str(path) for path in files if (copy / path).read_bytes() != (bench.store / path).read_bytes()]

    assert option == f"--store={copy}"
    assert other == ["dumps/torch/000001_2.bin"]
