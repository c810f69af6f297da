"""A pass is of the file that it was begun with, however long its first look lies back."""

import shutil
from contextlib import nullcontext

import pytest

from rfcn_lib.store.store import Store, StoreError
from rfcn_lib.suite import host_runs as passes


@pytest.fixture
def passing(pytestconfig, port, devkit, tmp_path):
    """The fixture itself, over a store of its own."""
    return passes.passing.__wrapped__(pytestconfig, Store(tmp_path / "store"), port, devkit, nullcontext)


def test_a_graph_that_changes_after_the_first_look_is_an_error_before_a_picture_is_made_of_either(
    passing, devkit, twin_paths, tmp_path
):
    """On a cluster the workers would go on with the file that they received at the first look."""
    (canvas,) = twin_paths
    graph = shutil.copy(twin_paths[canvas], tmp_path / "twin.onnx")
    made_of = {"twins": {"one": graph}}
    run = passing("dumps/once", "onnx_runtime", made_of, {canvas: devkit.ids[:4]}, lambda _: (graph,))
    looked = run(first_look=True)
    assert len(list(looked.iterdir())) == 2 * 3

    with graph.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(
        StoreError, match=r"twin\.onnx changed after this run began, so nothing is made of it; start again"
    ):
        run()
    assert sum(len(list(folder.iterdir())) for folder in (tmp_path / "store/kept").glob("dumps--once-*/once")) == 2 * 3


def test_a_pass_goes_on_where_its_first_look_ended_and_says_its_plan_once(passing, devkit, twin_paths, capsys):
    (canvas,) = twin_paths
    made_of = {"twins": {"one": twin_paths[canvas]}}
    run = passing("dumps/once", "onnx_runtime", made_of, {canvas: devkit.ids[:4]}, lambda _: (twin_paths[canvas],))
    run(first_look=True)
    assert "dumps/once: 4 pictures to do, 0 already there" in capsys.readouterr().err
    assert len(list(run().iterdir())) == 4 * 3
    assert capsys.readouterr().err == ""
