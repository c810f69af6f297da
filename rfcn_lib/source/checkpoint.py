"""Checkpoints in the upstream format, read strictly and without running anything that is in them.

The format: `torch.save` of {"session", "epoch", "model", "optimizer", "pooling_mode", "class_agnostic"}, `model` being the
state dict. Source: trainval_net.py of RebornL/RFCN-pytorch.1.0.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.port import Port
from rfcn_lib.source.network import Architecture, Rfcn

LARGEST_FILE_BYTES = 4 << 30  # ten times a ResNet-152 with its optimizer's state
SHOWN = 5
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # others are refused by their dtype, later


class CheckpointError(SuiteError):
    """The file is not a checkpoint of the network on trial."""


def network_from_checkpoint(weights: Path, port: Port) -> Rfcn:
    """The source model in inference mode, every key and shape of the file accounted for.

    Depth, widths and class count come from the file's own shapes, the rest from the port.

    Raises:
        CheckpointError: no such file, not a checkpoint, holds code, lacks keys, has others, other shapes, numbers that
            are not finite, or a class or anchor count unlike the port's; names the file and the first differences.
    """
    state = read_state(weights)
    shape = architecture(state, weights)
    if shape.columns != len(port.classes) + 1:
        raise CheckpointError(
            f"{weights} scores {shape.columns} columns, but the port '{port.name}' has {len(port.classes)} classes and "
            f"background, {len(port.classes) + 1} columns; pass the checkpoint's own --port=FILE"
        )
    per_cell = len(port.proposals.anchor_ratios) * len(port.proposals.anchor_scales)
    if shape.anchors_per_cell != per_cell:
        raise CheckpointError(
            f"{weights} has {shape.anchors_per_cell} anchors per cell, but the port '{port.name}' lists {per_cell} "
            "(ratios x scales); pass the checkpoint's own --port=FILE"
        )
    with torch.device("meta"):
        network = Rfcn(shape, port.proposals)
    _expect_same(weights, state, network.state_dict())
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def read_state(weights: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint, tensors on the CPU. Raises CheckpointError as `network_from_checkpoint` does."""
    try:
        size = weights.stat().st_size
        if not weights.is_file() or size > LARGEST_FILE_BYTES:
            raise CheckpointError(
                f"{weights} is no checkpoint: a regular file of up to {LARGEST_FILE_BYTES >> 30} GB is wanted"
            )
        file = weights.open("rb")
    except OSError as error:
        raise CheckpointError(f"no checkpoint at {weights}: {error.strerror}; pass --weights=PATH") from error
    try:
        with file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises whatever torch stumbles on, from struct.error to AttributeError
        raise CheckpointError(
            f"{weights} is not a checkpoint that can be read without running code ({_first_line(error)}); nothing of "
            "it was executed. It should be torch.save of a dict with the state dict under 'model'"
        ) from error
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in model.items()
    ):
        found = sorted(map(str, content))[:SHOWN] if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{weights} holds {found}, but should hold a dict with the state dict under 'model'")
    for key, value in model.items():
        size, held = value.numel() * value.element_size(), _bytes_held(value)
        if size > held:
            raise CheckpointError(
                f"{weights}: {key} needs {size:,} bytes, but the file holds {held:,}; save plain tensors"
            )
        if value.dtype in FLOATS and not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{weights}: {key} holds NaN or infinite numbers; the training it came from diverged")
    return dict(model)


def architecture(state: Mapping[str, Tensor], weights: Path) -> Architecture:
    """What the shapes of a state dict say about the network. Raises CheckpointError when they say nothing consistent."""
    try:
        blocks = [_count(state, rf"RCNN_base\.{index}\.(\d+)\.") for index in (4, 5, 6)]
        blocks.append(_count(state, r"RCNN_conv_new\.0\.(\d+)\."))
        firsts = [f"RCNN_base.{index}.0.conv1.weight" for index in (4, 5, 6)] + ["RCNN_conv_new.0.0.conv1.weight"]
        widths = [_outputs(state, key, weights) for key in firsts]
        maps = spec.GROUP * spec.GROUP
        return Architecture(
            (blocks[0], blocks[1], blocks[2], blocks[3]),
            _outputs(state, "RCNN_base.0.weight", weights),
            (widths[0], widths[1], widths[2], widths[3]),
            _outputs(state, "RCNN_conv_1x1.weight", weights),
            _outputs(state, "RCNN_rpn.RPN_Conv.weight", weights),
            _outputs(state, "RCNN_rpn.RPN_cls_score.weight", weights) // 2,
            _outputs(state, "RCNN_cls_base.weight", weights) // maps,
        )
    except KeyError as error:
        raise CheckpointError(
            f"{weights} lacks {error} of an R-FCN checkpoint; its first keys are {sorted(state)[:SHOWN]}. It should have "
            "upstream's keys (RCNN_base.*, RCNN_conv_new.*, RCNN_rpn.*, RCNN_cls_base.weight, RCNN_bbox_base.weight)"
        ) from error


def save_checkpoint(target: Path, network: Rfcn, epoch: int) -> None:
    """Write the upstream format: float32, contiguous, without an optimizer's state."""
    state = {key: value.detach().contiguous() for key, value in network.state_dict().items()}
    state["RCNN_conv_new.1.weight"] = state["RCNN_conv_1x1.weight"]  # one tensor under two keys, as upstream
    content = {
        "session": 1,
        "epoch": epoch,
        "model": state,
        "optimizer": {},
        "pooling_mode": "pspool",
        "class_agnostic": False,
    }
    torch.save(content, target)


def _expect_same(weights: Path, got: Mapping[str, Tensor], want: Mapping[str, Tensor]) -> None:
    """Keys, shapes and dtypes, and that the one convolution with two keys is one."""
    wrong = [f"lacks {key} {tuple(want[key].shape)}" for key in want if key not in got]
    wrong += [f"has the unknown {key}" for key in got if key not in want]
    for key in (key for key in want if key in got):
        is_, should = (f"{tuple(tensor.shape)} {tensor.dtype}" for tensor in (got[key], want[key]))
        if is_ != should:
            wrong.append(f"has {key} as {is_}, but should be {should}")
    if wrong:
        raise CheckpointError(f"{weights} differs from the network in {len(wrong)} places: " + "; ".join(wrong[:SHOWN]))
    if not torch.equal(got["RCNN_conv_1x1.weight"], got["RCNN_conv_new.1.weight"]):
        raise CheckpointError(
            f"{weights}: RCNN_conv_1x1.weight and RCNN_conv_new.1.weight are one convolution, but differ"
        )


def _outputs(state: Mapping[str, Tensor], key: str, weights: Path) -> int:
    """Output channels of the convolution with this weight."""
    shape = tuple(state[key].shape)
    if len(shape) != 4 or shape[0] < 1:
        raise CheckpointError(f"{weights} has {key} as {shape}, but should be a convolution's weight, 4 sides")
    return shape[0]


def _bytes_held(value: Tensor) -> int:
    """Bytes the file gave for it: none for sparse and meta tensors, few for a view repeated over itself."""
    plain = value.layout is torch.strided and value.device.type == "cpu"
    return value.untyped_storage().nbytes() if plain else 0


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    found = [re.match(pattern, key) for key in state]
    return len({match[1] for match in found if match})


def _first_line(error: Any) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
