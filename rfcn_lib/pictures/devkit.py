"""A VOC devkit folder -> ids, picture files, truth. Everything that is wrong in it is one error, before any picture is run.

Layout: the PASCAL VOC2007 development kit.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rfcn_lib import spec
from rfcn_lib.pictures.annotation import Annotation, read_annotation, truth_of
from rfcn_lib.pictures.annotation import DevkitError as DevkitError
from rfcn_lib.pictures.devkit_files import SHOWN, Fault, expect_all, files_in, picture_files, year_folder
from rfcn_lib.pictures.headers import Header, read_header, size_fault
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.pictures.set_file import first_of, read_ids, set_path
from rfcn_lib.records import Truth

NO_SIZE: Final = "annotations without a size; the picture's own was taken"
RENUMBERED: Final = "annotations whose <filename> is another picture of the set (the set was renumbered)"
PNG: Final = "pictures that are PNG"
OTHER_ENDING: Final = "pictures whose name does not end in .jpg"


@dataclass(frozen=True, slots=True)
class Devkit:
    """A set of annotated pictures, checked.

    folder     the VOCdevkit folder, the one that holds VOC2007/
    set_name   which ImageSets/Main/<set_name>.txt
    ids        what is judged, in the set file's order
    all_ids    the whole set; longer than `ids` when the run is limited
    truth      by id, over `ids`; boxes in the picture frame, zero-based
    sizes_wh   by id, over `ids`; px, as the XML says, or else the picture
    files      id -> name of the picture's file, where it is not <id>.jpg
    tolerated  what is not as VOC2007 has it and was read all the same -> how many annotations or pictures
    """

    folder: Path
    set_name: str
    ids: tuple[str, ...]
    all_ids: tuple[str, ...]
    truth: Mapping[str, Truth]
    sizes_wh: Mapping[str, tuple[int, int]]
    files: Mapping[str, str] = field(default_factory=dict)
    tolerated: Mapping[str, int] = field(default_factory=dict)

    @property
    def jpegs_folder(self) -> Path:
        """Where the pictures lie."""
        return self.folder / spec.VOC_YEAR_FOLDER / "JPEGImages"

    @property
    def annotations_folder(self) -> Path:
        """Where the XML files lie."""
        return self.folder / spec.VOC_YEAR_FOLDER / "Annotations"

    def picture_path(self, id: str) -> Path:
        """Where the picture of one of `ids` lies. Raises DevkitError for any other id."""
        if id not in self.truth:
            raise DevkitError(
                f"{id!r} is not one of the {len(self.ids)} ids read from set {self.set_name!r} of {self.folder}"
            )
        return self.jpegs_folder / self.files.get(id, f"{id}.jpg")


def read_devkit(
    folder: Path,
    classes: Sequence[str],
    *,
    limit: int | None = None,
    only: Sequence[str] | None = None,
    set_name: str = "test",
    pictures: bool = True,
) -> Devkit:
    """Read ids and truth of one set; with `pictures`, also every picture's header.

    `limit` keeps the first ids of the set file, `only` those named; annotations and pictures of other ids need not be there.
    `pictures=False` is for dumps that were made elsewhere: to judge them, the sizes from the XML are enough. Then a header is
    read only where an annotation has no size, or names another picture.

    Raises:
        DevkitError: a folder or set file is missing or damaged. Or, all in one message: annotations or pictures are missing; a
            picture is no JPEG or PNG, cut short, or of another size than its annotation says; an annotation has a fault (see
            `read_annotation`, `truth_of`); two annotations are of one picture.
    """
    year = year_folder(folder)
    set_file = set_path(folder, set_name)
    faults: list[Fault] = []
    annotated = {name[:-4] for name in files_in(year / "Annotations", ".xml", faults) if name.endswith(".xml")}
    all_ids = read_ids(set_file, annotated)
    if limit is not None and not 1 <= limit <= len(all_ids):
        raise DevkitError(
            f"the limit is {limit}, but {set_file} lists {len(all_ids)} ids; use 1 to {len(all_ids)}, or no limit"
        )
    strange = sorted(set(only or ()) - set(all_ids))
    if strange:
        raise DevkitError(f"{strange[0]!r} is not one of the {len(all_ids)} ids of {set_file}; name some of those")
    ids = all_ids[:limit] if only is None else tuple(only)
    if annotated or not faults:
        expect_all(
            year / "Annotations", ids, annotated, ".xml", f"restore them, or take their ids out of {set_file}", faults
        )
    jpegs = year / "JPEGImages"
    files = picture_files(jpegs, ids, faults) if pictures else {id: f"{id}.jpg" for id in ids}
    labels = {name: label for label, name in enumerate(classes)}
    annotations = {id: read_annotation(year / "Annotations" / f"{id}.xml", labels) for id in ids if id in annotated}
    renumbered = _renumbered(annotations, frozenset(all_ids), faults)
    truth: dict[str, Truth] = {}
    sizes_wh: dict[str, tuple[int, int]] = {}
    tolerated: Counter[str] = Counter()
    for id in ids:
        annotation, name = annotations.get(id), files.get(id)
        header, said = None, list(annotation.faults) if annotation else []
        asked = pictures or (
            annotation and (annotation.size_wh is None or id in renumbered) and (jpegs / f"{id}.jpg").exists()
        )
        if name and asked:
            header = _header(jpegs / name, annotation, id in renumbered, said)
        if annotation:
            size_wh = annotation.size_wh or (header.size_wh if header else None)
            if size_wh is None and not said and not pictures:
                said.append(
                    f"{annotation.path} has no size, and the picture that has it is not there; restore {jpegs / id}.jpg"
                )
            if size_wh:
                truth[id], outside, kept = truth_of(annotation, size_wh)
                sizes_wh[id] = size_wh
                said += outside
                tolerated.update(kept)
            tolerated.update([NO_SIZE] if annotation.size_wh is None else [])
        tolerated.update([RENUMBERED] if id in renumbered else [])
        tolerated.update([PNG] if header and header.png else [])
        tolerated.update([OTHER_ENDING] if name and name != f"{id}.jpg" else [])
        faults += [Fault(one, (one,)) for one in said]
    _expect_none(faults, folder, set_name)
    unusual = {id: name for id, name in files.items() if name != f"{id}.jpg"}
    return Devkit(folder, set_name, ids, all_ids, truth, sizes_wh, unusual, dict(tolerated))


def _header(path: Path, annotation: Annotation | None, renumbered: bool, said: list[str]) -> Header | None:
    """The picture's header; adds to `said` what is wrong with it."""
    try:
        header = read_header(path)
    except PictureError as error:
        said.append(str(error))
        return None
    fault = size_fault(path, header.size_wh, annotation.size_wh) if annotation and annotation.size_wh else None
    if fault and annotation and renumbered:
        fault += f": its <filename> is {annotation.named}.jpg, so this is another picture's annotation"
    said += [fault] if fault else []
    return header


