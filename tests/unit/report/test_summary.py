"""The summary says in at most 30 lines of Markdown what the verdict says."""

import re

import pytest
from markdown_it import MarkdownIt

from rfcn_lib.report.summary import MOST_LINES, summary
from rfcn_lib.verdict.comparison import comparison
from rfcn_lib.verdict.earlier import read_earlier
from rfcn_lib.verdict.status import EXIT_STATUS, MEANING
from rfcn_lib.verdict.verdict import not_judged
from tests.support.records import judged_trial, record_of, written
from tests.support.trials import criterion_of, verdict_of

COMMAND = "pytest -m accuracy '--store=a|b'"


def of(trial=None, rows=None, status="FAILED", **more):
    trial = trial or judged_trial()
    return summary([(verdict_of(trial, rows, status), trial)], **{"exit_code": 1, "command": COMMAND, **more})


def html_of(text):
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def test_it_has_status_trial_criteria_culprit_what_is_not_proved_and_the_command():
    text = of(commit="c0ffee" * 7)
    html = html_of(text)

    assert text.startswith("## FAILED: ")
    assert MEANING["FAILED"] in text and "Exit code 1." in text
    for words in (
        "ONNX Runtime",
        "PyTorch",
        "2 of 3 pictures",
        "mean AP drop, relative",
        "0.1 .. 0.3",
        "only deltas depart",
    ):
        assert words in text
    assert "No NPU was judged" in text and "c0ffeec0ffee" in text
    assert "<code>pytest -m accuracy '--store=a|b'</code>" in html
    assert html.count("<tr>") == 1 + 3
    assert len(re.findall("<td", html)) == 5 * 3


def test_it_has_at_most_30_lines_and_what_failed_is_shown_first(tmp_path):
    rows = [criterion_of(f"criterion {at}", 0.0, "passed" if at < 30 else "failed") for at in range(32)]
    old = read_earlier(written(tmp_path / "old.json"))
    trial = judged_trial(candidate_ap={"cat": 0.1, "dog": 0.2})
    both = [(verdict_of(trial, rows), trial), (verdict_of(judged_trial(device="npu"), words="x\n" * 50), None)]
    compared = comparison(old, record_of(both[0][0]))
    text = summary(both, exit_code=1, command="a\n" * 100, commit="c0", compared=compared)

    assert len(text.splitlines()) + 2 <= MOST_LINES  # two marks stand around it
    assert text.index("criterion 30") < text.index("criterion 31") < text.index("criterion 0")
    assert "22 more criteria" in text
    assert "FAILED -&gt; FAILED" in text and "also judged" in text
    assert "the class that fell most: cat 0.8 -&gt; 0.1" in text


def test_a_run_that_judged_nothing_says_so():
    text = summary([(not_judged("an option is wrong"), None)], exit_code=4, command=COMMAND)

    assert text.startswith("## NOT JUDGED: an option is wrong")
    assert "Exit code 4." in text and "pytest -m accuracy" in text
    assert "|---" not in text and "\n\n\n" not in text


@pytest.mark.parametrize("status", EXIT_STATUS)
def test_every_status_is_said_in_words(status):
    assert of(status=status, exit_code=EXIT_STATUS[status]).startswith(f"## {status}: ")
    assert MEANING[status] in of(status=status)


def test_names_that_are_markup_stay_text():
    blame = {"stage": "heads", "fault": "x", "sentence": "class <script>`|* departs", "evidence": ""}
    html = html_of(of(judged_trial(blame=blame, candidate_device="<img src=x> | `y`")))

    assert "<script" not in html and "<img" not in html
    assert "class &lt;script&gt;`|* departs" in html and "&lt;img src=x&gt; | `y`" in html
