"""Silhouettes of what lives: six animals, a bird among them, and people. All look to the right."""

import numpy as np

from tools.shapes import BODY, DARK, LIGHT, TRIM, Part, curve, line, oval, poly, rect

Rng = np.random.Generator


def bird(rng: Rng) -> list[Part]:
    u = rng.uniform
    if rng.random() < 0.4:  # on the wing
        lift = u(0.5, 0.9)
        return [
            poly(TRIM, (0.45, 0), (0.2, -lift), (0.7, -lift * 0.55), (0.8, 0)),
            oval(BODY, 0.6, 0.08, 0.5, 0.17, 0.08),
            poly(BODY, (0.2, 0), (-0.2, -0.12), (-0.22, 0.14)),
            oval(BODY, 1.08, 0.02, 0.15),
            poly(DARK, (1.2, -0.04), (1.4, 0.05), (1.2, 0.09)),
            oval(LIGHT, 1.1, -0.03, 0.04),
            poly(TRIM, (0.4, 0.05), (-0.1, -lift * 0.8), (0.25, -lift * 0.9), (0.75, 0.05)),
        ]
    plump = u(0.26, 0.34)
    legs = [line(DARK, 0.04, (x, 0.2), (x + 0.02, 0.58), (x + 0.14, 0.58)) for x in (0.5, 0.65)]
    return [
        *legs,
        poly(TRIM, (0.25, -0.05), (-0.3, u(0.1, 0.35)), (-0.22, 0.42), (0.35, 0.2)),
        oval(BODY, 0.6, 0.05, 0.46, plump, -0.4),
        oval(BODY, 0.98, -0.32, 0.2),
        poly(DARK, (1.14, -0.4), (1.42, -0.28), (1.14, -0.22)),
        oval(LIGHT, 1.03, -0.37, 0.055),
        oval(DARK, 1.04, -0.37, 0.03),
        oval(TRIM, 0.5, 0.08, 0.3, 0.15, 0.35),
    ]


def _legs(slot: int, xs: tuple[float, ...], top: float, foot: float, width: float, step: float) -> list[Part]:
    return [line(slot, width, (x, top), (x + (step if i % 2 else -step), foot)) for i, x in enumerate(xs)]


def _cat_head(x: float, y: float, size: float) -> list[Part]:
    """Round, two pointed ears, whiskers: seen from the front."""
    s = size
    ears = [
        poly(BODY, (x + k * s, y - 0.2 * s), (x + k * 0.85 * s, y - 1.5 * s), (x + k * 0.1 * s, y - 0.8 * s))
        for k in (-1, 1)
    ]
    eyes = [oval(LIGHT, x + k * 0.42 * s, y - 0.12 * s, 0.2 * s, 0.25 * s) for k in (-1, 1)]
    pupils = [oval(DARK, x + k * 0.42 * s, y - 0.12 * s, 0.08 * s, 0.22 * s) for k in (-1, 1)]
    whiskers = [
        line(DARK, 0.06 * s, (x + k * 0.3 * s, y + 0.4 * s), (x + k * 1.5 * s, y + h * s))
        for k in (-1, 1)
        for h in (0.2, 0.55)
    ]
    nose = poly(DARK, (x - 0.15 * s, y + 0.22 * s), (x + 0.15 * s, y + 0.22 * s), (x, y + 0.45 * s))
    return [*ears, oval(BODY, x, y, s, 0.88 * s), *eyes, *pupils, nose, *whiskers]


def cat(rng: Rng) -> list[Part]:
    u = rng.uniform
    tail_up = u(0.3, 0.7)
    if rng.random() < 0.5:  # sitting
        return [
            curve(BODY, 0.12, (-0.2, 0.75), (-0.85, 0.8), (-0.5, 0.75 - tail_up)),
            oval(BODY, 0, 0.45, 0.36, 0.48),
            oval(BODY, -0.12, 0.72, 0.3, 0.2),
            line(TRIM, 0.11, (0.1, 0.35), (0.14, 0.9)),
            line(TRIM, 0.11, (0.24, 0.35), (0.3, 0.9)),
            *_cat_head(0.12, -0.12, 0.31),
        ]
    return [
        curve(BODY, 0.1, (-0.1, 0.15), (-0.55, 0.1), (-0.3, -tail_up)),
        *_legs(TRIM, (0.02, 0.75), 0.25, 0.7, 0.12, u(-0.08, 0.08)),
        *_legs(BODY, (0.12, 0.88), 0.25, 0.7, 0.12, u(-0.08, 0.08)),
        oval(BODY, 0.42, 0.2, 0.56, 0.23),
        *_cat_head(1.0, -0.08, u(0.26, 0.32)),
    ]


