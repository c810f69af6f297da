"""--report=FILE on the specimen's first pictures: one file that is read offline, whatever the run came to."""

import re
import subprocess
import sys

import pytest

from tests.support.exit_statuses import INCONCLUSIVE
from tests.support.html_pages import Page, faults_of
from tests.support.places import ROOT

LARGEST_BYTES = 5_000_000


def run(*options):
    """-> (exit status, what the run printed)."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "accuracy", "tests/test_accuracy.py"]
    done = subprocess.run([*words, *options], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def written(specimen_store, tmp_path_factory):
    """(page, what the run printed, its folder)."""
    folder = tmp_path_factory.mktemp("report")
    code, words = run("--limit=6", f"--store={specimen_store}", f"--report={folder / 'report.html'}")
    assert code == INCONCLUSIVE, words
    return (folder / "report.html").read_text(encoding="utf-8"), words, folder


def test_the_page_is_valid_complete_and_refers_to_nothing_outside(written):
    html, _, folder = written

    assert faults_of(html) == []
    assert "http://" not in html and "https://" not in html
    assert len(html.encode()) < LARGEST_BYTES
    assert [path.name for path in folder.iterdir()] == ["report.html"]  # nothing waits any more


def test_the_page_says_what_the_verdict_says(written):
    html, words, folder = written
    text = Page(html).text
    said = re.search(r"INCONCLUSIVE: (not enough pictures to tell in 6 of 140)", words)

    assert said and said[1] in text
    assert str(folder / "report.html") in re.sub(r"\n", "", words)
    for name in ("mean AP drop, relative", "no class lost", "heads agree on the same proposals"):
        assert name in text
    digests = re.findall(r"^(?:weights|twin|adapted)\s+([0-9a-f]{12})  ", words, re.MULTILINE)
    assert len(digests) == 3 and all(digest in text for digest in digests)


def test_an_old_page_does_not_outlive_a_run_that_judges_nothing(tmp_path):
    page = tmp_path / "report.html"
    page.write_text("PASSED")
    code, words = run("-k", "no_such_test", f"--store={tmp_path / 'store'}", f"--report={page}")

    assert code == 5, words
    assert not page.exists()
    assert "nothing was judged" in words
