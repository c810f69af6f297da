"""--report=FILE on the specimen's first pictures: one file that is read offline, whatever the run came to.

The last part opens it in a real browser: the distribution's Chromium, driven by Playwright.
"""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager

import pytest

from rfcn_lib.report.page import Judgement, Run, page
from tests.support.exit_statuses import INCONCLUSIVE
from tests.support.html_pages import Page, faults_of
from tests.support.pytest_runs import run_pytest
from tests.support.trials import drawn_of, trial_of, verdict_of

LARGEST_BYTES = 5_000_000


def run(*options):
    """-> (exit status, what the run printed)."""
    done = run_pytest("-m", "accuracy", "tests/test_accuracy.py", *options, COLUMNS="80")
    assert "Traceback" not in done.words
    return done.code, done.stdout + done.stderr


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


def test_what_the_page_offers_to_paste_checks_the_exhibits(written, specimen_store):
    """In a shell, as a reader does it."""
    html, _, _ = written
    pasted = re.search(r"^printf .*sha256sum --check$", Page(html).text, re.MULTILINE | re.DOTALL)
    done = subprocess.run(["sh", "-c", pasted[0]], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") >= 5
    assert subprocess.run(["sh", "-c", re.sub(r"[0-9a-f]{64}", "0" * 64, pasted[0])], capture_output=True).returncode


def test_the_page_has_the_time_of_every_artifact_that_was_made(written):
    boxes = re.findall(
        r"<li><strong>([^<]+)</strong><br><code>[0-9a-f]{12}</code><br>[0-9,]+ bytes<br>([^<]+)</li>", written[0]
    )
    times = dict(boxes)

    assert times["weights"] == "given" and times["onnx"].startswith("made in ")
    assert all(
        re.fullmatch(r".+ (s|min|h) for [0-9,]+ pictures", times[f"{side} dumps"])
        for side in ("candidate", "reference")
    )


# -- in a browser ------------------------------------------------------------------------------------------------------

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOSTILE = "<script>document.title = 'taken'; alert(1)</script>"
WIDTHS_PX = (1280, 400)
A4_PX = 718  # at 96 px to the inch, without margins of 1 cm


@pytest.fixture(scope="module")
def browser():
    """The distribution's Chromium, without a window."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser on PATH ({', '.join(BROWSERS)}); on Debian: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright: it drives the browser")
    with playwright.sync_playwright() as started:
        as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
        opened = started.chromium.launch(executable_path=program, args=as_root)
        yield opened
        opened.close()


@contextmanager
def opened(browser, path, width_px=1280, scheme="light"):
    """(page, what it asked for besides itself, what it complained of)."""
    context = browser.new_context(viewport={"width": width_px, "height": 900}, color_scheme=scheme)
    shown, asked, complaints = context.new_page(), [], []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("console", lambda message: complaints.append(message.text))
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    shown.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    shown.goto(path.as_uri(), wait_until="load")
    yield shown, [url for url in asked if url != path.as_uri() and not url.startswith("data:")], complaints
    context.close()


@pytest.fixture(scope="module")
def report(written):
    return written[2] / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", WIDTHS_PX)
def test_the_page_asks_for_nothing_complains_of_nothing_and_fits(browser, report, width_px, scheme):
    with opened(browser, report, width_px, scheme) as (shown, asked, complaints):
        assert (asked, complaints) == ([], [])
        assert shown.evaluate("document.documentElement.scrollWidth") <= width_px
        paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_every_figure_has_a_text_alternative_for_a_reader_who_sees_none(browser, report):
    """As the browser's own accessibility tree has it."""
    with opened(browser, report) as (shown, _, _):
        figures = shown.locator("svg, img").count()
        assert figures >= 30
        assert shown.get_by_role("img", name=re.compile(r"\w{3}")).count() == figures


def test_every_picture_in_the_page_is_drawn(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(made_up(("cat", "dog")), encoding="utf-8")
    with opened(browser, path) as (shown, asked, complaints):
        assert (asked, complaints) == ([], [])
        sizes = shown.locator("svg image, .three svg use").evaluate_all(
            "found => found.map(one => one.getBoundingClientRect().width)"
        )
        assert len(sizes) == 3 and min(sizes) > 100


def test_a_class_name_with_a_script_in_it_stays_text(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(made_up((HOSTILE, "dog")), encoding="utf-8")
    with opened(browser, path) as (shown, asked, complaints):
        assert (asked, complaints) == ([], [])
        assert shown.title() != "taken" and shown.locator("script").count() == 0
        assert HOSTILE in shown.locator("body").inner_text()


def test_the_page_prints_on_white_and_within_the_sheet(browser, report):
    with opened(browser, report, A4_PX, "dark") as (shown, _, _):
        shown.emulate_media(media="print")
        assert shown.evaluate("document.documentElement.scrollWidth") <= A4_PX
        assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert shown.pdf(format="A4").startswith(b"%PDF")


def test_a_page_that_asks_or_complains_is_found(browser, tmp_path):
    """These tests would say so: without the page's own policy, an address elsewhere is asked for."""
    path = tmp_path / "page.html"
    path.write_text("<p style='width: 3000px'>x</p><img src='http://127.0.0.1:9/x.png'><script>nothing()</script>")
    with opened(browser, path) as (shown, asked, complaints):
        assert asked == ["http://127.0.0.1:9/x.png"]
        assert len(complaints) >= 2
        assert shown.evaluate("document.documentElement.scrollWidth") > 1280


def made_up(names):
    trial = trial_of(names)
    judged = Judgement("host", verdict_of(trial), trial, drawn_of(names))
    return page([judged], Run("2026-11-27", "pytest", {}, [], []))
