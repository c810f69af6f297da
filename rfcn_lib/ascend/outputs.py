"""One picture's files as a tool wrote them: what is wrong with them, and how they become a dump.

A `.npy` (ais_bench) says its type and shape itself. A `.bin` (benchmark) is the model's raw array: its type and shape are
those the exported graph declares, float32, since no flag that changes the outputs is handed to the compiler (atc.OUTPUT_FLAGS).
Its size is held against them, and so is its content, of which integers, an array turned round, or the outputs in another
order are no rois or no probabilities.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs
from rfcn_lib.score.dump_audit import fault_of
from rfcn_lib.score.dumps import FLOAT32, shapes


def format_fault(files: Sequence[Path], port: Port) -> str | None:
    """The first thing wrong with number, type and shape, in words; None where they are the port's three arrays, float32."""
    if len(files) != len(spec.OUTPUTS):
        return f"it has {len(files)} outputs, but the port has {len(spec.OUTPUTS)}: {', '.join(spec.OUTPUTS)}"
    if all(file.suffix == ".npy" for file in files):
        said = (_array_fault(*one) for one in zip(files, spec.OUTPUTS, shapes(port), strict=True))
        return next(filter(None, said), None)
    return _size_fault(files, port)


def content_fault(files: Sequence[Path], port: Port) -> str | None:
    """Why the numbers in files without `fault` cannot be rois, probabilities and deltas; None where they can."""
    arrays = [
        (np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.fromfile(file, FLOAT32)).reshape(shape)
        for file, shape in zip(files, shapes(port), strict=True)
    ]
    found = fault_of(Outputs(*arrays))
    return found and f"{files[spec.OUTPUTS.index(found[0])].name}: {found[0]} {found[1]}"


def move_to_dumps(file: Path, target: Path) -> None:
    """Put a file without fault in its place among the dumps, on the same disk, whole or not at all."""
    if file.suffix == ".npy":
        raw = file.with_suffix(".raw")
        raw.write_bytes(np.ascontiguousarray(np.load(file, allow_pickle=False), FLOAT32).tobytes())
        raw.replace(target)
        file.unlink()
    else:
        file.replace(target)


def _array_fault(file: Path, output: str, shape: tuple[int, int]) -> str | None:
    try:
        array: NDArray[np.generic] = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        return f"{file.name} ({output}) is no whole .npy: {error}"
    if array.dtype != FLOAT32 or array.shape != (1, *shape):
        want = f"float32 {(1, *shape)}"
        return f"{file.name} ({output}) is {array.dtype} {array.shape}, but should be {want}; compile it for float32"
    return None


def _size_fault(files: Sequence[Path], port: Port) -> str | None:
    got = [file.stat().st_size if file.is_file() and not file.is_symlink() else 0 for file in files]
    want = [FLOAT32.itemsize * rows * columns for rows, columns in shapes(port)]
    odd = next((k for k in range(len(want)) if got[k] != want[k]), None)
    if odd is None:
        return None
    hint = ""
    for factor, types in ((0.5, "float16"), (2, "float64 or int64")):
        if got == [factor * size for size in want]:
            hint = f"; all outputs are {factor:g} times their size: does the model give {types}? compile it for float32"
    said = f"{files[odd].name} ({spec.OUTPUTS[odd]}) has {got[odd]:,} bytes"
    return f"{said}, but {shapes(port)[odd]} float32 are {want[odd]:,}{hint}"
