"""What fixes a set: digests of its ids and of its objects, so that a shortened set and a changed truth are seen.

How a digest is computed; anyone can do it again from ImageSets/Main/<set>.txt and Annotations/:

- an object is the line `name xmin ymin xmax ymax difficult`, numbers as the XML has them (counted from 1, 48 and not 48.0);
- a picture is its id and its objects' lines, these sorted, each line ended by a newline; its digest is the sha256 of that;
- `ids_sha256` is the sha256 of the ids, sorted, each ended by a newline;
- `objects_sha256` is the sha256 of the lines `id digest`, sorted by id, each ended by a newline;
- `each` holds the first 4 bytes of each picture's digest, sorted by id, in base64: with it the changed files can be counted.

`python -m rfcn_lib.pictures.fixed_set --devkit=DIR --port=FILE [--set=NAME]` prints them as a table for the port file.
"""

import argparse
import base64
import hashlib
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.devkit import Devkit, read_devkit
from rfcn_lib.port import SHORT_DIGEST_BYTES, FixedSet, read_port
from rfcn_lib.records import Truth

VOC2007_TEST_EACH: Final = Path(__file__).with_name("voc2007_test.base64")
LEAST_SHARE: Final = 0.5  # where half of a set's pictures are those of VOC2007 test, the set is taken for it
VOC2007_TEST: Final = "VOC2007 test"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a set stands to what fixes it.

    fixed_by  "VOC2007 test", "the port file", or "" where nothing fixes the set
    pictures  how many the fixed set has; 0 where nothing fixes it
    missing   how many fewer the set has
    changed   judged pictures whose id or objects are not those of the fixed set
    same      whether the ids of the set are all there and no others, and the objects of all judged pictures are unchanged
    """

    fixed_by: str
    pictures: int
    missing: int
    changed: int
    same: bool

    def __str__(self) -> str:
        if not self.fixed_by:
            return (
                "nothing fixes it: a set with pictures left out, or with changed objects, would look the same ([fixed_set] of "
                "the port file can hold its digests)"
            )
        if self.same:
            return f"its ids and objects are those that {self.fixed_by} has"
        changed = f"in {self.changed:,} files the objects are not those of {self.fixed_by}" if self.changed else ""
        missing = (
            f"{self.missing:,} of the {self.pictures:,} pictures of {self.fixed_by} are not in it"
            if self.missing
            else ""
        )
        return "; ".join(filter(None, (changed, missing))) or f"it has other ids than {self.fixed_by}"


def standing_of(devkit: Devkit, classes: Sequence[str], fixed: FixedSet | None) -> Standing:
    """How a set stands to the port file's [fixed_set], or else to VOC2007 test where it claims to be that."""
    if fixed and fixed.name == devkit.set_name:
        return _standing(devkit, classes, fixed, "the port file")
    if devkit.set_name == "test":
        found = _standing(devkit, classes, voc2007_test(), VOC2007_TEST)
        if found.changed <= (1 - LEAST_SHARE) * len(devkit.ids):
            return found
    return Standing("", 0, 0, 0, same=False)


def voc2007_test() -> FixedSet:
    """The published set: 4,952 pictures, 14,976 objects."""
    return FixedSet(
        name="test",
        pictures=spec.VOC_TEST_COUNT,
        ids_sha256=spec.VOC_TEST_IDS_SHA256,
        objects_sha256=spec.VOC_TEST_OBJECTS_SHA256,
        each=VOC2007_TEST_EACH.read_text(encoding="ascii"),
    )


def is_voc2007_test(devkit: Devkit, classes: Sequence[str]) -> bool:
    """Whether the run is over the whole of VOC2007 test, with the published objects."""
    whole = devkit.set_name == "test" and len(devkit.ids) == len(devkit.all_ids) == spec.VOC_TEST_COUNT
    return whole and _standing(devkit, classes, voc2007_test(), VOC2007_TEST).same


def digests_of(name: str, truth: Mapping[str, Truth], classes: Sequence[str]) -> FixedSet:
    """The digests of a set. `truth`: by id, of every picture of the set."""
    each = _each(truth, classes)
    return FixedSet(
        name=name,
        pictures=len(each),
        ids_sha256=_ids_sha256(truth),
        objects_sha256=_objects_sha256(each),
        each=base64.b64encode(b"".join(one[:SHORT_DIGEST_BYTES] for one in each.values())).decode(),
    )


def _each(truth: Mapping[str, Truth], classes: Sequence[str]) -> dict[str, bytes]:
    """Id -> digest of each picture, sorted by id."""
    return {id: picture_digest(id, truth[id], classes) for id in sorted(truth)}


def _objects_sha256(each: Mapping[str, bytes]) -> str:
    return hashlib.sha256("".join(f"{id} {one.hex()}\n" for id, one in each.items()).encode()).hexdigest()


def picture_digest(id: str, truth: Truth, classes: Sequence[str]) -> bytes:
    """The digest of one picture: 32 bytes."""
    return hashlib.sha256("".join(f"{line}\n" for line in (id, *sorted(_lines(truth, classes)))).encode()).digest()


def _lines(truth: Truth, classes: Sequence[str]) -> Iterator[str]:
    one_based = (truth.boxes_xyxy + 1).tolist()
    for corners, label, difficult in zip(one_based, truth.labels.tolist(), truth.difficult.tolist(), strict=True):
        yield "{} {:.10g} {:.10g} {:.10g} {:.10g} {:d}".format(classes[label], *corners, difficult)


def _ids_sha256(ids: Sequence[str] | Mapping[str, object]) -> str:
    return hashlib.sha256("".join(f"{id}\n" for id in sorted(ids)).encode()).hexdigest()


def _standing(devkit: Devkit, classes: Sequence[str], fixed: FixedSet, fixed_by: str) -> Standing:
    known = {
        fixed.short_digests[at : at + SHORT_DIGEST_BYTES]
        for at in range(0, len(fixed.short_digests), SHORT_DIGEST_BYTES)
    }
    each = _each(devkit.truth, classes)
    changed = sum(one[:SHORT_DIGEST_BYTES] not in known for one in each.values())
    missing = max(0, fixed.pictures - len(devkit.all_ids))
    same = not changed and _ids_sha256(devkit.all_ids) == fixed.ids_sha256
    if len(devkit.ids) == len(devkit.all_ids):
        same = same and _objects_sha256(each) == fixed.objects_sha256
        changed = changed or int(not same and not missing)  # the short digests of two pictures may be equal
    return Standing(fixed_by, fixed.pictures, missing, changed, same)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table [fixed_set] of a set, for its port file."""
    parser = argparse.ArgumentParser(
        prog="python -m rfcn_lib.pictures.fixed_set", description=main.__doc__, allow_abbrev=False
    )
    for name in ("--devkit", "--port"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--set", default="test")
    given = parser.parse_args(words)
    try:
        classes = read_port(given.port).classes
        devkit = read_devkit(given.devkit, classes, set_name=given.set, pictures=False)
    except SuiteError as error:
        raise SystemExit(str(error)) from error
    found = digests_of(given.set, devkit.truth, classes)
    lines = textwrap.fill(found.each, 118)
    sys.stdout.write(
        f'[fixed_set]\nname = "{found.name}"\npictures = {found.pictures}\nids_sha256 = "{found.ids_sha256}"\n'
        f'objects_sha256 = "{found.objects_sha256}"\neach = """\n{lines}\n"""\n'
    )


if __name__ == "__main__":
    main()
