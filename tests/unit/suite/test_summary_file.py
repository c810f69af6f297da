"""What others wrote into the file stays; what this suite wrote of the same command does not outlive the next run."""

import os

import pytest

from rfcn_lib.suite import summary_file
from rfcn_lib.suite.options import OptionError
from rfcn_lib.suite.summary_file import (
    MARK,
    SummaryError,
    read_text,
    with_section,
    withdraw,
    write_not_ended,
    write_section,
)
from tests.unit.suite.test_options import read_with

ONE, OTHER = ("-m", "accuracy"), ("-m", "npu")


def test_a_section_is_added_and_only_that_of_the_same_command_is_replaced():
    text = with_section("# Theirs", ONE, "## PASSED: one")
    text = with_section(text, OTHER, "## PASSED: other")
    text = with_section(f"{text}more of theirs\n", ONE, "## FAILED: one again\n\n")

    assert text.startswith("# Theirs\n\n<!-- ")
    assert "PASSED: one" not in text
    assert text.index("FAILED: one again") < text.index("PASSED: other") < text.index("more of theirs")
    assert with_section(text, ONE, "## FAILED: one again") == text


def test_a_section_that_was_not_finished_is_not_taken_for_one():
    text = with_section("", ONE, "## PASSED").partition("<!-- end")[0]

    assert with_section(text, ONE, "## FAILED").startswith(text)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "summary.md"


@pytest.mark.parametrize("before", [None, "", "theirs\n"])
def test_until_a_run_ends_its_section_says_so(path, before):
    if before is not None:
        path.write_text(before)
    write_not_ended(path, ONE)

    assert path.read_text().startswith(before or f"<!-- {MARK}")
    assert "NOT JUDGED" in path.read_text() and "has not come to its end" in path.read_text()
    write_section(path, ONE, "## PASSED: 4 criteria hold")
    assert "NOT JUDGED" not in path.read_text() and "PASSED" in path.read_text()


@pytest.mark.parametrize("words", [("--summary={}", "--acept"), ("-m", "npu", "--summary", "{}")])
def test_an_old_section_is_withdrawn_before_the_command_line_is_checked(path, words):
    words = [word.format(path) for word in words]
    write_section(path, words, "## PASSED: 4 criteria hold")
    withdraw(words, path.parent)

    assert "PASSED" not in path.read_text() and "ended before it began" in path.read_text()
    withdraw(words, path.parent, "wrong usage: --limit=0 should be a whole number", 4)
    assert "limit=0 should be" in path.read_text() and "Exit code 4." in path.read_text()
    assert path.read_text().count("## ") == 1


def test_a_file_that_nobody_knows_to_be_a_summary_is_left_alone(path, monkeypatch):
    for content in (b"theirs", b"\x00\xff", b"a" * 2_000_000):
        path.write_bytes(content)
        withdraw([f"--summary={path}", "--summary=/nowhere/x", "--summary=/tmp"], path.parent)
        assert path.read_bytes() == content
    path.write_text("theirs\n")
    monkeypatch.setenv(summary_file.GITHUB, str(path))
    withdraw([f"--summary={path}"], path.parent)
    assert path.read_text().startswith("theirs\n") and "NOT JUDGED" in path.read_text()


@pytest.mark.parametrize(("content", "words"), [(b"\xff\x00", "is no text"), (b"a" * (2**20 + 1), "more than the")])
def test_a_file_that_cannot_take_a_summary_is_refused(path, content, words):
    path.write_bytes(content)
    with pytest.raises(SummaryError, match=words):
        read_text(path)
    with pytest.raises(OptionError, match=words):
        read_with(f"--summary={path}")


def test_what_is_no_plain_file_is_refused_and_not_read(path):
    os.mkfifo(path)
    withdraw([f"--summary={path}"], path.parent)
    with pytest.raises(OptionError, match="should be a plain file"):
        read_with(f"--summary={path}")


def test_the_summary_overwrites_no_other_file(path):
    path.write_text("weights")
    with pytest.raises(OptionError, match="would overwrite the file of --weights"):
        read_with(f"--weights={path}", f"--summary={path}")
