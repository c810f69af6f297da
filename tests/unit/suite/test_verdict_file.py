"""An old verdict never outlives the run that was to replace it; a file that is no verdict is left alone."""

import json

import pytest

from rfcn_lib.suite.verdict_file import NOT_BEGUN, NOT_ENDED, as_json, withdraw, write_json, write_not_ended
from rfcn_lib.verdict.verdict import Verdict

PASSED = Verdict("PASSED", "4 criteria hold", None, [], {})


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "verdict.json"
    write_json(path, as_json(PASSED, [], [], {}, {}))
    assert json.loads(path.read_text())["status"] == "PASSED"
    return path


@pytest.mark.parametrize(
    "words", [("--verdict={}", "--acept"), ("-m", "npu", "--verdict", "{}"), ("--verdict=verdict.json",)]
)
def test_an_old_verdict_is_withdrawn_before_the_command_line_is_checked(old, words):
    withdraw([word.format(old) for word in words], old.parent)
    found = json.loads(old.read_text())

    assert (found["status"], found["words"]) == ("NOT JUDGED", NOT_BEGUN)
    assert found["criteria"] == []


def test_an_old_verdict_that_is_to_be_compared_too_is_kept_aside_once(old):
    before = old.read_bytes()
    for _ in range(2):
        withdraw([f"--verdict={old}", f"--compare={old}"], old.parent)

    assert json.loads(old.read_text())["words"] == NOT_BEGUN
    assert old.with_name("verdict.json.earlier").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"[1, 2]", b'{"status": "ok"}', b"[" * 100_000])
def test_another_file_is_left_alone(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    withdraw(
        [f"--verdict={path}", "--verdict", str(tmp_path), "--verdict=", "--verdict=/nowhere/x", "--verdict"], tmp_path
    )

    assert path.read_bytes() == content


def test_until_a_run_ends_its_verdict_says_so(tmp_path):
    path = tmp_path / "v.json"
    write_not_ended(path, ["-m", "accuracy"], {"limit": None})
    found = json.loads(path.read_text())

    assert (found["status"], found["words"]) == ("NOT JUDGED", NOT_ENDED)
    assert found["command"] == ["pytest", "-m", "accuracy"]
    assert found.keys() <= as_json(PASSED, [], [], {}, {}).keys()
