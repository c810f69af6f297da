"""`python -m rfcn_lib.pictures.bins`: the bins of a whole set, or of some pictures, with the published info file.

A run of the suite removes bins as soon as their outputs are there. With this command a person can run the vendor's tool alone,
or paste the command line of one batch again.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.bin_files import IDS, INFO, BinError, bin_bytes, lay_out
from rfcn_lib.pictures.devkit import DevkitError, read_devkit
from rfcn_lib.pictures.devkit_files import FAULTS, with_all_faults
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import on_canvas, read_port
from rfcn_lib.progress import progress, say

SPECIMEN: Final = Path(__file__).resolve().parents[2] / "specimen"


def main(words: Sequence[str] | None = None) -> None:
    """Write the bins that the command line names. A wrong value ends the program with status 2 and a sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m rfcn_lib.pictures.bins",
        description="Write each picture as DIR/bin/<id>.bin, raw float32 (1, 3, H, W), and DIR/demo.info that lists them.",
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="where bin/ and demo.info are written")
    add(
        "--port",
        type=Path,
        default=SPECIMEN / "port.toml",
        metavar="FILE",
        help="the port's numbers; default: the specimen's",
    )
    add(
        "--devkit",
        type=Path,
        default=SPECIMEN / "VOCdevkit",
        metavar="DIR",
        help="the folder that holds VOC2007/; default: the specimen's",
    )
    add("--set", default="test", metavar="NAME", help="which ImageSets/Main/NAME.txt; default: test")
    add("--canvas", metavar="WIDTHxHEIGHT", help="px of the network's input; default: the port's")
    add("--limit", metavar="N", help="the first N pictures of the set; default: all")
    add("ids", nargs="*", metavar="ID", help="these pictures instead of the set")
    given = parser.parse_args(words)
    try:
        write(given.out, given.port, given.devkit, given.set, given.canvas, given.limit, given.ids)
    except SuiteError as error:
        parser.error(str(error))


def write(
    out: Path,
    port_path: Path,
    devkit_path: Path,
    set_name: str,
    canvas: str | None,
    limit: str | None,
    ids: Sequence[str],
) -> None:
    """Write the bins and the info file.

    Raises:
        BinError: a wrong value, or the disk has no room for all bins; then nothing is written.
        PortError, DevkitError, PictureError: see `read_port`, `read_devkit`, `prepare`.
    """
    if limit is not None and (ids or not (limit.isascii() and limit.isdigit() and int(limit[:9]) > 0)):
        raise BinError(
            f"--limit={limit} should be a whole number of pictures, 1 or more, and without ids; give one of both"
        )
    port = read_port(port_path)
    if canvas is not None:
        width, _, height = canvas.partition("x")
        if not all(side.isascii() and side.isdigit() and len(side) <= 4 for side in (width, height)):
            raise BinError(f"--canvas={canvas} should be WIDTHxHEIGHT in px, such as 1344x1344")
        port = on_canvas(port, (int(width), int(height)))
    count = int(limit) if limit else None
    try:
        devkit = read_devkit(devkit_path, port.classes, limit=count, only=ids or None, set_name=set_name)
    except DevkitError as error:
        raise with_all_faults(error, out / FAULTS) from error
    need = len(devkit.ids) * bin_bytes(port.pictures.canvas_wh_px)
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    if need > free:
        raise BinError(
            f"the bins of {len(devkit.ids):,} pictures need {need / 1e9:.1f} GB, but the disk of {there} has {free / 1e9:.1f} GB "
            "left; free some space, name another --out=DIR, or write fewer with --limit=N"
        )
    sizes_wh = devkit.sizes_wh
    load = lambda id: prepare(devkit.picture_path(id), id, sizes_wh[id], port.pictures)  # noqa: E731

    def shown(ids: Sequence[str]) -> Iterator[str]:
        return progress(ids, len(ids), "bins")

    lay_out(out, devkit.ids, load, shown)
    say(f"{len(devkit.ids):,} bins are in {out / 'bin'}; {out / INFO} lists them, seen from {out}")
    if (out / IDS).exists():
        say(
            f"the vendor's tools do not take every id as a name, so some bins have numbers; {out / IDS} says whose they are"
        )


if __name__ == "__main__":
    main()
