"""The three forms of a picture's outputs are told apart by names, sizes and shapes; what fits none is refused in a sentence."""

import itertools
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.ascend.outputs import SUMMARY_FILES
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Outputs
from rfcn_lib.score.dump_audit import audit, read_dump, read_dumps
from rfcn_lib.score.dump_forms import FORMS, FROM_0, NPY, OWN, Form, form_of
from rfcn_lib.score.dumps import DumpError, write_dump

IDS = ("000001", "000002", "2008_000003")
WHOLE = read_port(PUBLISHED)
PORT = WHOLE.model_copy(
    update={"proposals": WHOLE.proposals.model_copy(update={"kept": 6}), "classes": WHOLE.classes[:2]}
)
NAMES = ("rois", "cls_prob", "bbox_pred")
FORM_IDS = [str(form) for form in FORMS]


def outputs_of(seed: int, port: Port = PORT) -> Outputs:
    random, rows, columns = np.random.default_rng(seed), port.proposals.kept, len(port.classes) + 1
    corner = random.uniform(0, 300, (rows, 2))
    rois = np.hstack([np.zeros((rows, 1)), corner, corner + random.uniform(5, 200, (rows, 2))])
    arrays = rois, random.dirichlet(np.ones(columns), rows), random.normal(size=(rows, 4 * columns))
    return Outputs(*(array.astype(np.float32) for array in arrays))


def write(
    folder: Path, id: str, outputs: Outputs, form: Form, *, batch: bool = True, order: tuple[int, ...] = (0, 1, 2)
) -> None:
    """As a tool writes one picture; `order`: which output goes into each file."""
    arrays = [getattr(outputs, NAMES[k]) for k in order]
    for name, array in zip(form.names(id), arrays, strict=True):
        if form is NPY:
            np.save(folder / name, array[None] if batch else array)
        else:
            array.astype("<f4").tofile(folder / name)


def filled(folder: Path, form: Form, port: Port = PORT, **how: object) -> Path:
    for seed, id in enumerate(IDS):
        write(folder, id, outputs_of(seed, port), form, **how)  # type: ignore[arg-type]
    return folder


def refusal(folder: Path, port: Port = PORT) -> str:
    """What is said of a folder that must be refused."""
    with pytest.raises(DumpError) as error:
        list(read_dumps(folder, IDS, port, form=form_of(folder, IDS), surplus_names=SUMMARY_FILES))
    assert str(folder) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("form", FORMS, ids=FORM_IDS)
@pytest.mark.parametrize("batch", [True, False])
def test_each_form_is_recognised_and_read_to_the_last_bit(tmp_path: Path, form: Form, batch: bool) -> None:
    filled(tmp_path, form, batch=batch)

    assert form_of(tmp_path, IDS) == form
    for seed, (id, outputs, _) in enumerate(read_dumps(tmp_path, IDS, PORT, form=form)):
        assert id == IDS[seed]
        for name in NAMES:
            got = getattr(outputs, name)
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, getattr(outputs_of(seed), name))


def test_the_digest_of_a_dump_is_the_same_in_every_form(tmp_path: Path) -> None:
    digests = []
    for number, form in enumerate(FORMS):
        folder = tmp_path / str(number)
        folder.mkdir()
        digests.append(audit(filled(folder, form), IDS, PORT, form=form))

    assert digests[0] == digests[1] == digests[2]


def test_the_suite_s_own_dumps_count_from_1(tmp_path: Path) -> None:
    write_dump(tmp_path, "000001", outputs_of(0))
    assert form_of(tmp_path, IDS) == OWN
    assert OWN.names("a") == ("a_1.bin", "a_2.bin", "a_3.bin")


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(FORMS, 2)))
def test_a_folder_that_mixes_forms_is_refused(tmp_path: Path, one: Form, other: Form) -> None:
    filled(tmp_path, one)
    for name in one.names(IDS[1]):
        (tmp_path / name).unlink()
    write(tmp_path, IDS[1], outputs_of(1), other)
    said = refusal(tmp_path)

    assert "mixes the files of 2 forms" in said
    assert str(one) in said
    assert str(other) in said
    assert IDS[1] in said


ORDERS = [order for order in itertools.permutations(range(3)) if order != (0, 1, 2)]


