"""Which pictures a set has: `ImageSets/Main/<set>.txt` of the devkit, one id a line."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from rfcn_lib import spec
from rfcn_lib.names import name_fault
from rfcn_lib.pictures.annotation import DevkitError, read_devkit_file

LARGEST_SET_BYTES: Final = 16_000_000
FLAGS: Final = ("-1", "0", "1")  # the second column of VOC's sets of one class
ENDINGS: Final = (".jpg", ".jpeg", ".png", ".xml")


def set_path(devkit: Path, set_name: str) -> Path:
    """The file of a set; always in ImageSets/Main of the devkit. Raises DevkitError for a name that could lead elsewhere."""
    fault = name_fault(set_name) or ("it ends in .txt" if set_name.lower().endswith(".txt") else None)
    if fault:
        raise DevkitError(
            f"the set's name is {set_name!r:.80}, but {fault}; should be the name of a file of ImageSets/Main without .txt, "
            "like 'test'"
        )
    return devkit / spec.VOC_YEAR_FOLDER / "ImageSets" / "Main" / f"{set_name}.txt"


def expect_set(devkit: Path, set_name: str) -> None:
    """Raise DevkitError where the devkit has sets, but not this one. A folder that is no devkit is refused by `read_devkit`."""
    path = set_path(devkit, set_name)
    if path.parent.is_dir() and not path.is_file():
        raise DevkitError(f"there is no set file {path}; {_sets_beside(path)}")


def read_ids(path: Path, annotated: Collection[str]) -> tuple[str, ...]:
    """Ids in the file's order. A second column -1, 0 or 1 (sets of one class) is a flag: all its pictures are judged.

    `annotated`: names of the annotations without .xml. A line with blanks is an id only if an annotation has that name.

    Raises:
        DevkitError: the file is missing, too large, no UTF-8 text or empty; lines are no ids, all named; ids are there twice.
    """
    try:
        text = read_devkit_file(path, LARGEST_SET_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise DevkitError(f"cannot read the set file {path}: {error.strerror}; {_sets_beside(path)}") from error
    except UnicodeDecodeError as error:
        raise DevkitError(f"{path} is not a UTF-8 text file: {error}; it should list one id a line") from error
    seen: dict[str, int] = {}
    doubled: list[str] = []
    wrong: list[str] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        id = _id_of(line.strip(), annotated)
        fault = "it is neither one word nor the name of an annotation" if id is None else name_fault(id)
        if id is not None and id not in annotated and Path(id).suffix.lower() in ENDINGS and Path(id).stem in annotated:
            fault = f"it ends in {Path(id).suffix}"
        if id is None or fault:
            wrong.append(f"line {number} is {line[:80]!r}: {fault}")
        elif id in seen:
            doubled.append(f"{id} (lines {seen[id]} and {number})")
        else:
            seen[id] = number
    if wrong:
        raise DevkitError(
            f"{path}: {first_of(wrong, '; ')}; a line should be an id (a JPEG's name without .jpg: printable characters "
            "without '/'), or an id and a flag of -1, 0 or 1; correct the file",
            tuple(f"{path} {one}" for one in wrong),
        )
    if doubled:
        raise DevkitError(
            f"{path} lists {first_of(doubled)} more than once; every id should be there once: remove the repeats"
        )
    if not seen:
        raise DevkitError(f"{path} lists no id at all, but should list one a line; restore the set file")
    return tuple(seen)


def _id_of(line: str, annotated: Collection[str]) -> str | None:
    words = line.split()
    if len(words) == 1 or line in annotated:
        return line
    before = line[: -len(words[-1])].rstrip()
    return before if words[-1] in FLAGS and (len(words) == 2 or before in annotated) else None


def _sets_beside(path: Path) -> str:
    others = sorted(other.stem for other in path.parent.glob("*.txt"))
    return f"sets there: {first_of(others, most=8)}; pass --set=NAME" if others else "no set file is there at all"


def first_of(names: Iterable[str], between: str = " ", most: int = 5) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
