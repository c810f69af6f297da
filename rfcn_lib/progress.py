"""How far a long step has come: a bar on a terminal, a plain line now and then in a log."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T],
    total: int,
    name: str,
    *,
    unit: str = "picture",
    first_s: float = 10,
    every_s: float = 30,
    before: int = 0,
    size: Callable[[T], int] = lambda _: 1,
) -> Iterator[T]:
    """Yield `items`, `total` units of work, saying on stderr how far they are.

    `name` begins each line. `size`: units of one item, such as the pictures of a batch. `before`: how many were done in
    earlier runs; they count as done, and neither for the rate nor for the time left.

    In a log the first line comes after `first_s`, the next ones every `every_s`, and a step that spoke says when it
    ends: `torch dumps: 57/140 pictures, 3.4/s, 24 s left`. A step shorter than `first_s` is silent there.
    """
    if sys.stderr.isatty():
        wide, high = (
            shutil.get_terminal_size()
        )  # not tqdm's own: it stays silent on terminals that claim a size of 0 x 0
        with tqdm(
            total=before + total, initial=before, desc=name, unit=f" {unit}s", ncols=wide, nrows=high, leave=False
        ) as bar:
            for item in items:
                yield item
                bar.update(size(item))
        return
    started = time.monotonic()
    next_line_s = first_s
    there = f" ({before} were there)" if before else ""
    count = 0
    for item in items:
        yield item  # the work on it happens here
        count += size(item)
        taken_s = time.monotonic() - started
        if taken_s >= next_line_s and count < total:
            left_s = (total - count) * taken_s / count
            say(
                f"{name}: {before + count}/{before + total} {unit}s{there}, {count / taken_s:.2g}/s, {in_words(left_s)} left"
            )
            next_line_s = taken_s + every_s
    taken_s = time.monotonic() - started
    if taken_s >= first_s:
        say(
            f"{name}: {before + count}/{before + total} {unit}s{there}, {count / taken_s:.2g}/s, took {in_words(taken_s)}"
        )


def in_words(seconds: float) -> str:
    """`24 s`, `12 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def in_bytes(count: float) -> str:
    """`0.7 GB`, `12.3 MB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def say(sentence: str) -> None:
    """One line on stderr, at once; above the bar, where there is one."""
    tqdm.write(sentence, file=sys.stderr)
    sys.stderr.flush()
