"""Run a tool of somebody else's, or say exactly what went wrong. No shell; nothing it starts outlives the call."""

import errno
import logging
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO

from rfcn_lib.errors import SuiteError
from rfcn_lib.tool_output import last_lines

HEAD_BYTES = 256 * 1024  # of each stream, kept in memory; between head and tail the middle is left out
TAIL_BYTES = 1024 * 1024
LOG_BYTES = 64 * 1024 * 1024  # of both streams together, kept on disk; a tool may repeat one warning for hours
QUIET_S = 2.0  # a child that outlives its parent may hold the pipes; this long without a word, and it is not waited for
GRACE_S = 5.0  # from the request to end (SIGTERM) to the end (SIGKILL)
HINTS = {
    errno.ENOEXEC: "; is it built for this machine's architecture, or a script without #! line?",
    errno.EACCES: "; chmod +x {}",
    errno.ENOENT: "; is the interpreter in its first line, or its loader, on this machine?",
}
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
command_log = logging.getLogger("rfcn.command")  # every command that ran, one line to paste each
command_log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that came to an end, whatever its end was.

    env         what was added to this process's environment, nothing else of it
    returncode  0 to 255, or -N when signal N killed it
    stdout      and stderr: text; of a very long one head and tail, with a line between that says so
    seconds     wall clock, from start to end
    log         both streams in the order they came, or None
    set_up      a shell command that lays out `cwd` again, where it does not stay; "" where nothing is needed
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    returncode: int
    stdout: str
    stderr: str
    seconds: float
    log: Path | None = None
    set_up: str = ""

    @property
    def shell_line(self) -> str:
        """The command as one line to paste into a shell."""
        return shell_line(self.argv, self.cwd, self.env, self.set_up)


class CommandError(SuiteError):
    """A command could not be run; the message says why, what to do, and how to run it by hand."""


class CommandTimeoutError(CommandError):
    """A command took too long and was ended, with all its children; `done` holds what it had said by then."""

    def __init__(self, sentence: str, result: CommandResult) -> None:
        super().__init__(sentence)
        self.result = result


def shell_line(argv: Sequence[str], cwd: Path, env: Mapping[str, str] = NO_VARIABLES, set_up: str = "") -> str:
    """`cd DIR && NAME=value tool word ...`, quoted for a POSIX shell; after `set_up`, a shell command, where there is one."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in env.items()]
    line = f"cd {shlex.quote(str(cwd))} && {' '.join([*settings, shlex.join(argv)])}"
    return f"{set_up} && {line}" if set_up else line


def export_lines() -> tuple[str, ...]:
    """What a shell must export for the vendor's commands to run as they run here, a line each."""
    names = [*(name for name in os.environ if name.startswith("ASCEND_")), "TOOLCHAIN_HOME", "LD_LIBRARY_PATH"]
    names += ["PYTHONPATH", "PATH"]
    return tuple(f"export {name}={shlex.quote(os.environ[name])}" for name in names if name in os.environ)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] = NO_VARIABLES,
    timeout_s: float,
    log: Path | None = None,
    set_up: str = "",
) -> CommandResult:
    """Run `argv` in the folder `cwd` and wait for its end; how it ended is for the caller to judge.

    A name without "/" is looked up on PATH, one with it is seen from `cwd`. The tool reads nothing from the terminal.
    The line to paste goes to the logger `rfcn.command`; `exports` gives the environment it ran in.
    After `timeout_s` seconds, and on Ctrl-C, the tool and the processes it started are ended. `set_up` is a shell command
    that lays out `cwd` again: it is not run here, and stands before the line to paste.

    Raises:
        CommandError: the tool or `cwd` is not there, or the tool cannot be executed here.
        CommandTimeoutError: it did not end in time.
        OSError: `log` cannot be written; the tool is ended.
    """
    told, cwd, env = tuple(map(str, argv)), Path(cwd).absolute(), dict(env)
    line = shell_line(told, cwd, env, set_up)
    environment = {**os.environ, **env}
    if not cwd.is_dir():
        raise CommandError(f"{cwd} is not a folder, so {told[0]} cannot run in it\n  by hand: {line}")
    tool = _found(told[0], cwd, environment.get("PATH", os.defpath), line)
    streams = _HeadAndTail(), _HeadAndTail()
    started = time.monotonic()
    file = log.open("wb", buffering=0) if log else nullcontext()
    with file as opened, _started([str(tool), *told[1:]], cwd, environment, line) as process:
        in_time = _listen(process, streams, _LogFile(opened), started + timeout_s)
        _end(process)
    said = [stream.text() for stream in streams]
    done = CommandResult(told, cwd, env, process.returncode, said[0], said[1], time.monotonic() - started, log, set_up)
    command_log.info(line)
    if not in_time:
        raise CommandTimeoutError(
            f"{Path(told[0]).name} did not end within {timeout_s:g} s, and was ended\n{_particulars(done)}", done
        )
    return done