def _renumbered(annotations: Mapping[str, Annotation], known_ids: Collection[str], faults: list[Fault]) -> set[str]:
    """Ids whose <filename> is another picture of the set. It is a mix-up where two annotations name that picture.

    A <filename> that is no id of the set is harmless, and so is a set that was renumbered after the labelling.
    """
    naming: dict[str, list[str]] = defaultdict(list)
    for id, annotation in annotations.items():
        naming[annotation.named].append(id)
    other = {id for id, annotation in annotations.items() if annotation.named != id and annotation.named in known_ids}
    for name, ids in naming.items():
        for id in other.intersection(ids) if len(ids) > 1 else ():
            twins = first_of([f"{one}.xml" for one in ids if one != id])
            sentence = (
                f"{annotations[id].path}: <filename> is {name}.jpg, as in {twins}, but should be {id}.jpg (this is another "
                "picture's annotation); correct or restore the file"
            )
            faults.append(Fault(sentence, (sentence,)))
            other.remove(id)
    return other


def _expect_none(faults: Sequence[Fault], folder: Path, set_name: str) -> None:
    every = tuple(line for fault in faults for line in fault.lines)
    if len(faults) == 1:
        raise DevkitError(faults[0].sentence, every)
    if faults:
        shown = "".join(f"\n  {fault.sentence}" for fault in faults[:SHOWN])
        more = f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise DevkitError(f"set {set_name!r} of {folder} has {len(faults)} faults:{shown}{more}", every)
