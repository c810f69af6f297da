import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib import command
from rfcn_lib.command import CommandError, CommandResult, CommandTimeoutError, ending, explain, run, shell_line
from tests.support.processes import alive, wait_until

WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)


def script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def python(code: str, **options) -> CommandResult:
    return run([sys.executable, "-c", code], **{"timeout_s": 30, **options})


# -- what a command did ----------------------------------------------------------------------------------------------


def test_output_end_and_place_are_told(tmp_path):
    code = "import os, sys; print(os.getcwd(), os.environ['SHOWN']); print('oops', file=sys.stderr); sys.exit(3)"
    done = python(code, cwd=tmp_path, env={"SHOWN": "yes"}, log=tmp_path / "log")

    assert done.stdout == f"{tmp_path} yes\n"
    assert done.stderr == "oops\n"
    assert done.returncode == 3
    assert 0 < done.seconds < 30
    assert sorted((tmp_path / "log").read_text().splitlines()) == sorted([f"{tmp_path} yes", "oops"])


def test_env_is_added_to_the_environment_and_nothing_else_is_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("ALREADY", "there")
    done = python(
        "import json, os; print(json.dumps(dict(os.environ)))", cwd=tmp_path, env={"ADDED": "1", "ALREADY": "here"}
    )

    got = json.loads(done.stdout)
    assert {name: value for name, value in got.items() if name != "LC_CTYPE"} == {
        **{name: value for name, value in os.environ.items() if name != "LC_CTYPE"},
        "ADDED": "1",
        "ALREADY": "here",
    }
    assert done.env == {"ADDED": "1", "ALREADY": "here"}


def test_the_tool_reads_nothing_from_the_terminal(tmp_path):
    assert python("import sys; print(repr(sys.stdin.read()))", cwd=tmp_path).stdout == "''\n"


def test_a_result_is_frozen_and_plain(tmp_path):
    done = python("", cwd=tmp_path, env={"A": "b"})

    with pytest.raises(FrozenInstanceError):
        done.returncode = 1
    assert asdict(done)["env"] == {"A": "b"}


@pytest.mark.parametrize("place", ["PATH", "added PATH", "absolute", "seen from cwd"])
def test_a_tool_is_found(place, tmp_path, monkeypatch):
    tool = script(tmp_path, "some-tool", "#!/bin/sh\npwd\n")
    (tmp_path / "work").mkdir()
    env = {}
    if place == "PATH":
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if place == "added PATH":
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    word = {"absolute": str(tool), "seen from cwd": "../some-tool"}.get(place, "some-tool")

    assert run([word], cwd=tmp_path / "work", env=env, timeout_s=30).stdout == f"{tmp_path / 'work'}\n"


def test_a_relative_entry_of_path_is_seen_from_here_not_from_cwd(tmp_path, monkeypatch):
    script(tmp_path, "some-tool", "#!/bin/sh\necho found\n")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")

    assert run(["some-tool"], cwd=tmp_path / "work", timeout_s=30).stdout == "found\n"


def test_what_is_no_text_is_told_all_the_same(tmp_path):
    assert python(r"import sys; sys.stdout.buffer.write(b'a\xff\n')", cwd=tmp_path).stdout == "a�\n"


# -- output without end ----------------------------------------------------------------------------------------------


def test_of_a_flood_head_and_tail_are_kept_and_the_log_stops_at_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "HEAD_BYTES", 1000)
    monkeypatch.setattr(command, "TAIL_BYTES", 500)
    monkeypatch.setattr(command._LogFile.__init__, "__defaults__", (2000,))
    monkeypatch.setattr(command, "LOG_BYTES", 2000)
    code = "for number in range(10000): print(f'{number:09d}')"  # 100,000 bytes
    done = python(code, cwd=tmp_path, log=tmp_path / "log")

    assert done.stdout.startswith("000000000\n000000001\n")
    assert done.stdout.endswith("000009998\n000009999\n")
    assert "bytes left out ...]" in done.stdout
    assert len(done.stdout) < 2200
    assert (tmp_path / "log").read_text().startswith("000000000\n")
    assert (tmp_path / "log").read_text().endswith("\n[... cut here: this file has the first 2000 bytes ...]\n")
    assert (tmp_path / "log").stat().st_size < 2100


