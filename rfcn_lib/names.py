"""Names that people give to pictures, classes and sets. They become parts of file names, so some of them are refused."""

from typing import Final

LONGEST_BYTES: Final = 200  # a file system takes 255; the suite adds an ending, and `.partial` while it writes


def name_fault(name: str) -> str | None:
    """Why a name cannot be a part of a file name; None if it can: printable characters of any script, without a separator."""
    if not name:
        return "it is empty"
    if "/" in name:
        return "it has the separator '/'"
    strange = next((letter for letter in name if not letter.isprintable()), None)
    if strange is not None:
        return f"it has the character U+{ord(strange):04X}, which cannot be printed"
    if name != name.strip():
        return "it begins or ends with a blank"
    if len(name.encode()) > LONGEST_BYTES:
        return f"it has {len(name.encode())} bytes, but may have {LONGEST_BYTES}"
    return None