def explain(done: CommandResult, what: str) -> str:
    """`what`, how the command ended, its last lines, its log, and the line to run it by hand."""
    tool = Path(done.argv[0]).name
    return f"{what}: {tool} {ending(done)} after {done.seconds:.1f} s\n{_particulars(done)}"


def ending(done: CommandResult) -> str:
    """`ended with 0`, `ended with 255, but should end with 0`, `was killed by SIGSEGV (139 in a shell)`."""
    if done.returncode == 0:
        return "ended with 0"
    number = -done.returncode if done.returncode < 0 else done.returncode - 128
    name = next((known.name for known in signal.Signals if known.value == number), None)
    if done.returncode < 0:
        return f"was killed by {name or f'signal {number}'} ({128 + number} in a shell)"
    passed_on = f" (what a script says of a tool that {name} killed)" if name else ""
    return f"ended with {done.returncode}{passed_on}, but should end with 0"


def _particulars(done: CommandResult) -> str:
    said = last_lines(done.stdout, done.stderr).replace("\n", "\n           ") or "nothing"
    log = f"\n  log:     {done.log}" if done.log else ""
    return f"  said:    {said}{log}\n  by hand: {done.shell_line}"


def _found(tool: str, cwd: Path, path: str, line: str) -> Path:
    if "/" in tool:
        place = cwd / tool
        if not place.is_file():
            raise CommandError(f"there is no {place}; is the path right?\n  by hand: {line}")
        return place
    # relative entries of PATH are seen from this process's folder, as the caller's own probe saw them
    found = shutil.which(tool, path=path)
    if found is None:
        raise CommandError(f"{tool} is not on PATH ({path}); install it, or set up its environment\n  by hand: {line}")
    return Path(found).absolute()


@contextmanager
def _started(
    argv: list[str], cwd: Path, environment: Mapping[str, str], line: str
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, in a group of its own; when the block is left, by whatever way, nothing of that group is alive."""
    try:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            argv,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
        hint = HINTS.get(number or 0, "").format(argv[0])
        raise CommandError(f"{argv[0]} cannot be executed: {reason}{hint}\n  by hand: {line}") from error
    with process:
        try:
            yield process
        finally:
            _end(process)


def _listen(
    process: subprocess.Popen[bytes], streams: tuple["_HeadAndTail", "_HeadAndTail"], log: "_LogFile", deadline: float
) -> bool:
    """Take in what the process says until it ends; False when the deadline passed first."""
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    last_word = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, streams[0])
        selector.register(process.stderr, selectors.EVENT_READ, streams[1])
        while True:
            if not selector.get_map():
                time.sleep(0.02)  # it closed both streams; that is not yet its end
            for key, _ in selector.select(timeout=0.2) if selector.get_map() else ():
                block = os.read(key.fd, 65536)
                if block:
                    key.data.add(block)
                    log.add(block)
                    last_word = time.monotonic()
                else:
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if _ended(process):
                if not selector.get_map() or now - last_word > QUIET_S or now > deadline:
                    return True
            elif now > deadline:
                return False


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended. It is not reaped here: until it is, its number names its group and nobody else's."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process if it still runs, and in any case what it left behind in its group; then reap it."""
    if process.returncode is not None:
        return
    if not _ended(process):
        os.killpg(process.pid, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while not _ended(process) and time.monotonic() < until:
            time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(slots=True)
class _HeadAndTail:
    """The head and the tail of a stream."""

    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    left_out: int = 0

    def add(self, block: bytes) -> None:
        room = HEAD_BYTES - len(self.head)
        self.head += block[:room]
        self.tail += block[room:]
        if len(self.tail) > 2 * TAIL_BYTES:
            self.left_out += len(self.tail) - TAIL_BYTES
            del self.tail[:-TAIL_BYTES]

    def text(self) -> str:
        middle = f"\n[... {self.left_out} bytes left out ...]\n".encode() if self.left_out else b""
        return bytes(self.head + middle + self.tail).decode("utf-8", "replace")


@dataclass(slots=True)
class _LogFile:
    """A file that stops growing at its limit, and says so once."""

    file: IO[bytes] | None
    room: int = LOG_BYTES

    def add(self, block: bytes) -> None:
        if self.file is None or self.room <= 0:
            return
        self.file.write(block[: self.room])
        self.room -= len(block)
        if self.room <= 0:
            self.file.write(f"\n[... cut here: the first {LOG_BYTES} bytes are kept ...]\n".encode())
