"""Twenty variations of a port that change nothing a customer should see: each must end green."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from rfcn_lib.devices import onnx_runtime
from rfcn_lib.faults.colours import right_input
from rfcn_lib.faults.deltas import output_of
from rfcn_lib.faults.fault import GraphFault, PictureFault, rng_of
from rfcn_lib.faults.simulate import simulate
from rfcn_lib.faults.surgery import (
    apply,
    backbone,
    convolutions,
    heads,
    numbers_of,
    read,
    readers_of,
    redirect,
    set_numbers,
    step,
    upstream,
)
from rfcn_lib.graph.rehearsal.rehearsed import rehearsed_from_vendor
from rfcn_lib.pictures.preprocess import prepare
from rfcn_lib.runs.folder import RunFolder
from tests.support.planting import SOC, Finding, Planter


@dataclass(frozen=True)
class Variation:
    """make: planter, chip, folder -> outputs by id, or a folder of dumps; options: more of the command line."""

    name: str
    sentence: str
    make: Callable
    soc: str = SOC


def plant_harmless(variation: Variation, planter: Planter, folder: Path) -> Finding:
    """Make the variation's dumps, judge them, and keep the row."""
    soc = variation.soc
    finding = Finding(variation.name, "", variation.sentence, True, False, soc)
    finding.mean_ap_without = planter.without(SOC, folder).mean_ap
    made = variation.make(planter, soc, folder)
    options = made if isinstance(made, tuple) else (f"--dumps={planter.write(made, folder / 'dumps')}",)
    planter.judge(finding, options, folder)
    planter.keep(finding)
    return finding


# -- arithmetic ------------------------------------------------------------------------------------------------------------


def as_it_is(planter, soc, folder):
    return planter.plain(soc)


def with_graph(change, planter, soc, folder):
    return simulate(GraphFault("a-variation", "backbone", "", change), planter.of(soc), planter.shown)


def with_input(change, planter, soc, folder):
    return simulate(PictureFault("a-variation", "pictures", "", change), planter.of(soc), planter.shown)


def last_bit(array, name):
    """Each number goes to its neighbour above or below, or stays."""
    towards = rng_of(name).choice(np.float32([-np.inf, np.inf]), array.shape)
    return np.where(rng_of(f"{name}?").random(array.shape) < 0.5, np.nextafter(array, towards), array).astype(
        np.float32
    )


def weights_last_bit(model):
    for node in convolutions(model):
        set_numbers(read(node, 1), last_bit(numbers_of(read(node, 1)), node.name))


def input_last_bit(rgb, picture, rules):
    return last_bit(right_input(rgb, picture, rules), picture.id)


def input_in_fp16(rgb, picture, rules):
    return right_input(rgb, picture, rules).astype(np.float16).astype(np.float32)


def means_in_float32(rgb, picture, rules):
    """The mean is a float32: 32 of 256 bytes differ in the last bit."""
    bgr = rgb[:, :, ::-1].astype(np.float32) - np.float32(rules.means_bgr)
    scaled = cv2.resize(bgr, None, None, fx=picture.scale, fy=picture.scale)
    canvas = np.zeros((1, 3, picture.canvas_wh[1], picture.canvas_wh[0]), np.float32)
    canvas[0, :, : scaled.shape[0], : scaled.shape[1]] = scaled.transpose(2, 0, 1)
    return canvas


def resized_by_torch(rgb, picture, rules):
    """PyTorch's bilinear resize with the same scale and centres: another order of the same products.

    Pixels of the edge are repeated first, because PyTorch rounds the size down and OpenCV to the nearest.
    """
    import torch

    bgr = (rgb[:, :, ::-1].astype(np.float64) - np.asarray(rules.means_bgr)).astype(np.float32)
    padded = np.pad(bgr, ((0, 2), (0, 2), (0, 0)), mode="edge")
    scaled = torch.nn.functional.interpolate(
        torch.from_numpy(padded.transpose(2, 0, 1).copy())[None],
        scale_factor=picture.scale,
        recompute_scale_factor=False,
        mode="bilinear",
        align_corners=False,
    )
    width, height = picture.scaled_wh
    canvas = np.zeros((1, 3, picture.canvas_wh[1], picture.canvas_wh[0]), np.float32)
    canvas[:, :, :height, :width] = scaled.numpy()[:, :, :height, :width]
    return canvas


