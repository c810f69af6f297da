"""Run the vendor's compiler, atc: it turns the adapted ONNX file into an om. On failure explain the compiler's error codes.

atc may end with 0 and write no model, and it may crash without a message. So it succeeded only if it ends with 0, prints its
success line, and has written a new om (GE, api/atc/main_impl.cc; ATC user guide).
"""

import difflib
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rfcn_lib import spec
from rfcn_lib.ascend.atc_error_codes import advice_lines, error_codes
from rfcn_lib.command import CommandError, CommandResult, CommandTimeoutError, explain, run
from rfcn_lib.errors import SuiteError
from rfcn_lib.files import FILE_MODE, FOLDER_MODE, PathError, is_plain, make_anew, make_folder, plain_place

SUCCESS = "ATC run success"
NAME = "rfcn"  # as published: --output=rfcn
MODEL = "rfcn_final.onnx"  # as published; a copy in atc's folder: atc refuses a blank or `+` in a path (E10001)
TIMEOUT_S = 3600.0
SUITE_FLAGS = (
    "framework",
    "model",
    "output",
    "input_format",
    "input_shape",
    "soc_version",
)  # only the suite may set these
OUTPUT_FLAGS = ("out_nodes", "output_type", "is_output_adjust_hw_layout")  # they change the model's outputs: forbidden
PRECISION_MODES = (  # ATC user guide, --precision_mode
    "force_fp16", "force_fp32", "cube_fp16in_fp32out", "allow_fp32_to_fp16", "must_keep_origin_dtype",
    "allow_mix_precision", "allow_mix_precision_fp16", "allow_mix_precision_bf16", "allow_fp32_to_bf16",
)  # fmt: skip


