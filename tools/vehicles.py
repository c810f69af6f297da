"""Silhouettes of the seven classes that carry people; all drive to the right."""

import numpy as np

from tools.shapes import BODY, DARK, LIGHT, TRIM, Part, curve, line, oval, poly, rect, ring, row, wheel

Rng = np.random.Generator


def aeroplane(rng: Rng) -> list[Part]:
    u = rng.uniform
    if rng.random() < 0.3:  # from above
        sweep = u(0.15, 0.4)
        wings = [poly(TRIM, (0.1, 0), (-sweep, k * 0.95), (-sweep - 0.22, k * 0.95), (-0.2, 0)) for k in (-1, 1)]
        tail = [poly(TRIM, (-0.72, 0), (-0.95, k * 0.34), (-1.06, k * 0.34), (-0.95, 0)) for k in (-1, 1)]
        return [
            *wings,
            *tail,
            oval(BODY, 0, 0, 1.05, 0.13),
            poly(LIGHT, (0.85, -0.07), (0.95, 0), (0.85, 0.07), (0.78, 0)),
        ]
    fin, drop = u(0.42, 0.6), u(0.3, 0.5)
    return [
        poly(TRIM, (0.05, -0.05), (-0.25, -0.36), (-0.38, -0.36), (-0.22, 0)),
        oval(BODY, 0.1, 0, 1.05, 0.17),
        poly(BODY, (-0.55, -0.1), (-0.98, -fin), (-1.16, -fin), (-1.0, 0.05)),
        poly(TRIM, (-0.75, 0), (-1.2, -0.1), (-1.24, -0.03), (-0.8, 0.1)),
        *row(LIGHT, -0.5, 0.75, -0.08, -0.02, 8, 0.5),
        poly(DARK, (0.88, -0.12), (1.02, -0.08), (1.06, -0.01), (0.88, -0.01)),
        poly(TRIM, (0.28, 0.02), (-0.35, drop), (-0.55, drop), (-0.15, 0.06)),
        oval(DARK, -0.02, drop * 0.55, 0.14, 0.06),
    ]


def bicycle(rng: Rng) -> list[Part]:
    u = rng.uniform
    r, tube = u(0.42, 0.5), u(0.05, 0.075)
    spokes = [
        line(LIGHT, 0.015, (x + r * np.cos(t), r * np.sin(t)), (x - r * np.cos(t), -r * np.sin(t)))
        for x in (0.0, 1.3)
        for t in (0.2, 0.98, 1.77, 2.55)
    ]
    bars = (
        curve(DARK, 0.06, (1.02, -0.78), (1.25, -0.85), (1.3, -0.66))
        if rng.random() < 0.5
        else line(DARK, 0.06, (0.9, -0.72), (1.14, -0.74))
    )
    return [
        *spokes,
        ring(DARK, 0.07, 0, 0, r),
        ring(DARK, 0.07, 1.3, 0, r),
        line(BODY, tube, (0, 0), (0.55, 0.05), (0.4, -0.55), (0, 0)),
        line(BODY, tube, (0.4, -0.5), (1.06, -0.52), (0.55, 0.05)),
        line(BODY, tube, (1.02, -0.78), (1.3, 0)),
        line(TRIM, 0.05, (0.41, -0.5), (0.37, -0.7)),
        oval(DARK, 0.36, -0.72, 0.18, 0.06),
        bars,
        ring(TRIM, 0.04, 0.55, 0.05, 0.11),
    ]


def motorbike(rng: Rng) -> list[Part]:
    u = rng.uniform
    r, seat = u(0.34, 0.4), u(-0.62, -0.5)
    return [
        oval(DARK, 0, 0, r), oval(LIGHT, 0, 0, 0.55 * r), oval(DARK, 0, 0, 0.15),
        oval(DARK, 1.35, 0, r), oval(LIGHT, 1.35, 0, 0.55 * r), oval(DARK, 1.35, 0, 0.12),
        line(TRIM, 0.1, (1.0, -0.8), (1.35, 0)),
        poly(BODY, (0.3, -0.35), (0.95, -0.45), (0.95, 0.1), (0.78, 0.22), (0.4, 0.18)),
        oval(DARK, 0.68, -0.02, 0.2), oval(LIGHT, 0.68, -0.02, 0.1),
        line(LIGHT, 0.1, (0.7, 0.2), (0, 0.22), (-0.35, 0.14)),
        oval(BODY, 0.78, -0.52, 0.3, 0.17, 0.1),
        poly(DARK, (0.6, seat + 0.1), (0.2, seat), (-0.28, seat - 0.1), (-0.3, seat + 0.02), (0.1, seat + 0.2), (0.55, seat + 0.24)),
        poly(BODY, (-0.3, -0.42), (0.3, -0.3), (0.3, -0.12), (-0.1, -0.2)),
        line(DARK, 0.07, (0.8, -0.9), (1.06, -0.82)),
        oval(LIGHT, 1.16, -0.62, 0.12),
    ]  # fmt: skip


def boat(rng: Rng) -> list[Part]:
    u = rng.uniform
    hull = poly(BODY, (-0.95, 0), (1.1, -0.06), (0.82, 0.38), (-0.75, 0.38))
    band = poly(LIGHT, (-0.92, 0.08), (1.02, 0.04), (0.97, 0.13), (-0.89, 0.16))
    if rng.random() < 0.6:  # under sail
        mast = u(1.1, 1.5)
        return [
            line(DARK, 0.06, (0, 0), (0, -mast - 0.08)),
            poly(TRIM, (0.07, -mast), (0.85, -0.15), (0.07, -0.15)),
            poly(LIGHT, (-0.07, -mast * 0.9), (-0.75, -0.2), (-0.07, -0.15)),
            hull,
            band,
        ]
    high = u(0.32, 0.45)
    return [
        rect(TRIM, -0.45, -high, 0.4, 0),
        *row(DARK, -0.4, 0.36, -high + 0.1, -high + 0.25, 3),
        rect(BODY, -0.25, -high - 0.38, 0, -high),
        rect(DARK, -0.25, -high - 0.38, 0, -high - 0.28),
        line(DARK, 0.04, (0.6, 0), (0.6, -0.75)),
        hull,
        band,
    ]


