"""A run is of the file that it was set up with, however long its first pictures lie back."""

import shutil

import pytest

from rfcn_lib.store.store import Store, StoreError
from rfcn_lib.suite.host_runs import HostRun, Twin
from tests.support import tiny
from tests.support.pictures import pictures_of

CODE = ("rfcn_lib.devices.onnx_runtime", "rfcn_lib.pictures.preprocess")


@pytest.fixture
def pictures(tmp_path):
    """Four grey pictures on the tiny port's canvas."""
    return pictures_of(tmp_path / "devkit", tiny.PORT, 4)


@pytest.fixture(scope="module")
def tiny_twin(tmp_path_factory):
    return tiny.twin_at(tmp_path_factory.mktemp("twin"))


def test_a_graph_that_changes_after_the_first_pictures_is_an_error_before_a_picture_is_made_of_it(
    pictures, tiny_twin, tmp_path
):
    """On a cluster the workers would go on with the file that they received at first."""
    graph = shutil.copy(tiny_twin, tmp_path / "twin.onnx")
    run = HostRun("dumps/once", Twin({tiny.CANVAS_WH: graph}), pictures, Store(tmp_path / "store"), CODE, None)
    assert len(list(run.first_pictures().iterdir())) == 2 * 3

    with graph.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(
        StoreError, match=r"twin\.onnx changed after this run began, so nothing is made of it; start again"
    ):
        run.all()
    assert sum(len(list(folder.iterdir())) for folder in (tmp_path / "store/kept").glob("dumps--once-*/once")) == 2 * 3


def test_a_run_goes_on_where_its_first_pictures_ended_and_says_its_plan_once(pictures, tiny_twin, tmp_path, capsys):
    run = HostRun("dumps/once", Twin({tiny.CANVAS_WH: tiny_twin}), pictures, Store(tmp_path / "store"), CODE, None)
    run.first_pictures()
    assert "dumps/once: 4 pictures to do, 0 already there" in capsys.readouterr().err
    assert len(list(run.all().iterdir())) == 4 * 3
    assert capsys.readouterr().err == ""
