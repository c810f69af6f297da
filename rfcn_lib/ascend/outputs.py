"""Check the files that an inference tool wrote for one picture, and move them to the dumps.

A `.npy` file (ais_bench) holds its own type and shape. A `.bin` file (benchmark) is the raw array: type and shape must be
those of the exported graph, float32, because the suite gives atc no flag that changes the outputs (atc.OUTPUT_FLAGS).
We check the file size, then the numbers. That catches int32 data, transposed arrays, and outputs written in another order.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs
from rfcn_lib.score.dump_audit import fault_of
from rfcn_lib.score.dumps import FLOAT32, shapes

SUMMARY_FILES: Final = re.compile(r"sumary\.json|.*_summ?ary\.json|perf_vision_.*\.txt")
"""Names of the files in which the tools keep their own figures; some versions put them among the outputs."""


def format_fault(files: Sequence[Path], port: Port) -> str | None:
    """What is wrong with the number of files, their types or shapes; None if they are the port's three float32 arrays."""
    if len(files) != len(spec.OUTPUTS):
        return f"it has {len(files)} outputs, but the port has {len(spec.OUTPUTS)}: {', '.join(spec.OUTPUTS)}"
    if all(file.suffix == ".npy" for file in files):
        faults = (_array_fault(*one) for one in zip(files, spec.OUTPUTS, shapes(port), strict=True))
        return next(filter(None, faults), None)
    return _size_fault(files, port)


def content_fault(files: Sequence[Path], port: Port) -> str | None:
    """Why the numbers cannot be rois, probabilities and deltas; None if they can. Call it for files without a format fault."""
    arrays = [
        (np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.fromfile(file, FLOAT32)).reshape(shape)
        for file, shape in zip(files, shapes(port), strict=True)
    ]
    found = fault_of(Outputs(*arrays))
    return found and f"{files[spec.OUTPUTS.index(found[0])].name}: {found[0]} {found[1]}"


def move_to_dumps(file: Path, target: Path) -> None:
    """Make a file without a fault the dump `target`, a raw float32 array. Both lie on one disk, so the last step is a rename."""
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
        return f"{file.name} ({output}) is not a complete .npy file: {error}"
    if array.dtype != FLOAT32 or array.shape != (1, *shape):
        want = f"float32 {(1, *shape)}"
        return f"{file.name} ({output}) is {array.dtype} {array.shape}, but should be {want}; compile it for float32"
    return None


def _size_fault(files: Sequence[Path], port: Port) -> str | None:
    got = [file.stat().st_size if file.is_file() and not file.is_symlink() else 0 for file in files]
    want = [FLOAT32.itemsize * rows * columns for rows, columns in shapes(port)]
    wrong = next((k for k in range(len(want)) if got[k] != want[k]), None)
    if wrong is None:
        return None
    hint = ""
    for factor, types in ((0.5, "float16"), (2, "float64 or int64")):
        if got == [factor * size for size in want]:
            hint = f"; all outputs are {factor:g} times their size: does the model give {types}? compile it for float32"
    size = f"{files[wrong].name} ({spec.OUTPUTS[wrong]}) has {got[wrong]:,} bytes"
    return f"{size}, but {shapes(port)[wrong]} float32 are {want[wrong]:,}{hint}"
