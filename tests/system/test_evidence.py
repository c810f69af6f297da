"""--evidence on the specimen's first pictures, judged again in a process that has no torch, no weights, no JPEG and no XML."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from rfcn_lib.evidence.archive import open_archive, write_archive
from rfcn_lib.evidence.layout import EvidenceError
from tests.support import tampering
from tests.support.evidence import members_in, write_forged
from tests.support.exit_statuses import INCONCLUSIVE, NOT_JUDGED, WRONG_USAGE
from tests.support.judging_again import BLOCKED, FILES, run
from tests.support.places import ROOT

FEW = "--limit=40"


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
    assert "judged again: the same numbers to the last bit, and the same words" in again
    assert "INCONCLUSIVE" in verdict_section(again)


def test_the_same_run_gives_the_same_file_but_for_its_time(written, specimen_store, tmp_path):
    code, words = run(FEW, f"--store={specimen_store}", f"--evidence={tmp_path / 'e.zip'}", "-n0")
    first, second = members_in(written[0] / "e.zip"), members_in(tmp_path / "e.zip")

    assert code == INCONCLUSIVE, words
    assert list(first) == list(second)
    assert {name for name in first if first[name] != second[name]} <= {"run.json", "statement.json"}


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
    assert "judged again: NOT the verdict that is in the file" in said
    assert re.search(r"trial\.(candidate_ap|candidate_mean_ap|paired|ties)", said)


def test_evidence_of_an_earlier_run_does_not_outlive_one_that_judges_nothing(tmp_path):
    for name in ("e.zip", "e.intoto.json"):
        (tmp_path / name).write_text("PASSED")
    none = [f"--deselect={file}" for file in FILES]
    code, words = run(*none, f"--store={tmp_path / 'store'}", f"--evidence={tmp_path / 'e.zip'}")

    assert code == 5, words
    assert not list(tmp_path.iterdir())
    assert "nothing was judged" in words


def test_a_part_of_the_criteria_is_no_evidence(written, tmp_path):
    for option in (f"--evidence={tmp_path / 'e.zip'}", f"--evidence-from={written[0] / 'e.zip'}"):
        code, words = run("-k", "mean_ap", option)
        assert code == WRONG_USAGE, words
        assert f"-k leaves criteria out, but {option} is about all of them" in words


IN_ONE_PROCESS = (
    BLOCKED.partition("import pytest")[0]
    + """
import pytest
for path in sys.argv[2:]:
    print("FILE", path, flush=True)
    words = ["-p", "no:cacheprovider", "-q", "-m", "accuracy", "tests/test_accuracy.py", sys.argv[1], f"--evidence-from={path}"]
    print("STATUS", int(pytest.main(words)), flush=True)