class AtcError(SuiteError):
    """atc made no om. `codes`: the compiler's error codes, in the order of its output."""

    def __init__(self, sentence: str, codes: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.codes = codes


def om_from_adapted(
    target: Path,
    adapted: Path,
    canvas_wh: tuple[int, int],
    soc: str,
    toolkit_version: str,
    precision_mode: str | None = None,
    extra: Sequence[str] = (),
    extra_files: Sequence[Path] = (),
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Compile `adapted` and write the folder `target` with rfcn.om, atc.log and command.txt. `Store.build` calls it.

    canvas_wh           width, height px of the network's input
    toolkit_version     part of the om's key in the store, and of command.txt
    extra, extra_files  further flags, and the files in them, from `atc_arguments`

    atc runs in a folder of its own. This function removes that folder at the end, also after an error. After a failure the
    log stays in `failed_folder(target)` until the next attempt.

    The modes are 0o750 and 0o640 for every umask: atc writes the om with mode 0600, and ais_bench refuses an om that other
    users may write (its path_security_check.py).

    Raises:
        AtcError: atc is missing, failed, crashed, hung, or made no om; a flag is not allowed; no folder has a plain path.
    """
    target, adapted = target.absolute(), adapted.absolute()
    argv = atc_command(canvas_wh, soc, precision_mode, extra)
    what = f"{NAME}.om for {soc} was not made"
    failed = failed_folder(target)
    with _work_folder(failed, adapted, what) as work:
        om, shell_line = _compiled(argv, work, adapted, failed / "atc.log", timeout_s, what)
        comment = f"# toolkit {toolkit_version}{''.join(f', {file.name}' for file in extra_files)}"
        make_folder(target)
        shutil.move(om, target / f"{NAME}.om")
        shutil.move(failed / "atc.log", target / "atc.log")
        (target / "command.txt").write_text(f"{comment}\n{shell_line}\n", encoding="utf-8")
        for file in target.iterdir():
            file.chmod(FILE_MODE)
    shutil.rmtree(failed)


def failed_folder(target: Path) -> Path:
    """The folder that keeps the log of a failed compilation of `target` until the next attempt.

    For a target <store>/kept/.scratch/NAME-KEY/NAME, as `Store.build` makes it, the folder is <store>/kept/.failed/NAME-KEY:
    the store removes .scratch/NAME-KEY after a failure. For another target it is .failed/NAME beside the target.
    """
    scratch = target.parent
    if scratch.parent.name == ".scratch":
        return scratch.parent.with_name(".failed") / scratch.name
    return scratch / ".failed" / target.name


def atc_command(
    canvas_wh: tuple[int, int], soc: str, precision_mode: str | None = None, extra: Sequence[str] = ()
) -> tuple[str, ...]:
    """The command line of atc: the published flags in the published order, then the precision mode and `extra`.

    atc reads MODEL in its working folder. `--log=debug` is a published flag (it sets atc's own log in ~/ascend/log);
    `--log=...` in `extra` replaces it.

    Raises:
        AtcError: the precision mode is unknown, or `extra` sets it too.
    """
    width, height = canvas_wh
    argv = [
        "atc",
        "--framework=5",
        f"--model=./{MODEL}",
        f"--output={NAME}",
        "--input_format=NCHW",
        f"--input_shape={spec.INPUT}:1,3,{height},{width}",
        "--log=debug",
        f"--soc_version={soc}",
    ]
    if any(_flag(word) == "log" for word in extra):
        argv.remove("--log=debug")
    if precision_mode is not None:
        if precision_mode not in PRECISION_MODES:
            raise AtcError(f"--precision-mode={precision_mode} should be one of {', '.join(PRECISION_MODES)}")
        twice = next((word for word in extra if _flag(word) in ("precision_mode", "precision_mode_v2")), None)
        if twice:
            raise AtcError(f"--precision-mode={precision_mode} and --atc-arg={twice} exclude each other; give one")
        argv.append(f"--precision_mode={precision_mode}")
    return (*argv, *extra)


def atc_arguments(arguments: Sequence[str], base: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Check the user's --atc-arg values. Return the flags for atc, and the files that they name.

    If a value is the path of a file relative to `base`, the flag gets the absolute path, because atc runs in another folder.
    The contents of these files are part of the om's key.

    Raises:
        AtcError: an argument is not `--name=value`; the suite itself sets the flag; the flag changes the outputs; or the
            user gave the flag twice.
    """
    words: list[str] = []
    files: list[Path] = []
    for word in arguments:
        name, value = _flag(word), word.partition("=")[2]
        if not re.fullmatch(r"--[a-z][a-z0-9_]*=.+", word):
            raise AtcError(f"--atc-arg={word} should be a flag of atc with its value: --atc-arg=--NAME=VALUE")
        if name in SUITE_FLAGS:
            raise AtcError(
                f"--atc-arg={word}: the suite sets --{name} itself, as published; use --soc, --port, --weights"
            )
        if name in OUTPUT_FLAGS:
            raise AtcError(
                f"--atc-arg={word}: --{name} changes the model's outputs, but the suite reads them as float32, in the graph's "
                "order; leave the flag out"
            )
        if name in map(_flag, words):
            raise AtcError(f"--atc-arg={word}: --{name} is given twice")
        if len(value) < 1000 and (base / value).is_file():
            files.append((base / value).absolute())
            word = f"--{name}={files[-1]}"
        words.append(word)
    return tuple(words), tuple(files)


def expect_known_flags(words: Sequence[str], usage: str) -> None:
    """Raise AtcError for a flag that is not in `usage`, the text of `atc --help`. A text without flags is not used."""
    known = sorted(set(re.findall(r"--([a-z][a-z0-9_]+)", usage)))
    for name in map(_flag, words):
        if known and name not in known:
            near = [f"--{close}" for close in difflib.get_close_matches(name, known, 3, 0)]
            raise AtcError(
                f"--atc-arg=--{name}: this atc has no such flag, but has {len(known)} others, such as {', '.join(near)}; "
                "`atc --help` lists them"
            )


@contextmanager
def _work_folder(failed: Path, adapted: Path, what: str) -> Iterator[Path]:
    """Make a folder for atc with a copy of the graph as MODEL; remove it at the end, also after an error.

    The folder lies in `failed`, which this function empties first. If atc does not accept that path, the folder lies in the
    system's temporary folder.
    """
    try:
        work = failed / "atc" if is_plain(failed) else plain_place(failed)
    except PathError as error:
        raise AtcError(f"{what}: {error}") from error
    if failed.exists():  # an earlier attempt failed
        shutil.rmtree(failed)
    make_folder(failed)
    try:
        make_anew(work)
        shutil.copyfile(adapted, work / MODEL)
        (work / MODEL).chmod(FILE_MODE)
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _compiled(
    argv: Sequence[str], work: Path, adapted: Path, log: Path, timeout_s: float, what: str
) -> tuple[Path, str]:
    """Run atc in `work`. Return the om, and the line that repeats the compilation in a new shell."""
    folder, source, model = (shlex.quote(str(path)) for path in (work, adapted, work / MODEL))
    set_up = f"mkdir -p -m {FOLDER_MODE:o} {folder} && cp {source} {model}"
    try:
        result = run(argv, cwd=work, timeout_s=timeout_s, log=log, set_up=set_up)
    except CommandTimeoutError as error:
        hint = "this happens on hosts with little memory (4 GB) and on slow hosts; look at `free -g` and `top` while atc runs"
        raise AtcError(f"{what}: {error}\n  try:     {hint}", error_codes(error.result)) from error
    except CommandError as error:  # atc never started, so it left no log
        shutil.rmtree(log.parent, ignore_errors=True)
        raise AtcError(f"{what}: {error}") from error
    finally:
        if log.exists():
            log.chmod(FILE_MODE)
    return _om(result, what, work), result.shell_line


def _flag(word: str) -> str:
    return word.removeprefix("--").partition("=")[0]


def _om(result: CommandResult, what: str, work: Path) -> Path:
    """The new om if atc succeeded. Raises AtcError if not."""
    oms = sorted(work.glob(f"{NAME}*.om"))  # newer versions append the platform to the name
    output = result.stdout + result.stderr
    if result.returncode == 0 and SUCCESS in output and len(oms) == 1 and oms[0].stat().st_size > 0:
        return oms[0]
    if result.returncode == 0:
        if SUCCESS not in output:
            what += f": atc ended with 0, but did not print {SUCCESS!r}"
        elif not oms:
            what += f": atc reported success, but wrote no {NAME}*.om"
        else:
            what += f": atc should write one om, but wrote {', '.join(f'{om.name} ({om.stat().st_size} bytes)' for om in oms)}"
    raise AtcError("\n".join([explain(result, what), *advice_lines(result)]), error_codes(result))
