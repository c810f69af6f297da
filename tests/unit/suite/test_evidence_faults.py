"""Options of evidence that cannot go together are refused in a sentence that names them."""

import pytest

from rfcn_lib.suite.options import OptionError, read
from tests.unit.suite.test_options import BY_DEFAULT

SHA = "a" * 64


def refused(marks, **given):
    with pytest.raises(OptionError) as caught:
        read({**BY_DEFAULT, **{name.replace("_", "-"): value for name, value in given.items()}}, marks=marks)
    return str(caught.value)


def read_from(path, marks="accuracy", **given):
    path.write_bytes(b"")
    return refused(marks, evidence_from=str(path), **given)


@pytest.mark.parametrize("marks", ["", "export", "accuracy or npu", "not slow"])
def test_evidence_is_about_one_candidate(tmp_path, marks):
    assert "use -m accuracy, -m npu or -m rehearsal" in refused(marks, evidence=str(tmp_path / "e.zip"))
    assert "use -m accuracy, -m npu or -m rehearsal" in read_from(tmp_path / "e.zip", marks)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"weights": "README.md"}, "--weights=README.md"),
        ({"dumps": "docs"}, "--dumps=docs"),
        ({"devkit": "specimen/VOCdevkit"}, "--devkit=specimen/VOCdevkit"),
        ({"port": "specimen/port.toml"}, "--port=specimen/port.toml"),
        ({"limit": "3"}, "--limit=3"),
        ({"gate": "interval"}, "--gate=interval"),
        ({"accept": True}, "--accept:"),
        ({"report": "r.html"}, "--report=r.html"),
        ({"reference": "published"}, "--reference=published"),
    ],
)
def test_judging_again_takes_no_other_input(tmp_path, given, word):
    words = read_from(tmp_path / "e.zip", **given)
    assert word in words
    assert f"leave out {word.partition('=')[0].rstrip(':')}" in words


def test_what_is_written_about_the_verdict_goes_with_it(tmp_path):
    (tmp_path / "e.zip").touch()
    given = {"evidence-from": str(tmp_path / "e.zip"), "evidence-root": SHA, "verdict": str(tmp_path / "v.json")}
    assert read({**BY_DEFAULT, **given}, marks="accuracy").evidence_root == SHA


def test_each_option_of_evidence_needs_its_own(tmp_path):
    assert "name one with --evidence=FILE" in refused("accuracy", evidence_dumps=True)
    assert "is the digest of the file of --evidence-from" in refused("accuracy", evidence_root=SHA)
    assert "64 characters" in read_from(tmp_path / "e.zip", evidence_root="abc")
    assert "is not a file" in refused("accuracy", evidence_from=str(tmp_path / "absent.zip"))
    assert "would overwrite the file of --evidence-from" in read_from(
        tmp_path / "e.zip", evidence=str(tmp_path / "e.zip")
    )
