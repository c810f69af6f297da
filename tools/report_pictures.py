"""Pictures of the report for docs/report.md, taken in a real browser: of the specimen, and of a port with a planted fault.

`python -m tools.report_pictures` judges both and writes docs/pictures/*.png. `--page=FILE.html` takes pictures of a page that
is there already, wide and narrow, light and dark, and as PDF. It needs the distribution's Chromium and Playwright.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image

from rfcn_lib.errors import SuiteError
from rfcn_lib.faults.catalogue import fault_named
from rfcn_lib.faults.simulate import Shown, Simulated, simulate
from rfcn_lib.pictures.devkit import read_devkit
from rfcn_lib.pictures.preprocess import picture_records
from rfcn_lib.port import read_port
from rfcn_lib.score.dumps import write_dump

ROOT: Final = Path(__file__).resolve().parents[1]
PICTURES: Final = ROOT / "docs" / "pictures"
SPECIMEN: Final = ROOT / "specimen"
FAULT: Final = "rgb-instead-of-bgr"
SOC: Final = "Ascend310P3"
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LARGEST_BYTES: Final = 400_000
WIDE_PX, NARROW_PX, HIGH_PX = 1280, 400, 900


class PictureToolError(SuiteError):
    """A picture could not be taken. Says what is missing and how to get it."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of docs/pictures.

    page    "specimen" or "broken"
    begin   heading that it begins at; "" for the top of the page
    length  px of its height
    """

    name: str
    page: str
    scheme: str
    width: int
    begin: str
    length: int


SHOTS: Final = (
    Shot("specimen-top-light.png", "specimen", "light", WIDE_PX, "", 1650),
    Shot("specimen-top-dark-narrow.png", "specimen", "dark", NARROW_PX, "", 1650),
    Shot("specimen-matched-dark.png", "specimen", "dark", WIDE_PX, "Matched boxes", 1180),
    Shot("broken-top-light.png", "broken", "light", WIDE_PX, "", 1500),
    Shot("broken-curves-dark.png", "broken", "dark", WIDE_PX, "Average precision of the classes", 900),
    Shot("broken-pictures-light.png", "broken", "light", WIDE_PX, "Pictures on which the candidate loses most", 890),
    Shot("broken-pipeline-light.png", "broken", "light", WIDE_PX, "The pipeline", 1000),
    Shot("broken-matched-light.png", "broken", "light", WIDE_PX, "Matched boxes", 630),
)


@contextmanager
def browser() -> Iterator[Any]:
    """The distribution's Chromium, without a window.

    Raises:
        PictureToolError: Chromium or Playwright is not here.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise PictureToolError(f"no browser on PATH ({', '.join(BROWSERS)}); on Debian: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise PictureToolError("Playwright is not installed; pip install playwright") from error
    with sync_playwright() as started:
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
        opened = started.chromium.launch(executable_path=program, args=as_root)
        yield opened
        opened.close()


@contextmanager
def shown(opened: Any, page: Path, width: int, scheme: str) -> Iterator[Any]:
    """The page in a window of its own."""
    context = opened.new_context(viewport={"width": width, "height": HIGH_PX}, color_scheme=scheme)
    found = context.new_page()
    found.goto(page.resolve().as_uri())
    yield found
    context.close()


def shoot(opened: Any, shot: Shot, page: Path) -> bytes:
    """The shot as PNG."""
    with shown(opened, page, shot.width, shot.scheme) as found:
        top = 0.0
        if shot.begin:
            top = found.get_by_role("heading", name=shot.begin, exact=True).first.bounding_box()["y"]
        end = min(top + shot.length, found.evaluate("document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": top, "width": shot.width, "height": end - top}
        taken = found.screenshot(full_page=True, clip=clip)
    return small(taken)


def small(png: bytes) -> bytes:
    """The PNG as small as it goes without a loss; with fewer colours where docs may not hold it else.

    Raises:
        PictureToolError: it is too large even with 32 colours.
    """
    picture = Image.open(BytesIO(png)).convert("RGB")
    for colours in (None, 256, 128, 64, 32):
        buffer = BytesIO()
        found = picture if colours is None else picture.quantize(colours, Image.Quantize.FASTOCTREE)
        found.save(buffer, "PNG", optimize=True)
        if len(buffer.getvalue()) <= LARGEST_BYTES:
            return buffer.getvalue()
    raise PictureToolError(f"a picture has more than {LARGEST_BYTES:,} bytes with 32 colours; make its Shot shorter")


def judge(store: Path, report: Path, *options: str) -> float:
    """Run the suite on the specimen with --report; returns seconds. Prints what it runs."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--store={store}", f"--report={report}"]
    words += options
    print("$", shlex.join(words), flush=True)
    begun = time.monotonic()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    if not report.is_file():
        raise PictureToolError(f"no report was written; the run said: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.monotonic() - begun


def write_broken_dumps(adapted: Path, folder: Path) -> None:
    """What a chip would write for the specimen's pictures if the port had the fault."""
    port = read_port(SPECIMEN / "port.toml")
    devkit = read_devkit(SPECIMEN / "VOCdevkit", port.classes)
    records = picture_records(devkit.sizes_wh, port.pictures)
    pictures = [Shown(devkit.picture_path(id), records[id]) for id in devkit.ids]
    folder.mkdir(parents=True)
    for id, outputs in simulate(fault_named(FAULT), Simulated(adapted, port, SOC), pictures).items():
        write_dump(folder, id, outputs)


def take(page: Path, folder: Path) -> None:
    """Pictures of a whole page: wide and narrow, light and dark; and a PDF."""
    with browser() as opened:
        for scheme in ("light", "dark"):
            for name, width in (("wide", WIDE_PX), ("narrow", NARROW_PX)):
                with shown(opened, page, width, scheme) as found:
                    found.screenshot(full_page=True, path=folder / f"{page.stem}-{scheme}-{name}.png")
        with shown(opened, page, WIDE_PX, "light") as found:
            found.pdf(format="A4", path=folder / f"{page.stem}.pdf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, default=ROOT / ".artifacts", help="the suite's store")
    parser.add_argument("--page", type=Path, help="take pictures of this page only")
    parser.add_argument("--out", type=Path, default=PICTURES, help="folder of the pictures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.page:
        take(given.page, given.out)
        return
    with tempfile.TemporaryDirectory(prefix="report-pictures-") as name:
        pages = {page: Path(name) / f"{page}.html" for page in ("specimen", "broken")}
        graphs = ("tests/test_export.py", "tests/test_adapt.py", "tests/test_accuracy.py")
        taken = {"specimen": judge(given.store, pages["specimen"], "-m", "export or adapt or accuracy", *graphs)}
        dumps = Path(name) / "dumps"
        write_broken_dumps(given.store / "rfcn_adapted.onnx", dumps)
        options = (f"--dumps={dumps}", f"--soc={SOC}", "-m", "accuracy", "tests/test_accuracy.py")
        taken["broken"] = judge(given.store, pages["broken"], *options)
        for page, path in pages.items():
            print(f"{page}: {path.stat().st_size:,} bytes, the run took {taken[page]:.0f} s")
        with browser() as opened:
            for shot in SHOTS:
                png = shoot(opened, shot, pages[shot.page])
                (given.out / shot.name).write_bytes(png)
                print(f"{given.out / shot.name}: {len(png):,} bytes")


if __name__ == "__main__":
    try:
        main()
    except SuiteError as error:
        sys.exit(str(error))
