"""Pictures through a model on this machine, one after another. While one runs, a thread prepares the next one."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from rfcn_lib.pictures.canvases import Wh
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import PictureError
from rfcn_lib.records import Floats, Picture, RunPicture
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.runs.loop import Finished

IN_MEMORY: Final = 2  # prepared pictures: the one that runs and the next; 21.7 MB each at the published canvas


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """A model on this machine.

    load_model  loads the model of a canvas, (width, height) px. It is called at the canvas's first picture, and the model
                of the canvas before is released first
    """

    load_model: Callable[[Wh], RunPicture]

    def describe(self, pictures: Pictures) -> str:  # noqa: ARG002
        """Nothing: the name of the run says which model it is."""
        return ""

    def run(self, folder: RunFolder, pictures: Pictures, ids: Sequence[str]) -> Generator[Finished, None, None]:
        """Run the pictures in the order of `ids`; the pace is known at the second picture of a canvas.

        Raises:
            PictureError: a picture cannot be prepared, or its JPEG changes while it is read; when its turn comes.
            Whatever `load_model` and the model raise.
        """
        canvas_wh: Wh | None = None
        model: RunPicture | None = None
        with closing(_prepared(ids, pictures)) as prepared:
            for jpeg_sha256, im_data, picture in prepared:
                started, first_on_canvas = time.monotonic(), picture.canvas_wh != canvas_wh
                if model is None or first_on_canvas:
                    model = None  # release its memory before the next one is loaded
                    canvas_wh, model = picture.canvas_wh, self.load_model(picture.canvas_wh)
                outputs = model(im_data, picture)
                del im_data  # or three would be in memory while the next one is awaited
                folder.add(picture.id, outputs, jpeg_sha256)
                yield Finished((picture.id,), None if first_on_canvas else time.monotonic() - started)


def _prepared(ids: Sequence[str], pictures: Pictures) -> Generator[tuple[str, Floats, Picture], None, None]:
    """(sha256 of its JPEG, input of the network, record) of each picture, made in a thread while the caller is at work."""

    def prepare(id: str) -> tuple[str, Floats, Picture]:
        before = pictures.digests([id])
        im_data, picture = pictures.load(id)
        if pictures.digests([id]) != before:
            raise PictureError(f"the JPEG of {id} changed while it was read; leave it alone and run again")
        return before[0], im_data, picture

    thread = ThreadPoolExecutor(1, thread_name_prefix="prepare")
    try:
        waiting = deque(thread.submit(prepare, id) for id in ids[: IN_MEMORY - 1])
        for id in ids[IN_MEMORY - 1 :]:
            waiting.append(thread.submit(prepare, id))
            yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        thread.shutdown(
            wait=False, cancel_futures=True
        )  # Ctrl-C does not wait for a picture that nobody wants any more
