"""One picture after another through a device into a folder of dumps; what is there already is not done again."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rfcn_lib.port import Port
from rfcn_lib.progress import progress
from rfcn_lib.records import Floats, Outputs, Picture
from rfcn_lib.score.dumps import digest_of, file_names, shapes, write_dump

Prepare = Callable[[str], tuple[Floats, Picture]]  # id -> (1, 3, H, W) float32 and what was done to the picture
Run = Callable[[Floats, Picture], Outputs]


LEDGER = "made.txt"  # beside the folder of dumps: `id sha256`, a line as each dump is finished; a later line counts


def made(folder: Path) -> Mapping[str, str]:
    """Id -> sha256 of the dump as the device made it; what lies there now can be held against it."""
    path = folder.parent / LEDGER
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {id: sha256 for id, _, sha256 in (line.partition(" ") for line in lines) if len(sha256) == 64}


def missing(folder: Path, ids: Sequence[str], port: Port) -> tuple[str, ...]:
    """The ids whose dump is not complete in `folder`: a file absent, or of another size than the port's arrays."""
    sizes = [4 * rows * columns for rows, columns in shapes(port)]
    there = {entry.name: entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()}
    return tuple(
        id for id in ids if any(there.get(name) != size for name, size in zip(file_names(id), sizes, strict=True))
    )


def unfinished(folder: Path, ids: Sequence[str], port: Port) -> tuple[str, ...]:
    """The ids to be done: dump not complete, or not in the ledger."""
    known, gone = made(folder), set(missing(folder, ids, port))
    return tuple(id for id in ids if id in gone or id not in known)


@contextmanager
def keeping(folder: Path) -> Iterator[Callable[[str, Outputs], None]]:
    """keep(id, outputs): write one picture's dump, then its line in the ledger."""
    with (folder.parent / LEDGER).open("a", encoding="utf-8") as ledger:

        def keep(id: str, outputs: Outputs) -> None:
            write_dump(folder, id, outputs)
            print(id, digest_of(folder, id), file=ledger, flush=True)

        yield keep


def fill(folder: Path, ids: Sequence[str], port: Port, prepare: Prepare, device: Callable[[], Run], what: str) -> int:
    """Make the missing dumps of `ids`; returns how many that were. `device` is only started when one is missing."""
    wanted = unfinished(folder, ids, port)
    if wanted:
        run = device()
        with keeping(folder) as keep:
            for id in progress(wanted, len(wanted), what):
                im_data, picture = prepare(id)
                keep(id, run(im_data, picture))
    return len(wanted)
