"""Faults of what the command line is given: the set and its truth, the port file, old answers."""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from rfcn_lib import spec
from rfcn_lib.faults.fault import Bench, CommandFault, FaultError
from rfcn_lib.faults.raw_files import given, ids_of, own_dumps
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import picture_records
from rfcn_lib.port import read_port
from rfcn_lib.records import Outputs
from rfcn_lib.score.dumps import FLOAT32, shapes, write_dump

ROIS, SCORES, DELTAS = (spec.DUMP_FIRST_INDEX + at for at in range(3))


def own_devkit(bench: Bench) -> Path:
    """A copy of the devkit that a fault may change."""
    return Path(shutil.copytree(bench.devkit, bench.folder / "VOCdevkit"))


def _set_file(devkit: Path) -> Path:
    return devkit / spec.VOC_YEAR_FOLDER / "ImageSets" / "Main" / "test.txt"


def _set_with(change: Callable[[list[str]], list[str]], bench: Bench) -> tuple[str, ...]:
    devkit = own_devkit(bench)
    ids = _set_file(devkit).read_text(encoding="utf-8").split()
    _set_file(devkit).write_text("".join(f"{id}\n" for id in change(ids)), encoding="utf-8")
    return (f"--devkit={devkit}",)


def five_left_out(ids: list[str]) -> list[str]:
    """Five ids are missing."""
    return ids[:5] + ids[10:]


def one_twice(ids: list[str]) -> list[str]:
    """One id comes twice."""
    return [*ids, ids[0]]


def annotation_missing(bench: Bench) -> tuple[str, ...]:
    """One picture's annotation is not there."""
    devkit = own_devkit(bench)
    next(iter(sorted((devkit / spec.VOC_YEAR_FOLDER / "Annotations").glob("*.xml")))).unlink()
    return (f"--devkit={devkit}",)


def annotations_exchanged(bench: Bench) -> tuple[str, ...]:
    """Two pictures have each other's annotations."""
    devkit = own_devkit(bench)
    one, other = sorted((devkit / spec.VOC_YEAR_FOLDER / "Annotations").glob("*.xml"))[:2]
    texts = one.read_bytes(), other.read_bytes()
    one.write_bytes(texts[1])
    other.write_bytes(texts[0])
    return (f"--devkit={devkit}",)


def jpeg_replaced(bench: Bench) -> tuple[str, ...]:
    """One picture's JPEG is another one of the same size than the device read."""
    devkit, store = own_devkit(bench), own_store(bench)
    path = sorted((devkit / spec.VOC_YEAR_FOLDER / "JPEGImages").glob("*.jpg"))[2]
    pixels = np.asarray(Image.open(path))
    Image.fromarray(np.ascontiguousarray(pixels[:, ::-1])).save(path, quality=95)
    return (f"--devkit={devkit}", f"--store={store}")


def objects_difficult(bench: Bench) -> tuple[str, ...]:
    """Every second annotation marks all its objects as difficult, so that nobody has to find them."""
    devkit = own_devkit(bench)
    for path in sorted((devkit / spec.VOC_YEAR_FOLDER / "Annotations").glob("*.xml"))[::2]:
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("<difficult>0<", "<difficult>1<"), encoding="utf-8")
    return (f"--devkit={devkit}",)


def classes_exchanged(bench: Bench) -> tuple[str, ...]:
    """The port file has cat in the place of dog, and dog in the place of cat."""
    text = bench.port.read_text(encoding="utf-8")
    changed = bench.folder / "port.toml"
    changed.write_text(text.replace('"cat"', '"?"').replace('"dog"', '"cat"').replace('"?"', '"dog"'), encoding="utf-8")
    return (f"--port={changed}",)


def _port_with(old: str, new: str, bench: Bench) -> tuple[str, ...]:
    text = bench.port.read_text(encoding="utf-8")
    if old not in text:
        raise FaultError(f"{bench.port} should have the line {old!r}; write the fault for this port anew")
    changed = bench.folder / "port.toml"
    changed.write_text(text.replace(old, new), encoding="utf-8")
    return (f"--port={changed}",)


def own_store(bench: Bench) -> Path:
    """A copy of the store that a fault may change: dumps and graphs are links to the same files, the rest is copied."""

    def linked(source: str, target: str) -> None:
        if source.endswith((".bin", ".onnx")):
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    return Path(shutil.copytree(bench.store, bench.folder / "store", symlinks=True, copy_function=linked))


def _dumps_of(store: Path, device: str) -> Path:
    folder = store / "dumps" / device
    if not folder.is_dir():
        raise FaultError(f"{store} has no dumps of {device}; judge the port once with this store")
    return folder


def reference_as_answers(factor: float, bench: Bench) -> tuple[str, ...]:
    """The reference's own dumps, handed in as a device's; all numbers are multiplied by a factor near 1."""
    return _as_answers(_dumps_of(bench.store, "torch"), factor, bench)


