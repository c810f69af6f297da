"""A shell that starts a command in the background lets it ignore SIGINT, and each process hands that down to its children."""

import signal
import threading


def heed_ctrl_c():
    """Let this process, and the children that it starts from now on, end at SIGINT, as in a terminal."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
