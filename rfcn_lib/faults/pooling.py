"""Faults of the position-sensitive pooling: corners of the rois, scale, order of bins and maps."""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.faults.fault import FaultError, GraphFault
from rfcn_lib.faults.surgery import apply, heads, numbers_of, read, redirect, set_numbers, step, upstream

CELL_PX: Final = float(spec.FEATURE_STRIDE)
Change = Callable[[ir.Value], ir.Value]


# -- the rois that are pooled: (1, 5, R), batch index x1 y1 x2 y2 ----------------------------------------------------------


def _pooled_rois(model: ir.Model, change: Change) -> None:
    """Change the rois that both poolings read; the graph's output stays as it is."""
    pools = heads(model)
    rois = read(pools[0], 1)
    if read(pools[1], 1) is not rois:
        raise FaultError("the two poolings read different rois")
    changed = change(rois)
    redirect(model, [(pool, 1) for pool in pools], rois, changed)


def corners(operator: str, model: ir.Model) -> None:
    """The corners are rounded by another operator first, Floor or Ceil."""
    _pooled_rois(model, lambda rois: step(model, operator, rois))


def ends_moved(px: float, model: ir.Model) -> None:
    """x2 and y2 are moved; -1 takes the "+1" away."""
    by = np.asarray([0, 0, 0, px, px], np.float32).reshape(1, 5, 1)
    _pooled_rois(model, lambda rois: step(model, "Add", rois, by))


def as_torchvision(model: ir.Model) -> None:
    """Corners are rounded after the scale, to whole cells, and a roi has at least one cell."""

    def change(rois: ir.Value) -> ir.Value:
        batch, low, high = _split(model, rois)
        low, high = (_whole_cells(model, part) for part in (low, high))
        high = step(model, "Max", step(model, "Sub", high, 1.0), step(model, "Add", low, CELL_PX - 1))
        return step(model, "Concat", batch, low, high, axis=1)

    _pooled_rois(model, change)


def _split(model: ir.Model, rois: ir.Value) -> tuple[ir.Value, ...]:
    return apply(model, "Split", rois, outputs=3, axis=1, split=[1, 2, 2])


def _whole_cells(model: ir.Model, part: ir.Value) -> ir.Value:
    cells = step(model, "Floor", step(model, "Add", step(model, "Mul", part, 1 / CELL_PX), 0.5))
    return step(model, "Mul", cells, CELL_PX)


def columns(order: tuple[int, ...], model: ir.Model) -> None:
    """The five columns of the rois are read in another order."""
    _pooled_rois(model, lambda rois: step(model, "Gather", rois, np.asarray(order, np.int32), axis=1))


def read_as_rows(model: ir.Model) -> None:
    """The rois lie as (R, 5), and are read as (5, R)."""

    def change(rois: ir.Value) -> ir.Value:
        by_row = step(model, "Transpose", rois, perm=[0, 2, 1])
        return step(model, "Reshape", by_row, np.asarray([1, 5, -1], np.int64))

    _pooled_rois(model, change)


def moved(px: float, model: ir.Model) -> None:
    """The rois that are pooled lie so many px right and below."""
    by = np.asarray([0, px, px, px, px], np.float32).reshape(1, 5, 1)
    _pooled_rois(model, lambda rois: step(model, "Add", rois, by))


def spatial_scale(value: float, model: ir.Model) -> None:
    """The poolings have another spatial scale."""
    for pool in heads(model):
        pool.attributes["spatial_scale"] = ir.AttrFloat32("spatial_scale", value)


# -- the maps: (classes * k * k, H, W), class by class, row by row of bins -------------------------------------------------


def _reorder_maps(order: Callable[[NDArray[np.int64]], NDArray[np.int64]], model: ir.Model) -> None:
    """The maps come in another order: numbers (classes, k, k) -> the numbers of the maps that take their place."""
    for pool in heads(model):
        conv = upstream(read(pool), "Conv")
        for index in (1, 2):
            if index < len(conv.inputs):
                numbers = numbers_of(read(conv, index))
                at = np.arange(len(numbers)).reshape(-1, spec.GROUP, spec.GROUP)
                set_numbers(read(conv, index), numbers[order(at).reshape(-1)])


