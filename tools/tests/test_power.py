"""The tables of `make power`."""

import json

import pytest

from rfcn_lib.faults.catalogue import CATALOGUE
from tools.power import outcome, page, read_rows

ROW = {
    "name": CATALOGUE[0].name, "stage": "files", "sentence": "A sentence.", "harmless": False, "unseen": False,
    "soc": "Ascend310P3",
    "exercised": True, "beyond": True, "status": "FAILED", "mean_ap": 0.45, "mean_ap_without": 0.9, "blamed": "files",
    "caught_by": ["no class lost"], "explained": None, "judged_s": 2.0, "red": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "caught"),
        ({"red": False}, "MISSED"),
        ({"red": False, "beyond": False}, "within the floor"),
        ({"red": False, "beyond": None}, "MISSED"),
        ({"exercised": False, "beyond": False, "red": True}, "not exercised"),
    ],
)
def test_what_became_of_a_fault(changes, said):
    assert outcome(ROW | changes) == said


def test_the_page_counts_the_seen_and_the_unseen_apart():
    rows = [ROW, ROW | {"name": CATALOGUE[1].name, "unseen": True, "red": False, "blamed": None, "status": "PASSED"}]
    quiet = {**ROW, "name": "ties-last", "harmless": True, "red": False, "status": "PASSED"}
    loud = {**quiet, "name": "two-threads", "red": True, "status": "FAILED"}
    text = page(rows, [quiet, loud], 44)

    assert "| all | 2 | 1 | 1 | 0 | 0 | 1 of 1 |" in text
    assert "| unseen | 1 | 0 | 1 | 0 | 0 | none blamed |" in text
    assert "Harmless variations: 1 of 2 green." in text
    assert f"{len(CATALOGUE) - 2} of the catalogue's {len(CATALOGUE)} faults have no result yet" in text
    assert "FAILED FALSE ALARM" in text
    assert "| 50.00 % | no class lost | FAILED | files |" in text


def test_without_results_the_command_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `make power` first"):
        read_rows(tmp_path, "fault")
    (tmp_path / "fault-a.json").write_text(json.dumps(ROW))
    assert read_rows(tmp_path, "fault") == [ROW]
