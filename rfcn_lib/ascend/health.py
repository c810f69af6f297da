"""What speaks against trusting a measurement on these devices: asked before a run and after it."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from rfcn_lib.ascend import toolkit
from rfcn_lib.ascend.npu_smi import Npu, NpuSmiError

SETTLE_S: Final = 2.0
LOOKS: Final = 3  # the load column is a mean over some time, so right after a run the run itself may still be in it
LOAD: Final = "AICore at"  # how npu_smi begins a sentence about load


def troubles_of(npus: Sequence[Npu], chosen: Sequence[Npu]) -> tuple[str, ...]:
    """A sentence for each reason not to trust a measurement on the chosen chips; none is best.

    npus  every chip of the host: a card's rate is one chip's x the chips of the card, so all of them should be well
    """
    cards = {npu.npu_id for npu in chosen}
    ill = [
        f"{npu.called}: health is {npu.health}, should be OK"
        for npu in npus
        if npu.npu_id in cards and npu.health != "OK"
    ]
    busy = [f"{npu.called} is in use: {sentence}" for npu in chosen for sentence in npu.busy]
    slices = [f"{npu.called} is a virtual NPU, {npu.slice}: a part of a chip was judged" for npu in chosen if npu.slice]
    doubts = npus[0].doubts if npus else ()
    return (*unlisted(npus), *ill, *busy, *slices, *virtual_nodes(), *doubts)


def unlisted(npus: Sequence[Npu]) -> tuple[str, ...]:
    """A sentence where the driver offers more devices than `npu-smi info` listed; none is best."""
    nodes = sorted(node.name for node in toolkit.DEV.glob("davinci[0-9]*"))
    if len(nodes) <= len(npus):
        return ()
    listed = ", ".join(f"{npu.device_id} (NPU {npu.npu_id} chip {npu.chip})" for npu in npus)
    return (
        f"npu-smi info lists devices {listed}, but the driver offers {len(nodes)} ({toolkit.DEV}/{nodes[0]} to {nodes[-1]}): is "
        "its table cut, or a chip lost? a rate of a card is one chip's x the chips listed",
    )


def virtual_nodes() -> tuple[str, ...]:
    """A sentence where the driver offers virtual NPUs: /dev/vdavinci100 and on (Ascend virtual instance guide); none is best."""
    nodes = sorted(node.name for node in toolkit.DEV.glob("vdavinci[0-9]*"))
    if not nodes:
        return ()
    return (
        f"the driver offers virtual NPUs ({toolkit.DEV}/{', '.join(nodes)}): a part of a chip may have been judged",
    )


def troubles_now(device_ids: Sequence[int], wait: Callable[[float], None] = time.sleep) -> tuple[str, ...]:
    """The same of these devices as npu-smi shows them now; load alone is looked at again, and counts when it stays."""
    for _ in range(LOOKS):
        try:
            found = toolkit.npus()
        except NpuSmiError as error:
            return (f"the devices could not be looked at: {error}",)
        if isinstance(found, toolkit.Missing):
            return (f"the devices could not be looked at: {found}",)
        npus = found
        chosen = [npu for npu in npus if npu.device_id in device_ids]
        gone = [
            f"device {id} is not listed any more" for id in device_ids if id not in {npu.device_id for npu in chosen}
        ]
        seen = (*gone, *troubles_of(npus, chosen))
        if not any(f": {LOAD}" in sentence for sentence in seen):
            return seen
        wait(SETTLE_S)
    return seen
