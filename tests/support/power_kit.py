"""The devkit of the power test: the specimen's first pictures, and a few that exercise what these do not."""

import shutil
import xml.etree.ElementTree as ET
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
from PIL import Image

from rfcn_lib.pictures import fixed_set
from rfcn_lib.spec import VOC_CLASSES
from tests.support.places import SPECIMEN
from tools.draw import draw

COUNT = 14  # of the specimen's 140 pictures
STRIPES_PX = (24, 16)  # one more picture for each; NMS reads beyond the best 1,000 candidates to keep 300
STRIPED_WH = (504, 192)


def write_kit(folder: Path) -> Path:
    """Make the devkit in `folder`, which does not exist yet."""
    year, source = folder / "VOC2007", SPECIMEN / "VOCdevkit" / "VOC2007"
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (year / part).mkdir(parents=True)
    ids = (source / "ImageSets/Main/test.txt").read_text().split()
    for id in ids[:COUNT]:
        for part, ending in (("JPEGImages", "jpg"), ("Annotations", "xml")):
            shutil.copy2(source / part / f"{id}.{ending}", year / part)
    more = [f"{len(ids) + number:06d}" for number in range(1, len(STRIPES_PX) + 1)]
    for number, (id, period) in enumerate(zip(more, STRIPES_PX, strict=True)):
        _striped(year, id, period, number)
    (year / "ImageSets/Main/test.txt").write_text("".join(f"{id}\n" for id in (*ids[:COUNT], *more)))
    return folder


def _striped(year: Path, id: str, period: int, seed: int) -> None:
    """One drawn object at the left of a picture of stripes, and its annotation."""
    width, height = STRIPED_WH
    drawn = draw(np.random.default_rng(seed), (height // 2, height // 2), count=1, labels=[seed])
    rows = (np.arange(height) // period % 2 == 0) * 200 + 20
    picture = np.repeat(np.repeat(rows.astype(np.uint8)[:, None, None], width, 1), 3, 2)
    picture[: height // 2, : height // 2] = drawn.image_rgb
    Image.fromarray(picture).save(year / "JPEGImages" / f"{id}.jpg", quality=88)
    one = (SPECIMEN / "VOCdevkit/VOC2007/Annotations/000001.xml").read_text()
    tree = ET.fromstring(one)
    for thing in tree.findall("object")[1:]:
        tree.remove(thing)
    tree.find("filename").text = f"{id}.jpg"
    for side, length in zip(("width", "height"), STRIPED_WH, strict=True):
        tree.find(f"size/{side}").text = str(length)
    tree.find("object/name").text = VOC_CLASSES[seed]
    tree.find("object/difficult").text = "0"
    for corner, value in zip(("xmin", "ymin", "xmax", "ymax"), drawn.boxes_xyxy[0], strict=True):
        tree.find(f"object/bndbox/{corner}").text = str(int(value) + 1)
    ET.ElementTree(tree).write(year / "Annotations" / f"{id}.xml")


def write_port(devkit: Path, target: Path) -> Path:
    """The specimen's port, with the digests of this set in place of those of the whole specimen."""
    port = SPECIMEN / "port.toml"
    with redirect_stdout(StringIO()) as table:
        fixed_set.main([f"--devkit={devkit}", f"--port={port}"])
    rules = port.read_text(encoding="utf-8").split("[fixed_set]")[0]
    target.write_text(rules + table.getvalue(), encoding="utf-8")
    return target
