"""The model's file, given to every worker that is there and to every one that joins later, by Dask's own means: plugins.

A plugin travels pickled, and Dask copies it several times. Measured with 250 MB and two workers: one plugin takes 1.6 GB of
memory, plugins of 16 MB take 0.4 GB and are quicker. So each piece of the file is a plugin.
"""

import os
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from distributed import WorkerPlugin
from distributed.comm.core import CommClosedError

from rfcn_lib.runs.dask.worker import ClusterError, ModelFile
from rfcn_lib.store.digests import Digests

PIECE_BYTES: Final = 16_000_000
TRIES: Final = 3  # to give one piece to all workers: one may be lost at this moment, or be joining
AGAIN_AFTER_S: Final = 1.0


class Piece(WorkerPlugin):
    """One piece of the model's file. Dask calls `setup` on each worker.

    sending  names one sending; another client may send the same file at the same time
    start    bytes of the file before this piece
    last     whether the file ends with this piece
    """

    def __init__(self, file: ModelFile, sending: str, start: int, data: bytes, last: bool) -> None:
        self.file, self.sending, self.start, self.data, self.last = file, sending, start, data, last

    def setup(self, worker: Any) -> None:
        """Write the piece; after the last one, check the whole file and give it its name.

        Raises:
            ClusterError: the disk does not take the piece, or the file is not the one that the run began with.
        """
        data, self.data = self.data, b""  # the worker keeps the plugin
        folder = Path(worker.local_directory)
        partial, whole = folder / self.sending, folder / self.file.sha256
        if whole.exists():
            return
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
                stream.seek(self.start)
                stream.write(data)
        except OSError as error:
            raise ClusterError(
                f"worker {worker.address} could not write {partial}: {error.strerror}; make room on its disk"
            ) from error
        if self.last:
            got = Digests(folder / "digests.sqlite").of(partial)
            if got != self.file.sha256:
                raise ClusterError(
                    f"worker {worker.address} received {self.file.path} with sha256 {got[:12]}, but should with "
                    f"{self.file.sha256[:12]}; did the file change after the run began? run again"
                )
            partial.replace(whole)


def send(client: Any, file: ModelFile, plugins: list[str]) -> None:
    """Give the file to all workers, also to those that join later. The names of its plugins are added to `plugins`.

    Raises:
        ClusterError: a worker cannot keep it, or the file changed.
        OSError, CommClosedError: the scheduler is lost.
    """
    sending, size = f"{file.sha256}.{uuid.uuid4().hex}", file.path.stat().st_size
    with file.path.open("rb") as stream:
        while data := stream.read(PIECE_BYTES):
            start = stream.tell() - len(data)
            plugins.append(f"{sending}.{start}")
            _register(client, Piece(file, sending, start, data, stream.tell() >= size), plugins[-1])


def _register(client: Any, piece: Piece, name: str) -> None:
    for _ in range(TRIES - 1):
        with suppress(OSError, CommClosedError, ClusterError):
            client.register_plugin(piece, name=name)
            return
        time.sleep(AGAIN_AFTER_S)
    client.register_plugin(piece, name=name)


def forget(client: Any, plugins: Sequence[str]) -> None:
    """Remove the pieces from the scheduler's memory. The workers keep the file."""
    with suppress(Exception):  # a scheduler that is lost has forgotten them
        for name in plugins:
            client.unregister_worker_plugin(name)
