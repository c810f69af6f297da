"""What the store knows of exhibits: how long each took to make. And the lines for a shell that check their digests."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from rfcn_lib.runs.folder import noted_seconds
from rfcn_lib.store.build_folder import record_in
from rfcn_lib.verdict.trial import Exhibit

INPUTS = ("weights", "port", "annotations", "set", "pictures", "baseline", "tool", "reference packet")


def times_of(exhibits: Mapping[str, Exhibit]) -> dict[str, str]:
    """Exhibit -> how long it took to make, in words; "given" for what this suite did not make."""
    return {name: "given" if name in INPUTS else _time(Path(exhibit["path"])) for name, exhibit in exhibits.items()}


def checks_of(exhibits: Mapping[str, Exhibit]) -> list[str]:
    """Lines for a shell that check every exhibit that is one file; none where there is none.

    A path with a line break or a backslash is left out: sha256sum writes it in another way.
    """
    files = [(one["sha256"], one["path"]) for one in exhibits.values() if Path(one["path"]).is_file()]
    plain = dict.fromkeys(pair for pair in files if not set(pair[1]) & {"\n", "\r", "\\"})
    lines = [f"{sha256}  {path}" for sha256, path in plain]
    shown = [f"  {shlex.quote(line)} \\" for line in lines]
    return ["printf '%s\\n' \\", *shown, "  | sha256sum --check"] if lines else []


def _time(path: Path) -> str:
    noted = noted_seconds(path)
    if noted:
        return f"{_in_words(noted[0])} for {noted[1]:,} pictures"
    homes = (path.parent, path.parent.parent)  # an om lies in a folder of its own
    seconds = next((record["seconds"] for record in map(record_in, homes) if "seconds" in record), None)
    return f"made in {_in_words(seconds)}" if isinstance(seconds, int | float) else "time not known"


def _in_words(seconds: float) -> str:
    """`0.03 s`, `7.3 s`, `12.5 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
