"""What is quoted of a tool: the cause, wherever the tool says it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.tool_output import CHARACTERS, last_lines

# what releases of ais_bench print, shortened
REFUSED = (
    "[INFO] SIMULATED\n[ERROR] path contains illegal char, legal chars include A-Z a-z 0-9 _ - / .\n",
    "usage: __main__.py [-h] --model MODEL\n                   [--input INPUT] [--output OUTPUT]\n"
    "__main__.py: error: argument --model/-m: om path string is illegal. Please check.\n",
)
DIED = (
    "\rInference array Processing:   0%|          | 0/2 [00:00<?, ?it/s]\r50%|#####     | 1/2 [00:00<00:00, 1.66it/s]"
    "[ERROR] execute model failed, modelId is 1\n",
    "/usr/lib/site-packages/ais_bench/x.py:9: UserWarning: pkg_resources is deprecated as an API.\n  import pkg_resources\n"
    'Traceback (most recent call last):\n  File "x.py", line 9, in <module>\n    run()\n    ^^^^^\n'
    "RuntimeError: [-1][ACL: general failure] \n",
)


def test_the_cause_on_stdout_stands_before_the_end_on_stderr():
    assert last_lines(*REFUSED).splitlines() == [
        "[ERROR] path contains illegal char, legal chars include A-Z a-z 0-9 _ - / .",
        "__main__.py: error: argument --model/-m: om path string is illegal. Please check.",
    ]


def test_a_bar_before_the_cause_and_noise_beside_the_exception():
    lines = last_lines(*DIED).splitlines()

    assert "[ERROR] execute model failed, modelId is 1" in lines[0]
    assert lines[-1] == "RuntimeError: [-1][ACL: general failure]"
    assert not any("deprecated" in line or "import pkg_resources" in line or "^^^" in line for line in lines)


@pytest.mark.parametrize("cause", ["[ERROR] a", "[ACL ERROR] EZ9999: a", "[WARN] Check failed:f(), ret:1"])
def test_a_long_traceback_does_not_push_the_cause_out(cause):
    said = last_lines(f"[INFO] began\n{cause}\n[INFO] more\n", "".join(f"line {k}\n" for k in range(90)))

    assert said.splitlines()[0] == cause
    assert said.splitlines()[-1] == "line 89"
    assert len(said.splitlines()) == 12


def test_a_tool_that_was_killed_is_quoted_by_its_last_lines():
    """With a warning of another package alone on stderr, which is no cause."""
    warning = "x.py:9: UserWarning: pkg_resources is deprecated as an API\n  import pkg_resources\n"

    assert last_lines("[INFO] warm up 1 done\n", warning) == "[INFO] warm up 1 done"


def test_a_cause_long_before_the_end_is_quoted_too():
    said = last_lines("[ERROR] first\n" + "".join(f"[INFO] {k}\n" for k in range(50)), "")

    assert said.splitlines()[0] == "[ERROR] first"
    assert said.splitlines()[-1] == "[INFO] 49"


def test_words_are_fit_for_a_terminal():
    assert last_lines("out\n", "\x1b[31mred\x1b[0m\r\n\nbell\a 中文\n") == "red\nbell? 中文"
    assert last_lines("out\n", "") == "out"
    assert len(last_lines("", "x" * 9000)) == CHARACTERS
    assert last_lines("", "\n".join(map(str, range(99)))).splitlines()[0] == "87"


@given(st.text(max_size=200), st.text(max_size=200))
def test_words_never_move_the_cursor(stdout, stderr):
    assert all(letter.isprintable() or letter == "\n" for letter in last_lines(stdout, stderr))
