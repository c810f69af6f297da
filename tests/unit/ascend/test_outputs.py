"""What a tool wrote is a dump only where type and shape, or without them the size, are the port's."""

import numpy as np
import pytest

from rfcn_lib.ascend.outputs import content_fault, format_fault, move_to_dumps
from tests.support.fake_npu import outputs_of
from tests.support.tiny import PORT


@pytest.fixture
def written(tmp_path):
    """written(change): the three arrays as .npy, the last one changed."""

    def put(change=lambda array: array):
        arrays = [array[None] for array in outputs_of(0.5)]
        files = [tmp_path / f"000001_{k}.npy" for k in range(3)]
        for file, array in zip(files, [*arrays[:2], change(arrays[2])], strict=True):
            np.save(file, array)
        return files

    return put


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda array: array.astype("<f2"), "bbox_pred) is float16"),
        (lambda array: array.astype("<i4"), "bbox_pred) is int32"),
        (lambda array: array.transpose(0, 2, 1), "but should be float32"),
        (lambda array: array.reshape(-1), "but should be float32"),
    ],
    ids=["float16", "int32", "transposed", "flat"],
)
def test_another_type_or_layout_is_no_dump(written, change, said):
    """In a .bin all of these but the first have the right size."""
    assert format_fault(written(), PORT) is None
    assert said in format_fault(written(change), PORT)


def test_a_cut_file_is_no_dump(written):
    files = written()
    files[1].write_bytes(files[1].read_bytes()[:-4])

    assert "000001_1.npy (cls_prob) is not a complete .npy" in format_fault(files, PORT)


def test_objects_are_not_unpickled(written):
    files = written()
    np.save(files[0], np.array([{}], dtype=object), allow_pickle=True)

    assert "not a complete .npy" in format_fault(files, PORT)


def test_an_array_becomes_its_plain_floats(written, tmp_path):
    for number, file in enumerate(written()):
        want = np.load(file)
        move_to_dumps(file, tmp_path / f"{number}.bin")

        assert (tmp_path / f"{number}.bin").read_bytes() == want.tobytes()
        assert not file.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rois, prob, deltas: (rois.astype("<i4"), prob, deltas), "1.bin: rois has no number above"),
        (lambda rois, prob, deltas: (rois, prob, (-deltas).astype("<i4")), "3.bin: bbox_pred has"),
        (lambda rois, prob, deltas: (rois.T, prob, deltas), "1.bin: rois has batch index"),
        (lambda rois, prob, deltas: (rois, prob.T, deltas), "2.bin: cls_prob row 0 sums to"),
        (lambda rois, prob, deltas: (rois, prob, deltas[:0]), "3.bin (bbox_pred) has 0 bytes"),
    ],
    ids=["integers", "negative integers", "rois turned", "cls_prob turned", "empty"],
)
def test_what_a_bin_does_not_say_its_content_does(tmp_path, change, said):
    """benchmark's files have neither type nor shape."""
    files = [tmp_path / f"000001_{k}.bin" for k in (1, 2, 3)]
    arrays = outputs_of(900.0)
    for file, array in zip(files, arrays, strict=True):
        array.tofile(file)
    assert format_fault(files, PORT) is None
    assert content_fault(files, PORT) is None
    for file, array in zip(files, change(*arrays), strict=True):
        np.ascontiguousarray(array).tofile(file)
    assert said in (format_fault(files, PORT) or content_fault(files, PORT))
