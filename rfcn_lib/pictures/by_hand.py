"""The bins of a few pictures, laid out where a vendor's inference tool was run: `python -m rfcn_lib.pictures.by_hand`.

Bins are removed as soon as their outputs are there, as a whole set's would fill the disk; with this line before it, the
command of any batch can be pasted again.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rfcn_lib.pictures.bins import BinError, lay_out
from rfcn_lib.pictures.devkit import DevkitError, read_devkit
from rfcn_lib.pictures.preprocess import PictureError, prepare
from rfcn_lib.port import PortError, read_port

ROOT: Final = Path(__file__).parents[2]


def typed(port_path: Path, devkit_folder: Path, canvas_wh: tuple[int, int], work: Path, ids: Sequence[str]) -> str:
    """The line for a shell that lays these pictures out again."""
    words = [sys.executable, "-m", "rfcn_lib.pictures.by_hand", f"--port={port_path.absolute()}"]
    words += [f"--devkit={devkit_folder.absolute()}", f"--canvas={canvas_wh[0]}x{canvas_wh[1]}", f"--work={work}", *ids]
    return f"cd {shlex.quote(str(ROOT))} && {shlex.join(words)}"


def main() -> None:
    """Lay out what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m rfcn_lib.pictures.by_hand", description=lay_out.__doc__)
    parser.add_argument("--port", type=Path, required=True, metavar="FILE", help="the port's numbers, TOML")
    parser.add_argument("--devkit", type=Path, required=True, metavar="DIR", help="the folder that holds VOC2007/")
    parser.add_argument("--canvas", required=True, metavar="WIDTHxHEIGHT", help="px of the network's input")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="where bin/ and demo.info are written")
    parser.add_argument("ids", nargs="+", metavar="ID")
    given = parser.parse_args()
    width, _, height = given.canvas.partition("x")
    if not all(side.isascii() and side.isdigit() and len(side) <= 4 for side in (width, height)):
        parser.error(f"--canvas={given.canvas} should be WIDTHxHEIGHT in px, such as 1344x1344")
    try:
        port = read_port(given.port)
        pictures = port.pictures.model_copy(update={"canvas_wh_px": (int(width), int(height))})
        devkit = read_devkit(given.devkit, port.classes, only=given.ids)
        sizes = devkit.sizes_wh
        lay_out(given.work, given.ids, lambda id: prepare(devkit.picture_path(id), id, sizes[id], pictures))
    except (PortError, DevkitError, PictureError, BinError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
