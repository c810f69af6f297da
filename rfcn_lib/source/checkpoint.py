"""Read and write checkpoints in upstream's format. The reader checks every key and shape, and runs no code from the file.

The format is `torch.save` of {"session", "epoch", "model", "optimizer", "pooling_mode", "class_agnostic"}; "model" is the
state dict. Source: trainval_net.py of RebornL/RFCN-pytorch.1.0.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.port import Port
from rfcn_lib.progress import say
from rfcn_lib.source.network import Architecture, Rfcn

LARGEST_FILE_BYTES = 4 << 30  # ten times a ResNet-152 with its optimizer's state
SHOWN = 5  # a message lists at most so many keys or differences
PARALLEL = "module."  # DataParallel puts it before every key
COUNTERS = ".num_batches_tracked"  # PyTorch before 0.4.1 saved none, and inference reads none
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # `_expect_same` refuses other dtypes


class CheckpointError(SuiteError):
    """The file is not a checkpoint of the network that the port describes."""


class _Unused:
    """Stands for a number or an array of numpy beside the model, which the suite does not use: no code of numpy runs."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


UNUSED: list[
    tuple[Callable[..., Any], str] | Callable[..., Any]
] = [  # names in a pickle. numpy 2 renamed numpy.core; forks save `"best_score": np.mean(aps)` or a learning rate
    (_Unused, name)
    for name in (
        "numpy.dtype",
        "numpy.ndarray",
        *(f"numpy.{core}.multiarray.{what}" for core in ("core", "_core") for what in ("scalar", "_reconstruct")),
    )
]


