"""The verdict in a file of evidence against the verdict of judging it again: they must be the same to the last bit."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

SHOWN: Final = 3
_ABSENT: Final = object()


def contradiction(path: Path, said: Mapping[str, Any], found: Mapping[str, Any], names: Sequence[str]) -> str:
    """Where the two differ in what has these names, in a sentence; "" where they are the same. Values as JSON has them."""
    differences = [line for name in names for line in _differences(name, said[name], found[name])]
    if not differences:
        return ""
    more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    return f"{path}: verdict.json says another thing than judging again: {'; '.join(differences[:SHOWN])}{more}"


def _differences(name: str, said: Any, found: Any) -> Iterator[str]:
    """A line for each value that differs, with its place."""
    if isinstance(said, Mapping) and isinstance(found, Mapping):
        for key in dict.fromkeys([*said, *found]):
            yield from _differences(f"{name}.{key}", said.get(key, _ABSENT), found.get(key, _ABSENT))
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for at, (one, other) in enumerate(zip(said, found, strict=True)):
            label = one.get("name", at) if isinstance(one, Mapping) else at
            yield from _differences(f"{name}[{label}]", one, other)
    elif type(said) is not type(found) or said != found:
        yield f"{name} is {_shown(said)}, judged again {_shown(found)}"


def _shown(value: Any) -> str:
    return "absent" if value is _ABSENT else f"{value!r:.120}"
