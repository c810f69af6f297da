"""Silhouettes of the twenty classes, each recognisable by its shape alone."""

from collections.abc import Callable
from typing import Final

import numpy as np

from rfcn_lib.spec import VOC_CLASSES
from tools import animals, vehicles
from tools.shapes import BODY, DARK, LIGHT, TRIM, Part, line, oval, poly, rect, row

Rng = np.random.Generator


def bottle(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, neck, shoulder, top = u(0.2, 0.28), u(0.07, 0.1), u(-0.35, -0.1), u(-0.85, -0.7)
    return [
        poly(BODY, (-w, shoulder), (-neck, shoulder - 0.25), (-neck, top), (neck, top), (neck, shoulder - 0.25), (w, shoulder), (w, 0.8), (0.8 * w, 0.86), (-0.8 * w, 0.86), (-w, 0.8)),
        rect(DARK, -neck - 0.025, top - 0.12, neck + 0.025, top + 0.02),
        rect(TRIM, -w, shoulder + 0.2, w, u(0.4, 0.6)),
        line(LIGHT, 0.045, (-0.6 * w, shoulder + 0.03), (-0.6 * w, 0.74)),
    ]  # fmt: skip


def chair(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, high, leg = u(0.09, 0.12), u(-0.95, -0.75), u(0.6, 0.75)
    far = [line(DARK, w, (x, 0.05), (x, leg - 0.16)) for x in (-0.22, 0.55)]
    slats = [line(TRIM, 0.09, (-0.42, y), (0.02, y - 0.14)) for y in np.linspace(high + 0.12, -0.2, 3)]
    solid = poly(TRIM, (-0.42, high), (-0.02, high - 0.14), (-0.02, -0.16), (-0.42, -0.02))
    return [
        *far,
        line(BODY, w, (-0.02, -0.1), (0, high - 0.14)),
        *([solid] if rng.random() < 0.5 else slats),
        line(BODY, w, (-0.42, leg), (-0.42, high)),
        line(BODY, w, (0.35, 0.05), (0.35, leg)),
        poly(BODY, (-0.46, 0), (0, -0.16), (0.66, -0.12), (0.42, 0.1), (-0.46, 0.12)),
    ]


def sofa(rng: Rng) -> list[Part]:
    u = rng.uniform
    long, high, seats = u(0.8, 1.1), u(-0.55, -0.4), int(rng.integers(2, 4))
    arms = [
        part
        for k in (-1, 1)
        for part in (rect(TRIM, k * long - 0.15, -0.08, k * long + 0.15, 0.42), oval(TRIM, k * long, -0.1, 0.17, 0.12))
    ]
    feet = [rect(DARK, k * long - 0.06, 0.4, k * long + 0.06, 0.52) for k in (-1, 1)]
    return [
        *feet,
        poly(
            BODY,
            (-long, high + 0.08),
            (-long + 0.1, high),
            (long - 0.1, high),
            (long, high + 0.08),
            (long, 0.42),
            (-long, 0.42),
        ),
        *row(LIGHT, -long + 0.14, long - 0.14, high + 0.1, 0.02, seats, 0.93),
        *row(TRIM, -long + 0.14, long - 0.14, 0.05, 0.22, seats, 0.95),
        *arms,
    ]


def diningtable(rng: Rng) -> list[Part]:
    u = rng.uniform
    long, tilt = u(0.8, 1.1), u(0.14, 0.24)
    if rng.random() < 0.35:  # round, on one foot
        return [
            line(DARK, 0.14, (0, 0), (0, 0.75)), poly(DARK, (-0.4, 0.82), (0, 0.62), (0.4, 0.82)),
            oval(TRIM, 0, 0.06, 0.95, tilt), oval(BODY, 0, 0, 0.95, tilt),
            oval(LIGHT, -0.35, 0, 0.2, 0.06), oval(LIGHT, 0.35, 0, 0.2, 0.06),
        ]  # fmt: skip
    far = [line(DARK, 0.09, (k * (long - 0.28), 0), (k * (long - 0.28), 0.55)) for k in (-1, 1)]
    near = [line(TRIM, 0.11, (k * (long - 0.08), 0.1), (k * (long - 0.08), 0.78)) for k in (-1, 1)]
    return [
        *far,
        *near,
        rect(TRIM, -long, 0.02, long, 0.18),
        poly(BODY, (-long + 0.22, -tilt), (long - 0.22, -tilt), (long + 0.04, 0.06), (-long - 0.04, 0.06)),
        oval(LIGHT, -0.3, -0.06, 0.2, 0.05),
        oval(LIGHT, 0.3, -0.06, 0.2, 0.05),
    ]


def pottedplant(rng: Rng) -> list[Part]:
    u = rng.uniform
    count = int(rng.integers(5, 9))
    turns = np.linspace(-1.25, 1.25, count) + u(-0.12, 0.12, count)
    slim = u(0.1, 0.18)
    leaves = []
    for t in turns:
        reach = u(0.5, 0.75)
        leaves += [line(DARK, 0.035, (0, 0.1), (reach * np.sin(t), 0.1 - reach * np.cos(t)))]
        leaves += [oval(BODY, reach * np.sin(t), 0.05 - reach * np.cos(t), 0.32, slim, t - np.pi / 2)]
    w = u(0.3, 0.4)
    return [
        *leaves,
        poly(TRIM, (-w, 0.15), (w, 0.15), (0.7 * w, 0.72), (-0.7 * w, 0.72)),
        rect(LIGHT, -w - 0.05, 0.08, w + 0.05, 0.22),
    ]


def tvmonitor(rng: Rng) -> list[Part]:
    u = rng.uniform
    w, high, rim = u(0.7, 0.95), u(-0.55, -0.45), u(0.06, 0.1)
    picture = [poly(TRIM, (-w + rim, 0.3), (u(-0.5, 0), u(-0.3, 0)), (u(0, 0.5), 0.3))]
    glare = [line(LIGHT, 0.03, (-w + 0.2, high + 0.32), (-w + 0.4, high + 0.16))]
    foot = [rect(DARK, -0.09, 0.3, 0.09, 0.62), poly(DARK, (-0.4, 0.7), (-0.28, 0.58), (0.28, 0.58), (0.4, 0.7))]
    return [*foot, rect(BODY, -w, high, w, 0.4), rect(LIGHT, -w + rim, high + rim, w - rim, 0.3), *picture, *glare]


SILHOUETTES: Final[tuple[Callable[[Rng], list[Part]], ...]] = (
    vehicles.aeroplane, vehicles.bicycle, animals.bird, vehicles.boat, bottle, vehicles.bus, vehicles.car, animals.cat, chair, animals.cow,
    diningtable, animals.dog, animals.horse, vehicles.motorbike, animals.person, pottedplant, animals.sheep, sofa, vehicles.train, tvmonitor,
)  # in the order of VOC_CLASSES  # fmt: skip
assert len(SILHOUETTES) == len(VOC_CLASSES)
