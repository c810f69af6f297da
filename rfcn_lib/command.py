"""Run another program, or say exactly what went wrong. `run` uses no shell, and ends every process that the program started."""

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

HEAD_BYTES = 256 * 1024  # bytes of each stream in memory: its begin and its end, the middle is left out
TAIL_BYTES = 1024 * 1024
LOG_BYTES = 64 * 1024 * 1024  # bytes of both streams in the log file; a tool may repeat one warning for hours
QUIET_S = 2.0  # after the tool's end a child may hold the pipes open; we wait until it is silent for so long
GRACE_S = 5.0  # time from SIGTERM to SIGKILL
START_HINTS = {  # why the system does not start a file -> what to do
    errno.ENOEXEC: "; is it built for this machine's architecture, or a script without #! line?",
    errno.EACCES: "; chmod +x {}",
    errno.ENOENT: "; is the interpreter in its first line, or its loader, on this machine?",
}
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
command_log = logging.getLogger("rfcn.command")  # gets each command that ran, as one line for a shell
command_log.setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that ended, with or without success.

    argv        the program and its arguments
    cwd         the folder in which it ran
    env         the variables that `run` added to this process's environment
    returncode  0 to 255, or -N if signal N killed it
    stdout      text; of a very long text only begin and end, with a line between them that says so. stderr: the same
    seconds     wall clock, from start to end
    log         file with both streams in the order of arrival, or None
    set_up      shell command that makes `cwd` again if it is removed after the run; "" if it stays
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
    """`run` could not start the command. The message says why, what to do, and how to run it by hand."""


class CommandTimeoutError(CommandError):
    """A command took too long, so `run` ended it and its children. `result` has its output up to then."""

    def __init__(self, sentence: str, result: CommandResult) -> None:
        super().__init__(sentence)
        self.result = result


def shell_line(argv: Sequence[str], cwd: Path, env: Mapping[str, str] = NO_VARIABLES, set_up: str = "") -> str:
    """The command as one line for a POSIX shell, with quotes: `SET_UP && cd DIR && NAME=value tool argument ...`."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in env.items()]
    line = f"cd {shlex.quote(str(cwd))} && {' '.join([*settings, shlex.join(argv)])}"
    return f"{set_up} && {line}" if set_up else line


def export_lines() -> tuple[str, ...]:
    """Shell lines `export NAME=value` for the variables that the vendor's tools read, with their values in this process."""
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
    """Run `argv` in the folder `cwd` and wait for its end. The caller checks the exit status.

    argv       the program and its arguments. `run` looks up a program without "/" on PATH; a path with "/" is relative to
               `cwd`. The program's standard input is empty
    env        variables to add to this process's environment
    timeout_s  after so many seconds, and on Ctrl-C, `run` ends the program and the processes that it started
    log        file for the program's output
    set_up     shell command that makes `cwd` again. `run` does not run it; it becomes the first part of the shell line

    The logger `rfcn.command` gets the shell line. `export_lines` returns the environment.

    Raises:
        CommandError: the program or `cwd` does not exist, or the system cannot start the program.
        CommandTimeoutError: the program did not end in time.
        OSError: `log` is not writable. The program is ended.
    """
    arguments, cwd, env = tuple(map(str, argv)), Path(cwd).absolute(), dict(env)
    line = shell_line(arguments, cwd, env, set_up)
    environment = {**os.environ, **env}
    if not cwd.is_dir():
        raise CommandError(f"{cwd} is not a folder, so {arguments[0]} cannot run in it\n  by hand: {line}")
    tool = _executable(arguments[0], cwd, environment.get("PATH", os.defpath), line)
    streams = _HeadAndTail(), _HeadAndTail()
    started = time.monotonic()
    file = log.open("wb", buffering=0) if log else nullcontext()
    with file as opened, _started([str(tool), *arguments[1:]], cwd, environment, line) as process:
        in_time = _read_output(process, streams, _LogFile(opened), started + timeout_s)
        _end_group(process)
    seconds = time.monotonic() - started
    stdout, stderr = (stream.text() for stream in streams)
    result = CommandResult(arguments, cwd, env, process.returncode, stdout, stderr, seconds, log, set_up)
    command_log.info(line)
    if not in_time:
        raise CommandTimeoutError(
            f"{Path(arguments[0]).name} did not end within {timeout_s:g} s, so the suite ended it\n{_details(result)}",
            result,
        )
    return result


