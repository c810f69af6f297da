"""Batches for several devices: a device that is free takes the next one; the others take over what a lost device had.

While a device is at work on a batch, a thread prepares the next one for it.
"""

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.progress import say

Ids = tuple[str, ...]
PrepareBatch = Callable[[Ids], float]  # returns when it began, seconds since the epoch
RunBatch = Callable[
    [Ids, int, float], None
]  # (ids, device, when its preparation began); OmRunError: the device is lost


@dataclass(slots=True)
class WorkQueue:
    """Batches that are left. A device that finds none waits as long as another device may still return one.

    lost     devices that get no more batches: device -> reason
    fatal    what ended the whole run
    batches  what is left; empty when all is done
    """

    batches: list[Ids]
    lost: dict[int, str] = field(default_factory=dict)
    fatal: BaseException | None = None
    under_way: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self) -> Ids | None:
        """The next batch, or None when there will be none."""
        with self.changed:
            self.changed.wait_for(lambda: self.batches or not self.under_way or self.fatal)
            return None if self.fatal or not self.batches else self._taken()

    def prefetch(self, devices: int) -> Ids:
        """A batch to prepare while the current one runs.

        () near the end, when fewer batches than working devices are left: another device may be free sooner.
        """
        with self.changed:
            return () if self.fatal or len(self.batches) < devices - len(self.lost) else self._taken()

    def _taken(self) -> Ids:
        self.under_way += 1
        return self.batches.pop(0)

    def finish_batch(self) -> None:
        """A batch that was taken is done."""
        self._end(())

    def return_batch(self, batch: Ids) -> None:
        """Put a batch that was taken back, for another device or the next run. Nothing to do for ()."""
        if batch:
            self._end(batch)

    def _end(self, returned: Ids) -> None:
        with self.changed:
            self.under_way -= 1
            if returned:
                self.batches.append(returned)
            self.changed.notify_all()

    def stop(self, reason: BaseException) -> None:
        """No device gets a further batch."""
        with self.changed:
            self.fatal = self.fatal or reason
            self.changed.notify_all()


def run_batches(
    work: WorkQueue, devices: Sequence[int], prepare_batch: PrepareBatch, run_batch: RunBatch
) -> Generator[Ids, None, None]:
    """Run the batches of the queue on the devices; yield each when it is finished. What is left then is in `work`.

    When `run_batch` raises OmRunError, its device is lost; any other Exception stops all devices. A single device works in
    this thread, so that Ctrl-C reaches its tool at once. Several devices end the batches that they have begun.
    """
    if len(devices) == 1:
        yield from _run_on(work, devices[0], 1, prepare_batch, run_batch)
        return
    finished: queue.SimpleQueue[Ids | None] = queue.SimpleQueue()

    def run_on(device: int) -> None:
        try:
            for ids in _run_on(work, device, len(devices), prepare_batch, run_batch):
                finished.put(ids)
            if device in work.lost:
                say(f"device {device} gets no more pictures, others take over: {work.lost[device].splitlines()[0]}")
        finally:
            finished.put(None)

    threads = [threading.Thread(target=run_on, args=(device,), name=f"device {device}") for device in devices]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            ids = finished.get()
            if ids is None:
                running -= 1
            else:
                yield ids
    except BaseException as reason:
        work.stop(reason)
        say("stopping when the batches under way have ended; what they finish is kept")
        raise
    finally:
        for thread in threads:
            thread.join()


def _run_on(
    work: WorkQueue, device: int, devices: int, prepare_batch: PrepareBatch, run_batch: RunBatch
) -> Generator[Ids, None, None]:
    with ThreadPoolExecutor(1, thread_name_prefix=f"next batch of device {device}") as ahead:
        ids, prepared = work.take() or (), None
        while ids:
            following: Ids = ()
            try:
                # try again what failed ahead: there may be room now, and a picture that is at fault fails again
                began = prepare_batch(ids) if prepared is None or prepared.exception() else prepared.result()
                following = work.prefetch(devices)
                prepared = ahead.submit(prepare_batch, following) if following else None
                run_batch(ids, device, began)
            except OmRunError as error:
                work.lost[device] = str(error)
                if prepared is not None:
                    prepared.exception()  # wait: the device that takes this batch next prepares it in the same place
                work.return_batch(ids)
                work.return_batch(following)
                return
            except BaseException as error:  # a disk or a picture: no other device would fare better
                work.stop(error)
                work.return_batch(ids)
                work.return_batch(following)
                if not isinstance(error, Exception):
                    raise
                return
            work.finish_batch()
            yield ids
            if following and work.fatal:
                work.return_batch(following)
                return
            ids = following or work.take() or ()
