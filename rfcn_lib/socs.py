"""The chips that atc compiles for, by their names for --soc_version."""

# we found no facts about the two vendor operators on these chips, so the suite does not judge a port on them
NO_FACTS = ("Ascend610", "Ascend910_95", "Ascend950")

# platform_config/*.ini of an installed CANN 8.1.RC1; ATC guide, --soc_version: "Ascend" + Name of npu-smi info
KNOWN_SOCS = (
    "Ascend310",
    *(f"Ascend310B{number}" for number in (1, 2, 3, 4)),
    *(f"Ascend310P{number}" for number in (1, 3, 5, 7)),
    "Ascend610",
    *(f"Ascend910{kind}" for kind in ("A", "ProA", "ProB", "PremiumA")),
    *(f"Ascend910B{kind}" for kind in ("", "1", "2", "2C", "3", "4", "4-1")),
    *(f"Ascend910_{number}" for number in (9362, 9372, 9381, 9382, 9391, 9392)),  # A3
)
