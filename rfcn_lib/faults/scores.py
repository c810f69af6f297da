"""Faults of the class scores: votes, softmax, columns."""

from functools import partial
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.faults.deltas import behind, columns_of, output_of, vote_by_maximum, weights_in_int8
from rfcn_lib.faults.fault import FaultError, GraphFault, rng_of
from rfcn_lib.faults.surgery import heads, numbers_of, read, readers_of, redirect, set_numbers, step, upstream

CAT, DOG, PERSON = (1 + spec.VOC_CLASSES.index(name) for name in ("cat", "dog", "person"))


def _softmax(model: ir.Model) -> ir.Node:
    return upstream(output_of(model, "cls_prob"), "Softmax")


def softmax_left_out(model: ir.Model) -> None:
    """The scores are logits."""
    node = _softmax(model)
    redirect(model, readers_of(node.outputs[0]), node.outputs[0], read(node))


def softmax_over_rows(model: ir.Model) -> None:
    """The softmax runs over the rows."""
    node = _softmax(model)
    readers = readers_of(node.outputs[0])
    turned = step(model, "Softmax", step(model, "Transpose", read(node), perm=[1, 0]), axis=1)
    redirect(model, readers, node.outputs[0], step(model, "Transpose", turned, perm=[1, 0]))


def sigmoid(model: ir.Model) -> None:
    """The scores are sigmoids."""
    node = _softmax(model)
    redirect(model, readers_of(node.outputs[0]), node.outputs[0], step(model, "Sigmoid", read(node)))


def temperature(value: float, model: ir.Model) -> None:
    """The logits are divided by a number before the softmax."""
    node = _softmax(model)
    node.replace_input_with(0, step(model, "Mul", read(node), 1 / value))


def logits_clipped(limit: float, model: ir.Model) -> None:
    """The logits end at a limit, as of a type with a small range."""
    node = _softmax(model)
    node.replace_input_with(0, step(model, "Min", read(node), limit))


def scores_in_steps(steps: float, model: ir.Model) -> None:
    """The scores are multiples of 1 / steps."""
    value = output_of(model, "cls_prob")
    readers = readers_of(value)
    grid = step(model, "Floor", step(model, "Add", step(model, "Mul", value, steps), 0.5))
    redirect(model, readers, value, step(model, "Mul", grid, 1 / steps))


def scores_saturated(limit: float, model: ir.Model) -> None:
    """Scores above a limit are the limit."""
    behind(model, "cls_prob", "Min", limit)


def _gather_columns(model: ir.Model, order: NDArray[np.integer]) -> None:
    behind(model, "cls_prob", "Gather", order.astype(np.int32), axis=2)


def classes_exchanged(one: int, other: int, model: ir.Model) -> None:
    """Two score columns are exchanged."""
    order = np.arange(columns_of(model))
    if max(one, other) >= len(order):
        raise FaultError(f"the graph has {len(order)} columns, so column {max(one, other)} cannot be exchanged")
    order[[one, other]] = order[[other, one]]
    _gather_columns(model, order)


def columns_rolled(by: int, model: ir.Model) -> None:
    """All score columns are shifted."""
    _gather_columns(model, np.roll(np.arange(columns_of(model)), by))


def classes_shifted(model: ir.Model) -> None:
    """The classes' columns are shifted by one, the background's stays."""
    order = np.arange(columns_of(model))
    order[1:] = np.roll(order[1:], 1)
    _gather_columns(model, order)


def classes_reversed(model: ir.Model) -> None:
    """The classes come in the reverse order, the background's column stays."""
    order = np.arange(columns_of(model))
    order[1:] = order[1:][::-1].copy()
    _gather_columns(model, order)


def class_weaker(column: int, factor: float, model: ir.Model) -> None:
    """One class's scores are multiplied."""
    factors = np.ones((1, 1, columns_of(model)), np.float32)
    if column >= factors.size:
        raise FaultError(f"the graph has {factors.size} columns, so there is no column {column}")
    factors[..., column] = factor
    behind(model, "cls_prob", "Mul", factors)