def channels_permuted(model):
    """A layer's channels in another order, in what reads them too: sums in another order."""
    first, second = (node for node in backbone(model)[1:3])
    order = rng_of("channels").permutation(len(numbers_of(read(first, 1))))
    for index in (1, 2):
        set_numbers(read(first, index), numbers_of(read(first, index))[order])
    set_numbers(read(second, 1), numbers_of(read(second, 1))[:, order])


def softmax_in_steps(model):
    """Exp, sum and division in the place of one operator."""
    node = upstream(output_of(model, "cls_prob"), "Softmax")
    readers = readers_of(node.outputs[0])
    logits = read(node)
    highest = step(model, "ReduceMax", logits, axes=[1])
    power = step(model, "Exp", step(model, "Sub", logits, highest))
    redirect(model, readers, node.outputs[0], step(model, "Div", power, step(model, "ReduceSum", power, axes=[1])))


def mean_for_average_pool(model):
    """ReduceMean in the place of AveragePool."""
    for pool in heads(model):
        vote = next(node for node, _ in readers_of(pool.outputs[0]))
        readers = readers_of(vote.outputs[0])
        redirect(model, readers, vote.outputs[0], step(model, "ReduceMean", pool.outputs[0], axes=[2, 3], keepdims=1))


def reduced_in_two_parts(model):
    """The last reduction is two convolutions of half the channels, added: products are added in another order."""
    conv = backbone(model)[-1]
    weights = numbers_of(read(conv, 1))
    half = weights.shape[1] // 2
    readers, value = readers_of(conv.outputs[0]), read(conv)
    parts = apply(model, "Split", value, outputs=2, axis=1, split=[half, weights.shape[1] - half])
    made = [
        step(model, "Conv", part, side, kernel_shape=[1, 1])
        for part, side in zip(parts, (weights[:, :half].copy(), weights[:, half:].copy()), strict=True)
    ]
    redirect(model, readers, conv.outputs[0], step(model, "Add", *made))


def ties_last(planter, soc, folder):
    return _run(planter, soc, folder, ties="last")


def in_session(threads, level, planter, soc, folder):
    return _run(planter, soc, folder, threads=threads, level=level)


def in_reverse_order(planter, soc, folder):
    return dict(reversed(_run(planter, soc, folder, backwards=True).items()))


def _run(planter, soc, folder, *, ties="first", threads=1, level="ORT_ENABLE_ALL", backwards=False):
    target = folder / "variation.onnx"
    rehearsed_from_vendor(target, planter.adapted, soc, ties=ties)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(str(target), options, providers=["CPUExecutionProvider"])
    found = {}
    for shown in planter.shown[::-1] if backwards else planter.shown:
        im_data, picture = prepare(shown.path, shown.picture.id, shown.picture.size_wh, planter.port.pictures)
        found[picture.id] = onnx_runtime.run(session, im_data, picture)
    return found


# -- files -----------------------------------------------------------------------------------------------------------------


def _written(planter, soc, folder):
    return planter.write(planter.plain(soc), folder / "dumps")


def counted_from_0(planter, soc, folder):
    dumps = _written(planter, soc, folder)
    for index in (1, 2, 3):
        for path in dumps.glob(f"*_{index}.bin"):
            path.rename(path.with_name(path.name.replace(f"_{index}.bin", f"_{index - 1}.bin")))
    return (f"--dumps={dumps}",)


def as_npy(planter, soc, folder):
    dumps = folder / "dumps"
    dumps.mkdir()
    for id, outputs in planter.plain(soc).items():
        for at, name in enumerate(("rois", "cls_prob", "bbox_pred")):
            np.save(dumps / f"{id}_{at}.npy", getattr(outputs, name)[None])
    return (f"--dumps={dumps}",)


