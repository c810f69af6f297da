"""An R-FCN of a few thousand weights with every part of the large one, for tests that must be quick.

PyTorch is imported where a network is made: a process that needs the port alone starts two seconds sooner.
"""

import numpy as np

from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.records import Picture

CANVAS_WH = (112, 80)
CLASSES = 3


def port_of(**proposals):
    """The published port with three classes, a small canvas, small anchors and few proposals."""
    published = read_port(PUBLISHED)
    smaller = {"anchor_scales": (1.0, 2.0, 4.0), "before_nms": 150, "kept": 40, **proposals}
    pictures = published.pictures.model_copy(update={"short_side_px": 64, "canvas_wh_px": CANVAS_WH})
    return published.model_copy(
        update={
            "name": "tiny",
            "classes": published.classes[:CLASSES],
            "pictures": pictures,
            "proposals": published.proposals.model_copy(update=smaller),
        }
    )


PORT = port_of()


def architecture():
    from rfcn_lib.source.network import Architecture

    return Architecture((2, 1, 2, 3), 4, (2, 3, 4, 5), 6, 7, 9, CLASSES + 1)


def network_of(port=PORT, seed=0):
    """Seeded, in inference mode; batch norms away from their defaults, boxes that move, scores that differ."""
    import torch

    from rfcn_lib.source.seeding import seeded_network

    network = seeded_network(architecture(), port, seed)
    draws = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.mul_(torch.rand(module.weight.shape, generator=draws) + 0.5)
                module.bias.copy_(torch.randn(module.bias.shape, generator=draws) * 0.2)
                module.running_mean.copy_(torch.randn(module.bias.shape, generator=draws) * 0.2)
                module.running_var.copy_(torch.rand(module.bias.shape, generator=draws) + 0.5)
        network.RCNN_rpn.RPN_bbox_pred.weight *= 5
        network.RCNN_bbox_base.weight *= 10
    return network


def picture_of(id="000001", scaled_wh=(100, 64)):
    return Picture(id, scaled_wh, scaled_wh, CANVAS_WH, 1.0)


def im_data_of(seed, canvas_wh=CANVAS_WH):
    """(1, 3, H, W) float32: grey levels that change from place to place, as a picture's do."""
    width, height = canvas_wh
    draws = np.random.default_rng(seed)
    coarse = draws.normal(size=(3, height // 16, width // 16)).repeat(16, axis=1).repeat(16, axis=2)
    return (60 * coarse + 15 * draws.normal(size=(3, height, width))).astype(np.float32)[None]


def twin_at(folder, port=PORT):
    """Export the network, and define the vendor's operators for ONNX Runtime; returns the file."""
    from rfcn_lib.graph.export import onnx_from_network
    from rfcn_lib.graph.twin import twin_from_vendor

    onnx_from_network(folder / "rfcn.onnx", network_of(port), port.pictures.canvas_wh_px)
    twin_from_vendor(folder / "twin.onnx", folder / "rfcn.onnx")
    return folder / "twin.onnx"
