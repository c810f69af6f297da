"""A GPU baseline: written, read, bound to its weights and pictures. tests/system: it becomes the criteria's limit.

There is no CUDA device on most hosts, so the measuring is tried on the CPU, under another name; the code is the same.
"""

import re

import pytest

from rfcn_lib.speed.baseline import BaselineError, expect_same, read_baseline
from tests.support.baselines import measured_on_the_cpu

FEW = 2


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measured_on_the_cpu(tmp_path_factory.mktemp("store"), FEW)


def test_it_is_measured_written_and_read_back(measured):
    path, found = measured

    assert read_baseline(path) == found
    assert found.pictures == found.timed == FEW
    assert re.fullmatch(r".+, .+, \d+ cores", found.machine)
    assert 0 <= found.mean_ap <= 1 + 1e-9
    assert 0 < found.script_fps < found.device_fps


@pytest.mark.parametrize("name", ["weights_sha256", "jpegs_sha256", "annotations_sha256", "ids_sha256", "port_sha256"])
def test_it_is_no_limit_for_anything_else(measured, name):
    path, found = measured
    own = {
        key: getattr(found, key)
        for key in ("weights_sha256", "jpegs_sha256", "annotations_sha256", "ids_sha256", "port_sha256")
    }
    expect_same(found, path, found.ap.keys(), **own)

    with pytest.raises(BaselineError, match=rf"other {name.removesuffix('_sha256')} than are on trial"):
        expect_same(found, path, found.ap.keys(), **{**own, name: "0" * 64})
    with pytest.raises(
        BaselineError, match=r"has an AP of \w+, \w+, \w+, but the port has no such class; it was edited"
    ):
        expect_same(found, path, ["cat"], **own)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text[: len(text) // 2], "is no baseline: the file"),
        (lambda text: "", "is no baseline: the file"),
        (lambda text: text.replace('"mean_ap": ', '"mean_ap": 1'), "mean_ap"),
        (lambda text: text.replace('"gpu"', '"cpu"'), "gpu"),
        (lambda text: re.sub(r"baseline \d+", "baseline 0", text), "format"),
    ],
    ids=["cut", "empty", "mean AP above 1", "a key is missing", "another format"],
)
def test_a_damaged_file_is_an_error_that_names_it(measured, tmp_path, change, named):
    path = tmp_path / "baseline.json"
    path.write_text(change(measured[0].read_text()))

    with pytest.raises(BaselineError, match=named) as caught:
        read_baseline(path)
    assert str(path) in str(caught.value)
    assert "pytest -m gpu" in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(BaselineError, match="no baseline at"):
        read_baseline(tmp_path / "none.json")
