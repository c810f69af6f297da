"""Where things lie in this checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPECIMEN = ROOT / "specimen"
STANDIN = ROOT / "tests" / "support" / "standin"
DATA = ROOT / "tests" / "support" / "data"