def bus(rng: Rng) -> list[Part]:
    u = rng.uniform
    if rng.random() < 0.3:  # head on
        mirrors = [rect(DARK, k * 0.62 - 0.07, -0.35, k * 0.62 + 0.07, -0.05) for k in (-1, 1)]
        lamps = [oval(LIGHT, k * 0.38, 0.5, 0.1) for k in (-1, 1)]
        feet = [rect(DARK, k * 0.36 - 0.11, 0.6, k * 0.36 + 0.11, 0.86) for k in (-1, 1)]
        return [
            *feet, *mirrors, rect(BODY, -0.55, -0.7, 0.55, 0.72), rect(LIGHT, -0.47, -0.42, 0.47, 0.15),
            line(DARK, 0.04, (0, -0.42), (0, 0.15)), rect(DARK, -0.35, -0.63, 0.35, -0.49), *lamps,
            rect(TRIM, -0.22, 0.42, 0.22, 0.56),
        ]  # fmt: skip
    long, high = u(1.0, 1.25), u(-0.6, -0.5)
    return [
        poly(BODY, (-long, high), (long - 0.06, high), (long, high + 0.1), (long, 0.4), (-long, 0.4)),
        rect(TRIM, -long, 0.12, long, 0.24),
        *row(LIGHT, -long + 0.05, long - 0.32, high + 0.12, 0.02, int(rng.integers(4, 7)), 0.82),
        rect(DARK, long - 0.28, high + 0.12, long - 0.08, 0.36),
        *wheel(-0.62 * long, 0.4, 0.2),
        *wheel(0.55 * long, 0.4, 0.2),
    ]


def train(rng: Rng) -> list[Part]:
    u = rng.uniform
    if rng.random() < 0.35:  # steam engine
        puff = [oval(LIGHT, 0.62 - 0.2 * i, -0.92 - 0.1 * i, 0.13 + 0.04 * i) for i in range(3)]
        return [
            *puff, rect(BODY, -0.5, -0.32, 0.9, 0.2), oval(TRIM, 0.9, -0.06, 0.12, 0.27), rect(BODY, -1.0, -0.75, -0.4, 0.25),
            rect(DARK, -1.08, -0.85, -0.32, -0.73), rect(LIGHT, -0.86, -0.6, -0.54, -0.25), rect(DARK, 0.5, -0.8, 0.74, -0.3),
            oval(TRIM, 0.1, -0.35, 0.14, 0.16), rect(TRIM, -1.0, 0.2, 0.95, 0.32), poly(DARK, (0.9, 0.2), (1.25, 0.52), (0.9, 0.52)),
            *wheel(-0.7, 0.36, 0.24), *wheel(-0.1, 0.42, 0.18), *wheel(0.32, 0.42, 0.18), *wheel(0.74, 0.42, 0.18),
            line(LIGHT, 0.05, (-0.7, 0.36), (0.74, 0.42)),
        ]  # fmt: skip
    nose, high = u(0.25, 0.6), u(-0.42, -0.34)
    bogies = [oval(DARK, x, 0.36, 0.1) for x in (-1.35, -1.12, -0.5, -0.27, 0.3, 0.53, 0.98)]
    return [
        *bogies,
        poly(BODY, (-1.6, high), (1.3 - nose, high), (1.15, -0.1), (1.35, 0.2), (1.3, 0.3), (-1.6, 0.3)),
        rect(TRIM, -1.6, 0.1, 1.27, 0.2),
        *row(LIGHT, -1.55, -0.5, high + 0.12, 0.02, 4, 0.75),
        *row(LIGHT, -0.32, 0.62, high + 0.12, 0.02, 4, 0.75),
        line(DARK, 0.06, (-0.41, high), (-0.41, 0.3)),
        poly(DARK, (1.3 - nose, high + 0.08), (1.12 - 0.35 * nose, high + 0.12), (1.1, -0.06), (0.82, -0.06)),
        line(DARK, 0.04, (-1.65, 0.47), (1.4, 0.47)),
        line(DARK, 0.03, (-1.1, high), (-0.95, high - 0.16), (-1.15, high - 0.24)),
    ]


def car(rng: Rng) -> list[Part]:
    u = rng.uniform
    roof, r = u(-0.52, -0.4), u(0.17, 0.22)
    back = u(-0.8, -0.5)
    return [
        poly(BODY, (back, -0.05), (back + 0.22, roof), (0.22, roof), (0.58, -0.05)),
        poly(BODY, (-1.0, -0.06), (0.55, -0.1), (0.98, 0.02), (1.05, 0.28), (-1.02, 0.28)),
        poly(LIGHT, (back + 0.16, -0.08), (back + 0.28, roof + 0.07), (-0.1, roof + 0.07), (-0.1, -0.08)),
        poly(LIGHT, (-0.02, -0.08), (-0.02, roof + 0.07), (0.18, roof + 0.07), (0.43, -0.08)),
        line(DARK, 0.025, (-0.06, -0.05), (-0.06, 0.24)),
        rect(TRIM, -1.02, 0.15, 1.04, 0.22),
        oval(LIGHT, 0.95, 0.08, 0.08, 0.06),
        *wheel(-0.58, 0.28, r),
        *wheel(0.58, 0.28, r),
    ]