@pytest.mark.parametrize("form", FORMS, ids=FORM_IDS)
@pytest.mark.parametrize("order", ORDERS)
def test_outputs_in_another_order_are_refused_by_their_sizes(
    tmp_path: Path, form: Form, order: tuple[int, ...]
) -> None:
    said = refusal(filled(tmp_path, form, WHOLE, order=order), WHOLE)
    wrong = next(k for k in range(3) if order[k] != k)

    assert f"{form.names(IDS[0])[wrong]} has the" in said
    assert f"of {NAMES[order[wrong]]}, but should have the" in said
    assert "are the outputs in another order?" in said


def test_the_sentence_of_another_order(tmp_path: Path) -> None:
    said = refusal(filled(tmp_path, OWN, WHOLE, order=(1, 0, 2)), WHOLE)
    assert "000001_1.bin has the 25,200 bytes of cls_prob, but should have the 6,000 of rois" in said


def test_half_and_double_precision_are_named(tmp_path: Path) -> None:
    for dtype, named in (("<f2", "float16"), ("<f8", "float64 or int64")):
        for seed, id in enumerate(IDS):
            for name, output in zip(FROM_0.names(id), NAMES, strict=True):
                getattr(outputs_of(seed), output).astype(dtype).tofile(tmp_path / name)
        assert f"does the model give {named}?" in refusal(tmp_path)


def test_half_precision_in_npy_files_is_named(tmp_path: Path) -> None:
    for seed, id in enumerate(IDS):
        write(tmp_path, id, outputs_of(seed, WHOLE), NPY)
    half = tmp_path / f"{IDS[1]}_1.npy"
    np.save(half, np.load(half).astype(np.float16))
    said = refusal(tmp_path, WHOLE)
    assert f"1 short: {half.name} has" in said
    assert f"{half.name} should be float32, but has 0.5 times its size: does the model give float16?" in said
    for path in tmp_path.iterdir():
        np.save(path, np.load(path).astype(np.float16))
    assert "every file has 0.5 times its size: does the model give float16?" in refusal(tmp_path, WHOLE)


def test_an_output_that_is_missing_everywhere_leaves_no_form(tmp_path: Path) -> None:
    filled(tmp_path, OWN)
    for id in IDS:
        (tmp_path / f"{id}_3.bin").unlink()
    assert "neither <id>_0.bin nor <id>_3.bin of any picture" in refusal(tmp_path)


def test_a_folder_without_dumps_says_what_should_be_there_and_what_is(tmp_path: Path) -> None:
    assert "has no file; pass the folder of the outputs" in refusal(tmp_path)
    (tmp_path / "holiday.jpg").touch()
    said = refusal(tmp_path)
    assert "has holiday.jpg;" in said
    for form in FORMS:
        assert str(form) in said
    assert "No such file" in refusal(tmp_path / "nowhere")


def test_a_folder_one_level_too_high_is_answered_with_the_one_below(tmp_path: Path) -> None:
    below = tmp_path / "dumpOutput_device0"
    below.mkdir()
    filled(below, OWN)
    assert f"pass --dumps={below}" in refusal(tmp_path)


@pytest.mark.parametrize("form", FORMS, ids=FORM_IDS)
@pytest.mark.parametrize(
    "name",
    [
        "sumary.json",
        "_summary.json",
        "result_summary.json",
        "result_sumary.json",
        "perf_vision_batchsize_1_device_0.txt",
    ],
)
def test_the_tools_own_figures_may_lie_there(tmp_path: Path, form: Form, name: str) -> None:
    (filled(tmp_path, form) / name).write_text("{}")
    assert len(list(read_dumps(tmp_path, IDS, PORT, form=form, surplus_names=SUMMARY_FILES))) == len(IDS)
    with pytest.raises(DumpError, match=re.escape(f"1 surplus: {name}; remove {name} from there")):
        audit(tmp_path, IDS, PORT, form=form)


@pytest.mark.parametrize("form", FORMS, ids=FORM_IDS)
@pytest.mark.parametrize("name", ["notes.txt", "summary.txt", "perf_vision.json", "000004_1.bin", "000004_1.npy"])
def test_any_other_file_is_named_with_what_to_do(tmp_path: Path, form: Form, name: str) -> None:
    (filled(tmp_path, form) / name).write_text("x")
    assert f"1 surplus: {name}; remove {name} from there" in refusal(tmp_path)


def save(path: Path, array: np.ndarray, **how: object) -> None:
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, **how)  # type: ignore[arg-type]


