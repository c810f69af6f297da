"""Pictures with known truth, drawn from one seed: twenty VOC classes told apart by shape, never by colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rfcn_lib.records import Bools, Floats, Ints, expect_shape
from rfcn_lib.spec import VOC_CLASSES
from tools.shapes import DARK, LIGHT, Part
from tools.silhouettes import SILHOUETTES

Image = NDArray[np.uint8]
Rng = np.random.Generator

COUNT_SHARES: Final = (0.25, 0.35, 0.25, 0.15)  # of pictures with 1, 2, 3, 4 objects: 2.3 on average
SIZE_SHARES: Final = (0.22, 0.78)  # larger side of an object / short side of the picture, log-uniform
HUGE_SHARES: Final = (0.75, 1.0)
HUGE_RATE: Final = 0.12
TINY_RATE: Final = 0.06
TINY_PX: Final = (11.0, 18.0)  # larger side; always difficult, as VOC marks what cannot be told from its pixels alone
LEAST_SIDE: Final = 14 / 192  # of the picture's short side, so that thin things stay visible
DIFFICULT_BELOW: Final = 0.35  # visible share
HIDDEN_BELOW: Final = 0.10
LEAST_CONTRAST: Final = 60.0  # of luma, object's body against what lies around it
LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
TRIES: Final = 12


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture and its truth.

    image_rgb   (H, W, 3) uint8
    boxes_xyxy  (N, 4) float32  picture frame, corners inclusive, zero-based; tight around the visible pixels
    labels      (N,)   int64    index into VOC_CLASSES
    difficult   (N,)   bool     little of it is visible, or it is very small
    """

    image_rgb: Image
    boxes_xyxy: Floats
    labels: Ints
    difficult: Bools

    def __post_init__(self) -> None:
        expect_shape("image_rgb", self.image_rgb, (None, None, 3))
        expect_shape("boxes_xyxy", self.boxes_xyxy, (None, 4))
        expect_shape("labels", self.labels, (len(self.boxes_xyxy),))
        expect_shape("difficult", self.difficult, (len(self.boxes_xyxy),))


def draw(
    rng: Rng,
    size_wh: tuple[int, int],
    *,
    grey: bool = False,
    count: int | None = None,
    labels: Sequence[int] | None = None,
) -> Drawn:
    """Draw one picture of `size_wh` px with `count` objects (1 to 4 by default), of the given `labels` or random ones.

    A later object may cover part of an earlier one; one that finds no place after some tries is left out, so N may be
    less than asked for, but at least one object is not difficult. With `grey` the three channels are equal. The same
    rng state gives the same bytes.

    Raises ValueError for a picture side under 48 px, a count not in 1 to 100, or labels that are no VOC class.
    """
    if min(size_wh) < 48:
        raise ValueError(f"size_wh is {size_wh}, but draw needs sides of at least 48 px; ask for a larger picture")
    if labels is None:
        asked = int(rng.choice(4, p=COUNT_SHARES)) + 1 if count is None else count
        labels = [int(label) for label in rng.integers(0, len(VOC_CLASSES), max(asked, 0))]
    if not 1 <= len(labels) <= 100 or count not in (None, len(labels)):
        raise ValueError(f"got {len(labels)} labels and count={count}; draw needs 1 to 100 objects and equal counts")
    if not all(0 <= label < len(VOC_CLASSES) for label in labels):
        raise ValueError(
            f"labels are {list(labels)}, but should be indices into VOC_CLASSES, 0 to {len(VOC_CLASSES) - 1}"
        )
    canvas = _background(rng, size_wh)
    owner = np.zeros(canvas.shape[:2], np.uint8)  # 1 + index of the object seen at each pixel
    pixels: list[int] = []  # of each whole object, as if nothing cut or covered it
    tiny: list[bool] = []
    kept: list[int] = []
    for label in labels:
        small = bool(pixels) and rng.random() < TINY_RATE
        placed = _place(rng, canvas, owner, pixels, label, small)
        if placed:
            pixels.append(placed)
            tiny.append(small)
            kept.append(label)
    image = _finish(rng, canvas, grey)
    boxes, difficult = [], []
    for index, whole in enumerate(pixels):
        rows, columns = np.nonzero(owner == index + 1)
        boxes.append((columns.min(), rows.min(), columns.max(), rows.max()))
        narrow = min(np.ptp(columns), np.ptp(rows)) + 1 < LEAST_SIDE * min(size_wh)
        difficult.append(tiny[index] or narrow or rows.size < DIFFICULT_BELOW * whole)
    if all(difficult):  # a rare cover of a thin thing: begin again, so that every picture has something to find
        return draw(rng, size_wh, grey=grey, labels=labels)
    return Drawn(image, np.array(boxes, np.float32), np.array(kept, np.int64), np.array(difficult, np.bool_))


