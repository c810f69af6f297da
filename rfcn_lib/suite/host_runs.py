"""A pass: every picture through one device, into a folder of dumps; on this machine, or shared over a Dask cluster."""

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import pytest

from rfcn_lib.pictures.canvases import IdsByCanvas, Wh
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.port import Port
from rfcn_lib.store.store import Store

PREPROCESSING = "rfcn_lib.pictures.preprocess"


@pytest.fixture(scope="session")
def passing(
    pytestconfig: pytest.Config,
    store: Store,
    port: Port,
    devkit: Devkit,
    aloud: Callable[[], AbstractContextManager[object]],
) -> Callable[..., Callable[..., Path]]:
    """Makes passes: of one kind of device over the pictures, canvas by canvas.

    `kind` is the module of rfcn_lib.devices that makes the dumps. Its `load_model(*loaded(canvas))` is called for one canvas
    at a time, and only where a picture's dump is missing; with --dask the workers start it, from the file loaded(canvas)[0].
    What is returned does every picture that is missing, or with first_look=True a few: then the plan and the hours are known.
    """
    dask = pytestconfig.getoption("--dask")

    def over(
        name: str,
        kind: Literal["pytorch", "onnx_runtime"],
        made_of: Mapping[str, Any],
        canvases: IdsByCanvas,
        loaded: Callable[[Wh], Any],
    ) -> Callable[..., Path]:
        from rfcn_lib.runs.dask.client import DaskEngine, ModelFile
        from rfcn_lib.runs.folder import RunFolder
        from rfcn_lib.runs.local import LocalEngine
        from rfcn_lib.runs.loop import Engine, run_missing

        code = f"rfcn_lib.devices.{kind}"
        keyed = {canvas: store.digests.of(loaded(canvas)[0]) for canvas in canvases}
        looked = False

        def started(canvas: Wh) -> Any:
            given = loaded(canvas)
            return store.as_keyed(given[0], lambda: importlib.import_module(code).load_model(*given), keyed[canvas])

        def expect_keyed() -> None:
            """Hours may lie between the first look and the pass, and workers load what was keyed then."""
            for canvas in canvases:
                store.as_keyed(loaded(canvas)[0], lambda: None, keyed[canvas])

        def made(first_look: bool = False) -> Path:
            nonlocal looked
            expect_keyed()
            with aloud(), store.growing(name, [code, PREPROCESSING], **made_of, pictures=port.pictures) as folder:
                expect_keyed()
                run_folder = RunFolder(folder, port)
                run_folder.note_canvases(canvases)
                pictures = Pictures(devkit, port, canvases, store.digests.of_each)
                engine: Engine[RunFolder] = LocalEngine(started)
                if dask:
                    engine = DaskEngine(dask, lambda canvas: ModelFile(kind, loaded(canvas)[0], keyed[canvas]))
                run_missing(run_folder, pictures, engine, name, first_pictures=first_look, say_plan_first=not looked)
                looked = True
            return folder

        return made

    return over
