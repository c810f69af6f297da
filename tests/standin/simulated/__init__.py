"""A stand-in for the vendor's tools. Test equipment: what it writes is never evidence about an NPU."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
if str(ROOT) not in sys.path:  # the executables are started by path, from anywhere
    sys.path.append(str(ROOT))

SENTENCE = "SIMULATED: a stand-in of the test suite, not the vendor's tool; no NPU is involved"


def mark(folder: Path) -> None:
    """Label a folder of results whose own files have no room for a label."""
    (folder / "SIMULATED").write_text(f"{SENTENCE}\n")
