"""One annotation XML of a VOC devkit -> truth and picture size. The XML counts pixels from one; `Truth` from zero."""

import re
from collections.abc import Mapping
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
_NUMBER: Final = re.compile(r"[0-9]{1,6}(\.[0-9]*)?")  # VOC2007 writes whole pixels, later years fractions too


class DevkitError(SuiteError):
    """The devkit is not as a VOC devkit should be. The message names the file."""


def read_annotation(
    path: Path, id: str, labels: Mapping[str, int], known_ids: frozenset[str]
) -> tuple[Truth, tuple[int, int]]:
    """-> truth in the picture frame, and (width, height) in px. `labels` numbers the port's classes.

    Raises:
        DevkitError: unreadable, too large, hostile or malformed XML, the annotation of another of `known_ids`, a class
            that `labels` lacks, a box that is inverted, not of numbers, or outside the picture.
    """
    root = _parse(path)
    _expect_own(path, id, root, known_ids)
    size_wh = _size_wh(path, root)
    return _truth(path, root, size_wh, labels), size_wh


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
        raise _fault(path, "the root element", root.tag, "annotation")
    return root


def _expect_own(path: Path, id: str, root: Any, known_ids: frozenset[str]) -> None:
    """Refuse the annotation of another picture of the set. A <filename> that is no id of the set is harmless."""
    named = (root.findtext("filename") or "").strip().removesuffix(".jpg")
    if named != id and named in known_ids:
        raise _fault(path, "<filename>", f"{named}.jpg", f"{id}.jpg (this is another picture's annotation)")


def _size_wh(path: Path, root: Any) -> tuple[int, int]:
    sides = []
    for side in ("width", "height"):
        text = (root.findtext(f"size/{side}") or "").strip()
        if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= LARGEST_SIDE_PX:
            raise _fault(path, f"<size><{side}>", text, f"a whole number of px from 1 to {LARGEST_SIDE_PX}")
        sides.append(int(text))
    return sides[0], sides[1]


def _truth(path: Path, root: Any, size_wh: tuple[int, int], classes: Mapping[str, int]) -> Truth:
    boxes, labels, difficult = [], [], []
    for number, element in enumerate(root.findall("object"), 1):
        name = (element.findtext("name") or "").strip()
        if name not in classes:
            want = f"one of the port's: {' '.join(classes)}"
            raise _fault(path, f"the class of object {number}", name, want, "check --port=FILE")
        flag = element.findtext("difficult", "0").strip()  # absent counts as 0, as upstream's pascal_voc.py reads it
        if flag not in ("0", "1"):
            raise _fault(path, f"<difficult> of object {number} ({name})", flag, "0 or 1")
        boxes.append(_box_xyxy(path, f"object {number} ({name})", element, size_wh))
        labels.append(classes[name])
        difficult.append(flag == "1")
    return Truth(np.array(boxes, np.float64).reshape(-1, 4), np.array(labels, np.int64), np.array(difficult, np.bool_))


def _box_xyxy(path: Path, where: str, element: Any, size_wh: tuple[int, int]) -> list[float]:
    """Corners of the XML, counted from 1, -> from 0. There is no tolerance: no box of VOC2007 test needs one."""
    frames = element.findall("bndbox")
    if len(frames) != 1:
        raise _fault(path, f"the number of <bndbox> of {where}", len(frames), "1")
    corners = []
    for key in ("xmin", "ymin", "xmax", "ymax"):
        text = (frames[0].findtext(key) or "").strip()
        if not _NUMBER.fullmatch(text):
            raise _fault(path, f"<{key}> of {where}", text, "a number of px, counted from 1")
        corners.append(float(text))
    left, top, right, bottom = corners
    if left > right or top > bottom:
        raise _fault(path, f"the box of {where}", corners, "xmin ymin xmax ymax with xmin <= xmax and ymin <= ymax")
    if left < 1 or top < 1 or right > size_wh[0] or bottom > size_wh[1]:
        want = f"inside the picture, 1 to {size_wh[0]} across and 1 to {size_wh[1]} down (VOC counts from 1, not 0)"
        raise _fault(path, f"the box of {where}", corners, want)
    return [corner - 1 for corner in corners]


def _fault(path: Path, what: str, got: object, want: str, remedy: str = "correct or restore the file") -> DevkitError:
    return DevkitError(f"{path}: {what} is {got!r:.80}, but should be {want}; {remedy}")
