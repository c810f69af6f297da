"""The file of --compare is a verdict of this suite, or a sentence says what it is instead."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.verdict import earlier
from rfcn_lib.verdict.earlier import EarlierError, read_earlier
from tests.support.records import changed, judged_trial, protocol_of, record_of, written
from tests.support.trials import criterion_of, verdict_of


@pytest.fixture
def old(tmp_path):
    return written(tmp_path / "old.json")


def test_a_verdict_is_read_with_its_numbers(old):
    found = read_earlier(old)
    (one,) = found.candidates

    assert (found.status, one.trial.device, one.trial.candidate_mean_ap) == ("FAILED", "host", 0.7)
    assert found.protocol == {name: protocol_of()[name] for name in earlier.FIELDS}
    assert found.versions["suite commit"] == "c0ffee" and found.versions["numpy"] == "2.0"
    assert [row.number for row in one.criteria] == [0.2, 2.0, None]  # infinity has no number in JSON


def test_each_candidate_of_a_run_is_found_by_its_device_else_the_main_one(tmp_path):
    both = [verdict_of(judged_trial(device=device), words=device) for device in ("npu", "host")]
    found = read_earlier(written(tmp_path / "old.json", record_of(*both)))

    assert [found.of(device).words for device in ("npu", "host", "rehearsal")] == ["npu", "host", "npu"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"\xff\x00", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "holds a list"),
        (b"{}", "is no verdict: it lacks criteria, on_trial, status"),
        (b'{"status": NaN}', "is not JSON"),
    ],
)
def test_what_is_no_verdict_is_named(tmp_path, content, words):
    path = tmp_path / "old.json"
    path.write_bytes(content)
    with pytest.raises(EarlierError, match=words) as error:
        read_earlier(path)
    assert str(path) in str(error.value) and "leave out --compare" in str(error.value)


def test_a_file_that_is_too_large_is_not_read(old, monkeypatch):
    monkeypatch.setattr(earlier, "LARGEST_BYTES", 100)
    with pytest.raises(EarlierError, match="more than the 100 bytes"):
        read_earlier(old)


def test_a_verdict_of_an_edition_without_fingerprints_is_refused(old):
    changed(old, lambda content: content["on_trial"]["protocol"].pop("ties"))
    with pytest.raises(EarlierError, match=r"did not note the protocol.*lacks ties.*[Jj]udge the same files again"):
        read_earlier(old)


def test_a_verdict_with_nothing_on_trial_has_no_number(old):
    changed(old, lambda content: content.update(on_trial=None, words="an error\x1b[2J came first"))
    with pytest.raises(EarlierError, match=r"nothing on trial \(an error .2J came first\)"):
        read_earlier(old)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("status",), "GREEN"),
        (("options",), 3),
        (("criteria",), [{"name": "x"}]),
        (("criteria", 0, "number"), "many"),
        (("on_trial",), []),
        (("on_trial", "candidate_ap"), {"cat": "high"}),
        (("on_trial", "exhibits", "weights"), None),
        (("on_trial", "protocol"), {"set": []}),
        (("suite",), [1]),
        (("on_trial", "candidate_ap"), {str(at): 0.5 for at in range(1001)}),
        (("versions",), "2.0"),
        (("also judged",), [{"trial": {}}]),
    ],
)
def test_a_wrong_value_anywhere_is_a_sentence(old, place, value):
    def change(content):
        for name in place[:-1]:
            content = content[name]
        content[place[-1]] = value

    with pytest.raises(EarlierError, match=r"old\.json"):
        read_earlier(changed(old, change))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(data=st.data())
def test_any_json_in_any_place_is_read_or_refused(tmp_path, data):
    path = written(tmp_path / "any.json")
    content = json.loads(path.read_text())
    name = data.draw(st.sampled_from([*content]))
    content[name] = data.draw(json_values)
    if data.draw(st.booleans()) and isinstance(content["on_trial"], dict) and content["on_trial"]:
        content["on_trial"][data.draw(st.sampled_from([*content["on_trial"]]))] = data.draw(json_values)
    path.write_text(json.dumps(content))
    with suppress(EarlierError):
        assert read_earlier(path).candidates


def test_no_character_of_the_file_moves_the_cursor(tmp_path):
    rows = [criterion_of("mean\x1b[31m AP\u202e", 0.1)]
    found = read_earlier(
        written(tmp_path / "old.json", record_of(verdict_of(judged_trial(port="a\nb"), rows, words="x\ry")))
    )

    assert found.words == "x y"
    assert found.candidates[0].criteria[0].name.isprintable()
