"""Limits of the criteria that come from outside the run: the published figures, or those of a GPU baseline."""

from rfcn_lib import spec
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.port import Criterion, Port


def published_figure(port: Port, devkit: Devkit) -> Criterion | str:
    """The published mean AP, or a sentence that says why it cannot be compared with."""
    if "mean_ap" not in port.criteria:
        return f"the port '{port.name}' names no published mean AP ([criteria.mean_ap])"
    if devkit.set_name != "test" or len(devkit.ids) != spec.VOC_TEST_COUNT:
        return "the published mean AP is judged on the whole of VOC2007 test (4,952 ids); pass --devkit=PATH, no --limit or --set"
    return port.criteria["mean_ap"]
