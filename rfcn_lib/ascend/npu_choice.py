"""Choose the NPUs that the suite uses (--devices), check that they are alike, and find their chip's name for atc (--soc)."""

import re
from collections.abc import Sequence

from rfcn_lib.ascend.npu_lines import number
from rfcn_lib.ascend.npu_smi import Npu, NpuSmiError, chips_on_card
from rfcn_lib.socs import KNOWN_SOCS, NO_FACTS


def soc_of(npu: Npu) -> str:
    """The name that `atc --soc_version` takes for this chip: "Ascend" + the name in npu-smi's table.

    The name 910B alone means the first generation, Ascend910B (platform_config/Ascend910B.ini of CANN 8.1.RC1:
    Short_SoC_version=Ascend910). Later chips are named 910B1 to 910B4.

    Raises:
        NpuSmiError: the name does not identify the chip (an A3 chip has the name Ascend910), or the name is unknown.
    """
    soc = _soc_name(npu)
    if soc.startswith(NO_FACTS):
        raise NpuSmiError(
            f"{_place(npu)} is an {soc}, and this suite knows no facts about it; choose other devices with --devices, or try "
            f"it with --soc={soc}"
        )
    if soc not in KNOWN_SOCS:
        why = "several chips have" if npu.name in ("910", "Ascend910") else "is not known"
        raise NpuSmiError(
            f"{_place(npu)} has the name {npu.name!r}, which {why}; pass --soc=NAME, one of {', '.join(KNOWN_SOCS)}"
        )
    return soc


def expect_alike(npus: Sequence[Npu], chosen: Sequence[Npu], soc: str | None) -> None:
    """Check that the chosen NPUs are alike: one om runs on all of them, and their rates can be compared.

    npus    every chip of the host
    chosen  the chips that the suite uses
    soc     the value of --soc, None if the user gave none

    Raises:
        NpuSmiError: the chips have different names, their cards have different numbers of chips, one is a whole chip and
            another a part of one (a virtual NPU), or `soc` is another chip.
    """
    kinds = {npu.device_id: (npu.name, npu.slice, chips_on_card(npus, npu)) for npu in chosen}
    if len(set(kinds.values())) > 1:
        differences = ", ".join(
            f"{_place(npu)} is a {npu.name}{npu.slice and f' {npu.slice}'} on a card of {chips_on_card(npus, npu)}"
            for npu in chosen
        )
        raise NpuSmiError(f"{differences}; the suite needs chips that are alike: choose others with --devices=")
    first = chosen[0]
    name = _soc_name(first)
    # a name such as Ascend910 does not identify the chip (A3), but it excludes other families, such as 310
    has_family = re.match(r"Ascend[0-9]{3}", name)
    if soc and (soc != name if name in KNOWN_SOCS else has_family and not soc.startswith(name)):
        raise NpuSmiError(
            f"--soc={soc}, but {_place(first)} is an {name}, and a chip runs only models that were compiled for it; leave "
            "--soc out, or choose other --devices"
        )


def chosen_npus(npus: Sequence[Npu], ids: str | None) -> tuple[Npu, ...]:
    """The NPUs with the device ids in `ids`, such as "0,1,3", in that order. With None: the first NPU.

    Raises:
        NpuSmiError: `npus` is empty; `ids` is not numbers between commas, has a number twice, or a number without a
            device. The message lists the valid ids.
    """
    if not npus:
        raise NpuSmiError("npu-smi info lists no NPU; is the card plugged in, and can this container see it?")
    by_id = {npu.device_id: npu for npu in npus}
    words = [str(npus[0].device_id)] if ids is None else [word.strip() for word in ids.split(",")]
    wrong = [word for word in words if number(word) not in by_id]
    if wrong or len({int(word) for word in words}) != len(words):
        what = f"{wrong[0]!r} is not a device" if wrong else "a number occurs twice"
        raise NpuSmiError(
            f"--devices={ids} should be device numbers of this host between commas, but {what}; "
            f"this host has {', '.join(f'{npu.device_id} (NPU {npu.npu_id} chip {npu.chip})' for npu in npus)}"
        )
    return tuple(by_id[int(word)] for word in words)


def _soc_name(npu: Npu) -> str:
    return npu.name if npu.name.startswith("Ascend") else f"Ascend{npu.name}"


def _place(npu: Npu) -> str:
    return f"device {npu.device_id} (NPU {npu.npu_id} chip {npu.chip})"