def network_from_checkpoint(weights: Path, port: Port) -> Rfcn:
    """The source model in inference mode, from a checkpoint.

    Depth, widths and number of classes come from the shapes in the file, everything else from the port.

    Raises:
        CheckpointError: the file does not exist, is not a checkpoint, or contains code; it lacks keys, has unknown keys,
            other shapes, or numbers that are not finite; or its number of classes or anchors differs from the port's.
            The message names the file and the first differences.
    """
    state = read_state(weights)
    shape = architecture(state, weights)
    if shape.columns != len(port.classes) + 1:
        raise CheckpointError(
            f"{weights} has {shape.columns} score columns, but the port '{port.name}' has {len(port.classes)} classes and "
            f"background, {len(port.classes) + 1} columns; pass the checkpoint's own --port=FILE"
        )
    per_cell = len(port.proposals.anchor_ratios) * len(port.proposals.anchor_scales)
    if shape.anchors_per_cell != per_cell:
        raise CheckpointError(
            f"{weights} has {shape.anchors_per_cell} anchors per cell, but the port '{port.name}' lists {per_cell} "
            "(ratios x scales); pass the checkpoint's own --port=FILE"
        )
    _expect_boxes_of_each_class(weights, state, shape)
    with torch.device("meta"):
        network = Rfcn(shape, port.proposals)
    wanted = network.state_dict()
    counters = {key: torch.tensor(0) for key in wanted if key.endswith(COUNTERS)}
    state = {**counters, **state}
    _expect_same(weights, state, wanted)
    network.load_state_dict(state, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def read_state(weights: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint, with tensors on the CPU. Raises CheckpointError as `network_from_checkpoint`."""
    try:
        size = weights.stat().st_size
        if not weights.is_file() or size > LARGEST_FILE_BYTES:
            raise CheckpointError(
                f"{weights} is not a checkpoint: it should be a regular file of at most {LARGEST_FILE_BYTES >> 30} GB"
            )
        file = weights.open("rb")
    except OSError as error:
        raise CheckpointError(f"no checkpoint at {weights}: {error.strerror}; pass --weights=PATH") from error
    try:
        with file, torch.serialization.safe_globals(UNUSED):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # on a damaged file torch raises many classes, from struct.error to AttributeError
        raise CheckpointError(
            f"{weights} is not a checkpoint that torch reads without running code ({_cause(error)}); the suite ran no "
            "code from it. The file should be torch.save of a dict with the state dict under 'model'"
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
                f"{weights}: {key} needs {size:,} bytes, but the file has {held:,}; save plain tensors"
            )
        if value.dtype in FLOATS and not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                f"{weights}: {key} has NaN or infinite numbers, but should have finite ones; the training diverged"
            )
    return _without_prefix(weights, model)


def _without_prefix(weights: Path, model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if not model or not all(key.startswith(PARALLEL) for key in model):
        return dict(model)
    say(f"{weights}: every key begins with {PARALLEL!r}, as DataParallel saves it; the suite drops it")
    return {key.removeprefix(PARALLEL): value for key, value in model.items()}


def architecture(state: Mapping[str, Tensor], weights: Path) -> Architecture:
    """The network's sizes, from the shapes in a state dict. Raises CheckpointError if a needed key is absent or no convolution.

    weights  the file's path, for the message
    """
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
            f"{weights} lacks the key {error}; its first keys are {sorted(state)[:SHOWN]}. An R-FCN checkpoint should have "
            "upstream's keys (RCNN_base.*, RCNN_conv_new.*, RCNN_rpn.*, RCNN_cls_base.weight, RCNN_bbox_base.weight)"
        ) from error


def save_checkpoint(target: Path, network: Rfcn, epoch: int) -> None:
    """Write `network` in upstream's format: float32, contiguous tensors, without the optimizer's state."""
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


def _expect_boxes_of_each_class(weights: Path, state: Mapping[str, Tensor], shape: Architecture) -> None:
    """Refuse a network trained with upstream's `class_agnostic`: its four box corrections are shared by all classes."""
    maps = spec.GROUP * spec.GROUP
    got = tuple(state["RCNN_bbox_base.weight"].shape) if "RCNN_bbox_base.weight" in state else ()
    if got[:1] == (4 * maps,) and shape.columns > 1:
        raise CheckpointError(
            f"{weights} was trained with class_agnostic=True: RCNN_bbox_base.weight is {got}, 4 box corrections for all classes "
            f"together, but the published port has 4 for each of {shape.columns} columns, {4 * shape.columns * maps} rows; train "
            "without --cag"
        )


def _expect_same(weights: Path, got: Mapping[str, Tensor], want: Mapping[str, Tensor]) -> None:
    """Compare keys, shapes and dtypes, and check that the two keys of one convolution have the same numbers."""
    wrong = [f"lacks {key} {tuple(want[key].shape)}" for key in want if key not in got]
    wrong += [f"has the unknown {key}" for key in got if key not in want]
    for key in (key for key in want if key in got):
        got_, want_ = (f"{tuple(tensor.shape)} {tensor.dtype}" for tensor in (got[key], want[key]))
        if got_ != want_:
            wrong.append(f"has {key} as {got_}, but should be {want_}")
    if wrong:
        raise CheckpointError(f"{weights} differs from the network in {len(wrong)} places: " + "; ".join(wrong[:SHOWN]))
    if not torch.equal(got["RCNN_conv_1x1.weight"], got["RCNN_conv_new.1.weight"]):
        raise CheckpointError(
            f"{weights}: RCNN_conv_1x1.weight and RCNN_conv_new.1.weight are one convolution, but differ"
        )


def _outputs(state: Mapping[str, Tensor], key: str, weights: Path) -> int:
    """Number of output channels of the convolution whose weight has this key."""
    shape = tuple(state[key].shape)
    if len(shape) != 4 or shape[0] < 1:
        raise CheckpointError(f"{weights} has {key} as {shape}, but should be a convolution's weight, 4 sides")
    return shape[0]


def _bytes_held(value: Tensor) -> int:
    """Bytes of the tensor in the file: 0 for a sparse or meta tensor, few for a tensor that repeats its own numbers (expand)."""
    plain = value.layout is torch.strided and value.device.type == "cpu"
    return value.untyped_storage().nbytes() if plain else 0


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    found = [re.match(pattern, key) for key in state]
    return len({match[1] for match in found if match})


def _cause(error: Any) -> str:
    """What torch refused, in a few words: the name of the global, or the first line of its message."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", str(error).strip() or type(error).__name__)
    refused = re.search(r"GLOBAL ([\w.]+)", text)
    if refused:
        return f"it holds {refused[1]}, which is neither a tensor nor a number; save the state dict alone"
    line = text.rpartition("WeightsUnpickler error: ")[2].splitlines()[0]
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:200]
