"""A picture's size that kills the process which compares it: workers import this module, and die of it."""

import os
import signal


class FatalSize(tuple):
    __slots__ = ()

    def __ne__(self, other):
        os.kill(os.getpid(), signal.SIGKILL)

    __hash__ = tuple.__hash__
