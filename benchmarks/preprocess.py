"""Pictures to tensors, at the published canvas."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks import published
from benchmarks.common import BenchError, Row, in_unit, turn_by_turn
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.port import PUBLISHED, PictureRules, read_port

DRAWN = Path("specimen/VOCdevkit/VOC2007/JPEGImages")
COUNT = 10
SIZE_WH = (500, 375)  # the commonest of VOC2007 test


def measure(console: Console) -> list[Row]:
    """Both ways give the same bytes before a time counts."""
    del console
    pictures = read_port(PUBLISHED).pictures
    with tempfile.TemporaryDirectory() as scratch:
        paths = common_size(Path(scratch))
        for path in paths:
            ours, _ = prepare(path, path.stem, SIZE_WH, pictures)
            if not np.array_equal(ours, published.padded(path, pictures)):
                raise BenchError(f"{path.name}: the tensor differs from the published way's; times mean nothing")
        ways: dict[str, Callable[[Path], object]] = {
            "here": lambda path: prepare(path, path.stem, SIZE_WH, pictures),
            "tensor": lambda path: published.padded(path, pictures),
            "bin": lambda path: published.write_bin(path, pictures, Path(scratch) / f"{path.stem}.bin"),
            "alone": lambda path: decoded_and_resized(path, pictures),
        }
        times = turn_by_turn({name: partial(_each, way, paths) for name, way in ways.items()})
    ms = {name: in_unit(turns, 1e3 / COUNT) for name, turns in times.items()}
    fps = {name: f"{COUNT / min(turns):.0f}" for name, turns in times.items()}
    note = f"pictures/s at best: {fps['here']} here, {fps['alone']} decode + resize alone, {fps['bin']} published with bins"
    return [
        Row("JPEG to tensor, against the published way without its bin", "ms", ms["here"], ms["tensor"]),
        Row("JPEG to tensor, against the published way (it writes bins)", "ms", ms["here"], ms["bin"], note=note),
        Row("JPEG to tensor, against decode + resize alone", "ms", ms["here"], ms["alone"]),
    ]


def common_size(folder: Path, count: int = COUNT) -> list[Path]:
    """Drawn pictures, enlarged to 500 x 375."""
    paths = []
    for source in sorted(DRAWN.glob("*.jpg"))[:count]:
        with Image.open(source) as picture:
            picture.convert("RGB").resize(SIZE_WH).save(folder / source.name, quality=88)
        paths.append(folder / source.name)
    return paths


def decoded_and_resized(path: Path, pictures: PictureRules) -> object:
    """The part nobody can leave out: JPEG to bytes, and the resize of float32 that the protocol asks for."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture).astype(np.float32)
    scale = pictures.short_side_px / min(pixels.shape[:2])
    return cv2.resize(pixels, None, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)


def _each(way: Callable[[Path], object], paths: Sequence[Path]) -> None:
    for path in paths:
        way(path)
