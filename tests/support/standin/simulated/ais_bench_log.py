"""What `ais_bench` logs. Its logger writes to stdout: logging.basicConfig(stream=sys.stdout), in every release."""


def info(sentence: str) -> None:
    """Source: logging.basicConfig of every release, seen."""
    print(f"[INFO] {sentence}", flush=True)


def error(sentence: str) -> None:
    """Source: the same, seen."""
    print(f"[ERROR] {sentence}", flush=True)


def failed(sentence: str, raised: str = "") -> RuntimeError:
    """Log what is wrong. The exception has no word of it: none at all, or those of the C++ below.

    Source: `raise RuntimeError()` after the logged line, seen in every release.
    """
    error(sentence)
    return RuntimeError(raised) if raised else RuntimeError()