def dog(rng: Rng) -> list[Part]:
    u = rng.uniform
    snout, wag = u(0.28, 0.4), u(0.3, 0.6)
    if rng.random() < 0.3:  # sitting
        head, body = (0.22, -0.15), [
            curve(BODY, 0.1, (-0.2, 0.8), (-0.6, 0.75), (-0.65, 0.8 - wag)),
            poly(BODY, (0.3, -0.05), (0.34, 0.5), (0.1, 0.9), (-0.4, 0.9), (-0.38, 0.5), (-0.05, 0)),
            line(TRIM, 0.13, (0.24, 0.3), (0.28, 0.9), (0.4, 0.9)),
        ]  # fmt: skip
    else:
        head, body = (1.0, -0.22), [
            curve(BODY, 0.09, (-0.1, 0.08), (-0.35, 0), (-0.35, -wag)),
            *_legs(TRIM, (0.08, 0.72), 0.25, 0.85, 0.11, u(-0.1, 0.1)),
            *_legs(BODY, (0, 0.82), 0.25, 0.85, 0.12, u(-0.1, 0.1)),
            poly(BODY, (-0.15, 0.05), (0.75, -0.1), (0.95, -0.35), (1.1, -0.05), (0.92, 0.35), (0.5, 0.3), (0, 0.38), (-0.15, 0.25)),
        ]  # fmt: skip
    x, y = head
    return [
        *body,
        oval(BODY, x, y, 0.24, 0.21),
        poly(BODY, (x + 0.05, y - 0.1), (x + 0.2 + snout, y + 0.02), (x + 0.2 + snout, y + 0.14), (x + 0.05, y + 0.2)),
        oval(DARK, x + 0.2 + snout, y + 0.03, 0.06),
        oval(LIGHT, x + 0.1, y - 0.06, 0.05),
        oval(DARK, x + 0.11, y - 0.06, 0.03),
        oval(TRIM, x - 0.12, y + 0.1, 0.09, 0.24, 0.25),
        line(LIGHT, 0.06, (x - 0.16, y + 0.28), (x + 0.12, y + 0.24)),
    ]


def horse(rng: Rng) -> list[Part]:
    u = rng.uniform
    step, rise = u(-0.14, 0.14), u(0.75, 0.95)
    return [
        curve(DARK, 0.13, (-0.12, 0), (-0.42, 0.05), (-0.3, 0.62)),
        *_legs(TRIM, (0.12, 0.85), 0.25, 1.12, 0.1, step),
        *_legs(BODY, (0, 0.98), 0.25, 1.12, 0.12, -step),
        oval(BODY, 0.45, 0.12, 0.6, 0.27),
        poly(BODY, (0.62, 0), (1.05, -rise), (1.3, -rise + 0.1), (1.1, 0.25)),
        poly(
            BODY,
            (1.05, -rise - 0.1),
            (1.25, -rise - 0.06),
            (1.66, -rise + 0.36),
            (1.56, -rise + 0.5),
            (1.08, -rise + 0.26),
        ),
        poly(BODY, (1.06, -rise), (1.1, -rise - 0.26), (1.2, -rise)),
        poly(DARK, (1.04, -rise - 0.1), (0.86, -rise + 0.15), (0.58, -0.05), (0.74, 0.05), (1.1, -rise + 0.15)),
        oval(LIGHT, 1.25, -rise + 0.12, 0.04),
    ]


