"""Faults of the body's weights."""

import itertools
from functools import partial
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib.faults.fault import FaultError, GraphFault, rng_of
from rfcn_lib.faults.surgery import (
    backbone,
    convolutions,
    numbers_of,
    read,
    set_numbers,
)

INT8_STEPS: Final = 127


def bias_lost(at: int, model: ir.Model) -> None:
    """One convolution's bias is zero: it holds the batch norm's shift."""
    value = read(backbone(model)[at], 2)
    set_numbers(value, np.zeros_like(numbers_of(value)))


def biases_exchanged(model: ir.Model) -> None:
    """Two blocks have each other's batch norm shifts: those of two 3x3 convolutions of equal width."""
    found = [node for node in backbone(model) if kernel_side(node) == 3 and len(node.inputs) > 2]
    for first, second in itertools.pairwise(reversed(found)):
        one, other = (numbers_of(read(node, 2)) for node in (first, second))
        if len(one) == len(other):
            set_numbers(read(first, 2), other)
            set_numbers(read(second, 2), one)
            return
    raise FaultError("no two neighbouring 3x3 convolutions have biases of one size")


def variance_of_training(model: ir.Model) -> None:
    """Each channel of all batch norms is scaled by up to a tenth, as other running variances would scale it."""
    rng = rng_of("variance")
    for node in backbone(model):
        weights = numbers_of(read(node, 1))
        set_numbers(read(node, 1), weights * rng.uniform(0.9, 1.1, (len(weights), 1, 1, 1)))


def channel_zeroed(at: int, model: ir.Model) -> None:
    """The strongest output channel of one convolution is zero."""
    node = backbone(model)[at]
    weights = numbers_of(read(node, 1))
    strongest = int(np.abs(weights).sum((1, 2, 3)).argmax())
    for index in (1, 2):
        if index < len(node.inputs):
            numbers = numbers_of(read(node, index))
            numbers[strongest] = 0
            set_numbers(read(node, index), numbers)


def channels_exchanged(model: ir.Model) -> None:
    """The first convolution's output channels are in the reverse order."""
    node = backbone(model)[0]
    for index in (1, 2):
        set_numbers(read(node, index), numbers_of(read(node, index))[::-1])


def kernel_flipped(model: ir.Model) -> None:
    """The first convolution's kernel is turned by half: convolution in the place of correlation."""
    value = read(backbone(model)[0], 1)
    set_numbers(value, numbers_of(value)[:, :, ::-1, ::-1])


def kernel_transposed(model: ir.Model) -> None:
    """All square kernels have rows and columns exchanged."""
    for node in backbone(model):
        value = read(node, 1)
        set_numbers(value, numbers_of(value).swapaxes(2, 3))