def with_summaries(planter, soc, folder):
    dumps = _written(planter, soc, folder)
    (dumps / "sumary.json").write_text("{}")
    return (f"--dumps={dumps}",)


def float64_reference(planter, soc, folder):
    """The reference's kept dumps are those of the source model in float64."""
    import torch

    from rfcn_lib.devices import pytorch
    from rfcn_lib.faults.commands import own_store
    from rfcn_lib.faults.fault import Bench
    from rfcn_lib.records import Outputs
    from rfcn_lib.source.checkpoint import network_from_checkpoint
    from tests.support.places import SPECIMEN

    weights = SPECIMEN / "rfcn_specimen.pth"
    own = folder / "own"
    own.mkdir()
    store = own_store(Bench(own, planter.devkit, planter.port_file, weights, folder, planter.store, folder))
    kept, network = (
        RunFolder(store / "dumps" / "torch", planter.port),
        network_from_checkpoint(weights, planter.port).double(),
    )
    jpegs = {
        line.split()[0]: line.split()[2] for line in (kept.path.resolve().parent / "made.txt").read_text().splitlines()
    }
    torch.set_num_threads(1)
    for shown in planter.shown:
        im_data, picture = prepare(shown.path, shown.picture.id, shown.picture.size_wh, planter.port.pictures)
        found = pytorch.run(network, im_data.astype(np.float64), picture.scaled_wh, picture)
        single = Outputs(*(getattr(found, name).astype(np.float32) for name in ("rois", "cls_prob", "bbox_pred")))
        kept.add(picture.id, single, jpegs[picture.id])
    return (f"--dumps={_written(planter, soc, folder)}", f"--store={store}")


CHIPS = ("Ascend310", "Ascend310B1", "Ascend310P3", "Ascend910A", "Ascend910B1")
VARIATIONS = (
    *(Variation(f"chip-{soc}", f"The rehearsal of {soc}, judged as {soc}.", as_it_is, soc) for soc in CHIPS),
    *(
        Variation(f"ties-last-{soc}", f"Of equal scores {soc} takes the last row first.", ties_last, soc)
        for soc in ("Ascend310", "Ascend310P3")
    ),
    Variation("weights-last-bit", "Half of the weights are the next float32.", partial(with_graph, weights_last_bit)),
    Variation(
        "input-last-bit", "Half of the input's numbers are the next float32.", partial(with_input, input_last_bit)
    ),
    Variation("input-in-fp16", "The input is rounded to fp16 before it enters.", partial(with_input, input_in_fp16)),
    Variation("means-in-float32", "The means are float32 numbers.", partial(with_input, means_in_float32)),
    Variation("resized-by-pytorch", "PyTorch resizes, with the same centres.", partial(with_input, resized_by_torch)),
    Variation("channels-permuted", "A layer's channels are in another order.", partial(with_graph, channels_permuted)),
    Variation("softmax-in-steps", "The softmax is Exp, ReduceSum and Div.", partial(with_graph, softmax_in_steps)),
    Variation("mean-for-average-pool", "ReduceMean joins the votes.", partial(with_graph, mean_for_average_pool)),
    Variation("reduced-in-two-parts", "A convolution is two halves, added.", partial(with_graph, reduced_in_two_parts)),
    Variation("two-threads", "ONNX Runtime has two threads.", partial(in_session, 2, "ORT_ENABLE_ALL")),
    Variation("no-optimisation", "ONNX Runtime optimises nothing.", partial(in_session, 1, "ORT_DISABLE_ALL")),
    Variation("basic-optimisation", "ONNX Runtime optimises little.", partial(in_session, 1, "ORT_ENABLE_BASIC")),
    Variation("pictures-in-reverse-order", "The pictures run in the reverse order.", in_reverse_order),
    Variation("files-counted-from-0", "The dumps are named _0.bin to _2.bin.", counted_from_0),
    Variation("files-as-npy", "The dumps are .npy files.", as_npy),
    Variation("summary-among-dumps", "The tool's summary lies among the dumps.", with_summaries),
    Variation("float64-reference", "The source model runs in float64.", float64_reference),
)
