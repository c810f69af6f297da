"""Reasons not to trust a measurement on these devices: a chip that is not healthy, in use, virtual, or missing.

The run calls these functions before and after its batches. The folder of the run keeps their sentences, `rfcn_lib.runs.folder`.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from rfcn_lib.ascend import toolkit
from rfcn_lib.ascend.npu_smi import Npu, NpuSmiError

WAIT_S: Final = 2.0
ATTEMPTS: Final = 3  # npu-smi's load is a mean over some time, so shortly after a run it may still show the run itself
LOAD: Final = "AICore at"  # npu_smi begins a sentence about load with these words


def health_problems(npus: Sequence[Npu], chosen: Sequence[Npu]) -> tuple[str, ...]:
    """One sentence for each reason not to trust a measurement on the chosen chips; () if there is none.

    npus  every chip of the host. A card's rate is one chip's rate x the chips of the card, so the whole card must be healthy
    """
    cards = {npu.npu_id for npu in chosen}
    unhealthy = [
        f"{npu.description}: health is {npu.health}, should be OK"
        for npu in npus
        if npu.npu_id in cards and npu.health != "OK"
    ]
    busy = [f"{npu.description} is in use: {sentence}" for npu in chosen for sentence in npu.busy]
    slices = [
        f"{npu.description} is a virtual NPU, {npu.slice}: the result is of a part of a chip"
        for npu in chosen
        if npu.slice
    ]
    warnings = npus[0].warnings if npus else ()
    return (*unlisted_devices(npus), *unhealthy, *busy, *slices, *virtual_npus(), *warnings)


def unlisted_devices(npus: Sequence[Npu]) -> tuple[str, ...]:
    """One sentence if the driver shows more devices in /dev than `npu-smi info` lists; else ()."""
    nodes = sorted(node.name for node in toolkit.DEV.glob("davinci[0-9]*"))
    if len(nodes) <= len(npus):
        return ()
    listed = ", ".join(f"{npu.device_id} (NPU {npu.npu_id} chip {npu.chip})" for npu in npus)
    return (
        f"npu-smi info lists devices {listed}, but the driver shows {len(nodes)} ({toolkit.DEV}/{nodes[0]} to {nodes[-1]}): is "
        "the table of npu-smi incomplete, or is a chip lost? the rate of a card is one chip's rate x the chips listed",
    )


def virtual_npus() -> tuple[str, ...]:
    """One sentence if the driver shows virtual NPUs, /dev/vdavinci100 and on (Ascend virtual instance guide); else ()."""
    nodes = sorted(node.name for node in toolkit.DEV.glob("vdavinci[0-9]*"))
    if not nodes:
        return ()
    return (f"the driver shows virtual NPUs ({toolkit.DEV}/{', '.join(nodes)}): the result may be of a part of a chip",)


def health_problems_now(device_ids: Sequence[int], wait: Callable[[float], None] = time.sleep) -> tuple[str, ...]:
    """The health problems of these devices now, from npu-smi.

    If npu-smi shows load, this function asks again, up to ATTEMPTS times; `wait(seconds)` waits between two questions.
    """
    for _ in range(ATTEMPTS):
        try:
            found = toolkit.npus()
        except NpuSmiError as error:
            return (f"cannot check the devices: {error}",)
        if isinstance(found, toolkit.Missing):
            return (f"cannot check the devices: {found}",)
        npus = found
        chosen = [npu for npu in npus if npu.device_id in device_ids]
        gone = [
            f"npu-smi info does not list device {id} any more"
            for id in device_ids
            if id not in {npu.device_id for npu in chosen}
        ]
        problems = (*gone, *health_problems(npus, chosen))
        if not any(f": {LOAD}" in sentence for sentence in problems):
            return problems
        wait(WAIT_S)
    return problems
