"""Interrupted runs and untidy devkits at the command line: what was finished stays, and the same command goes on."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from rfcn_lib.port import read_port
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.dumps import file_names
from tests.support.exit_statuses import INCONCLUSIVE, NOT_JUDGED
from tests.support.places import ROOT
from tests.support.pytest_runs import run_pytest

SPECIMEN = ROOT / "specimen" / "VOCdevkit"
WORDS = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "accuracy", "tests/test_accuracy.py"]
ON_TRIAL = ("--weights=specimen/rfcn_specimen.pth", "--port=specimen/port.toml")
ENVIRONMENT = {**os.environ, "COLUMNS": "100"}
LONG_S = 300
SPECIMEN_PORT = read_port(ROOT / "specimen" / "port.toml")

pytestmark = pytest.mark.slow


def run(*options):
    """-> (exit status, all words of a run)."""
    done = run_pytest("-m", "accuracy", "tests/test_accuracy.py", *ON_TRIAL, *options, COLUMNS="100")
    return done.code, done.words


def interrupt(when, with_signal, *options):
    """Run pytest, and send the signal to its process group as soon as `when()`."""
    process = subprocess.Popen(
        [*WORDS, *ON_TRIAL, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    started = time.monotonic()
    while not when() and process.poll() is None and time.monotonic() - started < LONG_S:
        time.sleep(0.01)
    os.killpg(process.pid, with_signal)
    said, _ = process.communicate(timeout=LONG_S)
    return process.returncode, re.sub(r"\s+", " ", said)


@pytest.fixture
def fresh(store_with):
    """A store that has the graphs, and no dumps."""
    return store_with("rfcn.onnx", "rfcn_adapted.onnx", "rfcn_twin.onnx")


@pytest.fixture
def untidy(tmp_path):
    """The specimen's first pictures, in a folder with blanks in its name, behind a link, with CRLF in the set file."""
    ids = (SPECIMEN / "VOC2007/ImageSets/Main/test.txt").read_text().split()[:8]
    year = tmp_path / "my devkits" / "VOCdevkit of 2007" / "VOC2007"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (year / name).mkdir(parents=True)
    for id in ids:
        shutil.copy(SPECIMEN / f"VOC2007/JPEGImages/{id}.jpg", year / "JPEGImages")
        xml = (SPECIMEN / f"VOC2007/Annotations/{id}.xml").read_text()
        (year / f"Annotations/{id}.xml").write_bytes(xml.replace("\n", "\r\n").encode())
    (year / "ImageSets/Main/test.txt").write_bytes("".join(f"{id}\r\n" for id in ids).encode())
    (tmp_path / "link to it").symlink_to(year.parent)
    return tmp_path / "link to it", ids


@pytest.fixture
def read_only():
    """read_only(folder): nobody can write there, root neither, where this process may mount; else modes say so."""
    mounted = []

    def make(folder):
        real = folder.resolve()
        bind = ["mount", "--bind", real, real]
        if os.geteuid() == 0 and shutil.which("mount") and not subprocess.run(bind, capture_output=True).returncode:
            mounted.append(real)
            subprocess.run(["mount", "-o", "remount,ro,bind", real], check=True)
            with pytest.raises(OSError, match="Read-only"):
                (real / "probe").touch()
        else:
            for path in (real, *real.rglob("*")):
                path.chmod(path.stat().st_mode & ~0o222)

    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def stamps(folder, ids):
    return [
        ((folder / name).stat().st_ino, (folder / name).stat().st_mtime_ns) for id in ids for name in file_names(id)
    ]


def test_a_jpeg_that_cannot_be_decoded_is_named_and_after_its_repair_the_run_goes_on(fresh, untidy, read_only):
    devkit, ids = untidy
    broken = devkit / "VOC2007" / "JPEGImages" / f"{ids[3]}.jpg"
    whole = broken.read_bytes()
    table = whole.index(b"\xff\xc4") + 5  # of Huffman codes: the header is whole, and so is the end
    broken.write_bytes(whole[:table] + b"\xff" * 16 + whole[table + 16 :])
    options = (f"--store={fresh}", f"--devkit={devkit}")
    code, words = run(*options, "--limit=7")

    assert code == NOT_JUDGED
    assert f"{broken} cannot be decoded as a JPEG" in words
    assert f"dumps/onnxruntime: stopped with 3 of 7 pictures finished; they are kept in {fresh}" in words
    assert "NOT JUDGED" in words
    assert "Traceback" not in words

    dumps = fresh / "dumps" / "onnxruntime"
    before = stamps(dumps, ids[:3])
    broken.write_bytes(whole)
    read_only(devkit)
    _, words = run(*options, "--limit=7")

    assert "dumps/onnxruntime: 4 pictures to do, 3 already there; canvas 512 x 512 px; 0.6 MB of dumps" in words
    assert "dumps/torch: 5 pictures to do, 2 already there" in words, "of the first look"
    assert "every picture judged 7 == 7 passed" in re.sub(r"[│ ]+", " ", words)
    assert stamps(dumps, ids[:3]) == before

    before = stamps(dumps, ids[:7])
    _, words = run(*options, "--limit=8")  # --limit=N first, then more

    for name in ("dumps/onnxruntime", "dumps/torch"):
        assert f"{name}: 1 pictures to do, 7 already there" in words
    assert stamps(dumps, ids[:7]) == before


