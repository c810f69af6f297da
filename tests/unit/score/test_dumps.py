import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Outputs
from rfcn_lib.score.dump_audit import audit, read_dump, read_dumps
from rfcn_lib.score.dumps import DumpError, write_dump

IDS = ("000001", "000002", "2008_000003")


def port_of(kept: int, classes: int) -> Port:
    port = read_port(PUBLISHED)
    proposals = port.proposals.model_copy(update={"kept": kept})
    return port.model_copy(update={"proposals": proposals, "classes": port.classes[:classes]})


PORT = port_of(4, 2)


def healthy(seed: int, port: Port = PORT) -> Outputs:
    random, rows, columns = np.random.default_rng(seed), port.proposals.kept, len(port.classes) + 1
    corner = random.uniform(0, 300, (rows, 2))
    rois = np.hstack([np.zeros((rows, 1)), corner, corner + random.uniform(5, 200, (rows, 2))])
    prob = random.dirichlet(np.ones(columns), rows)
    deltas = random.normal(size=(rows, 4 * columns))
    return Outputs(rois.astype(np.float32), prob.astype(np.float32), deltas.astype(np.float32))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, id in enumerate(IDS):
        write_dump(tmp_path, id, healthy(seed))
    return tmp_path


def changed(outputs: Outputs, name: str, where: object, value: object) -> Outputs:
    array = getattr(outputs, name).copy()
    array[where] = value
    return replace(outputs, **{name: array})


def complaint(folder: Path, ids: tuple[str, ...] = IDS, port: Port = PORT) -> str:
    """Both readers must refuse, with the same words, and the streaming one before it hands out a bad picture."""
    with pytest.raises(DumpError) as audited:
        audit(folder, ids, port)
    with pytest.raises(DumpError) as streamed:
        list(read_dumps(folder, ids, port))
    assert str(audited.value) == str(streamed.value)
    assert str(folder) in str(audited.value)
    return str(audited.value)


def test_files_are_raw_little_endian_float32_named_as_the_published_tool_names_them(tmp_path: Path) -> None:
    outputs = healthy(5)
    write_dump(tmp_path, "000001", outputs)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "000001_1.bin": outputs.rois.astype("<f4").tobytes(),
        "000001_2.bin": outputs.cls_prob.astype("<f4").tobytes(),
        "000001_3.bin": outputs.bbox_pred.astype("<f4").tobytes(),
    }


def test_the_published_port_has_132_kilobytes_a_picture(tmp_path: Path) -> None:
    port = read_port(PUBLISHED)
    write_dump(tmp_path, "000001", healthy(0, port))
    assert [(tmp_path / f"000001_{k}.bin").stat().st_size for k in (1, 2, 3)] == [300 * 20, 300 * 84, 300 * 336]
    assert len(audit(tmp_path, ["000001"], port)) == 1


@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda a: a.astype(">f4"), lambda a: np.repeat(a, 2, axis=0)[::2]],
    ids=["columns", "big-endian", "strided"],
)
def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path, layout: object) -> None:
    wanted = healthy(1)
    write_dump(tmp_path, "a", Outputs(*(layout(getattr(wanted, n)) for n in ("rois", "cls_prob", "bbox_pred"))))  # type: ignore[operator]
    got = read_dump(tmp_path, "a", PORT)
    for name in ("rois", "cls_prob", "bbox_pred"):
        assert getattr(got, name).dtype == np.float32
        assert np.array_equal(getattr(got, name), getattr(wanted, name))


def test_half_precision_is_kept_and_double_refused(tmp_path: Path) -> None:
    half = Outputs(*(getattr(healthy(1), n).astype(np.float16) for n in ("rois", "cls_prob", "bbox_pred")))
    write_dump(tmp_path, "a", half)
    assert np.array_equal(read_dump(tmp_path, "a", PORT).cls_prob, half.cls_prob.astype(np.float32))
    with pytest.raises(DumpError, match=r"rois is float64, but a dump is float32"):
        write_dump(tmp_path, "b", replace(half, rois=half.rois.astype(np.float64)))


def test_dumps_come_by_id_in_the_order_asked_for(folder: Path) -> None:
    order = IDS[::-1]
    for (id, outputs, _), wanted in zip(read_dumps(folder, order, PORT), order, strict=True):
        assert id == wanted
        assert np.array_equal(outputs.rois, healthy(IDS.index(id)).rois)


