"""Detections as VOC result files: `comp4_det_test_<class>.txt`, lines `id score x1 y1 x2 y2`, corners one-based.

The writer has upstream's form (`%.3f` scores, `%.1f` coordinates); the reader takes any number of decimals. The
published number went through such files, so its scores have 3 decimals and many ties: `evaluate_text` is that protocol.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.files import write_whole
from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.average_precision import VOC07, Evaluation, Protocol, evaluate

_FORM: Final = "`id score x1 y1 x2 y2`"
LONGEST_LINE: Final = 400  # characters; an id and five numbers of full precision need 150
LARGEST_FILE_BYTES: Final = 1 << 30  # one class of a full-size set with every score kept is a tenth of it


class TextFileError(SuiteError):
    """A result file cannot be judged: says file and line, what stands there and what should."""


def write_text_files(folder: Path, detections: Mapping[str, Detections], classes: Sequence[str]) -> tuple[Path, ...]:
    """Write one file per class (an empty one where nothing was found), pictures in the order of `detections`.

    Numbers are formed as upstream forms them: one is added in the boxes' own dtype, then `%.1f`.
    Reading back loses digits, on purpose.

    Raises:
        TextFileError: an id that a line cannot hold, a label out of range, a folder that cannot be written.
    """
    lines: list[list[str]] = [[] for _ in classes]
    for id, found in detections.items():
        if not id or len(id.split()) != 1 or id != id.strip():
            raise TextFileError(f"id {id!r} cannot stand in a result file: it should be one word")
        for label, score, box in zip(
            found.labels.tolist(), found.scores.tolist(), (found.boxes_xyxy + 1).tolist(), strict=True
        ):
            if not 0 <= label < len(classes):
                raise TextFileError(f"picture {id}: label is {label}, but should be from 0 to {len(classes) - 1}")
            lines[label].append("{} {:.3f} {:.1f} {:.1f} {:.1f} {:.1f}\n".format(id, score, *box))
    paths = tuple(_path(folder, name) for name in classes)
    path = folder
    try:
        for path, text in zip(paths, lines, strict=True):
            write_whole(path, "".join(text).encode())
    except (OSError, UnicodeEncodeError) as error:
        raise TextFileError(f"cannot write {path}: {error}; the folder should exist and be writable") from error
    return paths


def read_text_files(folder: Path, ids: Sequence[str], classes: Sequence[str]) -> dict[str, Detections]:
    """Read one file per class: an entry per id of the set, float64, zero-based (the files are one-based).

    Taking one from a number of at least 0.5 is exact, so an IoU is, to the last bit, that of the one-based numbers.
    Within a class detections keep the order of their lines. A picture without a line is one in which nothing was
    found: these files cannot tell it from a picture that was never run.

    Raises:
        TextFileError: no ids, a missing file, a line that is not `id score x1 y1 x2 y2`, an id outside the set, a
            number that is not finite.
    """
    if not ids:
        raise TextFileError(
            f"no ids to read {folder} for, but should be those of the set; check the devkit and --limit"
        )
    known = {id: number for number, id in enumerate(ids)}
    owners: list[int] = []
    labels: list[int] = []
    rows: list[list[float]] = []
    for label, name in enumerate(classes):
        for where, line in _lines(_path(folder, name)):
            id, numbers = _parsed(where, line)
            if id not in known:
                raise TextFileError(
                    f"{where}: id {id!r} is not among the {len(known):,} of the set; "
                    "judge the set these files were made for"
                )
            owners.append(known[id])
            labels.append(label)
            rows.append(numbers)
    table, kinds, pictures = np.asarray(rows).reshape(-1, 5), np.asarray(labels, np.int64), np.asarray(owners, np.int64)
    order = np.argsort(pictures, kind="stable")
    parts = np.split(order, np.searchsorted(pictures[order], np.arange(1, len(ids))))
    return {
        id: Detections(table[part, 1:] - 1, table[part, 0], kinds[part]) for id, part in zip(ids, parts, strict=True)
    }


def evaluate_text(
    folder: Path,
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    protocol: Protocol = VOC07,
    *,
    judged: Sequence[str] | None = None,
) -> Evaluation:
    """Average precision of result files. With the writer's 3 decimals it is the published protocol.

    Ties follow the set's order, then the line's (upstream: a sort that is not stable, so its last digits are its own).
    The evaluation's protocol says that its scores came from text. `judged`: the classes that count, all of them unless given.

    Raises:
        TextFileError: see `read_text_files`.
        EvaluationError: see `evaluate`.
    """
    named = replace(
        protocol, name=f"{protocol.name}, scores and boxes as written in {spec.RESULT_FILE.format(name='<class>')}"
    )
    return evaluate(read_text_files(folder, list(truth), classes), truth, classes, named, judged=judged)


def _path(folder: Path, name: str) -> Path:
    """The file of a class. A separator in the name becomes the character that looks like it."""
    return folder / spec.RESULT_FILE.format(name=name.replace("/", "\N{DIVISION SLASH}"))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Lines of one file, each with the place to name in a message; never more than one in memory."""
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise TextFileError(f"{path} has {path.stat().st_size:,} bytes, more than a result file can; is it one?")
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), ""), 1):
                where = f"{path}, line {number}"
                if len(line) > LONGEST_LINE:
                    raise TextFileError(
                        f"{where} is longer than {LONGEST_LINE} characters, but should be {_FORM}; is it a result file?"
                    )
                if not line.endswith("\n"):
                    raise TextFileError(f"{where}, the last, has no line end: the file was cut short; write it again")
                yield where, line
    except OSError as error:
        raise TextFileError(
            f"cannot read {path}: {error.strerror}; there should be one file per class, empty where nothing was found"
        ) from error
    except UnicodeDecodeError as error:
        raise TextFileError(f"{path} is not UTF-8 text: {error}; every line should be {_FORM}") from error


def _parsed(where: str, line: str) -> tuple[str, list[float]]:
    words = line.split()
    try:
        numbers = [float(word) for word in words[1:]]
    except ValueError:
        numbers = []
    if len(words) != 6 or len(numbers) != 5 or "_" in line[len(words[0]) :]:  # float() would take 1_000
        raise TextFileError(f"{where} is {line.rstrip()[:80]!r}, but should be {_FORM}")
    if not all(map(math.isfinite, numbers)):
        raise TextFileError(f"{where} holds NaN or infinity: {line.rstrip()[:80]!r}; every number should be finite")
    return words[0], numbers
