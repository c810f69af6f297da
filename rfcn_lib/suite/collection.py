"""Which test files pytest reads.

Importing all of them, to run those of one marker, takes longer than judging a finished run again.
"""

from pathlib import Path

import pytest

# markers of the contract; the first four have one file each, tests/test_<marker>.py
CONTRACT = ("export", "adapt", "accuracy", "performance", "rehearsal", "npu", "gpu")
TESTS = Path(__file__).resolve().parents[2] / "tests"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Where only the contract runs, hypothesis is not imported for its line in the summary: that would take a second."""
    plugin = config.pluginmanager.get_plugin("hypothesispytest")
    if plugin and config.getoption("markexpr") in CONTRACT:
        config.pluginmanager.unregister(plugin)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m accuracy` read tests/test_accuracy.py alone, and so on."""
    mark = config.getoption("markexpr")
    others = [f"test_{other}.py" for other in CONTRACT[:4] if other != mark and mark in CONTRACT[:4]]
    contract_of_another = collection_path.parent == TESTS and collection_path.name in others
    of_the_suite = collection_path in (TESTS / "unit", TESTS / "system")
    return True if mark in CONTRACT and (of_the_suite or contract_of_another) else None
