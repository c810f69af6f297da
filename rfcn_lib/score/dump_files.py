"""Names and sizes of the files in a folder of dumps, before the first one is read."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rfcn_lib import spec
from rfcn_lib.names import name_fault
from rfcn_lib.port import Port
from rfcn_lib.score.dump_forms import Form, payload_bytes, some
from rfcn_lib.score.dumps import DumpError, shapes

NPY_HEADER_BYTES = 128  # as numpy writes it for an array of two or three sides


def expect_files(
    folder: Path,
    ids: Sequence[str],
    port: Port,
    form: Form,
    surplus_allowed: Collection[str],
    surplus_names: re.Pattern[str] | None = None,
) -> None:
    """Check that the folder holds the files of exactly these pictures, each of its output's size. Nothing is opened.

    Args:
        folder: where the files are.
        ids: the pictures.
        port: gives the arrays their sizes.
        form: how the files are named and what they hold.
        surplus_allowed: ids or file names that may lie there too.
        surplus_names: other names that may lie there too.

    Raises:
        DumpError: an id is there twice or none at all; the folder cannot be read; files are missing, surplus, no plain
            files, or of another size. It names all of these at once.
    """
    if not ids or len(set(ids)) != len(ids):
        raise DumpError(
            f"{folder}: {len(ids)} ids asked for, {len(set(ids))} different; each should come once, and at least one"
        )
    shape_of = dict(zip(spec.OUTPUTS, shapes(port), strict=True))
    want = {name: output for id in ids for name, output in zip(form.names(id), shape_of, strict=True)}
    allowed = set(surplus_allowed).union(*(form.names(id) for id in surplus_allowed if not name_fault(id)))
    got: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                ours = surplus_names is not None and surplus_names.fullmatch(entry.name) is not None
                if entry.name in want or not (ours or entry.name in allowed):
                    got[entry.name] = entry.stat().st_size if entry.is_file() else -1
    except OSError as error:
        raise DumpError(
            f"no dumps at {folder}: {error.strerror}; pass the folder that holds {form} with --dumps=DIR"
        ) from error
    faults: dict[str, list[str]] = {
        "missing": [name for name in want if name not in got],
        "surplus": sorted(name for name in got if name not in want),
        "no plain file": [name for name in want if got.get(name) == -1],
        **_size_faults(got, want, shape_of, form),
    }
    said = [f"{len(names):,} {fault}: {some(names)}" for fault, names in faults.items() if names]
    if said:
        raise DumpError(
            f"{folder} should hold {len(want):,} files, {len(spec.OUTPUTS)} for each of {len(ids):,} ids ({form}), but has "
            f"{'; '.join(said)}; {_remedy(faults, got, want, shape_of, form)}"
        )


def _size_faults(
    got: Mapping[str, int], want: Mapping[str, str], shape_of: Mapping[str, tuple[int, int]], form: Form
) -> dict[str, list[str]]:
    """Files whose size is that of another output, and files that are short or long: kind -> a phrase for each file."""
    found: dict[str, list[str]] = {"of another output": [], "short": [], "long": []}
    for name, output in want.items():
        size, needed = got.get(name, -1), payload_bytes(shape_of[output])
        if size < 0 or form.fits(size, shape_of[output]):
            continue
        owner = next((other for other, shape in shape_of.items() if form.fits(size, shape)), None)
        if owner:
            should = f"the {needed:,} of {output}" + (" and a header" if form.suffix == ".npy" else "")
            found["of another output"].append(f"{name} has the {size:,} bytes of {owner}, but should have {should}")
        else:
            found["short" if size < needed else "long"].append(f"{name} has {size:,} of {needed:,} bytes")
    return found


def _remedy(
    faults: Mapping[str, Sequence[str]],
    got: Mapping[str, int],
    want: Mapping[str, str],
    shape_of: Mapping[str, tuple[int, int]],
    form: Form,
) -> str:
    """What to do about the faults, as far as they say it."""
    if faults["of another output"]:
        order = ", ".join(spec.OUTPUTS)
        return (
            f"are the outputs in another order? it should be {order}: compile the graph with its outputs in this order"
        )
    header = NPY_HEADER_BYTES if form.suffix == ".npy" else 0
    ratios = {
        name: (got[name] - header) / payload_bytes(shape_of[output])
        for name, output in want.items()
        if got.get(name, -1) >= 0 and not form.fits(got[name], shape_of[output])
    }
    for ratio, types in ((0.5, "float16"), (2.0, "float64 or int64")):
        if {*ratios.values()} == {ratio}:
            which = "every file has" if len(ratios) == len(want) else f"{some([*ratios])} should be float32, but has"
            return f"{which} {ratio:g} times its size: does the model give {types}? compile it for float32"
    if [fault for fault, names in faults.items() if names] == ["surplus"]:
        return f"remove {some(faults['surplus'])} from there, or pass the folder of exactly these pictures with --dumps=DIR"
    return "make these dumps again, or pass the folder of exactly these pictures with --dumps=DIR"
