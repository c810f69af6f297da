"""The names of makers and code in the pipeline lead to functions and modules."""

import importlib
import re

from rfcn_lib.suite.collection import CONTRACT, TESTS
from tests.support.places import ROOT

FILES = [ROOT / "conftest.py", *(ROOT / "rfcn_lib" / "suite").glob("*.py")]
NAMES = [
    name
    for path in FILES
    for name in re.findall(
        r"\"(rfcn_lib(?:\.[a-z_]+)+:[a-z_]+|rfcn_lib(?:\.[a-z_]+)+)\"", path.read_text(encoding="utf-8")
    )
]


def test_each_maker_of_the_pipeline_is_there():
    """The store imports a maker only when it builds; a name that leads nowhere would show hours later."""
    assert len(NAMES) >= 7
    for name in NAMES:
        module, _, function = name.partition(":")
        found = importlib.import_module(module)
        assert not function or callable(getattr(found, function))


def test_the_top_level_has_one_python_file():
    assert [path.name for path in ROOT.glob("*.py")] == ["conftest.py"]


def test_no_fixture_is_fetched_by_name():
    """Then --setup-plan shows every edge of the pipeline."""
    for path in (ROOT / "conftest.py", ROOT / "tests" / "conftest.py", *(ROOT / "rfcn_lib" / "suite").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "getfixturevalue" not in text, path
        assert "pytest_collection_modifyitems" not in text, path


def test_no_test_of_the_suite_itself_has_a_marker_of_the_contract():
    """A run of such a marker does not read those files, so the test would never run."""
    marker = re.compile(rf"pytest\.mark\.({'|'.join(CONTRACT)})\b")
    files = [*(TESTS / "unit").rglob("*.py"), *(TESTS / "system").rglob("*.py")]

    assert len(files) > 50
    assert [path.name for path in files if marker.search(path.read_text(encoding="utf-8"))] == []