def test_audit_returns_the_digest_of_every_picture(folder: Path) -> None:
    assert audit(folder, IDS, PORT) == {
        id: hashlib.sha256(b"".join((folder / f"{id}_{k}.bin").read_bytes() for k in (1, 2, 3))).hexdigest()
        for id in IDS
    }


def test_missing_files_are_named_and_counted(folder: Path) -> None:
    for name in ("000001_2.bin", "000001_3.bin", "2008_000003_1.bin", "000002_1.bin"):
        (folder / name).unlink()
    said = complaint(folder)
    assert "should hold 9 files, 3 for each of 3 ids" in said
    assert "4 missing: 000001_2.bin, 000001_3.bin, 000002_1.bin ...;" in said
    assert "make these dumps again, or pass" in said


@pytest.mark.parametrize("name", ["000004_1.bin", "000001_0.bin", "000001_4.bin", "notes.txt", ".000001_1.bin.partial"])
def test_surplus_files_are_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"x")
    said = complaint(folder)
    assert f"1 surplus: {name};" in said
    assert f"remove {name} from there" in said


def test_surplus_can_be_allowed_by_id_or_by_name_and_nothing_else(folder: Path) -> None:
    (folder / "sumary.json").write_text("{}")
    some = IDS[:2]
    assert list(audit(folder, some, PORT, surplus_allowed=(*IDS, "sumary.json"))) == list(some)
    assert [id for id, *_ in read_dumps(folder, some, PORT, surplus_allowed=(*IDS, "sumary.json"))] == list(some)
    with pytest.raises(DumpError, match=r"1 surplus: sumary.json;"):
        audit(folder, some, PORT, surplus_allowed=IDS)
    with pytest.raises(DumpError, match=r"3 surplus: 2008_000003_1.bin, 2008"):
        audit(folder, some, PORT, surplus_allowed=["sumary.json"])


def test_short_and_long_files_are_told_apart_and_a_folder_is_no_file(folder: Path) -> None:
    for name, change in (("000001_1.bin", -1), ("000002_3.bin", 4)):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[:change] if change < 0 else data + bytes(change))
    (folder / "000001_2.bin").unlink()
    (folder / "000001_2.bin").mkdir()
    said = complaint(folder)
    assert "1 short: 000001_1.bin has 79 of 80 bytes" in said
    assert "1 long: 000002_3.bin has 196 of 192 bytes" in said
    assert "1 no plain file: 000001_2.bin" in said
    with pytest.raises(DumpError, match=r"000001_1.bin has 79 bytes, but \(4, 5\) float32 are 80; make the dump"):
        read_dump(folder, "000001", PORT)
    with pytest.raises(DumpError, match=r"000002_3.bin has more than 192 bytes"):
        read_dump(folder, "000002", PORT)


def test_names_and_sizes_are_audited_before_the_first_picture_is_handed_out(folder: Path) -> None:
    (folder / "2008_000003_1.bin").unlink()
    with pytest.raises(DumpError, match=r"1 missing"):
        read_dumps(folder, IDS, PORT)  # the call itself, not the first step


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "where", "value", "said"),
    [
        ("rois", (1, 2), NAN, "000002_1.bin: rois has 1 of 20 numbers NaN or infinite, first at row 1 column 2;"),
        ("cls_prob", 3, INF, "000002_2.bin: cls_prob has 3 of 12 numbers NaN or infinite, first at row 3 column 0;"),
        ("bbox_pred", (0, 11), -INF, "000002_3.bin: bbox_pred has 1 of 48 numbers NaN or infinite, first at row 0"),
        ("rois", ..., 0, "000002_1.bin: rois is constant (0 everywhere)"),
        ("rois", ..., (0, 1, 2, 3, 4), "000002_1.bin: rois has 4 equal rows, but should differ from box to box"),
        ("cls_prob", ..., 1 / 3, "000002_2.bin: cls_prob is constant (0.333333 everywhere)"),
        ("bbox_pred", ..., 0, "000002_3.bin: bbox_pred is constant (0 everywhere)"),
        ("bbox_pred", ..., range(12), "000002_3.bin: bbox_pred has 4 equal rows"),
        ("rois", ..., 1e-40, "000002_1.bin: rois has no number above 1e-40, as integers have that are read as float32"),
        ("bbox_pred", ..., -1e-39, "bbox_pred has no number above 1e-39, as integers"),
        ("rois", (2, 0), 1, "000002_1.bin: rois has batch index 1 in row 2, but should be rows of 0 x1 y1 x2 y2"),
        ("cls_prob", 1, (1.2, -0.1, -0.1), "000002_2.bin: cls_prob is 1.2 at row 1 column 0, but should lie in [0, 1]"),
        ("cls_prob", 2, (1, -1e-6, 0), "cls_prob is -1e-06 at row 2 column 1"),
        ("cls_prob", 2, (0.5, 0.2, 0.28), "cls_prob row 2 sums to 0.98, but should sum to 1 within 0.01"),
        ("cls_prob", 2, (0.9, 0.1, 0.02), "cls_prob row 2 sums to 1.02"),
    ],
)
def test_damaged_content_is_refused_by_name(folder: Path, name: str, where: object, value: object, said: str) -> None:
    write_dump(folder, "000002", changed(healthy(1), name, where, value))
    message = complaint(folder)
    assert said in message
    assert message.endswith("make the dump of 000002 again: remove 000002_*.bin there, and run once more")
    with pytest.raises(DumpError) as single:
        read_dump(folder, "000002", PORT)
    assert said in str(single.value)