def cow(rng: Rng) -> list[Part]:
    u = rng.uniform
    step, low = u(-0.06, 0.06), u(-0.2, 0.1)
    spots = [oval(TRIM, u(0.05, 1.0), u(0, 0.32), u(0.1, 0.2), u(0.08, 0.16), u(0, 3)) for _ in range(3)]
    horns = [
        curve(LIGHT, 0.06, (1.3, low - 0.16), (1.3 + k, low - 0.3), (1.3 + 1.2 * k, low - 0.42)) for k in (-0.2, 0.2)
    ]
    return [
        line(DARK, 0.04, (-0.1, 0), (-0.22, 0.2), (-0.2, 0.5)),
        oval(DARK, -0.2, 0.56, 0.05, 0.1),
        *_legs(DARK, (0.18, 0.88), 0.35, 0.9, 0.13, step),
        *_legs(BODY, (0.02, 1.02), 0.35, 0.9, 0.15, -step),
        oval(LIGHT, 0.32, 0.5, 0.16, 0.13),
        poly(BODY, (-0.12, -0.05), (0, -0.16), (1.05, -0.16), (1.22, -0.1), (1.2, 0.3), (1.05, 0.5), (0.1, 0.48), (-0.1, 0.3)),
        *spots,
        *horns,
        poly(BODY, (1.02, 0.1), (1.1, low - 0.12), (1.42, low - 0.18), (1.58, low + 0.2), (1.52, low + 0.36), (1.34, low + 0.36), (1.2, low + 0.2)),
        oval(LIGHT, 1.49, low + 0.26, 0.13, 0.11),
        oval(TRIM, 1.1, low - 0.08, 0.14, 0.06, -0.2),
        oval(DARK, 1.36, low, 0.04),
    ]  # fmt: skip


def sheep(rng: Rng) -> list[Part]:
    u = rng.uniform
    low, turns = u(-0.15, 0.1), np.linspace(0, 2 * np.pi, 11, endpoint=False) + u(0, 1)
    wool = [oval(BODY, 0.48 + 0.44 * np.cos(t), 0.1 + 0.27 * np.sin(t), 0.19) for t in turns]
    curls = [
        curve(LIGHT, 0.03, (x - 0.1, y), (x, y + 0.14), (x + 0.1, y)) for x, y in u((0.1, -0.1), (0.85, 0.25), (5, 2))
    ]
    return [
        *_legs(DARK, (0.15, 0.28, 0.72, 0.86), 0.35, 0.82, 0.08, 0.01),
        *wool,
        oval(BODY, 0.48, 0.1, 0.5, 0.33),
        *curls,
        oval(DARK, 1.12, low + 0.06, 0.15, 0.25, -0.5),
        oval(DARK, 0.95, low - 0.02, 0.14, 0.06, 0.4),
        oval(BODY, 1.04, low - 0.12, 0.15, 0.1),
        oval(LIGHT, 1.15, low + 0.02, 0.035),
    ]


def person(rng: Rng) -> list[Part]:
    u = rng.uniform
    wide, step, hip = u(0.2, 0.28), u(0.04, 0.3), u(0.75, 0.85)
    left, right = u(-0.35, 0.3), u(-0.35, 0.3)
    head = [
        oval(LIGHT, 0, -0.22, 0.16, 0.2),
        poly(DARK, (-0.17, -0.2), (-0.14, -0.42), (0.1, -0.46), (0.18, -0.3), (0, -0.32)),
    ]
    arms = [
        line(
            BODY,
            0.12,
            (k * wide, 0.1),
            (k * (wide + 0.16), 0.42),
            (k * (wide + 0.16 + 0.3 * lift), 0.72 - max(0.0, lift)),
        )
        for k, lift in ((-1, left), (1, right))
    ]
    legs = [line(TRIM, 0.17, (k * 0.1, hip), (k * (0.1 + step / 2), 1.2), (k * (0.1 + step), 1.62)) for k in (-1, 1)]
    feet = [oval(DARK, k * (0.1 + step) + 0.05, 1.64, 0.14, 0.06) for k in (-1, 1)]
    torso = poly(BODY, (-wide, 0.02), (wide, 0.02), (0.8 * wide, hip), (-0.8 * wide, hip))
    if rng.random() < 0.25:  # a portrait, cut at the waist
        return [*arms, rect(LIGHT, -0.07, -0.1, 0.07, 0.05), torso, *head]
    return [
        *legs,
        *feet,
        *arms,
        rect(LIGHT, -0.07, -0.1, 0.07, 0.05),
        torso,
        rect(TRIM, -wide * 0.85, hip - 0.04, wide * 0.85, hip + 0.1),
        *head,
    ]
