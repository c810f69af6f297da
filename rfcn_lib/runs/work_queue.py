"""Batches shared out over devices: whoever is free takes the next one, and what a lost device had goes to the others.

While a device is at work on a batch, the next one is laid out for it.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rfcn_lib.ascend.tool_run import OmRunError
from rfcn_lib.progress import say

Ids = tuple[str, ...]
Lay = Callable[[Ids], float]  # lay one batch out; returns when that began, seconds since the epoch
Do = Callable[[Ids, int, float], None]  # one batch, laid out since then, on one device; OmRunError: this device is lost


@dataclass(slots=True)
class Pile:
    """Batches to be done. A device that finds it empty waits while another's batch may still come back.

    lost     devices that were given up, and why
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
            if self.fatal or not self.batches:
                return None
            self.under_way += 1
            return self.batches.pop(0)

    def take_ahead(self, devices: int) -> Ids:
        """A batch to be laid out meanwhile; none where fewer are left than `devices`, for then another may be free first."""
        with self.changed:
            if self.fatal or len(self.batches) < devices - len(self.lost):
                return ()
            self.under_way += 1
            return self.batches.pop(0)

    def put_down(self, back: Ids = ()) -> None:
        """A batch taken is finished, or comes back."""
        with self.changed:
            self.under_way -= 1
            if back:
                self.batches.append(back)
            self.changed.notify_all()

    def stop(self, reason: BaseException) -> None:
        """No further batch for anybody."""
        with self.changed:
            self.fatal = self.fatal or reason
            self.changed.notify_all()


def finished(pile: Pile, devices: Sequence[int], lay: Lay, do: Do) -> Iterator[Ids]:
    """Do the batches of the pile; yield each when it is finished. What is left then is in `pile`.

    `do` raising OmRunError costs its device, any other Exception stops all devices. One device works in this thread, so
    that Ctrl-C reaches what it runs at once; several end the batches they have begun.
    """
    if len(devices) == 1:
        yield from _work(pile, devices[0], 1, lay, do)
        return
    line: queue.SimpleQueue[Ids | None] = queue.SimpleQueue()

    def report(device: int) -> None:
        try:
            for ids in _work(pile, device, len(devices), lay, do):
                line.put(ids)
            if device in pile.lost:
                say(f"device {device} gets no more pictures, others take over: {pile.lost[device].splitlines()[0]}")
        finally:
            line.put(None)

    threads = [threading.Thread(target=report, args=(device,), name=f"device {device}") for device in devices]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            ids = line.get()
            if ids is None:
                running -= 1
            else:
                yield ids
    except BaseException as reason:
        pile.stop(reason)
        say("stopping when the batches under way have ended; what they finish is kept")
        raise
    finally:
        for thread in threads:
            thread.join()


def _work(pile: Pile, device: int, devices: int, lay: Lay, do: Do) -> Iterator[Ids]:
    with ThreadPoolExecutor(1, thread_name_prefix=f"next batch of device {device}") as ahead:
        ids, laid = pile.take() or (), None
        while ids:
            then: Ids = ()
            try:
                # what could not be laid out ahead may find room now; a picture that is at fault says so again
                since = lay(ids) if laid is None or laid.exception() else laid.result()
                then = pile.take_ahead(devices)
                laid = ahead.submit(lay, then) if then else None
                do(ids, device, since)
            except OmRunError as error:
                pile.lost[device] = str(error)
                if laid is not None:
                    laid.exception()  # whoever takes it next lays it out in the same place: not at the same time
                _put_back(pile, ids, then)
                return
            except BaseException as error:  # a disk or a picture: no other device would fare better
                pile.stop(error)
                _put_back(pile, ids, then)
                if not isinstance(error, Exception):
                    raise
                return
            pile.put_down()
            yield ids
            if then and pile.fatal:
                _put_back(pile, then)
                return
            ids = then or pile.take() or ()


def _put_back(pile: Pile, *batches: Ids) -> None:
    for ids in filter(None, batches):
        pile.put_down(back=ids)