ROIS = outputs_of(0).rois


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: save(p, ROIS.astype(np.float16)), "000001_0.npy is float16 (6, 5), but should be float32 (6, 5)"),
        (lambda p: save(p, ROIS.astype(np.int32)), "is int32 (6, 5), but should be float32"),
        (lambda p: save(p, ROIS.astype(">f4")), "is >f4 (6, 5), but should be float32"),
        (lambda p: save(p, ROIS.T), "is float32 (5, 6), but should be float32 (6, 5) or (1, 6, 5)"),
        (lambda p: save(p, ROIS[None, None]), "is float32 (1, 1, 6, 5), but should be float32"),
        (lambda p: save(p, ROIS.reshape(30)), "is float32 (30,), but should be float32"),
        (lambda p: save(p, ROIS.astype(object), allow_pickle=True), "is object (6, 5), but should be float32"),
        (lambda p: save(p, ROIS, version=(3, 0)), "is a .npy file of version (3, 0)"),
        (lambda p: p.write_bytes(b"\x93NUMPY\x01\x00" + bytes(240)), "is no .npy file"),
        (lambda p: p.write_bytes(b"x" * 248), "is no .npy file: the magic string"),
        (lambda p: p.write_bytes(p.read_bytes() + b"more"), "has 124 bytes after its header, but (6, 5) float32 are 120"),
        (lambda p: p.write_bytes(p.read_bytes()[:-4]), "has 116 bytes after its header"),
        (lambda p: p.write_bytes(b""), "1 short: 000001_0.npy has 0 of 120 bytes"),
        (lambda p: p.write_bytes(bytes(10_000_000)), "1 long: 000001_0.npy has 10,000,000 of 120 bytes"),
    ],
)  # fmt: skip
def test_a_npy_file_that_is_not_the_array_is_refused(tmp_path: Path, change: object, said: str) -> None:
    filled(tmp_path, NPY)
    change(tmp_path / "000001_0.npy")  # type: ignore[operator]
    assert said in refusal(tmp_path)


def test_a_npy_file_of_columns_is_read(tmp_path: Path) -> None:
    """numpy.save keeps the order in which the array lay in memory."""
    filled(tmp_path, NPY)
    save(tmp_path / "000001_0.npy", np.asfortranarray(ROIS))
    np.testing.assert_array_equal(read_dump(tmp_path, "000001", PORT, NPY).rois, ROIS)


def test_a_shape_of_another_output_is_asked_about(tmp_path: Path) -> None:
    """Sizes differ by less than a header in a small port; then the shapes tell."""
    said = refusal(filled(tmp_path, NPY, order=(1, 0, 2)))
    assert (
        "is float32 (1, 6, 3), but should be float32 (6, 5) or (1, 6, 5), the shape of cls_prob: are the outputs"
        in said
    )


@given(
    form=st.sampled_from(FORMS),
    kept=st.integers(1, 6),
    classes=st.integers(1, 6),
    faults=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["cut", "longer", "gone", "swapped", "bits"])), max_size=2
    ),
    place=st.integers(0, 2**31),
)
def test_any_folder_is_read_exactly_or_refused_in_a_sentence(
    form: Form, kept: int, classes: int, faults: list[tuple[int, str]], place: int
) -> None:
    port = PORT.model_copy(
        update={"proposals": PORT.proposals.model_copy(update={"kept": kept}), "classes": WHOLE.classes[:classes]}
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filled(folder, form, port)
        for index, fault in faults:
            path, other = (folder / form.names(IDS[0])[k] for k in (index, (index + 1) % 3))
            data = path.read_bytes() if path.exists() else b""
            if fault == "gone":
                path.unlink(missing_ok=True)
            elif fault == "swapped":
                path.write_bytes(other.read_bytes() if other.exists() else b"")
                other.write_bytes(data)
            elif fault == "bits" and data:
                at = place % len(data)
                path.write_bytes(data[:at] + bytes([data[at] ^ 1 << place % 8]) + data[at + 1 :])
            else:
                path.write_bytes(data[:-4] if fault == "cut" else data + b"more")
        try:
            found = list(read_dumps(folder, IDS, port, form=form_of(folder, IDS)))
        except DumpError as error:
            refused = str(error)
            found = []
        else:
            refused = ""
        assert bool(found) != (str(folder) in refused)
        assert faults or found
        for seed, (_, outputs, _) in enumerate(found):
            for name in NAMES:
                same = np.array_equal(getattr(outputs, name), getattr(outputs_of(seed, port), name))
                assert same or (seed == 0 and faults), "only a file that was changed may have other numbers"
