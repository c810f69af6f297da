"""Which NPUs are run on and compiled for: the devices chosen, what they have in common, and the soc that atc knows them by."""

import re
from collections.abc import Sequence

from rfcn_lib.ascend.npu_lines import number
from rfcn_lib.ascend.npu_smi import Npu, NpuSmiError, chips_on_card
from rfcn_lib.socs import KNOWN_SOCS, NO_FACTS


def soc_of(npu: Npu) -> str:
    """What `atc --soc_version` takes for this chip: "Ascend" + its name.

    The name 910B alone is the first generation's, Ascend910B (platform_config/Ascend910B.ini of CANN 8.1.RC1:
    Short_SoC_version=Ascend910); its successors call themselves 910B1 to 910B4.

    Raises:
        NpuSmiError: the name alone does not tell (A3 calls itself Ascend910), or no known soc is called so.
    """
    soc = _soc_named(npu)
    if soc.startswith(NO_FACTS):
        raise NpuSmiError(
            f"{_place(npu)} is an {soc}, of which this suite knows no facts; choose others with --devices, or try it with "
            f"--soc={soc}"
        )
    if soc not in KNOWN_SOCS:
        why = "does not tell which chip it is" if npu.name in ("910", "Ascend910") else "is not known"
        raise NpuSmiError(
            f"{_place(npu)} calls itself {npu.name!r}, which {why}; pass --soc=NAME, one of {', '.join(KNOWN_SOCS)}"
        )
    return soc


def expect_alike(npus: Sequence[Npu], chosen: Sequence[Npu], soc: str | None) -> None:
    """One model runs on all of `chosen`, and one chip's rate x the chips of its card means the same on each.

    Raises:
        NpuSmiError: chips of different names, cards of different numbers of chips, a whole chip beside a slice of one, or
            not the chip that `soc` names.
    """
    kinds = {npu.device_id: (npu.name, npu.slice, chips_on_card(npus, npu)) for npu in chosen}
    if len(set(kinds.values())) > 1:
        said = ", ".join(
            f"{_place(npu)} is a {npu.name}{npu.slice and f' {npu.slice}'} on a card of {chips_on_card(npus, npu)}"
            for npu in chosen
        )
        raise NpuSmiError(f"{said}; a rate of one card needs alike ones: choose others with --devices=")
    first = chosen[0]
    name = _soc_named(first)
    # a name that does not tell the chip tells its family all the same: Ascend910 of an A3 is no 310; `xxx` tells nothing
    told = re.match(r"Ascend[0-9]{3}", name)
    if soc and (soc != name if name in KNOWN_SOCS else told and not soc.startswith(name)):
        raise NpuSmiError(
            f"--soc={soc}, but {_place(first)} is an {name}, which does not run a model compiled for another chip; leave "
            "--soc out, or choose other --devices"
        )


def chosen_npus(npus: Sequence[Npu], ids: str | None) -> tuple[Npu, ...]:
    """The NPUs named by `ids`, such as "0,1,3", in that order; the first one where `ids` is None.

    Raises:
        NpuSmiError: not numbers between commas, one twice, or one that is not there; names the valid ones.
    """
    if not npus:
        raise NpuSmiError("npu-smi info lists no NPU; is the card seated, and may this container see it?")
    there = {npu.device_id: npu for npu in npus}
    words = [str(npus[0].device_id)] if ids is None else [word.strip() for word in ids.split(",")]
    wrong = [word for word in words if number(word) not in there]
    if wrong or len({int(word) for word in words}) != len(words):
        what = f"{wrong[0]!r} is not one" if wrong else "one is named twice"
        raise NpuSmiError(
            f"--devices={ids} should name devices of this host between commas, but {what}; "
            f"there are {', '.join(f'{npu.device_id} (NPU {npu.npu_id} chip {npu.chip})' for npu in npus)}"
        )
    return tuple(there[int(word)] for word in words)


def _soc_named(npu: Npu) -> str:
    return npu.name if npu.name.startswith("Ascend") else f"Ascend{npu.name}"


def _place(npu: Npu) -> str:
    return f"device {npu.device_id} (NPU {npu.npu_id} chip {npu.chip})"
