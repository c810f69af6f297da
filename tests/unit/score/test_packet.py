"""A reference packet is read exactly as it was written, or refused in a sentence that names the file."""

import hashlib
import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib import spec
from rfcn_lib.score.packet import ARRAYS, MANIFEST, packed, read_packet, write_packet
from rfcn_lib.score.packet_records import PacketError
from tests.support.packets import detections_of, facts_with

IDS = tuple(f"{number:06d}" for number in range(1, 8))
FACTS, FOUND = facts_with(IDS), detections_of(IDS)
DATA = packed(FACTS, FOUND)


def same(left, right):
    return left.keys() == right.keys() and all(
        np.array_equal(getattr(left[id], name), getattr(right[id], name))
        for id in left
        for name in ("boxes_xyxy", "scores", "labels")
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reference.zip"


def refusal(path, data):
    path.write_bytes(data)
    with pytest.raises(PacketError) as error:
        read_packet(path)
    assert str(path) in str(error.value)
    return str(error.value)


def rewritten(compression=zipfile.ZIP_STORED, names=None, **changed):
    """The packet as another program would write it. `changed`: manifest, boxes_xyxy, scores, labels -> the member's bytes."""
    by_stem = {name.partition(".")[0]: name for name in (MANIFEST, *ARRAYS)}
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members |= {by_stem[stem]: data for stem, data in changed.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name in names or members:
            archive.writestr(name, members.get(name, b"x"))
    return file.getvalue()


def manifest_with(change):
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        manifest = json.loads(archive.read(MANIFEST))
    change(manifest)
    return json.dumps(manifest).encode()


def array_with(stem, change):
    """The packet with one array changed, and with the sha256 that fits."""
    name = next(name for name in ARRAYS if name.startswith(stem))
    with zipfile.ZipFile(io.BytesIO(DATA)) as archive:
        array = np.frombuffer(archive.read(name), ARRAYS[name][0]).copy()
    change(array)
    digest = {name: hashlib.sha256(array.tobytes()).hexdigest()}
    return rewritten(manifest=manifest_with(lambda m: m["members"].update(digest)), **{stem: array.tobytes()})


def test_it_is_read_to_the_last_bit(path):
    write_packet(path, FACTS, FOUND)
    packet = read_packet(path)

    assert packet.facts == FACTS
    assert packet.ids == IDS
    assert same(packet.detections, FOUND)
    assert (packet.sha256, packet.size_bytes) == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert packet.detections[IDS[0]].boxes_xyxy.dtype == np.float32
    assert any(len(one.labels) == 0 for one in FOUND.values()), "a picture without detections is among them"


def test_equal_inputs_give_equal_bytes(path):
    write_packet(path, facts_with(IDS), dict(reversed(FOUND.items())))
    assert path.read_bytes() == DATA


def test_a_whole_set_takes_a_few_megabytes():
    """4,952 pictures of VOC2007 test with the 100 detections that the published port keeps of each."""
    ids = [f"{number:06d}" for number in range(spec.VOC_TEST_COUNT)]
    full = replace(
        next(iter(FOUND.values())),
        boxes_xyxy=np.zeros((100, 4), np.float32),
        scores=np.zeros(100, np.float32),
        labels=np.zeros(100, np.int64),
    )
    assert len(packed(facts_with(ids), dict.fromkeys(ids, full))) < 15_000_000


def test_it_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(PacketError, match=r"cannot write the reference packet .*; name another place"):
        write_packet(tmp_path / "nowhere" / "reference.zip", FACTS, FOUND)
    (tmp_path / "reference.zip").mkdir()
    with pytest.raises(PacketError, match="cannot write"):
        write_packet(tmp_path / "reference.zip", FACTS, FOUND)
    assert [path.name for path in tmp_path.iterdir()] == ["reference.zip"]


def test_what_would_lose_digits_or_pictures_is_not_written():
    double = {id: replace(one, scores=one.scores.astype(np.float64)) for id, one in FOUND.items()}
    with pytest.raises(ValueError, match="float32 and float64, but should be float32"):
        packed(FACTS, double)
    strange = {id: replace(one, labels=one.labels + 2**16) for id, one in FOUND.items()}
    with pytest.raises(ValueError, match="but should be 0 to 65,535"):
        packed(FACTS, strange)
    with pytest.raises(ValueError, match="detections of 6 ids, but should be of the 7"):
        packed(FACTS, {id: FOUND[id] for id in IDS[1:]})


DAMAGED = {
    "empty": (b"", "is no complete reference packet"),
    "another file": (b"\xff\xd8 a JPEG" * 100, "is no complete reference packet"),
    "cut": (DATA[: len(DATA) // 2], "is no complete reference packet"),
    "last byte": (DATA[:-1], "is no complete reference packet"),
    "compressed": (rewritten(zipfile.ZIP_DEFLATED), "is compressed or encrypted, but should be stored"),
    "a member more": (rewritten(names=[MANIFEST, *ARRAYS, "evil.pkl"]), "it has the members manifest.json, boxes"),
    "a member less": (rewritten(names=[MANIFEST, *list(ARRAYS)[:2]]), "but should have manifest.json, boxes_xyxy.f4"),
    "another order": (rewritten(names=[*ARRAYS, MANIFEST]), "but should have manifest.json, boxes_xyxy.f4"),
    "scores cut": (rewritten(scores=b"1234"), "scores.f4 has 4 bytes, but should have"),
    "other scores": (
        rewritten(scores=bytes(4 * sum(len(one.scores) for one in FOUND.values()))),
        "scores.f4 has sha256",
    ),
    "NaN": (array_with("scores", lambda a: a.__setitem__(0, np.nan)), "has NaN or infinite numbers"),
    "no such class": (
        array_with("labels", lambda a: a.__setitem__(0, 20)),
        "has the label 20, but the port in it has no",
    ),
    "counts": (rewritten(manifest=manifest_with(lambda m: m["counts"].pop())), "of 6 pictures, but names 7"),
    "huge counts": (
        rewritten(manifest=manifest_with(lambda m: m["counts"].__setitem__(0, 10**15))),
        "boxes_xyxy.f4 has",
    ),
    "no JSON": (rewritten(manifest=b"{"), "manifest.json is no JSON"),
    "nested": (rewritten(manifest=b"[" * 10**6), "manifest.json is no JSON"),
    "unknown key": (rewritten(manifest=manifest_with(lambda m: m.update(more=1))), "manifest.json: more: Extra inputs"),
    "AP of 2": (rewritten(manifest=manifest_with(lambda m: m["facts"].update(mean_ap=2))), "mean_ap: Input should be"),
    "AP of an unknown class": (
        rewritten(manifest=manifest_with(lambda m: m["facts"].update(ap={"unicorn": 1}))),
        "AP of unicorn, but the port in it has no such class",
    ),
    "another format": (
        rewritten(manifest=manifest_with(lambda m: m.update(format="rfcn reference packet 9"))),
        "is of the format 'rfcn reference packet 9', but should be of 'rfcn reference packet 1'",
    ),
    "no format": (rewritten(manifest=b"[1]"), "is of the format None"),
    "an old baseline": (
        b'{"format": "rfcn gpu baseline 3", "mean_ap": 0.7}',
        "is JSON, as the GPU baselines of older editions were",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_is_no_whole_packet_is_refused(path, name):
    data, said = DAMAGED[name]
    message = refusal(path, data)

    assert said in message
    assert "`pytest -m gpu`" in message
    assert "--write-reference=FILE" in message


def test_a_missing_file_is_named(path):
    with pytest.raises(PacketError, match=re.escape(f"no reference packet at {path}")):
        read_packet(path)


def test_a_member_that_claims_more_than_the_file_has_is_not_allocated(path):
    """Both places where a zip says the size of the last member are changed to 3 GB."""
    data, size = bytearray(DATA), sum(len(one.labels) for one in FOUND.values()) * 2
    claimed = (3 * 10**9).to_bytes(4, "little")
    for at in [match.start() for match in re.finditer(re.escape(size.to_bytes(4, "little") * 2), DATA)]:
        data[at : at + 8] = claimed * 2
    assert "3,000,000,000 bytes, but the file" in refusal(path, bytes(data))


@given(at=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
def test_any_changed_bit_changes_no_number(tmp_path_factory, at, bit):
    path = tmp_path_factory.getbasetemp() / "changed.zip"
    path.write_bytes(DATA[:at] + bytes([DATA[at] ^ 1 << bit]) + DATA[at + 1 :])
    try:
        packet = read_packet(path)
    except PacketError:
        return
    assert packet.facts == FACTS
    assert same(packet.detections, FOUND)


@given(length=st.integers(0, len(DATA) - 1))
def test_a_file_cut_anywhere_is_refused(tmp_path_factory, length):
    path = tmp_path_factory.getbasetemp() / "cut.zip"
    path.write_bytes(DATA[:length])
    with pytest.raises(PacketError):
        read_packet(path)
