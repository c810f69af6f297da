"""How what a reference packet was made of differs from what is on trial."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rfcn_lib.score.packet_records import HOW, Origin, PacketError

SHOWN: Final = 3


def expect_same(
    packet: Path, made_of: Origin, here: Origin, files: Mapping[str, Path], set_ids: Sequence[str], *, whole: bool
) -> None:
    """Check that a packet was made of what is on trial.

    Args:
        packet: the packet's file.
        made_of: what it was made of.
        here: what is on trial, over the ids of this run.
        files: where "weights", "port" and "devkit" of this run are.
        set_ids: all ids of the set; this run may be limited to some of them.
        whole: whether the packet must have no other ids than this run, because its figures are used and not its detections.

    Raises:
        PacketError: something differs; names everything that does, each with what was found and what should be there.
    """
    said = list(_differences(made_of, here, files, here.pictures if whole else set_ids))
    if said:
        lines = "\n  ".join(said)
        edition = "" if made_of.code == here.code else "judge with the edition of this suite that made it, or "
        raise PacketError(f"{packet} was made of other inputs than are on trial:\n  {lines}\n{edition}{HOW}")


def _differences(
    want: Origin, got: Origin, files: Mapping[str, Path], ids_allowed: Sequence[str] | Mapping[str, Any]
) -> Iterator[str]:
    if got.weights != want.weights:
        yield f"weights: {files['weights']} has {_but(got.weights, want.weights)}"
    numbers, wanted = dict(_flat(got.port)), dict(_flat(want.port))
    for key in dict.fromkeys([*numbers, *wanted]):
        if numbers.get(key) != wanted.get(key):
            yield f"port: {key} is {numbers.get(key)!r:.200} in {files['port']}, but should be {wanted.get(key)!r:.200}"
    lacking = [id for id in got.pictures if id not in want.pictures]
    if lacking:
        yield f"ids: {len(lacking):,} of {len(got.pictures):,} are not in the packet, which has {_some(lacking, want.pictures)}"
    known = set(ids_allowed)
    more = [id for id in want.pictures if id not in known]
    if more:
        yield f"ids: the packet has {len(more):,} more than the {len(known):,} here: {_first(more)}"
    for kind, name in (("jpeg", "JPEGImages/{}.jpg"), ("annotation", "Annotations/{}.xml")):
        pairs = {
            id: (getattr(mine, kind), getattr(want.pictures[id], kind))
            for id, mine in got.pictures.items()
            if id in want.pictures
        }
        other = [id for id, (mine, theirs) in pairs.items() if mine != theirs]
        if other:
            each = [f"{name.format(id)} has {_but(*pairs[id])}" for id in other[:SHOWN]]
            more_of_them = f"; and {len(other) - SHOWN:,} more" if len(other) > SHOWN else ""
            yield f"{kind}s: {len(other):,} of {len(pairs):,} in {files['devkit']} differ: {'; '.join(each)}{more_of_them}"
    for file in sorted(got.code.keys() | want.code.keys()):
        if got.code.get(file) != want.code.get(file):
            yield f"code: {file} has {_but(got.code.get(file, 'none'), want.code.get(file, 'none'))}"


def _flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """`pictures.short_side_px`, 600."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _but(got: str, want: str) -> str:
    return f"sha256 {got[:12]}, but should have {want[:12]}"


def _some(lacking: Sequence[str], there: Mapping[str, Any]) -> str:
    return f"{len(there):,}: {_first(lacking)}"


def _first(ids: Sequence[str]) -> str:
    return " ".join(ids[:SHOWN]) + (" ..." if len(ids) > SHOWN else "")
