"""What a vendor's inference tool reports about its speed in one run, and the check that it ran the pictures it was given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rfcn_lib.errors import SuiteError
from rfcn_lib.files import read_bounded

ToolName = Literal["benchmark", "ais_bench"]

LARGEST_BYTES: Final = 64_000_000  # a summary names every picture's files: some 400 bytes a picture


class PerfError(SuiteError):
    """A tool's report of its speed cannot be used. The message names the file, quotes it and says what should be there."""


@dataclass(frozen=True, slots=True)
class Perf:
    """What a tool reported about its speed in one run on one device.

    pictures       how many it ran, computed from its own numbers; None where it does not say
    interface_fps  pictures per second of the model-execute call alone
    pipeline_fps   the tool's own inference stage, or None
    wall_seconds   the tool's own clock around all its stages, or None
    text           the report itself
    """

    tool: ToolName
    device_id: int
    pictures: int | None
    interface_fps: float
    pipeline_fps: float | None
    wall_seconds: float | None
    text: str


def read_text(path: Path) -> str:
    """The file's text. Raises PerfError when it is not there, is empty, no text, or larger than LARGEST_BYTES."""
    try:
        data = read_bounded(path, LARGEST_BYTES)
    except OSError as error:
        raise PerfError(
            f"no perf file at {path}: {error.strerror}; the tool should have written it: see its log"
        ) from error
    if data is None:
        raise PerfError(f"{path} has more than {LARGEST_BYTES:,} bytes, but a perf file is small; is it another file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PerfError(f"{path} is no text ({data[:40]!r}): {error.reason}; pass the tool's perf file") from error
    if not text.strip():
        raise PerfError(f"{path} is empty, but should hold what the tool measured; run the pictures again")
    return text


def expect_pictures(perf: Perf, count: int) -> None:
    """Raise PerfError unless the tool reports that it ran `count` pictures."""
    if perf.pictures != count:
        ran = "does not say how many pictures it ran" if perf.pictures is None else f"ran {perf.pictures} pictures"
        raise PerfError(
            f"{perf.tool} on device {perf.device_id} {ran} by its own perf file, but was given {count}; a rate over "
            f"other pictures than those judged says nothing: run them again. It said: {perf.text.strip()[:300]!r}"
        )
