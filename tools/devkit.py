"""The specimen's pictures as a VOC2007 development kit: the layout and the XML of the published one, drawn content."""

import argparse
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from rfcn_lib import boxes
from rfcn_lib.spec import VOC_CLASSES, VOC_YEAR_FOLDER
from tools.draw import COUNT_SHARES, Drawn, draw

SHORT_PX: Final = (140, 230)
ASPECTS: Final = (1.0, 1.8)
PORTRAIT_RATE: Final = 0.4
EXTREME_SIZES_WH: Final = {3: (420, 160), 6: (160, 418)}  # picture number -> size; aspect at most 2.625
GREY_EVERY: Final = 23  # every so many, a JPEG with one channel, which a reader has to widen to three
JPEG_QUALITY: Final = 88
PROMISED: Final = {"easy objects of every class": 8, "pictures with difficult objects": 5, "pictures with overlap": 10}
PROMISED_FOR: Final = 140  # pictures; smaller sets promise in proportion


def write_devkit(folder: Path, seed: int, count: int = 140) -> None:
    """Write `count` drawn pictures and their truth to folder/VOC2007, split `test`, ids 000001 onwards.

    Boxes in the XML are one-based inclusive integers, as in VOC. `truncated` is set where a box touches the picture's
    edge. Labels are dealt evenly. The same seed gives the same annotations and, with one Pillow build, the same JPEGs.
    Raises ValueError for a count outside 1 to 9999, FileExistsError when folder/VOC2007 is there already, and
    RuntimeError when the seed does not give what PROMISED says.
    """
    if not 1 <= count <= 9999:
        raise ValueError(f"count is {count}, but should be 1 to 9999 pictures")
    root = folder / VOC_YEAR_FOLDER
    if root.exists():
        raise FileExistsError(f"{root} exists already; remove it or name another folder for the devkit")
    rng = np.random.default_rng(seed)
    kit = _drawn(rng, count)
    _keep_promises(kit, seed)
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / part).mkdir(parents=True)
    for number, picture in enumerate(kit, 1):
        pixels = picture.image_rgb[..., 0] if _is_grey(number) else picture.image_rgb
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{number:06d}.jpg", quality=JPEG_QUALITY)
        tree = _annotation(f"{number:06d}", picture, depth=1 if _is_grey(number) else 3)
        tree.write(root / "Annotations" / f"{number:06d}.xml", encoding="utf-8")
    ids = "".join(f"{number:06d}\n" for number in range(1, count + 1))
    (root / "ImageSets" / "Main" / "test.txt").write_text(ids, encoding="ascii")


def _is_grey(number: int) -> bool:
    return number % GREY_EVERY == 0


def _drawn(rng: np.random.Generator, count: int) -> list[Drawn]:
    """`count` pictures whose labels are dealt from shuffled packs of all classes."""
    amounts = rng.choice(len(COUNT_SHARES), count, p=COUNT_SHARES) + 1
    packs = -(-int(amounts.sum()) // len(VOC_CLASSES))
    labels = np.concatenate([rng.permutation(len(VOC_CLASSES)) for _ in range(packs)]).tolist()
    kit = []
    for number, amount in enumerate(amounts.tolist(), 1):
        short = int(rng.integers(SHORT_PX[0], SHORT_PX[1] + 1))
        size_wh = (int(short * rng.uniform(*ASPECTS)), short)
        size_wh = EXTREME_SIZES_WH.get(number, size_wh[::-1] if rng.random() < PORTRAIT_RATE else size_wh)
        hand, labels = labels[:amount], labels[amount:]
        kit.append(draw(rng, size_wh, grey=_is_grey(number), labels=hand))
    return kit


def _keep_promises(kit: list[Drawn], seed: int) -> None:
    easy = np.zeros(len(VOC_CLASSES), int)
    hard = overlapping = 0
    for picture in kit:
        easy += np.bincount(picture.labels[~picture.difficult], minlength=len(VOC_CLASSES))
        hard += bool(picture.difficult.any())
        met = boxes.iou(picture.boxes_xyxy[:, None], picture.boxes_xyxy[None])
        overlapping += bool((np.triu(met, 1) > 0.05).any())
    for (what, promised), got in zip(PROMISED.items(), (int(easy.min()), hard, overlapping), strict=True):
        wanted = promised * len(kit) // PROMISED_FOR
        if got < wanted:
            raise RuntimeError(f"seed {seed} gives {got} {what}, but should give at least {wanted}; take another seed")


def _annotation(name: str, picture: Drawn, depth: int) -> "ET.ElementTree[ET.Element]":
    height, width = picture.image_rgb.shape[:2]
    top = ET.Element("annotation")
    ET.SubElement(top, "folder").text = VOC_YEAR_FOLDER
    ET.SubElement(top, "filename").text = f"{name}.jpg"
    source = ET.SubElement(top, "source")
    ET.SubElement(source, "database").text = "drawn by tools/draw.py"
    _numbers(ET.SubElement(top, "size"), width=width, height=height, depth=depth)
    _numbers(top, segmented=0)
    for box, label, difficult in zip(picture.boxes_xyxy, picture.labels, picture.difficult, strict=True):
        x1, y1, x2, y2 = (int(corner) + 1 for corner in box)
        thing = ET.SubElement(top, "object")
        ET.SubElement(thing, "name").text = VOC_CLASSES[label]
        ET.SubElement(thing, "pose").text = "Unspecified"
        _numbers(thing, truncated=min(x1, y1) == 1 or x2 == width or y2 == height, difficult=difficult)
        _numbers(ET.SubElement(thing, "bndbox"), xmin=x1, ymin=y1, xmax=x2, ymax=y2)
    ET.indent(top, "\t")
    return ET.ElementTree(top)


def _numbers(parent: ET.Element, **values: int) -> None:
    for tag, value in values.items():
        ET.SubElement(parent, tag).text = str(int(value))


def main() -> None:
    parser = argparse.ArgumentParser(description=write_devkit.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=2007)
    parser.add_argument("--count", type=int, default=140)
    given = parser.parse_args()
    write_devkit(given.folder, given.seed, given.count)


if __name__ == "__main__":
    main()
