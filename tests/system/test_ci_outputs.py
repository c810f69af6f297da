"""What a CI server reads of a run on the specimen's first pictures: JUnit file, summary, comparison with an earlier verdict."""

import json
import re
from xml.etree import ElementTree

import pytest

from tests.support.exit_statuses import INCONCLUSIVE, NOT_JUDGED, WRONG_USAGE
from tests.support.pytest_runs import run_pytest
from tests.system.conftest import FEW


def run(*options):
    """-> (exit status, what the run printed, in one line)."""
    done = run_pytest("-m", "accuracy", "tests/test_accuracy.py", *options)
    assert "Traceback" not in done.words
    return done.code, done.words


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ci")


@pytest.fixture(scope="module")
def first(specimen_store, folder):
    """The earlier run, which writes a verdict, a summary beside another tool's, and a JUnit file."""
    (folder / "summary.md").write_text("# of another tool\n")
    code, words = run(
        FEW, f"--store={specimen_store}", f"--verdict={folder / 'old.json'}", f"--summary={folder / 'summary.md'}",
        f"--junitxml={folder / 'junit.xml'}",
    )  # fmt: skip
    assert code == INCONCLUSIVE, words
    return words


@pytest.fixture(scope="module")
def second(first, specimen_store, folder):
    """The same again with another option, compared with the earlier run, over two processes."""
    code, words = run(
        FEW, "-n1", "--overflow=error", f"--store={specimen_store}", f"--verdict={folder / 'new.json'}",
        f"--compare={folder / 'old.json'}", f"--summary={folder / 'new.md'}", f"--junitxml={folder / 'new.xml'}",
    )  # fmt: skip
    assert code == INCONCLUSIVE, words
    return words


def properties(element):
    return {one.get("name"): one.get("value") for one in element.findall("./properties/property")}


def test_the_junit_file_has_each_criterion_of_the_verdict(first, folder):
    verdict = json.loads((folder / "old.json").read_text())
    cases = ElementTree.parse(folder / "junit.xml").findall(".//testcase")
    found = {facts["criterion.name"]: facts for case in cases if "criterion.name" in (facts := properties(case))}

    assert found.keys() == {row["name"] for row in verdict["criteria"]}
    for row in verdict["criteria"]:
        facts = found[row["name"]]
        assert float(facts["criterion.number"]) == row["number"]
        assert facts["criterion.outcome"] == row["outcome"]
        assert facts["criterion.limit"] == f"{row['relation']} {row['limit']!r}"
        assert facts["criterion.source"] == row["source"]
    for case in cases:
        name = properties(case).get("criterion.name")
        assert name is None or name in case.findtext("system-out")


def test_a_criterion_that_was_skipped_says_so_in_the_junit_file(first, folder):
    cases = ElementTree.parse(folder / "junit.xml").findall(".//testcase")
    case = next(case for case in cases if case.get("name") == "test_mean_ap_reaches_the_published")

    assert properties(case)["criterion.outcome"] == "not judged: skipped"
    assert "names no published mean AP" in properties(case)["criterion.why"]
    assert "names no published mean AP" in case.findtext("system-out")


@pytest.mark.parametrize(
    ("verdict", "junit"), [("old.json", "junit.xml"), ("new.json", "new.xml")], ids=["one", "xdist"]
)
def test_the_junit_file_has_the_run(second, folder, verdict, junit):
    record, suite = json.loads((folder / verdict).read_text()), ElementTree.parse(folder / junit).find("testsuite")
    found, trial = properties(suite), record["on_trial"]

    assert (found["verdict.status"], found["verdict.exit_code"]) == ("INCONCLUSIVE", str(INCONCLUSIVE))
    assert float(found["host.mean_ap.candidate"]) == trial["candidate_mean_ap"]
    assert found["host.protocol"] == trial["protocol"]["fingerprint"]
    assert {name: exhibit["sha256"] for name, exhibit in trial["exhibits"].items()} == {
        name.removeprefix("host.sha256."): value for name, value in found.items() if name.startswith("host.sha256.")
    }
    assert (folder / junit).stat().st_size < 100_000  # no table of a trial in it


def test_the_summary_says_what_the_verdict_says_beside_what_was_there(first, folder):
    text = (folder / "summary.md").read_text()
    section = text.partition("# of another tool\n")[2]
    verdict = json.loads((folder / "old.json").read_text())

    assert len(section.strip().splitlines()) <= 30
    assert "## INCONCLUSIVE: not enough pictures to tell in 40 of 140" in section
    assert f"Exit code {INCONCLUSIVE}." in section and "has not come to its end" not in section
    for row in verdict["criteria"]:
        assert f"| {row['name']} | {row['number']:.6g} |" in section


def test_a_second_run_says_what_changed_since_the_first(second, folder):
    found = json.loads((folder / "new.json").read_text())["compared"]
    (one,) = found["candidates"]

    assert [(change["what"], change["earlier"], change["now"]) for change in found["options"]] == [
        ("overflow", "crop", "error")
    ]
    assert found["versions"] == []
    assert "onnx" in one["alike"]
    assert all(row["difference"] == 0 for row in (*one["means"], *one["classes"]) if row["name"] != "")
    assert "compared with an earlier run" in second and "overflow: crop -> error" in second
    assert "changes no verdict" in (folder / "new.md").read_text()
    assert "overflow" in (folder / "new.md").read_text()


def test_a_verdict_of_other_pictures_is_refused_before_any_is_run(first, folder, tmp_path):
    code, words = run("--limit=6", f"--store={tmp_path / 'store'}", f"--compare={folder / 'old.json'}")

    assert code == NOT_JUDGED
    assert "made under different protocols" in words
    assert re.search(
        r"set: 6 pictures, ids \w+, objects \w+ in this run, 40 pictures, ids \w+, objects \w+ in --compare=", words
    )
    assert not [*tmp_path.glob("store/**/*.bin")]


def test_another_canvas_is_refused_at_once_and_the_summary_says_why(first, folder, tmp_path):
    summary = tmp_path / "s.md"
    code, words = run("--clip=none", f"--compare={folder / 'old.json'}", f"--summary={summary}")

    assert code == WRONG_USAGE
    assert "clip: none in this run, canvas in --compare=" in words
    assert "## NOT JUDGED: wrong usage: " in summary.read_text()
    assert "clip: none in this run" in summary.read_text() and "Exit code 4." in summary.read_text()


def test_an_option_that_pytest_refuses_is_no_pass_in_the_summary(first, folder, tmp_path):
    summary = tmp_path / "s.md"
    for options in ((), ("--acept",)):
        code, words = run("--limit=0", f"--summary={summary}", *options)
        assert code == WRONG_USAGE, words

    assert summary.read_text().count("## NOT JUDGED: ") == 2  # two commands
    assert "limit=0 should be a whole number" in summary.read_text()
