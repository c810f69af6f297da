"""One annotation XML of a VOC devkit -> what it says, and what is wrong with it.

The XML counts pixels from one; `Truth` from zero.

The published evaluator (voc_eval.py) reads class, corners and <difficult>, and takes any corner. Real sets have corners of 0 and
corners one or two px beyond the picture: these are kept as written, as its IoU uses them, and counted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded
from rfcn_lib.records import Truth

LARGEST_XML_BYTES: Final = 1_000_000  # the largest of VOC2007 test has 9,668
LARGEST_SIDE_PX: Final = 65_535  # what a JPEG's header can say
BEYOND_PX: Final = 2  # seen in public sets: side + 1 (one was added twice) and side + 2
AT_ZERO: Final = "annotations with a box that begins at 0 (VOC counts from 1), kept as written"
BEYOND: Final = "annotations with a box that ends 1 or 2 px beyond the picture, kept as written"
FAR_BEYOND: Final = "annotations without a size and with a box that ends farther beyond the picture, kept as written"
_NUMBER: Final = re.compile(r"[0-9]{1,6}(\.[0-9]*)?")  # VOC2007 writes whole pixels, later years fractions too
_WHOLE: Final = re.compile(r"([0-9]{1,5})(\.0*)?")


class DevkitError(SuiteError):
    """The devkit is not as a VOC devkit should be. The message names the file.

    every  all faults, a line each, where the message shows the first ones
    """

    def __init__(self, sentence: str, every: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.every = every


@dataclass(frozen=True, slots=True)
class Box:
    """One object: what a message calls it, its class as the port numbers it, corners as written."""

    where: str
    label: int
    corners: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an annotation says.

    size_wh  px; None where it has no size
    named    the id in its <filename>; "" where it has none
    faults   sentences; the boxes are those without a fault
    """

    path: Path
    size_wh: tuple[int, int] | None = None
    named: str = ""
    boxes: tuple[Box, ...] = ()
    faults: tuple[str, ...] = ()


def read_annotation(path: Path, labels: Mapping[str, int]) -> Annotation:
    """Read one XML; `labels` numbers the port's classes. Raises nothing: what is wrong is in `faults`.

    A fault is: unreadable, too large, hostile or malformed XML; a size that is no number; a class that `labels` lacks; a
    <difficult> other than 0 or 1; a box that is inverted or not of numbers.
    """
    try:
        root = _parse(path)
    except DevkitError as error:
        return Annotation(path, faults=(str(error),))
    faults: list[str] = []
    size_wh = _size_wh(path, root, faults)
    boxes = tuple(_boxes(path, root, labels, faults))
    named = (root.findtext("filename") or "").strip().removesuffix(".jpg")
    return Annotation(path, size_wh, named, boxes, tuple(faults))


def truth_of(annotation: Annotation, size_wh: tuple[int, int]) -> tuple[Truth, list[str], set[str]]:
    """-> truth in the picture frame; faults; which of the tolerances above it needed. `size_wh`: px of the picture.

    A fault is a box that ends more than `BEYOND_PX` outside the size that its annotation states: they contradict each other. An
    annotation without a size does not contradict itself; there a fault is a box that begins outside the picture.
    """
    faults: list[str] = []
    tolerated: set[str] = set()
    for box in annotation.boxes:
        left, top, right, bottom = box.corners
        beyond_px = max(right - size_wh[0], bottom - size_wh[1])
        outside = beyond_px > BEYOND_PX if annotation.size_wh else left > size_wh[0] or top > size_wh[1]
        if outside:
            want = (
                f"inside the picture, 1 to {size_wh[0]} across and 1 to {size_wh[1]} down (up to {BEYOND_PX} px beyond are "
                "kept as written)"
            )
            faults.append(_fault(annotation.path, f"the box of {box.where}", list(box.corners), want))
        tolerated |= {AT_ZERO} if min(left, top) < 1 else set()
        tolerated |= {BEYOND if beyond_px <= BEYOND_PX else FAR_BEYOND} if beyond_px > 0 else set()
    corners = np.array([box.corners for box in annotation.boxes], np.float64).reshape(-1, 4)
    labels = np.array([box.label for box in annotation.boxes], np.int64)
    difficult = np.array([box.difficult for box in annotation.boxes], np.bool_)
    return Truth(corners - 1, labels, difficult), faults, tolerated


