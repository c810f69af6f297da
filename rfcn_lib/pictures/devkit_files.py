"""Which files lie in a devkit's folders, and which of them are missing."""

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from rfcn_lib import spec
from rfcn_lib.files import write_whole
from rfcn_lib.pictures.annotation import DevkitError
from rfcn_lib.pictures.set_file import first_of

ENDINGS: Final = (".jpg", ".jpeg", ".png")  # of a picture's name, in any case; <id>.jpg comes first
FAULTS: Final = "devkit-faults.txt"
SHOWN: Final = 5  # faults in a message


class Fault(NamedTuple):
    """A sentence, and the lines that it stands for in the list of all faults."""

    sentence: str
    lines: tuple[str, ...]


def year_folder(folder: Path) -> Path:
    """VOC2007/ in the devkit. Raises DevkitError, which names the folder that was meant, where it can be found."""
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


def files_in(folder: Path, suffix: str, faults: list[Fault]) -> list[str]:
    """Names of the files in a folder. One that cannot be listed is added to `faults`; `suffix` is for the sentence."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_file()]
    except OSError as error:
        sentence = f"cannot list the folder {folder}: {error.strerror}; it should hold <id>{suffix}; restore it"
        faults.append(Fault(sentence, (sentence,)))
        return []


def picture_files(folder: Path, ids: Sequence[str], faults: list[Fault]) -> dict[str, str]:
    """Id -> name of its picture: <id>.jpg, or the only name that a picture may have. Adds those that are missing to `faults`."""
    before = len(faults)
    present = files_in(folder, ".jpg", faults)
    if len(faults) > before:
        return {}
    of_id: dict[str, list[str]] = defaultdict(list)
    for name in present:
        stem, dot, ending = name.rpartition(".")
        if f"{dot}{ending}".lower() in ENDINGS:
            of_id[stem].append(name)
    files: dict[str, str] = {}
    for id in ids:
        found = of_id.get(id, [])
        if f"{id}.jpg" in found:
            files[id] = f"{id}.jpg"
        elif len(found) == 1:
            files[id] = found[0]
        elif found:
            sentence = (
                f"{folder} has {' and '.join(sorted(found))}, but should have one picture of {id}; leave one of them"
            )
            faults.append(Fault(sentence, (sentence,)))
            files[id] = ""
    expect_all(folder, ids, files, ".jpg", "restore them, or judge the first ones (--limit=N)", faults, present)
    return files


def expect_all(
    folder: Path,
    ids: Sequence[str],
    there: Collection[str],
    suffix: str,
    remedy: str,
    faults: list[Fault],
    present: Iterable[str] = (),
) -> None:
    """Add one fault for all of `ids` that are not `there`. `present`: the folder's files, to point at one with another ending."""
    missing = [id for id in ids if id not in there]
    if not missing:
        return
    twins = sorted(name for name in present if name.rpartition(".")[0] == missing[0])
    hint = f" ({twins[0]} is there: the name must end in {suffix})" if twins else ""
    sentence = f"{folder} lacks {len(missing)} of {len(ids)} {suffix} files: {first_of(missing)}{hint}; {remedy}"
    faults.append(Fault(sentence, tuple(f"{folder / id}{suffix} is missing" for id in missing)))


def with_all_faults(error: DevkitError, path: Path) -> DevkitError:
    """The error; where it has more faults than a message shows, they are written to `path`, and the message says so."""
    if len(error.every) <= SHOWN:
        return error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, "".join(f"{line}\n" for line in error.every).encode())
    except OSError as failed:
        return DevkitError(
            f"{error}\n  {path} should list all of them, but cannot be written: {failed.strerror}", error.every
        )
    return DevkitError(f"{error}\n  all {len(error.every)} are in {path}", error.every)