def bins_transposed(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows and columns of bins are exchanged."""
    return at.transpose(0, 2, 1)


def bins_first(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The maps lie bin by bin, and are read class by class."""
    return at.reshape(-1).reshape(spec.GROUP, spec.GROUP, -1).transpose(2, 0, 1)


def bins_upside_down(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lowest row of bins comes first."""
    return at[:, ::-1]


def bins_shifted(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each bin reads the map of the next bin in its row."""
    return np.roll(at, -1, axis=2)


def middle_only(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """All bins of a class read its middle map: plain pooling."""
    middle = spec.GROUP // 2
    return np.broadcast_to(at[:, middle : middle + 1, middle : middle + 1], at.shape)


def bins_lost(model: ir.Model) -> None:
    """The last row of bins is zero."""
    keep = np.ones((1, 1, spec.GROUP, spec.GROUP), np.float32)
    keep[:, :, -1] = 0
    for pool in heads(model):
        out = pool.outputs[0]
        readers = tuple((use.node, use.idx) for use in out.uses())
        redirect(model, readers, out, step(model, "Mul", out, keep))


FAULTS: Final = (
    GraphFault(
        "pool-corners-down", "pooling",
        "PSROIPooling rounds the corners of the rois down. It should round to the nearest px.",
        partial(corners, "Floor"),
    ),
    GraphFault(
        "pool-corners-up", "pooling",
        "PSROIPooling rounds the corners of the rois up. It should round to the nearest px.",
        partial(corners, "Ceil"),
    ),
    GraphFault(
        "pool-corners-half-to-even", "pooling",
        "PSROIPooling rounds halves to even. The source model rounds them away from zero.", partial(corners, "Round"),
    ),
    GraphFault(
        "pool-without-plus-one", "pooling",
        'PSROIPooling ends a roi at round(x2), and should at round(x2) + 1 ("+1").', partial(ends_moved, -1.0),
    ),
    GraphFault(
        "pool-as-torchvision", "pooling",
        "The pooling is torchvision's ps_roi_pool: it rounds to whole cells, after the scale. It should round to "
        "px, before.", as_torchvision,
    ),
    GraphFault(
        "pool-x-and-y-exchanged", "pooling",
        "PSROIPooling reads the rois as y1 x1 y2 x2. They are x1 y1 x2 y2.", partial(columns, (0, 2, 1, 4, 3)),
    ),
    GraphFault(
        "pool-batch-index-last", "pooling",
        "PSROIPooling takes the batch index from the wrong column: x1 y1 x2 y2 are shifted by one.",
        partial(columns, (4, 0, 1, 2, 3)),
    ),
    GraphFault(
        "pool-rois-not-transposed", "pooling",
        "The rois lie row by row, but PSROIPooling reads (5, R). Look for a missing Transpose.", read_as_rows,
    ),
    GraphFault(
        "pool-half-a-cell-off", "pooling",
        "The rois that are pooled lie half a cell, 8 px, right of and below their places (RoIAlign's half pixel, "
        "the other way).", partial(moved, 8.0),
    ),
    GraphFault(
        "pool-scale-1-15", "pooling",
        "PSROIPooling has the spatial scale 1/15, and should have 1/16, one cell for 16 px.",
        partial(spatial_scale, 1 / 15),
    ),
    GraphFault(
        "pool-scale-1-8", "pooling",
        "PSROIPooling has the spatial scale 1/8, and should have 1/16. Look for a stride that was removed.",
        partial(spatial_scale, 1 / 8),
    ),
    GraphFault(
        "bins-transposed", "pooling",
        "Rows and columns of the pooling's bins are exchanged.", partial(_reorder_maps, bins_transposed),
    ),
    GraphFault(
        "bins-upside-down", "pooling",
        "The lowest row of bins reads the maps of the first.", partial(_reorder_maps, bins_upside_down),
    ),
    GraphFault(
        "bins-shifted", "pooling",
        "Each bin reads the map of its right neighbour. Look at the index of the maps.",
        partial(_reorder_maps, bins_shifted),
    ),
    GraphFault(
        "maps-bin-by-bin", "pooling",
        "The maps are read bin by bin. They lie class by class: (class x 7 + row) x 7 + column.",
        partial(_reorder_maps, bins_first),
    ),
    GraphFault(
        "pool-not-position-sensitive", "pooling",
        "All bins read the middle map of their class: RoI pooling in the place of PSROIPooling.",
        partial(_reorder_maps, middle_only),
    ),
    GraphFault("last-bins-lost", "pooling", "The last row of bins is zero. Look at the loop over bins.", bins_lost),
)  # fmt: skip
