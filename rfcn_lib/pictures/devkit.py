"""A VOC devkit folder -> ids, picture files, truth. Anything wrong in it is an error that names the file.

Layout: the PASCAL VOC2007 development kit.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib import spec
from rfcn_lib.pictures.annotation import DevkitError as DevkitError
from rfcn_lib.pictures.annotation import read_annotation, read_devkit_file
from rfcn_lib.records import Truth

SAFE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")  # becomes part of paths: no dots, no separators
LARGEST_SET_BYTES: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Devkit:
    """A set of annotated pictures, checked.

    folder    the VOCdevkit folder, the one that holds VOC2007/
    set_name  which ImageSets/Main/<set_name>.txt
    ids       what is judged, in the set file's order
    all_ids   the whole set; longer than `ids` when the run is limited
    truth     by id, over `ids`; boxes in the picture frame, zero-based
    sizes_wh  by id, over `ids`; px, as the XML says
    """

    folder: Path
    set_name: str
    ids: tuple[str, ...]
    all_ids: tuple[str, ...]
    truth: Mapping[str, Truth]
    sizes_wh: Mapping[str, tuple[int, int]]

    @property
    def jpegs_folder(self) -> Path:
        """Where the pictures lie."""
        return self.folder / spec.VOC_YEAR_FOLDER / "JPEGImages"

    @property
    def annotations_folder(self) -> Path:
        """Where the XML files lie."""
        return self.folder / spec.VOC_YEAR_FOLDER / "Annotations"

    def picture_path(self, id: str) -> Path:
        """Where the JPEG of one of `ids` lies. Raises DevkitError for any other id."""
        if id not in self.truth:
            raise DevkitError(
                f"{id!r} is not one of the {len(self.ids)} ids read from set {self.set_name!r} of {self.folder}"
            )
        return self.folder / spec.VOC_YEAR_FOLDER / "JPEGImages" / f"{id}.jpg"


def read_devkit(
    folder: Path,
    classes: Sequence[str],
    *,
    limit: int | None = None,
    only: Sequence[str] | None = None,
    set_name: str = "test",
    pictures: bool = True,
) -> Devkit:
    """Read ids and truth of one set; with `pictures`, also see that every JPEG is there (none is opened).

    `limit` keeps the first ids of the set file, `only` those named; annotations and JPEGs of other ids need not be there.
    `pictures=False` is for dumps that were made elsewhere: to judge them, the sizes from the XML are enough.

    Raises:
        DevkitError: a folder, set file, annotation or JPEG is missing; an id is unsafe or doubled; a class is not among
            `classes`; an annotation is malformed, hostile, of another picture, or has a box that cannot be.
    """
    year = _year_folder(folder)
    if not SAFE_NAME.fullmatch(set_name):
        raise DevkitError(f"the set's name is {set_name!r}, but should be letters, digits, '_' and '-', like 'test'")
    set_path = year / "ImageSets" / "Main" / f"{set_name}.txt"
    all_ids = _read_ids(set_path)
    if limit is not None and not 1 <= limit <= len(all_ids):
        raise DevkitError(
            f"the limit is {limit}, but {set_path} lists {len(all_ids)} ids; use 1 to {len(all_ids)}, or no limit"
        )
    strange = sorted(set(only or ()) - set(all_ids))
    if strange:
        raise DevkitError(f"{strange[0]!r} is not one of the {len(all_ids)} ids of {set_path}; name some of those")
    ids = all_ids[:limit] if only is None else tuple(only)
    _expect_files(year / "Annotations", ids, ".xml", f"restore them, or take their ids out of {set_path}")
    if pictures:
        _expect_files(year / "JPEGImages", ids, ".jpg", "restore them, or judge the first ones (--limit=N)")
    labels, known_ids = {name: label for label, name in enumerate(classes)}, frozenset(all_ids)
    truth: dict[str, Truth] = {}
    sizes_wh: dict[str, tuple[int, int]] = {}
    for id in ids:
        path = year / "Annotations" / f"{id}.xml"
        truth[id], sizes_wh[id] = read_annotation(path, id, labels, known_ids)
    return Devkit(folder, set_name, ids, all_ids, truth, sizes_wh)


def _year_folder(folder: Path) -> Path:
    try:
        return _expect_year_folder(folder)
    except OSError as error:
        raise DevkitError(
            f"cannot look into {str(folder)[:300]}: {error.strerror}; pass another --devkit=PATH"
        ) from error


def _expect_year_folder(folder: Path) -> Path:
    year = folder / spec.VOC_YEAR_FOLDER
    if year.is_dir():
        return year
    want = f"the VOCdevkit folder, the one that holds {spec.VOC_YEAR_FOLDER}/"
    if not folder.is_dir():
        raise DevkitError(f"there is no folder {folder}, but it should be {want}; pass --devkit=PATH")
    if (folder / "Annotations").is_dir() and (folder / "ImageSets").is_dir():
        raise DevkitError(f"{folder} is the year's folder itself, but should be {want}; pass --devkit={folder.parent}")
    with os.scandir(folder) as entries:
        below = sorted(entry.name for entry in entries if (Path(entry) / spec.VOC_YEAR_FOLDER).is_dir())
    if below:
        raise DevkitError(f"{folder} is one level too high: it should be {want}; pass --devkit={folder / below[0]}")
    raise DevkitError(
        f"{folder} holds no folder {spec.VOC_YEAR_FOLDER}, but should be {want}; pass another --devkit=PATH"
    )


def _read_ids(path: Path) -> tuple[str, ...]:
    """Ids in the file's order. A second column -1, 0 or 1 (per-class sets) is a flag: all its pictures are judged."""
    try:
        text = read_devkit_file(path, LARGEST_SET_BYTES).decode("utf-8-sig")
    except OSError as error:
        others = sorted(other.stem for other in path.parent.glob("*.txt"))[:8]
        there = f"sets there: {' '.join(others)}" if others else "no set file is there at all"
        raise DevkitError(f"cannot read the set file {path}: {error.strerror}; {there}") from error
    except UnicodeDecodeError as error:
        raise DevkitError(f"{path} is not a text file: {error}; it should list one id a line") from error
    seen: dict[str, int] = {}
    doubled: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        match line.split():
            case []:
                continue
            case [id] | [id, "-1" | "0" | "1"] if SAFE_NAME.fullmatch(id):
                if id in seen:
                    doubled.append(f"{id} (lines {seen[id]} and {number})")
                seen.setdefault(id, number)
            case _:
                raise DevkitError(
                    f"{path} line {number} is {line[:80]!r}, but should be an id (a JPEG's name without .jpg: letters, "
                    "digits, '_' and '-'), or an id and a flag of -1, 0 or 1; correct the line"
                )
    if doubled:
        raise DevkitError(
            f"{path} lists {_first(doubled)} more than once; every id should be there once: remove the repeats"
        )
    if not seen:
        raise DevkitError(f"{path} lists no id at all, but should list one a line; restore the set file")
    return tuple(seen)


def _expect_files(folder: Path, ids: Collection[str], suffix: str, remedy: str) -> None:
    try:
        with os.scandir(folder) as entries:
            present = {entry.name for entry in entries if entry.is_file()}
    except OSError as error:
        raise DevkitError(
            f"cannot list the folder {folder}: {error.strerror}; it should hold <id>{suffix}; {remedy}"
        ) from error
    missing = [id for id in ids if f"{id}{suffix}" not in present]
    if not missing:
        return
    twins = sorted(name for name in present if name.partition(".")[0] == missing[0])
    hint = f" ({twins[0]} is there: the name must end in {suffix})" if twins else ""
    raise DevkitError(f"{folder} lacks {len(missing)} of {len(ids)} {suffix} files: {_first(missing)}{hint}; {remedy}")


def _first(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    return " ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
