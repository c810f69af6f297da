"""How long each exhibit took, as the store has it; and lines for a shell that check the digests."""

import hashlib
import json
import shlex

from rfcn_lib.suite.exhibits_kept import checks_of, times_of


def exhibit(path, sha256="ab" * 32):
    return {"path": str(path), "sha256": sha256, "bytes": 1}


def kept(folder, **record):
    folder.mkdir()
    (folder / ".record.json").write_text(json.dumps(record))
    return folder / "artifact"


def test_an_artifact_has_the_time_of_its_build_and_an_input_has_none(tmp_path):
    made, quick = kept(tmp_path / "onnx", seconds=7.334), kept(tmp_path / "twin", seconds=0.043)
    found = times_of({"onnx": exhibit(made), "twin": exhibit(quick), "weights": exhibit(made)})

    assert found == {"onnx": "made in 7.3 s", "twin": "made in 0.04 s", "weights": "given"}


def test_an_om_lies_in_a_folder_of_its_build(tmp_path):
    (kept(tmp_path / "om", seconds=61.0)).mkdir()

    assert times_of({"om": exhibit(tmp_path / "om" / "artifact" / "rfcn.om")}) == {"om": "made in 61.0 s"}


def test_dumps_have_the_time_of_all_runs_that_added_pictures(tmp_path):
    dumps = kept(tmp_path / "dumps")
    (tmp_path / "dumps" / "seconds.txt").write_text("7200.0 1000\n600.0 152\n12.")

    assert times_of({"candidate dumps": exhibit(dumps)}) == {"candidate dumps": "2.2 h for 1,152 pictures"}


def test_a_time_that_nobody_noted_is_not_known(tmp_path):
    found = times_of(
        {"candidate dumps": exhibit(tmp_path / "elsewhere"), "twin": exhibit(kept(tmp_path / "x", seconds="y"))}
    )

    assert set(found.values()) == {"time not known"}


def test_what_is_pasted_into_a_shell_names_every_file_and_no_folder(tmp_path):
    paths = [tmp_path / "it's $HOME", tmp_path / "plain.onnx"]
    for path in paths:
        path.write_bytes(path.name.encode())
    exhibits = {path.name: exhibit(path, hashlib.sha256(path.name.encode()).hexdigest()) for path in paths}
    pasted = checks_of({**exhibits, "a folder": exhibit(tmp_path)})
    words = shlex.split("\n".join(pasted).replace("\\\n", " "))

    assert words[:2] == ["printf", "%s\\n"] and words[-3:] == ["|", "sha256sum", "--check"]
    assert words[2:-3] == [f"{one['sha256']}  {one['path']}" for one in exhibits.values()]


def test_where_no_exhibit_is_a_file_there_is_nothing_to_paste(tmp_path):
    assert checks_of({"pictures": exhibit(tmp_path)}) == []
