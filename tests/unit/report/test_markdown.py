"""What comes from outside stays text in Markdown: read by a real reader of GitHub's kind."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rfcn_lib.report.markdown import code, escaped

NASTY = (
    *(
        "a|b",
        "`x`",
        "<script>alert(1)</script>",
        "<b>",
        "&lt;",
        "[a](http://b)",
        "![a](b)",
        "**bold**",
        "_it_",
        "~~no~~",
    ),
    *(
        "# head",
        "- item",
        "1. item",
        "+ item",
        "> quote",
        "---",
        "a\\",
        "$x$",
        "@someone",
        "#12",
        "a\nb",
        "<!-- x",
        "-->",
        "`` ` ``",
    ),
)


def shown(markdown):
    """The text that a reader shows, and the names of the elements around it."""
    found = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    return html.unescape(re.sub(r"<[^>]+>", "", found)), re.findall(r"<(\w+)", found)


def plain(text):
    """As it is to be shown: one line."""
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


@pytest.mark.parametrize("text", NASTY)
def test_a_text_in_a_cell_is_shown_as_it_is(text):
    words, elements = shown(f"| a | b |\n|---|---|\n| {escaped(text)} | end |\n")
    cells = [word.strip() for word in words.split("\n") if word.strip()]

    assert cells == ["a", "b", plain(text), "end"]
    assert {*elements} <= {"table", "thead", "tbody", "tr", "th", "td"}


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\u200b"), min_size=1, max_size=60))
def test_any_text_after_a_list_s_mark_is_shown_as_it_is(text):
    words, elements = shown(f"- **name**: {escaped(text)}\n")

    assert (
        re.sub(r"\s+", " ", words.replace("\u200b", "")).strip() == re.sub(r"\s+", " ", f"name: {plain(text)}").strip()
    )
    assert elements == ["ul", "li", "strong"]


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(lambda text: plain(text)))
def test_any_command_can_be_copied(text):
    words, elements = shown(f"- run: {code(text)}\n")

    assert re.sub(r"\s+", " ", words.removeprefix("\n").strip()) == re.sub(r"\s+", " ", f"run: {plain(text)}").strip()
    assert elements == ["ul", "li", "code"]


def test_no_address_becomes_a_link_and_long_texts_are_cut():
    assert "://" not in escaped("see http://example.org") and "www.e" not in escaped("www.example.org")
    assert len(escaped("a" * 5000)) < 700
    assert escaped("a" * 5000).endswith("...")