"""
)


@pytest.fixture(scope="module")
def tampered(written, tmp_path_factory):
    """Rows of the table: member, what was changed, what is named where it alone is changed, and with a manifest made anew."""
    folder, place = written[0], tmp_path_factory.mktemp("tampered")
    members = members_in(folder / "e.zip")
    data, entries = (folder / "e.zip").read_bytes(), open_archive(folder / "e.zip").entries
    alone = {}
    for name in (*members, "manifest.json"):
        changed = bytearray(data)
        changed[entries[name].data_offset + entries[name].size // 2] ^= 1
        (place / "alone.zip").write_bytes(changed)
        with pytest.raises(EvidenceError) as caught:
            open_archive(place / "alone.zip")
        alone[name] = tampering.named(str(caught.value))
    files = {}
    for at, (member, _, change) in enumerate(tampering.CHANGES):
        files[member] = place / f"{at:02d}.zip"
        forged = tampering.changed(members, member, change)
        if member == "statement.json":
            write_archive(files[member], forged)
        else:
            write_forged(files[member], forged)
    words = [sys.executable, "-u", "-c", IN_ONE_PROCESS, f"--store={place / 'store'}", *map(str, files.values())]
    done = subprocess.run(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL
    )
    texts = re.split(r"^FILE ", done.stdout, flags=re.MULTILINE)[1:]
    assert len(texts) == len(files), done.stdout
    return members, alone, dict(zip(files, texts, strict=True))


def test_each_member_is_changed_once(tampered):
    members, alone, texts = tampered

    assert set(texts) == set(members) == set(alone) - {"manifest.json"}


def test_each_change_is_caught(tampered):
    _, alone, texts = tampered

    assert all(member == found for member, found in alone.items())
    assert [text for text in texts.values() if not re.search(r"^STATUS 10$", text, re.MULTILINE)] == []


def test_the_table_of_the_page_is_what_was_found(tampered):
    _, alone, texts = tampered
    rows = [(name, words, alone[name], tampering.named(texts[name])) for name, words, _ in tampering.CHANGES]
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")

    assert tampering.table(rows) in page, tampering.table(rows)


def console_lines(heading):
    """The lines of the first console block after a heading of the page."""
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    return re.search(r"```console\n(.*?)```", page.partition(heading)[2], re.DOTALL)[1].splitlines()


def shell(line, folder):
    """One line of the page, run in a folder; cosign asks for no password."""
    return subprocess.run(
        ["/bin/bash", "-ec", line], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        env={**os.environ, "COSIGN_PASSWORD": ""},
    )  # fmt: skip


def run_lines(lines, written, folder):
    """Run the page's lines beside the evidence of a run. Returns what the last one prints."""
    for name in ("e.zip", "e.intoto.json"):
        shutil.copy(written[0] / name, folder / name.replace("e.", "evidence."))
    for line in lines:
        done = shell(line, folder)
        assert done.returncode == 0, (line, done.stdout + done.stderr)
    return done.stdout + done.stderr


@pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="this machine has no ssh-keygen (package openssh-client)"
)
def test_the_page_signs_and_checks_with_ssh_keygen(written, tmp_path):
    lines = console_lines("## Sign it with ssh-keygen")

    assert "Good" in run_lines(lines, written, tmp_path)
    statement = tmp_path / "evidence.intoto.json"
    statement.write_text(statement.read_text().replace("FAILED", "PASSED"))
    assert shell(lines[-1], tmp_path).returncode != 0


def cosign_signs_statements():
    """Whether this machine has a cosign that takes a whole Statement (3 or newer)."""
    if shutil.which("cosign") is None:
        return False
    return "--statement=" in subprocess.run(["cosign", "attest-blob", "--help"], capture_output=True, text=True).stdout


@pytest.mark.skipif(
    not cosign_signs_statements(), reason="this machine has no cosign 3 (package cosign of newer Debians)"
)
def test_the_page_signs_and_checks_with_cosign(written, tmp_path):
    lines = console_lines("## Sign it with cosign")

    assert "Verified OK" in run_lines(lines, written, tmp_path)
    bundle, dumps = tmp_path / "evidence.sigstore.json", tmp_path / "dumps.txt"
    right = json.loads(bundle.read_text())
    payload = base64.b64decode(right["dsseEnvelope"]["payload"])
    assert payload == (tmp_path / "evidence.intoto.json").read_bytes()

    dumps.write_bytes(dumps.read_bytes() + b"\n")
    assert shell(lines[-1], tmp_path).returncode != 0, "other dumps"

    dumps.write_bytes(dumps.read_bytes()[:-1])
    assert shell(lines[-1], tmp_path).returncode == 0
    other = payload.replace(b'"FAILED"', b'"PASSED"')
    assert other != payload
    right["dsseEnvelope"]["payload"] = base64.b64encode(other).decode()
    bundle.write_text(json.dumps(right))
    assert shell(lines[-1], tmp_path).returncode != 0, "another result"


def test_the_statement_beside_the_file_is_read_by_the_page_s_own_line(written, tmp_path):
    for name in ("e.zip", "e.intoto.json"):
        shutil.copy(written[0] / name, tmp_path / name.replace("e.", "evidence."))
    (line,) = console_lines("### What the signature covers")
    done = subprocess.run(["/bin/bash", "-ec", line], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