def test_a_transposed_output_of_the_right_size_is_refused(folder: Path) -> None:
    rois = healthy(1).rois
    write_dump(folder, "000002", replace(healthy(1), rois=rois.T.reshape(rois.shape)))
    assert "batch index" in complaint(folder)


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("rois", slice(1, None), 0),  # one proposal survived, the rest is padding
        ("cls_prob", ..., (1, 0, 0)),  # half precision can be sure of background everywhere
        ("cls_prob", 0, (0.995, 0, 0)),  # half precision sums like this
        ("cls_prob", 0, (1 + 2**-10, 0, 0)),
        ("bbox_pred", slice(1, None), 0),
    ],
)
def test_rare_but_legal_content_is_read(folder: Path, name: str, where: object, value: object) -> None:
    write_dump(folder, "000002", changed(healthy(1), name, where, value))
    assert len(audit(folder, IDS, PORT)) == 3


def test_a_port_that_keeps_one_proposal_has_one_row(tmp_path: Path) -> None:
    port = port_of(1, 2)
    write_dump(tmp_path, "a", healthy(1, port))
    assert list(audit(tmp_path, ["a"], port)) == ["a"]


def test_one_dump_under_two_ids_is_refused(folder: Path) -> None:
    for k in (1, 2, 3):
        (folder / f"2008_000003_{k}.bin").write_bytes((folder / f"000001_{k}.bin").read_bytes())
    assert "2008_000003_*.bin repeat 000001_*.bin byte for byte" in complaint(folder)


def test_a_set_without_ids_or_with_one_twice_is_refused(folder: Path) -> None:
    assert "0 ids asked for, 0 different" in complaint(folder, ())
    assert "4 ids asked for, 3 different" in complaint(folder, (*IDS, IDS[0]))


@pytest.mark.parametrize("id", ["../a", "", "a/b", "a ", "a\n", "a\x1b[1m", "a" * 201, "\u6a2a" * 67])
def test_an_id_cannot_lead_out_of_the_folder(tmp_path: Path, id: str) -> None:
    for call in (
        lambda: write_dump(tmp_path, id, healthy(0)),
        lambda: read_dump(tmp_path, id, PORT),
        lambda: audit(tmp_path, [id], PORT),
    ):
        with pytest.raises(DumpError, match=r"cannot name a dump"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("id", ["102-3\u6a2a\u7ed3\u80a0+0.4+\u90e8\u4f4d", "a b", ".a", "..", "-x", "a" * 200])
def test_any_printable_id_names_a_dump(tmp_path: Path, id: str) -> None:
    write_dump(tmp_path, id, healthy(0))
    assert list(audit(tmp_path, [id], PORT)) == [id]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "no dumps at" in complaint(tmp_path / "nowhere")
    with pytest.raises(DumpError, match=r"cannot read .*a_1.bin: No such file"):
        read_dump(tmp_path, "a", PORT)
    with pytest.raises(DumpError, match=r"cannot write .*a_1.bin: No such file"):
        write_dump(tmp_path / "nowhere", "a", healthy(0))
