"""tools/devkit.py: the drawn pictures on disk, in the layout and the XML of VOC2007."""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from defusedxml.ElementTree import parse  # type: ignore[import-untyped]
from PIL import Image

from rfcn_lib.spec import VOC_CLASSES
from tools import devkit
from tools.devkit import write_devkit


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("devkit")
    write_devkit(folder, seed=2007)
    return folder / "VOC2007"


def _number(element: Element, path: str) -> int:
    return int(element.findtext(path, "missing"))


def _trees(kit: Path) -> dict[str, Element]:
    return {path.stem: parse(path).getroot() for path in sorted((kit / "Annotations").iterdir())}


def test_devkit_has_the_layout_of_voc(kit: Path) -> None:
    ids = (kit / "ImageSets/Main/test.txt").read_text("ascii").splitlines()
    assert ids == [f"{number:06d}" for number in range(1, 141)]
    assert sorted(path.name for path in (kit / "JPEGImages").iterdir()) == [f"{id_}.jpg" for id_ in ids]
    assert sorted(_trees(kit)) == ids
    assert sum(path.stat().st_size for path in kit.rglob("*") if path.is_file()) < 2_500_000


def test_annotations_agree_with_the_pictures(kit: Path) -> None:
    grey = 0
    sizes = []
    for id_, top in _trees(kit).items():
        with Image.open(kit / "JPEGImages" / f"{id_}.jpg") as picture:
            assert picture.format == "JPEG" and picture.mode in ("L", "RGB")
            grey += picture.mode == "L"
            assert _number(top, "size/depth") == len(picture.getbands())
            assert (_number(top, "size/width"), _number(top, "size/height")) == picture.size
            sizes.append(picture.size)
        assert top.findtext("folder") == "VOC2007" and top.findtext("filename") == f"{id_}.jpg"
        width, height = sizes[-1]
        for thing in top.iter("object"):
            assert thing.findtext("name") in VOC_CLASSES and thing.findtext("pose") == "Unspecified"
            x1, y1, x2, y2 = (_number(thing, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
            assert 1 <= x1 < x2 <= width and 1 <= y1 < y2 <= height
            assert _number(thing, "truncated") == (x1 == 1 or y1 == 1 or x2 == width or y2 == height)
    assert grey == 6
    assert (420, 160) in sizes and (160, 418) in sizes
    assert max(max(size) / min(size) for size in sizes) == 2.625
    assert 0.5 < np.mean([width > height for width, height in sizes]) < 0.7
    assert len(set(sizes)) > 100


def test_devkit_holds_what_a_score_needs(kit: Path) -> None:
    easy = dict.fromkeys(VOC_CLASSES, 0)
    difficult = 0
    for top in _trees(kit).values():
        for thing in top.iter("object"):
            hard = _number(thing, "difficult")
            difficult += hard
            easy[thing.findtext("name", "")] += 1 - hard
    assert min(easy.values()) >= 8, easy
    assert difficult >= 5


def test_annotation_is_one_based(kit: Path) -> None:
    """The first picture again from its parts: truth is zero-based in memory, one-based in the file."""
    first = devkit._drawn(np.random.default_rng(2007), 140)[0]
    corners = [
        [_number(thing, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
        for thing in parse(kit / "Annotations/000001.xml").getroot().iter("object")
    ]
    np.testing.assert_array_equal(np.array(corners) - 1, first.boxes_xyxy)
    with Image.open(kit / "JPEGImages/000001.jpg") as picture:
        loss = np.abs(np.asarray(picture).astype(float) - first.image_rgb).mean()
    assert loss < 12  # JPEG's, on noise


def test_same_seed_gives_the_same_devkit(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_devkit(tmp_path / name, seed=4, count=3)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_devkit_refuses_what_it_cannot_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="count is 0, but should be 1 to 9999 pictures"):
        write_devkit(tmp_path, seed=1, count=0)
    monkeypatch.setitem(devkit.PROMISED, "pictures with overlap", 141)
    with pytest.raises(
        RuntimeError, match=r"seed 1 gives . pictures with overlap, but should give at least 10; take anot"
    ):
        write_devkit(tmp_path, seed=1, count=10)
    assert not list(tmp_path.iterdir())
    (tmp_path / "VOC2007").mkdir()
    with pytest.raises(FileExistsError, match="VOC2007 exists already; remove it or name another folder"):
        write_devkit(tmp_path, seed=1, count=1)
