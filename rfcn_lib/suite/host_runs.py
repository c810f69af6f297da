"""A pass: every picture through one device, into a folder of dumps; on this machine, or shared over a Dask cluster."""

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import pytest

from rfcn_lib.pictures.canvases import IdsByCanvas, Wh, ids_of, note_canvases
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.port import Port
from rfcn_lib.store.store import Store

PREPROCESSING = "rfcn_lib.pictures.preprocess"


@pytest.fixture(scope="session")
def passing(
    pytestconfig: pytest.Config,
    store: Store,
    port: Port,
    devkit: Devkit,
    jpegs: Any,
    aloud: Callable[[], AbstractContextManager[object]],
) -> Callable[..., Callable[..., Path]]:
    """Makes passes: of one kind of device over the pictures, canvas by canvas.

    `kind` is the module of rfcn_lib.devices that makes the dumps. Its `device(*loaded(canvas))` is started for one canvas
    at a time, and only where a picture's dump is missing; with --dask the workers start it, from the file loaded(canvas)[0].
    What is returned does every picture that is missing, or with first_look=True a few: then the plan and the hours are known.
    """
    dask = pytestconfig.getoption("--dask")

    def over(
        name: str,
        kind: Literal["pytorch", "onnx_runtime"],
        made_of: Mapping[str, Any],
        canvases: IdsByCanvas,
        shown: Any,
        loaded: Callable[[Wh], Any],
    ) -> Callable[..., Path]:
        from rfcn_lib.runs.dask.client import Program, fill_on_cluster
        from rfcn_lib.runs.filling import by_canvas, fill

        code = f"rfcn_lib.devices.{kind}"
        keyed = {canvas: store.digests.of(loaded(canvas)[0]) for canvas in canvases}
        looked = False

        def started(canvas: Wh) -> Any:
            given = loaded(canvas)
            return store.load_unchanged(given[0], lambda: importlib.import_module(code).device(*given), keyed[canvas])

        def expect_keyed() -> None:
            """Hours may lie between the first look and the pass, and workers load what was keyed then."""
            for canvas in canvases:
                store.load_unchanged(loaded(canvas)[0], lambda: None, keyed[canvas])

        def made(first_look: bool = False) -> Path:
            nonlocal looked
            expect_keyed()
            with aloud(), store.open_folder(name, [code, PREPROCESSING], **made_of, pictures=port.pictures) as folder:
                expect_keyed()
                note_canvases(folder, canvases)
                options: Any = {"jpegs": jpegs, "first_look": first_look, "planned": looked}
                looked = True
                if dask:
                    sources = lambda id: (devkit.picture_path(id), devkit.sizes_wh[id])  # noqa: E731
                    program = lambda canvas: Program(kind, loaded(canvas)[0], keyed[canvas])  # noqa: E731
                    fill_on_cluster(folder, canvases, port, sources, program, dask, name, **options)
                else:
                    fill(
                        folder,
                        ids_of(canvases),
                        port,
                        shown,
                        lambda: by_canvas(started),
                        name,
                        canvases=canvases,
                        **options,
                    )
            return folder

        return made

    return over
