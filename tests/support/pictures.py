"""A small devkit on the disk, and its pictures as a run has them."""

from pathlib import Path

import numpy as np
from PIL import Image

from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.store.digests import Digests

ANNOTATION = """<annotation><filename>{id}.jpg</filename><size><width>{width}</width><height>{height}</height>
<depth>3</depth></size><object><name>{name}</name><difficult>0</difficult><bndbox><xmin>2</xmin><ymin>2</ymin>
<xmax>30</xmax><ymax>30</ymax></bndbox></object></annotation>"""


def devkit_at(folder, classes, count, size_wh=(100, 64)):
    """Write VOC2007/ with `count` pictures of random grey levels, 000001 and on; returns the folder."""
    year = folder / "VOC2007"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (year / name).mkdir(parents=True)
    ids = [f"{number:06d}" for number in range(1, count + 1)]
    (year / "ImageSets" / "Main" / "test.txt").write_text("".join(f"{id}\n" for id in ids))
    width, height = size_wh
    for id in ids:
        text = ANNOTATION.format(id=id, width=width, height=height, name=classes[0])
        (year / "Annotations" / f"{id}.xml").write_text(text)
        coarse = np.random.default_rng(int(id)).integers(0, 255, (height // 8, width // 10, 3), np.uint8)
        Image.fromarray(coarse).resize(size_wh).save(year / "JPEGImages" / f"{id}.jpg", quality=95)
    return folder


def pictures_of(folder: Path, port, count, size_wh=(100, 64)) -> Pictures:
    """`count` pictures on the port's own canvas, in a new devkit at `folder`."""
    devkit = read_devkit(devkit_at(folder, port.classes, count, size_wh), port.classes)
    digests = Digests(folder / "digests.sqlite")
    return Pictures(devkit, port, {port.pictures.canvas_wh_px: devkit.ids}, digests.of_each)
