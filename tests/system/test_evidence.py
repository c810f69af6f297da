"""--evidence on the specimen's first pictures, judged again in a process that has no torch, no weights, no JPEG and no XML."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.support.evidence import members_in, write_forged
from tests.support.exit_statuses import INCONCLUSIVE, NOT_JUDGED
from tests.support.places import ROOT

FEW = "--limit=40"
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
    words = [sys.executable, *start, "-p", "no:cacheprovider", "-m", "accuracy", "tests/test_accuracy.py", *options]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def verdict_section(words):
    """The lines from the table of average precision to the status."""
    before = re.split(r"^=+ (?:evidence|notes|short test summary info) =+$", words, flags=re.MULTILINE)[0]
    return before.partition("verdict: host")[2]


@pytest.fixture(scope="module")
def written(specimen_store, tmp_path_factory):
    """(folder, what the run printed)."""
    folder = tmp_path_factory.mktemp("evidence")
    files = (f"--evidence={folder / 'e.zip'}", f"--verdict={folder / 'verdict.json'}")
    code, words = run(FEW, f"--store={specimen_store}", *files)
    assert code == INCONCLUSIVE, words
    return folder, words


@pytest.fixture(scope="module")
def again(written):
    """What judging it again printed."""
    folder, _ = written
    store = f"--store={folder / 'store'}"
    code, words = run(f"--evidence-from={folder / 'e.zip'}", f"--verdict={folder / 'again.json'}", store, blocked=True)
    assert code == INCONCLUSIVE, words
    return words


def test_the_verdict_is_the_same_to_the_last_bit(written, again):
    folder, _ = written
    first, second = (json.loads((folder / name).read_text()) for name in ("verdict.json", "again.json"))

    assert first["on_trial"]["agreement"]["figures"]
    for name in ("status", "words", "on_trial", "criteria", "tests"):
        assert first[name] == second[name], name


def test_the_words_are_the_same(written, again):
    _, words = written

    assert verdict_section(words).strip() == verdict_section(again).strip()
    assert "INCONCLUSIVE" in verdict_section(again)


def test_the_last_line_prints_the_root_digest_and_judging_again_asks_for_it(written):
    folder, words = written
    root = re.search(r"evidence\s+sha256 ([0-9a-f]{64})\s*$", verdict_section(words))[1]
    other = "0" * 64
    code, said = run(f"--evidence-from={folder / 'e.zip'}", f"--evidence-root={other}", f"--store={folder / 'store'}")

    assert code == NOT_JUDGED, said
    assert f"manifest.json has sha256 {root[:12]}, but --evidence-root says sha256 000000000000" in said


def test_the_statement_lies_beside_it_and_in_it(written):
    folder, _ = written
    beside = (folder / "e.intoto.json").read_bytes()
    subjects = {one["name"] for one in json.loads(beside)["subject"]}

    assert members_in(folder / "e.zip")["statement.json"] == beside
    assert subjects == {"adapted", "candidate/dumps.txt"}
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".json") in (["e.zip"], ["e.zip", "store"])


def test_one_score_that_was_changed_with_a_manifest_that_fits_is_found_by_judging_again(written, tmp_path):
    folder, _ = written
    members = members_in(folder / "e.zip")
    scores = np.frombuffer(members["candidate/scores.f4"], "<f4").copy()
    scores[scores.argmax()] = 0.001
    write_forged(tmp_path / "forged.zip", {**members, "candidate/scores.f4": scores.tobytes()})
    code, words = run(f"--evidence-from={tmp_path / 'forged.zip'}", f"--store={tmp_path / 'store'}", blocked=True)

    assert code == NOT_JUDGED, words
    said = " ".join(words.split())
    assert "verdict.json says another thing than judging again" in said
    assert re.search(r"trial\.(candidate_ap|candidate_mean_ap|paired|ties)", said)


def test_evidence_of_an_earlier_run_does_not_outlive_one_that_judges_nothing(tmp_path):
    for name in ("e.zip", "e.intoto.json"):
        (tmp_path / name).write_text("PASSED")
    code, words = run("-k", "no_such_test", f"--store={tmp_path / 'store'}", f"--evidence={tmp_path / 'e.zip'}")

    assert code == 5, words
    assert not list(tmp_path.iterdir())
    assert "nothing was judged" in words