def _place(rng: Rng, canvas: Image, owner: Image, pixels: list[int], label: int, small: bool) -> int:
    """Draw one object where it leaves the others visible. Returns its whole size in pixels, 0 when no place was found."""
    height, width = owner.shape
    short = min(height, width)
    before = np.bincount(owner.ravel(), minlength=len(pixels) + 1)
    for attempt in range(TRIES):
        ease = 1 - 0.06 * attempt  # smaller and smaller until it fits
        points, parts = _posed(rng, SILHOUETTES[label](rng))
        span = points.max(0) - points.min(0)
        if small:
            scale = rng.uniform(*TINY_PX) / span.max()
        else:
            shares = HUGE_SHARES if rng.random() < HUGE_RATE else SIZE_SHARES
            scale = ease * short * np.exp(rng.uniform(*np.log(shares))) / span.max()
            scale = min(max(scale, LEAST_SIDE * short / span.min()), 0.98 * short / span.max())
            scale = max(scale, 20.0 / span.max())
        patch_w, patch_h = (int(np.ceil(side * scale)) + 2 for side in span)
        out = 0.3 if pixels and rng.random() < 0.25 else 0.0  # share of the object that may hang out of the picture
        left = int(rng.integers(int(-out * patch_w), max(width - patch_w + int(out * patch_w), 0) + 1))
        top = int(rng.integers(int(-out * patch_h), max(height - patch_h + int(out * patch_h), 0) + 1))
        floor = HIDDEN_BELOW if rng.random() < 0.2 else 0.55
        area = (slice(max(top, 0), min(top + patch_h, height)), slice(max(left, 0), min(left + patch_w, width)))
        cut = (slice(area[0].start - top, area[0].stop - top), slice(area[1].start - left, area[1].stop - left))
        alpha, layer = _rendered(rng, parts, points.min(0), scale, (patch_w, patch_h), canvas[area])
        solid = alpha >= 0.5
        seen = solid[cut]
        whole = int(np.count_nonzero(solid))
        if whole == 0 or np.count_nonzero(seen) < 0.5 * whole:
            continue
        covered = np.bincount(owner[area][seen], minlength=len(pixels) + 1)
        left_over = [(before[i + 1] - covered[i + 1]) / size for i, size in enumerate(pixels)]
        if any(share < (DIFFICULT_BELOW + 0.1 if i == 0 else floor) for i, share in enumerate(left_over)):
            continue  # the first object always stays easy to see, so no picture is all difficult
        blend = alpha[cut][..., None]
        canvas[area] = (canvas[area] * (1 - blend) + layer[cut]).clip(0, 255).astype(np.uint8)
        owner[area][seen] = len(pixels) + 1
        return whole
    return 0


def _posed(rng: Rng, parts: list[Part]) -> tuple[Floats, list[Part]]:
    """Flip, stretch, shear and turn a silhouette. Returns its extreme points (line widths included) and its parts."""
    turn, stretch, shear = np.deg2rad(rng.uniform(-12, 12)), np.sqrt(rng.uniform(0.8, 1.25)), rng.uniform(-0.08, 0.08)
    flip = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[flip * stretch, shear], [0, 1 / stretch]])
    posed = [Part(part.points @ matrix.T, part.slot, part.width) for part in parts]
    reach = [(part.points.min(0) - part.width / 2, part.points.max(0) + part.width / 2) for part in posed]
    return np.array([corner for pair in reach for corner in pair]), posed


def _palette(rng: Rng, around: Image) -> list[tuple[float, ...]]:
    """Four random colours whose first contrasts with what lies around it, in luma, so grey pictures show it too."""
    ground = float(around.reshape(-1, 3).mean(0) @ LUMA) if around.size else 128.0
    colours = rng.uniform(0, 255, (4, 3)).astype(np.float32)
    colours[DARK] *= 0.35
    colours[LIGHT] = 255 - 0.35 * colours[LIGHT]
    luma = float(colours[0] @ LUMA)
    if abs(luma - ground) < LEAST_CONTRAST:
        away = 1 if (rng.random() < 0.5 or ground < 85) and ground < 170 else -1
        colours[0] = _with_luma(colours[0], ground + away * (LEAST_CONTRAST + rng.uniform(0, 25)))
    luma = float(colours[0] @ LUMA)
    if abs(float(colours[1] @ LUMA) - luma) < 30:  # the trim stands out from the body
        colours[1] = _with_luma(colours[1], luma + (50 if luma < 128 else -50))
    if rng.random() < 0.25:  # night and day: the dark slot need not be the dark one
        colours[[DARK, LIGHT]] = colours[[LIGHT, DARK]]
    return [(float(red), float(green), float(blue), 255.0) for red, green, blue in colours.clip(0, 255)]


def _with_luma(colour_rgb: Floats, luma: float) -> Floats:
    """Mix a colour with white or black until it has the luma asked for (0 to 255)."""
    now = float(colour_rgb @ LUMA)
    end = 255.0 if luma > now else 0.0
    share = (luma - now) / (end - now) if end != now else 0.0
    mixed: Floats = colour_rgb + (end - colour_rgb) * np.float32(share)
    return mixed


def _rendered(
    rng: Rng, parts: list[Part], corner: Floats, scale: float, size_wh: tuple[int, int], around: Image
) -> tuple[Floats, Floats]:
    """Draw at twice the size and shrink: alpha (h, w) 0 to 1, and RGB (h, w, 3) already multiplied by it, float32."""
    palette = _palette(rng, around)
    sheet = np.zeros((2 * size_wh[1], 2 * size_wh[0], 4), np.uint8)
    edge = palette[DARK] if rng.random() < 0.7 else palette[LIGHT]
    outlined = rng.random() < 0.6
    edge_px = max(1, round(float(rng.uniform(0.008, 0.02)) * 2 * max(size_wh)))
    for part in parts:
        points = np.rint((part.points - corner) * (2 * scale * 16) + 2 * 16).astype(np.int32)  # 4 fractional bits
        if part.width:
            width_px = max(2, round(part.width * 2 * scale))
            cv2.polylines(sheet, [points], False, palette[part.slot], width_px, cv2.LINE_8, 4)
        else:
            cv2.fillPoly(sheet, [points], palette[part.slot], cv2.LINE_8, 4)
            if outlined:
                cv2.polylines(sheet, [points], True, edge, edge_px, cv2.LINE_8, 4)
    small = cv2.resize(sheet, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    slope = rng.uniform(-0.18, 0.18, 2)
    shade = 1 + slope[0] * np.linspace(-1, 1, size_wh[1])[:, None] + slope[1] * np.linspace(-1, 1, size_wh[0])
    grain = rng.standard_normal((size_wh[1] // 3 + 1, size_wh[0] // 3 + 1), np.float32) * np.float32(
        rng.uniform(0, 0.12)
    )
    shade = shade.astype(np.float32) + cv2.resize(grain, size_wh, interpolation=cv2.INTER_LINEAR)
    return small[..., 3] / 255, small[..., :3] * shade[..., None]


def _background(rng: Rng, size_wh: tuple[int, int]) -> Image:
    """A gradient with blotches, patches and lines: (H, W, 3) uint8."""
    width, height = size_wh
    corners = rng.uniform(30, 225, (2, 2, 3)) * 0.6 + rng.uniform(30, 225, 3) * 0.4
    slope = np.asarray(cv2.resize(corners.astype(np.float32), size_wh, interpolation=cv2.INTER_LINEAR))
    coarse = rng.standard_normal((int(rng.integers(3, 12)), int(rng.integers(3, 12)), 3), np.float32)
    blotches = np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC))
    image: Image = (slope + blotches * np.float32(rng.uniform(0, 18))).clip(0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(2, 12))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        own = image[y, x].astype(np.float64)
        colour = tuple(map(float, (own + rng.uniform(-45, 45, 3)).clip(0, 255)))
        reach = rng.uniform(0.05, 0.3) * min(size_wh)
        kind = rng.random()
        if kind < 0.4:
            corners_xy = (x, y) + rng.uniform(-reach, reach, (int(rng.integers(3, 6)), 2))
            cv2.fillConvexPoly(image, cv2.convexHull(corners_xy.astype(np.int32)), colour, cv2.LINE_AA)
        elif kind < 0.6:
            cv2.ellipse(
                image, (x, y), (int(reach), int(reach * rng.uniform(0.3, 1))), rng.uniform(0, 180), 0, 360, colour, -1
            )
        else:
            end = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            cv2.line(image, (x, y), end, colour, int(rng.integers(1, 5)), cv2.LINE_AA)
    return image


def _finish(rng: Rng, canvas: Image, grey: bool) -> Image:
    """The camera: light, a little blur, noise."""
    sigma, gain, blur = float(rng.uniform(1, 9)), float(rng.uniform(0.8, 1.1)), float(rng.uniform(0.3, 0.8))
    if grey:
        canvas = np.repeat(cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    soft = cv2.GaussianBlur(canvas, (3, 3), blur).astype(np.float32) * np.float32(gain)
    noise = rng.standard_normal(canvas.shape[:2], np.float32) * np.float32(sigma)
    image: Image = (soft + noise[..., None]).clip(0, 255).astype(np.uint8)
    return image