def background_biased(by: float, model: ir.Model) -> None:
    """The background's logit is larger."""
    node = _softmax(model)
    bias = np.zeros((1, columns_of(model)), np.float32)
    bias[:, 0] = by
    node.replace_input_with(0, step(model, "Add", read(node), bias))


def votes_summed(model: ir.Model) -> None:
    """The votes are added, and not divided by their number."""
    temperature(1 / spec.GROUP**2, model)


def weights_noisy(which: int, share: float, model: ir.Model) -> None:
    """The weights that make the maps of one head are off by a random share."""
    value = read(upstream(read(heads(model)[which]), "Conv"), 1)
    weights = numbers_of(value)
    set_numbers(value, weights * (1 + share * rng_of("noisy head").uniform(-1, 1, weights.shape)))


FAULTS: Final = (
    GraphFault("softmax-left-out", "heads", "The scores are logits. Look for a missing softmax.", softmax_left_out),
    GraphFault(
        "softmax-over-rows", "heads",
        "The softmax runs over the rows, and should run over the classes. Look at its axis.", softmax_over_rows,
    ),
    GraphFault(
        "sigmoid-for-softmax", "heads",
        "The scores are sigmoids. They should be a softmax over the classes.", sigmoid,
    ),
    GraphFault(
        "temperature-2", "heads",
        "The logits are divided by 2 before the softmax.", partial(temperature, 2.0),
    ),
    GraphFault(
        "temperature-0.9", "heads",
        "The logits are divided by 0.9 before the softmax.", partial(temperature, 0.9),
    ),
    GraphFault(
        "logits-clipped", "heads",
        "No logit is above 4. Look at the range of the type before the softmax.", partial(logits_clipped, 4.0),
    ),
    GraphFault(
        "votes-summed", "heads",
        "The 49 votes are added, and should be averaged. Look at the average pooling after PSROIPooling.",
        votes_summed,
    ),
    GraphFault(
        "score-votes-by-maximum", "heads",
        "Of the 49 votes of a score the largest counts. They should be averaged.", partial(vote_by_maximum, 0),
    ),
    GraphFault(
        "scores-of-3-decimals", "heads",
        "The scores are rounded to 3 decimals. Look for a text file on the way.", partial(scores_in_steps, 1000.0),
    ),
    GraphFault(
        "scores-in-8-bits", "heads",
        "The scores have 256 steps. Look at quantisation.", partial(scores_in_steps, 255.0),
    ),
    GraphFault(
        "scores-saturated", "heads",
        "No score is above 0.9: confident detections are all alike. Look at the range of the type.",
        partial(scores_saturated, 0.9),
    ),
    GraphFault(
        "cat-and-dog-exchanged", "heads",
        "Two classes have each other's scores. Compare the order of classes in the port file.",
        partial(classes_exchanged, CAT, DOG),
    ),
    GraphFault(
        "background-last", "heads",
        "The background's score is the last column, and should be the first.", partial(columns_rolled, -1),
    ),
    GraphFault(
        "classes-shifted", "heads",
        "The classes' scores are shifted by one column. Compare the order of classes in the port file.",
        classes_shifted,
    ),
    GraphFault("classes-reversed", "heads", "The classes' scores come in the reverse order.", classes_reversed),
    GraphFault(
        "person-weaker", "heads",
        "The scores of person are half as large.", partial(class_weaker, PERSON, 0.5),
    ),
    GraphFault("person-lost", "heads", "The scores of person are zero.", partial(class_weaker, PERSON, 0.0)),
    GraphFault(
        "background-too-strong", "heads",
        "The background's logit is 1 too large. Look at the bias of the score maps.", partial(background_biased, 1.0),
    ),
    GraphFault(
        "score-maps-in-int8", "heads",
        "The weights of the score maps have 8 bits. Look at quantisation.", partial(weights_in_int8, 0),
    ),
    GraphFault(
        "score-maps-off-by-20-percent", "heads",
        "The weights of the score maps are off by up to 20 % at random.", partial(weights_noisy, 0, 0.2),
    ),
)  # fmt: skip