def explain(result: CommandResult, what: str) -> str:
    """A message: `what`, how the command ended, its last lines, its log, and the line to run it by hand."""
    tool = Path(result.argv[0]).name
    return f"{what}: {tool} {ending(result)} after {result.seconds:.1f} s\n{_details(result)}"


def ending(result: CommandResult) -> str:
    """`ended with 0`, `ended with 255, but should end with 0`, `was killed by SIGSEGV (139 in a shell)`."""
    if result.returncode == 0:
        return "ended with 0"
    number = -result.returncode if result.returncode < 0 else result.returncode - 128
    name = next((known.name for known in signal.Signals if known.value == number), None)
    if result.returncode < 0:
        return f"was killed by {name or f'signal {number}'} ({128 + number} in a shell)"
    meaning = f" (a script ends so if {name} killed its program)" if name else ""
    return f"ended with {result.returncode}{meaning}, but should end with 0"


def _details(result: CommandResult) -> str:
    output = last_lines(result.stdout, result.stderr).replace("\n", "\n           ") or "nothing"
    log = f"\n  log:     {result.log}" if result.log else ""
    return f"  output:  {output}{log}\n  by hand: {result.shell_line}"


def _executable(tool: str, cwd: Path, path: str, line: str) -> Path:
    if "/" in tool:
        file = cwd / tool
        if not file.is_file():
            raise CommandError(f"there is no {file}; is the path right?\n  by hand: {line}")
        return file
    # a relative folder in PATH is relative to this process's folder, not to `cwd`, as in the caller's own look-up
    found = shutil.which(tool, path=path)
    if found is None:
        raise CommandError(f"{tool} is not on PATH ({path}); install it, or set up its environment\n  by hand: {line}")
    return Path(found).absolute()


@contextmanager
def _started(
    argv: list[str], cwd: Path, environment: Mapping[str, str], line: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process in a process group of its own. At the end of the block, also after an error, the group is ended."""
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
        hint = START_HINTS.get(number or 0, "").format(argv[0])
        raise CommandError(f"{argv[0]} cannot be executed: {reason}{hint}\n  by hand: {line}") from error
    with process:
        try:
            yield process
        finally:
            _end_group(process)


def _read_output(
    process: subprocess.Popen[bytes], streams: tuple["_HeadAndTail", "_HeadAndTail"], log: "_LogFile", deadline: float
) -> bool:
    """Read both streams until the process ends. Return False if the deadline passed before that."""
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    last_output = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, streams[0])
        selector.register(process.stderr, selectors.EVENT_READ, streams[1])
        while True:
            if not selector.get_map():
                time.sleep(0.02)  # it closed both streams, but still runs
            for key, _ in selector.select(timeout=0.2) if selector.get_map() else ():
                block = os.read(key.fd, 65536)
                if block:
                    key.data.add(block)
                    log.add(block)
                    last_output = time.monotonic()
                else:
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if _has_ended(process):
                if not selector.get_map() or now - last_output > QUIET_S or now > deadline:
                    return True
            elif now > deadline:
                return False


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process ended. This does not reap it, so the system cannot give its number, the group's, to others."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process if it still runs, then kill the rest of its group, then reap it."""
    if process.returncode is not None:
        return
    if not _has_ended(process):
        os.killpg(process.pid, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while not _has_ended(process) and time.monotonic() < until:
            time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@dataclass(slots=True)
class _HeadAndTail:
    """The begin and the end of a stream."""

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
    """A file that stops growing at its limit; its last line says so."""

    file: IO[bytes] | None
    room: int = LOG_BYTES

    def add(self, block: bytes) -> None:
        if self.file is None or self.room <= 0:
            return
        self.file.write(block[: self.room])
        self.room -= len(block)
        if self.room <= 0:
            self.file.write(f"\n[... cut here: this file has the first {LOG_BYTES} bytes ...]\n".encode())