@given(st.lists(st.binary(max_size=400), max_size=30))
def test_kept_text_is_the_whole_stream_while_it_is_short(blocks):
    kept = command._HeadAndTail()
    for block in blocks:
        kept.add(block)

    assert kept.text() == b"".join(blocks).decode("utf-8", "replace")


def test_a_log_on_a_full_disk_ends_the_tool(tmp_path):
    pid_file = tmp_path / "pid"
    code = (
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); print('x', flush=True); time.sleep(60)"
    )
    with pytest.raises(OSError, match="No space left"):
        python(code, cwd=tmp_path, log=Path("/dev/full"))

    assert wait_until(lambda: not alive(int(pid_file.read_text())))


# -- the end -----------------------------------------------------------------------------------------------------------


def test_a_hang_is_ended_with_its_children(tmp_path):
    tool = script(tmp_path, "hang", "#!/bin/sh\necho working\nsleep 61 &\necho $! > child\nwait\n")
    with pytest.raises(CommandTimeoutError) as caught:
        run([tool], cwd=tmp_path, timeout_s=0.5, log=tmp_path / "log")

    assert wait_until(lambda: not alive(int((tmp_path / "child").read_text())))
    assert caught.value.result.stdout == "working\n"
    assert str(caught.value) == (
        f"hang did not end within 0.5 s, so the suite ended it\n  output:  working\n  log:     {tmp_path}/log\n"
        f"  by hand: cd {tmp_path} && {tool}"
    )


def test_what_does_not_listen_to_a_request_is_ended_too(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "GRACE_S", 0.2)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    with pytest.raises(CommandTimeoutError) as caught:
        python(code, cwd=tmp_path, timeout_s=1)

    assert caught.value.result.returncode == -signal.SIGKILL
    assert caught.value.result.seconds < 10


def test_a_child_left_behind_is_neither_waited_for_nor_left(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "QUIET_S", 0.1)
    tool = script(tmp_path, "leaves", "#!/bin/sh\nsleep 61 &\necho $! > child\necho done\n")
    done = run([tool], cwd=tmp_path, timeout_s=30)

    assert done.stdout == "done\n"
    assert done.seconds < 10
    assert wait_until(lambda: not alive(int((tmp_path / "child").read_text())))


def test_a_tool_that_closes_its_streams_is_still_waited_for(tmp_path):
    code = "import os, sys, time; os.close(1); os.close(2); time.sleep(0.3); os._exit(7)"
    done = python(code, cwd=tmp_path)

    assert done.returncode == 7
    assert done.seconds >= 0.3


def test_ctrl_c_ends_the_tool(tmp_path):
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def interrupt():
        wait_until(lambda: pid_file.exists() and pid_file.read_text())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell has it ignored
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            python(code, cwd=tmp_path)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)

    assert wait_until(lambda: not alive(int(pid_file.read_text())))


# -- what cannot be run ------------------------------------------------------------------------------------------------


def test_a_tool_not_on_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError) as caught:
        run(["atc", "--help"], cwd=tmp_path, timeout_s=1)

    assert str(caught.value) == (
        f"atc is not on PATH ({tmp_path}); install it, or set up its environment\n"
        f"  by hand: cd {tmp_path} && atc --help"
    )


