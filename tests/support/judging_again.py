"""`--evidence-from` in a process that has no torch and may open nothing of the specimen: weights, JPEGs, XML."""

import subprocess
import sys

from tests.support.places import ROOT

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
    start = ["-c", BLOCKED] if blocked else ["-m", "pytest"]
    words = [sys.executable, *start, "-p", "no:cacheprovider", "-m", "accuracy", *FILES, *options]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr
