"""How a run ends, as docs/exit-codes.md has it; scripts of customers hold these numbers."""

FAILED = 1
WRONG_USAGE = 4
NOT_JUDGED = 10
INCONCLUSIVE = 11
LOOSENED = 12