@pytest.mark.parametrize(
    ("word", "text", "says"),
    [
        ("./absent", None, "there is no {folder}/absent; is the path right?"),
        ("./closed", "#!/bin/sh\n", "cannot be executed: Permission denied; chmod +x {folder}/closed"),
        ("./foreign", "\x7fELF of another machine", "cannot be executed: Exec format error; is it built for this"),
        ("./orphan", "#!/no/such/interpreter\n", "cannot be executed: No such file or directory; is the interpreter"),
    ],
)
def test_a_tool_that_cannot_be_executed(word, text, says, tmp_path):
    if text is not None:
        script(tmp_path, word, text).chmod(0o644 if word == "./closed" else 0o755)
    with pytest.raises(CommandError) as caught:
        run([word], cwd=tmp_path, timeout_s=1)

    assert says.format(folder=tmp_path) in str(caught.value)
    assert str(caught.value).endswith(f"\n  by hand: cd {tmp_path} && {word}")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CommandError, match=r"/absent is not a folder, so true cannot run in it"):
        run(["true"], cwd=tmp_path / "absent", timeout_s=1)


def test_a_word_that_no_command_line_can_hold(tmp_path):
    with pytest.raises(CommandError, match="cannot be executed: embedded null byte"):
        run(["true", "a\0b"], cwd=tmp_path, timeout_s=1)


# -- what a person reads -----------------------------------------------------------------------------------------------


def test_typed_is_one_line_to_paste():
    line = shell_line(
        ["atc", "--input_shape=im_data:1,3,1344,1344", "--output=my model"], Path("/a b"), {"LOG": "1", "X": "y z"}
    )

    assert line == "cd '/a b' && LOG=1 X='y z' atc --input_shape=im_data:1,3,1344,1344 '--output=my model'"


@given(words=st.lists(WORDS, min_size=1, max_size=4), value=WORDS)
def test_a_typed_line_means_the_same_to_a_shell(words, value):
    """shlex.split is the shell here; the real one is asked in the next test."""
    assert shlex.split(shell_line(words, Path("/here"), {"NAME": value})) == [
        "cd",
        "/here",
        "&&",
        f"NAME={value}",
        *words,
    ]


def test_a_shell_runs_a_typed_line(tmp_path):
    folder = tmp_path / "it's $HOME"
    folder.mkdir()
    code = "import os, sys; print(os.getcwd(), os.environ['NAME'], sys.argv[1:])"
    done = run(
        [sys.executable, "-c", code, "a b", "$HOME", "*"], cwd=folder, env={"NAME": "`x` \"y\" 'z'"}, timeout_s=30
    )
    by_hand = subprocess.run(["/bin/sh", "-c", done.shell_line], capture_output=True, text=True, cwd="/", check=True)

    assert by_hand.stdout == done.stdout
    assert "['a b', '$HOME', '*']" in done.stdout


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (0, "ended with 0"),
        (255, "ended with 255, but should end with 0"),
        (-11, "was killed by SIGSEGV (139 in a shell)"),
        (139, "ended with 139 (a script ends so if SIGSEGV killed its program), but should end with 0"),
        (-9, "was killed by SIGKILL (137 in a shell)"),
    ],
)
def test_every_end_has_words(returncode, words, tmp_path):
    assert ending(CommandResult(("tool",), tmp_path, {}, returncode, "", "", 1.0)) == words


def test_a_crash_is_known_as_one(tmp_path):
    done = python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", cwd=tmp_path)

    assert ending(done) == "was killed by SIGSEGV (139 in a shell)"


def test_explain_says_what_how_last_words_log_and_line(tmp_path):
    done = CommandResult(
        ("/opt/atc", "--x=1"), Path("/work"), {}, 255, "ATC start\nATC run failed\n", "", 3.21, Path("/l/atc.log")
    )

    assert explain(done, "the om was not made") == (
        "the om was not made: atc ended with 255, but should end with 0 after 3.2 s\n"
        "  output:  ATC start\n           ATC run failed\n"
        "  log:     /l/atc.log\n"
        "  by hand: cd /work && /opt/atc --x=1"
    )
    assert "output:  nothing" in explain(replace(done, stdout=" \n"), "x")