def not_loaded(model: ir.Model) -> None:
    """One convolution in the middle has random weights of the right size, as if its key had not been found."""
    found = [node for node in backbone(model) if kernel_side(node) == 3]
    value = read(found[len(found) // 2], 1)
    weights = numbers_of(value)
    set_numbers(value, rng_of("not loaded").normal(0, weights.std(), weights.shape))


def noisy(share: float, model: ir.Model) -> None:
    """Every weight is off by a random share of itself."""
    rng = rng_of("noisy")
    for node in convolutions(model):
        weights = numbers_of(read(node, 1))
        set_numbers(read(node, 1), weights * (1 + share * rng.uniform(-1, 1, weights.shape)))


def rounded_to_steps(per_channel: bool, which: slice, model: ir.Model) -> None:
    """Weights have 8 bits: 127 steps to the largest of the layer, or of each output channel."""
    for node in convolutions(model)[which]:
        set_numbers(read(node, 1), in_int8(numbers_of(read(node, 1)), per_channel=per_channel))


def in_int8(weights: NDArray[np.generic], *, per_channel: bool) -> NDArray[np.floating]:
    """Weights (C, ...) on a grid of 127 steps to the largest."""
    numbers = np.asarray(weights, np.float64)
    axes = tuple(range(1, numbers.ndim)) if per_channel else None
    unit = np.maximum(np.abs(numbers).max(axes, keepdims=True), 1e-30) / INT8_STEPS
    rounded: NDArray[np.floating] = np.rint(numbers / unit) * unit
    return rounded


def short_mantissa(model: ir.Model) -> None:
    """Weights are bfloat16: 8 bits of mantissa."""
    for node in convolutions(model):
        bits = numbers_of(read(node, 1)).astype(np.float32).view(np.uint32)
        set_numbers(read(node, 1), ((bits + 0x8000) & 0xFFFF0000).view(np.float32))


def kernel_side(node: ir.Node) -> int:
    """Columns of a convolution's kernel."""
    return int(numbers_of(read(node, 1)).shape[-1])


FAULTS: Final = (
    GraphFault(
        "batch-norm-shift-lost", "backbone",
        "The shift of the first batch norm is lost: its convolution's bias is zero.", partial(bias_lost, 0),
    ),
    GraphFault(
        "late-batch-norm-shift-lost", "backbone",
        "The shift of a late batch norm is lost: one convolution's bias is zero near the end of the body.",
        partial(bias_lost, -3),
    ),
    GraphFault(
        "batch-norm-shifts-exchanged", "backbone",
        "Two blocks have each other's batch norm shifts. Look at the mapping of the checkpoint's keys.",
        biases_exchanged,
    ),
    GraphFault(
        "batch-norm-variances", "backbone",
        "The batch norms' running variances are others: each channel is up to a tenth too strong or too weak. "
        "Export the network after eval().", variance_of_training,
    ),
    GraphFault(
        "first-channel-zero", "backbone",
        "The strongest channel of the first convolution is zero.", partial(channel_zeroed, 0),
    ),
    GraphFault(
        "late-channel-zero", "backbone",
        "The strongest channel of the last convolution before the heads is zero.", partial(channel_zeroed, -1),
    ),
    GraphFault(
        "channels-reversed", "backbone",
        "The first convolution's output channels are in another order than the next layer's input.",
        channels_exchanged,
    ),
    GraphFault(
        "kernel-turned", "backbone",
        "The first kernel is turned by half: convolution in the place of correlation.", kernel_flipped,
    ),
    GraphFault(
        "kernels-transposed", "backbone",
        "All 3x3 kernels have rows and columns exchanged. Look at the layout of the weights.", kernel_transposed,
    ),
    GraphFault(
        "layer-not-loaded", "backbone",
        "One convolution in the middle has random weights. Look for a key of the checkpoint that was not found "
        "(strict=False).", not_loaded,
    ),
    GraphFault(
        "weights-off-by-10-percent", "backbone",
        "Every weight is off by up to 10 % at random.", partial(noisy, 0.1),
    ),
    GraphFault(
        "weights-off-by-2-percent", "backbone",
        "Every weight is off by up to 2 % at random.", partial(noisy, 0.02),
    ),
    GraphFault(
        "weights-in-int8", "backbone",
        "All weights have 8 bits, one scale for a layer. Look at --precision_mode and at quantisation.",
        partial(rounded_to_steps, False, slice(None)),
    ),
    GraphFault(
        "weights-in-int8-per-channel", "backbone",
        "All weights have 8 bits, one scale for a channel. Look at --precision_mode and at quantisation.",
        partial(rounded_to_steps, True, slice(None)),
    ),
    GraphFault(
        "first-layer-in-int8", "backbone",
        "The first convolution's weights have 8 bits. Look at quantisation.",
        partial(rounded_to_steps, False, slice(0, 1)),
    ),
    GraphFault(
        "weights-in-bfloat16", "backbone",
        "All weights have 8 bits of mantissa (bfloat16). fp16 has 11.", short_mantissa,
    ),
)  # fmt: skip
