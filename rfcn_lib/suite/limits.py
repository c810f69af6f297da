"""Limits of the criteria that come from outside the run: the published figures, or those of a reference packet."""

from rfcn_lib import spec
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.fixed_set import is_voc2007_test, standing_of
from rfcn_lib.port import PUBLISHED, Criterion, Port, read_port
from rfcn_lib.score.packet_records import Facts


def published_figure(port: Port, devkit: Devkit) -> Criterion | str:
    """The published mean AP, or a sentence that says why it cannot be compared with."""
    if "mean_ap" not in port.criteria:
        return f"the port '{port.name}' names no published mean AP ([criteria.mean_ap])"
    if devkit.set_name != "test" or len(devkit.ids) != spec.VOC_TEST_COUNT:
        return "the published mean AP is judged on the whole of VOC2007 test (4,952 ids); pass --devkit=PATH, no --limit or --set"
    if not is_voc2007_test(devkit, port.classes):
        said = standing_of(devkit, port.classes, None)
        return f"the published mean AP is judged on VOC2007 test, but of this set {said}; restore the set and its annotations"
    return port.criteria["mean_ap"]


def loosened(port: Port, baseline: Facts | None) -> tuple[str, ...]:
    """Limits of the port and of --baseline that ask for less than the published ones, in words."""
    return (*_looser_port(port), *_looser_baseline(baseline))


def _looser_port(port: Port) -> tuple[str, ...]:
    """Limits that ask for less than the published port's."""
    published = read_port(PUBLISHED).criteria
    at_most = {"mean_ap_drop", "class_ap_drop"}
    return tuple(
        f"{name} {mine.limit:g}, published {published[name].limit:g}"
        for name, mine in port.criteria.items()
        if (mine.limit > published[name].limit if name in at_most else mine.limit < published[name].limit)
    )


def _looser_baseline(baseline: Facts | None) -> tuple[str, ...]:
    """Figures of --baseline that ask for less than the published ones."""
    if baseline is None:
        return ()
    published = read_port(PUBLISHED).criteria
    pairs = (
        ("mean_ap", baseline.mean_ap, published["mean_ap"].limit),
        ("throughput_fps", baseline.rates.script_fps if baseline.rates else 0.0, published["throughput_fps"].limit),
    )
    return tuple(f"{name} {mine:.4g} of --baseline, published {limit:g}" for name, mine, limit in pairs if mine < limit)


def too_good(candidate: float, reference: float, most_lost: float) -> str:
    """A sentence where the candidate's mean AP is above the reference's by more than a port may lose; "" where it is not.

    A port cannot find what the source model does not find. What raises mean AP so far is another graph, other weights, or outputs
    that no network made; and it can pay for a loss that then nobody sees. `most_lost`: the agreed drop, a share.
    """
    gain = candidate / reference - 1 if reference > 0 else 0.0
    if gain <= most_lost:
        return ""
    return (
        f"TOO GOOD: mean AP {candidate:.4f} is {gain:.2%} above the reference's {reference:.4f}, where a port may lose "
        f"{most_lost:.2%}; a port cannot find more than its source model does"
    )
