"""Each number of docs/exit-codes.md is the end of a real run. Where another file has such a run, it is named here."""

import ast
import json
import re

import pytest

from rfcn_lib.verdict.status import EXIT_STATUS, PYTESTS_OWN
from tests.support import exit_statuses
from tests.support.places import ROOT
from tests.support.pytest_runs import run_pytest

ELSEWHERE = {  # exit code -> a test that ends so, and how it writes the number
    0: ("test_command_line.py", "test_good_dumps_made_elsewhere_pass", "code == 0"),
    1: ("test_command_line.py", "test_a_class_that_is_lost_is_named", "code == 1"),
    3: (
        "test_undeserved_greens.py",
        "test_an_old_verdict_does_not_survive_a_run_that_something_ended",
        '("broken", 3)',
    ),
    4: ("test_command_line.py", "test_wrong_options_are_answered_in_a_sentence_each", "code == 4"),
    5: ("test_report.py", "test_an_old_page_does_not_outlive_a_run_that_judges_nothing", "code == 5"),
    10: ("test_command_line.py", "test_a_part_of_the_criteria_is_no_verdict", "code == NOT_JUDGED"),
    11: ("test_packets.py", "test_the_source_model_is_run_over_a_sample_only", "code == INCONCLUSIVE"),
    12: ("test_command_line.py", "test_a_loosened_limit_is_never_a_pass", "code == LOOSENED"),
}
HERE = {2, 6}
PLUGINS = {
    "ctrl_c": """
import os, signal
def pytest_collection_modifyitems():
    os.kill(os.getpid(), signal.SIGINT)
""",
    "warns": """
import warnings
def pytest_runtest_call(item):
    warnings.warn("look here")
""",
}


def run(folder, *options):
    for name, text in PLUGINS.items():
        (folder / f"{name}.py").write_text(text)
    done = run_pytest(*options, PYTHONPATH=str(folder))
    return done.code, done.stdout + done.stderr


def page_rows():
    """(exit code, statuses, meaning) of the page's table."""
    text = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|([^|]*)\|([^|]+)\|$", text, re.MULTILINE)
    return [(int(code), re.findall(r"`([A-Z ]+)`", statuses), meaning) for code, statuses, meaning in rows]


def test_the_page_has_every_code_and_every_status_once():
    rows = page_rows()
    listed = {status: code for code, statuses, _ in rows for status in statuses}

    assert listed == dict(EXIT_STATUS)
    assert {code for code, *_ in rows} == {*EXIT_STATUS.values(), *PYTESTS_OWN} == {*ELSEWHERE, *HERE}
    for code, said in PYTESTS_OWN.items():
        meaning = next(meaning for number, _, meaning in rows if number == code)
        assert {*re.findall(r"[a-z]{5,}", said.partition(":")[0])} <= {*re.findall(r"[a-z]{5,}", meaning.lower())}


@pytest.mark.parametrize("code", ELSEWHERE)
def test_a_code_is_provoked_in_another_file(code):
    name, test, written = ELSEWHERE[code]
    text = (ROOT / "tests" / "system" / name).read_text(encoding="utf-8")
    functions = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}

    assert test in functions
    node = functions[test]
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    assert written in "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    word = written.split()[-1]
    assert getattr(exit_statuses, word, code) == code


def test_an_interrupted_run_ends_with_2_and_says_it_everywhere(tmp_path):
    files = [f"--{name}={tmp_path / name}" for name in ("verdict", "summary", "junitxml")]
    options = ("-m", "accuracy", "tests/test_accuracy.py", f"--store={tmp_path / 'store'}", *files)
    code, words = run(tmp_path, "-p", "ctrl_c", *options)

    assert code == 2, words
    found = json.loads((tmp_path / "verdict").read_text())
    assert (found["status"], "interrupted" in found["words"]) == ("NOT JUDGED", True)
    assert "NOT JUDGED: " in (tmp_path / "summary").read_text()
    assert "Exit code 2." in (tmp_path / "summary").read_text()
    assert 'name="verdict.exit_code" value="2"' in (tmp_path / "junitxml").read_text()


def test_an_error_of_collection_ends_with_2(tmp_path):
    (tmp_path / "test_wrong.py").write_text("this is no Python")
    code, words = run(tmp_path, "--noconftest", str(tmp_path / "test_wrong.py"))

    assert code == 2, words


def test_more_warnings_than_are_allowed_end_with_6(tmp_path):
    test = "tests/unit/verdict/test_status.py::test_every_status_has_an_exit_status"
    code, words = run(tmp_path, "-p", "warns", "-W", "default", "--max-warnings=0", test)

    assert code == 6, words