def test_an_untidy_devkit_is_answered_in_a_sentence(fresh, untidy):
    """Every other untidiness: tests/unit/pictures/test_devkit.py."""
    devkit, ids = untidy
    (devkit / "VOC2007" / "JPEGImages" / f"{ids[2]}.jpg").unlink()
    code, words = run(f"--store={fresh}", f"--devkit={devkit}", "--limit=7")

    assert code == NOT_JUDGED
    assert "JPEGImages lacks 1 of 7 .jpg files: 000003; restore them" in words
    assert "NOT JUDGED" in words
    assert "Traceback" not in words


def judged(path):
    """A verdict without the moment, the command, and where things lay."""
    found = json.loads(path.read_text())
    exhibits = found["on_trial"]["exhibits"].values()
    for exhibit in exhibits:
        del exhibit["path"]
    return {name: value for name, value in found.items() if name not in ("made", "command", "options")}


def test_killed_and_stopped_a_run_ends_with_the_verdict_of_an_undisturbed_one(fresh, tmp_path):
    limit = "--limit=8"
    shutil.copytree(fresh, tmp_path / "undisturbed", copy_function=os.link)
    options = (f"--store={fresh}", limit, f"--verdict={tmp_path / 'disturbed.json'}")

    def there(name, count):  # finished is what has its line, which comes after the files
        return lambda: len(RunFolder(fresh / "dumps" / name, SPECIMEN_PORT).digests()) >= count

    code, _ = interrupt(there("onnxruntime", 2), signal.SIGKILL, *options)
    assert code == -signal.SIGKILL
    code, words = interrupt(there("torch", 3), signal.SIGINT, *options)  # two are of the first look
    assert code == 2
    stopped = re.search(r"dumps/torch: stopped with (\d+) of 8 pictures finished; they are kept in", words)
    assert stopped, words
    assert 3 <= int(stopped[1]) < 8
    assert re.search(r"dumps/onnxruntime: \d+ pictures to do, [1-9] already there", words)
    assert (
        f"stopped: finished artifacts and finished pictures are kept in {fresh}, and the same command goes on" in words
    )
    _, words = run(*options)
    assert re.search(rf"dumps/torch: \d+ pictures to do, {stopped[1]} already there", words)
    assert "dumps/onnxruntime:" not in words, "nothing was missing there"
    run(f"--store={tmp_path / 'undisturbed'}", limit, f"--verdict={tmp_path / 'undisturbed.json'}")

    assert judged(tmp_path / "disturbed.json") == judged(tmp_path / "undisturbed.json")


@pytest.mark.parametrize("changes", ["weights", "an annotation"])
def test_what_changes_between_the_candidate_and_the_reference_is_not_judged(changes, fresh, untidy, tmp_path):
    """Hours lie between them at full size. Here: as soon as the candidate's pass is over, the reference's has its first look.

    A JPEG that changes meanwhile: tests/unit/runs.
    """
    devkit, ids = untidy
    weights = tmp_path / "weights.pth"
    shutil.copy(ROOT / "specimen" / "rfcn_specimen.pth", weights)
    path = {
        "weights": weights,
        "an annotation": devkit / "VOC2007" / "Annotations" / f"{ids[0]}.xml",
    }[changes]
    words = [*WORDS, f"--weights={weights}", "--port=specimen/port.toml", f"--store={fresh}"]
    words += [f"--devkit={devkit}", "--limit=7"]  # a whole set would need every class
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )
    candidate = fresh / "dumps" / "onnxruntime"
    while (
        not (candidate.exists() and len(RunFolder(candidate, SPECIMEN_PORT).digests()) == 7) and process.poll() is None
    ):
        time.sleep(0.01)
    path.write_bytes(path.read_bytes() + b"\n")
    said = re.sub(r"\s+", " ", process.communicate(timeout=LONG_S)[0])

    assert process.returncode == NOT_JUDGED
    assert "changed" in said
    assert "NOT JUDGED" in said
    assert not re.search(r"PASSED:|FAILED:|Traceback", said)


def test_an_annotation_that_is_of_another_size_by_now_is_no_lower_score(fresh, untidy):
    """Its dump is finished, so that nothing opens the JPEG any more; but boxes are scaled back by the annotation's size."""
    devkit, ids = untidy
    options = (f"--store={fresh}", f"--devkit={devkit}", "--limit=3")
    code, words = run(*options)
    assert code == INCONCLUSIVE, words
    xml = devkit / "VOC2007" / "Annotations" / f"{ids[1]}.xml"
    xml.write_text(re.sub(r"<width>(\d+)</width>", r"<width>\g<1>0</width>", xml.read_text()))
    code, words = run(*options)

    assert code == NOT_JUDGED
    assert re.search(rf"{ids[1]}\.jpg is \d+ x \d+ px, but its annotation says \d+0 x \d+", words)
    assert "NOT JUDGED" in words


def test_an_id_taken_out_of_the_set_costs_no_picture(fresh, untidy):
    devkit, ids = untidy
    options = (f"--store={fresh}", f"--devkit={devkit}", "--limit=6")
    code, words = run(*options)
    assert code == INCONCLUSIVE, words
    before = stamps(fresh / "dumps" / "torch", ids[1:6])
    (devkit / "VOC2007/ImageSets/Main/test.txt").write_text("\n".join(ids[1:]))
    code, words = run(*options)

    assert code == INCONCLUSIVE, words
    assert words.count("1 pictures to do, 5 already there") == 2
    assert stamps(fresh / "dumps" / "torch", ids[1:6]) == before
    assert "every picture judged 6 == 6 passed" in re.sub(r"[│ ]+", " ", words)
