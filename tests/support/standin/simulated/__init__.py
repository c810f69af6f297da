"""A stand-in for the vendor's tools. Test equipment: what it writes is never evidence about an NPU."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
if str(ROOT) not in sys.path:  # the executables are started by path, from anywhere
    sys.path.append(str(ROOT))

SENTENCE = "SIMULATED: a stand-in of the test suite, not the vendor's tool; no NPU is involved"
STYLES = ("2023", "2025")  # tools-2023-06 (ais_bench @9d6da90f, CANN 7's atc); tools-2025-12 (@8da7f645, CANN 8's atc)


def mark(folder: Path) -> None:
    """Label a folder of results whose own files have no room for a label.

    Source: ours, no tool writes it.
    """
    (folder / "SIMULATED").write_text(f"{SENTENCE}\n")


def style() -> str:
    """The generation of tools that is imitated, by STANDIN_STYLE; today's without it. Ends the process where it is misspelt.

    Source: ours, no tool says it.
    """
    found = os.environ.get("STANDIN_STYLE") or STYLES[-1]
    if found not in STYLES:
        sys.exit(f"SIMULATED: STANDIN_STYLE is {found!r}, but should be one of {', '.join(STYLES)}")
    return found