def twin_as_answers(bench: Bench) -> tuple[str, ...]:
    """The twin's dumps, handed in as a device's."""
    return _as_answers(bench.twin, 1.0, bench)


def _as_answers(source: Path, factor: float, bench: Bench) -> tuple[str, ...]:
    dumps = bench.folder / "dumps"
    dumps.mkdir()
    for id in ids_of(bench.dumps):
        for index in (ROIS, SCORES, DELTAS):
            numbers = np.fromfile(source / f"{id}_{index}.bin", FLOAT32) * np.float32(factor)
            numbers.tofile(dumps / f"{id}_{index}.bin")
    return given(dumps)


def reference_edited(bench: Bench) -> tuple[str, ...]:
    """One of the reference's kept dumps is not the one that was made."""
    store = own_store(bench)
    folder = _dumps_of(store, "torch")
    path = folder / f"{ids_of(bench.dumps)[0]}_{SCORES}.bin"
    numbers = np.fromfile(path, FLOAT32)
    path.unlink()  # a link
    (numbers * np.float32(0.5)).tofile(path)
    return (f"--store={store}",)


def truth_as_answers(bench: Bench) -> tuple[str, ...]:
    """The annotations themselves, written as dumps."""
    dumps, port = own_dumps(bench), read_port(bench.port)
    devkit = read_devkit(bench.devkit, port.classes, pictures=False)
    records = picture_records(devkit.sizes_wh, port.pictures)
    for id, truth in devkit.truth.items():
        rois, scores, deltas = (np.zeros(shape, FLOAT32) for shape in shapes(port))
        rows = np.arange(len(truth.labels))
        rois[rows, 1:] = truth.boxes_xyxy * records[id].scale
        scores[:, 0] = 1
        scores[rows, 0], scores[rows, 1 + truth.labels] = 0.01, 0.99
        write_dump(dumps, id, Outputs(rois, scores, deltas))
    return given(dumps)


def old_verdict(bench: Bench) -> tuple[str, ...]:
    """The run ends in a usage error, and the verdict file is that of an earlier run that passed."""
    earlier = {"status": "PASSED", "words": "an earlier run", "criteria": [], "tests": {}}
    (bench.folder / "verdict.json").write_text(json.dumps(earlier), encoding="utf-8")
    return ("--limit=none",)


FAULTS: Final = (
    CommandFault(
        "set-shortened", "data",
        "Five pictures were taken out of the set, and their dumps are still there. Compare the set file.",
        partial(_set_with, five_left_out),
    ),
    CommandFault("picture-counted-twice", "data", "The set names one picture twice.", partial(_set_with, one_twice)),
    CommandFault("annotation-missing", "data", "One picture has no annotation.", annotation_missing),
    CommandFault(
        "annotations-exchanged", "data",
        "Two pictures have each other's annotations. Compare <filename> in the XML.", annotations_exchanged,
    ),
    CommandFault(
        "jpeg-replaced", "data",
        "One JPEG is another one than the device read, of the same size. Compare the sha256 of the JPEGs.",
        jpeg_replaced,
    ),
    CommandFault(
        "objects-marked-difficult", "data",
        "Half of the annotations mark their objects as difficult, which then count no more. Compare the XML.",
        objects_difficult,
    ),
    CommandFault(
        "class-names-exchanged", "data",
        "Two classes have each other's names in the port file. Compare classes with the checkpoint's.", classes_exchanged,
    ),
    CommandFault(
        "limits-loosened", "data",
        "The port file allows a drop of everything. Compare mean_ap_drop with the agreed limit.",
        partial(_port_with, "limit = 0.01", "limit = 1.0"),
    ),
    CommandFault(
        "reference-as-answers", "cache and clock",
        "The dumps are the source model's own. Pass the folder that the device wrote.",
        partial(reference_as_answers, 1.0),
    ),
    CommandFault(
        "reference-nearly-as-answers", "cache and clock",
        "The dumps are the source model's, times 1.000001. Pass the folder that the device wrote.",
        partial(reference_as_answers, 1.000001),
    ),
    CommandFault(
        "twin-as-answers", "cache and clock",
        "The dumps are the twin's, and no device made them. Pass the folder that the device wrote.", twin_as_answers,
    ),
    CommandFault(
        "truth-as-answers", "cache and clock",
        "The dumps are the annotations. Pass the folder that the device wrote.", truth_as_answers,
    ),
    CommandFault(
        "reference-edited", "cache and clock",
        "One of the reference's kept dumps was changed after it was made. Remove the store.", reference_edited,
    ),
    CommandFault(
        "old-verdict", "cache and clock",
        "The run ended in an error, and the verdict file is an earlier one's. Read the file's time.", old_verdict,
    ),
)  # fmt: skip
