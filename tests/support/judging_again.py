"""`--evidence-from` in a process that has no torch and may open nothing of the specimen: weights, JPEGs, XML."""

import json
import subprocess
import sys

from rfcn_lib.verdict.status import EXIT_STATUS
from tests.support.evidence import members_in, write_forged
from tests.support.places import ROOT
from tests.support.pytest_runs import run_pytest

COMPARED = ("status", "words", "on_trial", "criteria", "rates")
FILES = ("tests/test_accuracy.py", "tests/test_performance.py")
BLOCKED = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"{name} is not installed here")

def refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and "/specimen/" in arguments[0]:
        raise PermissionError(f"judging again reads {arguments[0]}")

sys.meta_path.insert(0, Refuse())
sys.addaudithook(refuse)
import pytest
code = int(pytest.main(sys.argv[1:]))
assert "torch" not in sys.modules
sys.exit(code)
"""


def run(*options, blocked=False):
    """-> (exit status, what the run printed)."""
    asked = ("-m", "accuracy", *FILES, *options)
    if blocked:
        words = [sys.executable, "-c", BLOCKED, "-p", "no:cacheprovider", *asked]
        ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        code, printed = ended.returncode, ended.stdout + ended.stderr
    else:
        done = run_pytest(*asked, COLUMNS="80")
        code, printed = done.code, done.stdout + done.stderr
    assert "Traceback" not in printed, printed
    return code, printed


def expect_same_verdict(evidence, found):
    """Judge a file of evidence again: the same as in the file of --verdict that the run wrote, to the last bit."""
    target = evidence.with_suffix(".again.json")
    code, words = run(f"--evidence-from={evidence}", f"--verdict={target}", blocked=True)
    again = json.loads(target.read_text())

    assert code == EXIT_STATUS[found["status"]], words
    assert [name for name in COMPARED if again[name] != found[name]] == []


def expect_caught(evidence, member, change, named):
    """Change a member and write a manifest that fits: judging again names the number."""
    forged, members = evidence.with_suffix(".forged.zip"), members_in(evidence)
    write_forged(forged, {**members, member: change(members[member])})
    code, words = run(f"--evidence-from={forged}", blocked=True)

    assert code == EXIT_STATUS["NOT JUDGED"], words
    assert named in " ".join(words.split()), words