def read_devkit_file(path: Path, most_bytes: int) -> bytes:
    """The file's bytes. Raises OSError when it cannot be read, DevkitError when it has more than `most_bytes`."""
    data = read_bounded(path, most_bytes)
    if data is None:
        raise DevkitError(f"{path} is larger than {most_bytes:,} bytes, which no such file is; restore it")
    return data


def _parse(path: Path) -> Any:
    try:
        root = fromstring(read_devkit_file(path, LARGEST_XML_BYTES), forbid_dtd=True)
    except OSError as error:
        raise DevkitError(f"cannot read {path}: {error.strerror}; restore the file") from error
    except DefusedXmlException as error:
        raise DevkitError(
            f"{path} declares a document type or entities, which no VOC annotation does ({error}); do not trust it"
        ) from error
    except (ParseError, ValueError, LookupError) as error:  # the last two: an encoding that is wrong or unknown
        if isinstance(error, DevkitError):
            raise
        raise DevkitError(f"{path} is not well-formed XML: {error}; restore the file") from error
    if root.tag != "annotation":
        raise DevkitError(_fault(path, "the root element", root.tag, "annotation"))
    return root


def _size_wh(path: Path, root: Any, faults: list[str]) -> tuple[int, int] | None:
    """None where both sides are absent, empty or 0, as tools write it that do not look at the picture."""
    texts = {side: (root.findtext(f"size/{side}") or "").strip() for side in ("width", "height")}
    if all(text in ("", "0") for text in texts.values()):
        return None
    sides = []
    for side, text in texts.items():
        found = _WHOLE.fullmatch(text)
        if not found or not 1 <= int(found[1]) <= LARGEST_SIDE_PX:
            faults.append(_fault(path, f"<size><{side}>", text, f"a whole number of px from 1 to {LARGEST_SIDE_PX}"))
        else:
            sides.append(int(found[1]))
    return (sides[0], sides[1]) if len(sides) == len(texts) else None


def _boxes(path: Path, root: Any, classes: Mapping[str, int], faults: list[str]) -> list[Box]:
    boxes = []
    for number, element in enumerate(root.findall("object"), 1):
        name = (element.findtext("name") or "").strip()
        before = len(faults)
        if name not in classes:
            want = f"one of the port's: {', '.join(classes)}"
            faults.append(_fault(path, f"the class of object {number}", name, want, "check --port=FILE"))
        where = f"object {number} ({name:.80})"
        flag = element.findtext("difficult", "0").strip()  # absent counts as 0, as upstream's pascal_voc.py reads it
        if flag not in ("0", "1"):
            faults.append(_fault(path, f"<difficult> of {where}", flag, "0 or 1"))
        corners = _corners(path, where, element, faults)
        if corners and len(faults) == before:
            boxes.append(Box(where, classes[name], corners, flag == "1"))
    return boxes


def _corners(path: Path, where: str, element: Any, faults: list[str]) -> tuple[float, float, float, float] | None:
    """The four corners as written, xmin ymin xmax ymax, px counted from 1."""
    frames = element.findall("bndbox")
    if len(frames) != 1:
        faults.append(_fault(path, f"the number of <bndbox> of {where}", len(frames), "1"))
        return None
    corners = []
    for key in ("xmin", "ymin", "xmax", "ymax"):
        text = (frames[0].findtext(key) or "").strip()
        if not _NUMBER.fullmatch(text):
            faults.append(_fault(path, f"<{key}> of {where}", text, "a number of px, counted from 1"))
            return None
        corners.append(float(text))
    left, top, right, bottom = corners
    if left > right or top > bottom:
        want = "xmin ymin xmax ymax with xmin <= xmax and ymin <= ymax"
        faults.append(_fault(path, f"the box of {where}", corners, want))
        return None
    return left, top, right, bottom


def _fault(path: Path, what: str, got: object, want: str, remedy: str = "correct or restore the file") -> str:
    return f"{path}: {what} is {got!r:.80}, but should be {want}; {remedy}"
