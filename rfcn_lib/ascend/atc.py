"""The vendor's compiler: an adapted ONNX file becomes an om, or an error that says what the compiler's codes mean.

The compiler can end with 0 without a model, and crash without a word. It has succeeded when it ends with 0, prints its
success line, and a new om lies there (GE, api/atc/main_impl.cc; ATC user guide).
"""

import difflib
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rfcn_lib import spec
from rfcn_lib.ascend.atc_error_codes import advice_on, codes_of
from rfcn_lib.command import CommandError, CommandTimeoutError, Done, explain, run
from rfcn_lib.errors import SuiteError
from rfcn_lib.files import FILE_MODE, FOLDER_MODE, PathError, is_plain, make_anew, make_folder, plain_place

SUCCESS = "ATC run success"
NAME = "rfcn"  # as published: --output=rfcn
MODEL = "rfcn_final.onnx"  # as published; copied into atc's folder: a blank or `+` in its path is E10001 (CheckInputPathValid)
TIMEOUT_S = 3600.0
FIXED = ("framework", "model", "output", "input_format", "input_shape", "soc_version")  # what the suite rests on
SHAPING = ("out_nodes", "output_type", "is_output_adjust_hw_layout")  # which outputs, of what type, how laid out
PRECISION_MODES = (  # ATC user guide, --precision_mode
    "force_fp16", "force_fp32", "cube_fp16in_fp32out", "allow_fp32_to_fp16", "must_keep_origin_dtype",
    "allow_mix_precision", "allow_mix_precision_fp16", "allow_mix_precision_bf16", "allow_fp32_to_bf16",
)  # fmt: skip


class AtcError(SuiteError):
    """No om was made; `codes` are the compiler's own error codes, in the order they came."""

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
    """Write the folder `target`: rfcn.om, atc.log, command.txt. To be given to `Store.build`.

    canvas_wh (width, height) px of the network's input. `toolkit_version` and `extra_files` say what the om is made of
    besides; `extra` and `extra_files` come from `atc_arguments`. atc runs in a folder of its own, which is removed at
    the end in every case. Of a failure the log stays, in the folder that `failed_folder` names, until the next attempt.
    Modes are 0o750 and 0o640 whatever the umask is: atc writes the om with 0600, and ais_bench refuses one that others
    may write (its path_security_check.py).

    Raises:
        AtcError: atc is not there, failed, crashed, hung, or made no om; a flag is not one to be given; no folder with a
            plain path is at hand.
    """
    target, adapted = target.absolute(), adapted.absolute()
    words = atc_words(canvas_wh, soc, precision_mode, extra)
    what = f"{NAME}.om for {soc} was not made"
    failed = failed_folder(target)
    with _work_folder(failed, adapted, what) as work:
        om, typed = _compiled(words, work, adapted, failed / "atc.log", timeout_s, what)
        made_with = f"# toolkit {toolkit_version}{''.join(f', {file.name}' for file in extra_files)}"
        make_folder(target)
        shutil.move(om, target / f"{NAME}.om")
        shutil.move(failed / "atc.log", target / "atc.log")
        (target / "command.txt").write_text(f"{made_with}\n{typed}\n", encoding="utf-8")
        for file in target.iterdir():
            file.chmod(FILE_MODE)
    shutil.rmtree(failed)


def failed_folder(target: Path) -> Path:
    """Where the log of a failed compilation of `target` stays; the next attempt at the same target replaces it.

    `Store.build` makes <store>/kept/.scratch/NAME-KEY/NAME and removes NAME-KEY after a failure: then it is
    <store>/kept/.failed/NAME-KEY. Without a store it is .failed/NAME beside the target.
    """
    scratch = target.parent
    if scratch.parent.name == ".scratch":
        return scratch.parent.with_name(".failed") / scratch.name
    return scratch / ".failed" / target.name


def atc_words(
    canvas_wh: tuple[int, int], soc: str, precision_mode: str | None = None, extra: Sequence[str] = ()
) -> tuple[str, ...]:
    """The published command line, flag by flag in its order, then the precision mode and `extra`; reads ./MODEL.

    `--log=debug` is as published (the compiler's own log, in ~/ascend/log); `--log=...` in `extra` replaces it.

    Raises:
        AtcError: an unknown precision mode, or one that is given twice.
    """
    width, height = canvas_wh
    words = [
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
        words.remove("--log=debug")
    if precision_mode is not None:
        if precision_mode not in PRECISION_MODES:
            raise AtcError(f"--precision-mode={precision_mode} should be one of {', '.join(PRECISION_MODES)}")
        twice = next((word for word in extra if _flag(word) in ("precision_mode", "precision_mode_v2")), None)
        if twice:
            raise AtcError(f"--precision-mode={precision_mode} and --atc-arg={twice} exclude each other; give one")
        words.append(f"--precision_mode={precision_mode}")
    return (*words, *extra)


def atc_arguments(given: Sequence[str], base: Path) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """What users add with --atc-arg, fit for another folder, and the files that it names.

    A value that is a file, seen from `base`, becomes an absolute path; its content belongs to what the om is made of.

    Raises:
        AtcError: not `--name=value`, a flag that the suite itself sets, one that changes the outputs, or one given twice.
    """
    words: list[str] = []
    files: list[Path] = []
    for word in given:
        name, value = _flag(word), word.partition("=")[2]
        if not re.fullmatch(r"--[a-z][a-z0-9_]*=.+", word):
            raise AtcError(f"--atc-arg={word} should be a flag of atc with its value: --atc-arg=--NAME=VALUE")
        if name in FIXED:
            raise AtcError(
                f"--atc-arg={word}: the suite sets --{name} itself, as published; use --soc, --port, --weights"
            )
        if name in SHAPING:
            raise AtcError(
                f"--atc-arg={word}: --{name} changes the model's outputs, but dumps are read as the graph's own, float32, in "
                "its order; leave it out"
            )
        if name in map(_flag, words):
            raise AtcError(f"--atc-arg={word}: --{name} is given twice")
        if len(value) < 1000 and (base / value).is_file():
            files.append((base / value).absolute())
            word = f"--{name}={files[-1]}"
        words.append(word)
    return tuple(words), tuple(files)


def expect_known(words: Sequence[str], usage: str) -> None:
    """Raise AtcError for a flag that `usage`, the text of `atc --help`, does not name; one that names none is no help."""
    known = sorted(set(re.findall(r"--([a-z][a-z0-9_]+)", usage)))
    for name in map(_flag, words):
        if known and name not in known:
            near = [f"--{close}" for close in difflib.get_close_matches(name, known, 3, 0)]
            raise AtcError(
                f"--atc-arg=--{name}: this atc has no such flag, but {len(known)} others, such as {', '.join(near)}; "
                "`atc --help` lists them"
            )


@contextmanager
def _work_folder(failed: Path, adapted: Path, what: str) -> Iterator[Path]:
    """A new folder with a plain path that holds the graph as MODEL; removed at the end, whatever the end is.

    It lies in `failed`, which is emptied; where that path is not plain for atc, below the temporary folder.
    """
    try:
        work = failed / "atc" if is_plain(failed) else plain_place(failed)
    except PathError as error:
        raise AtcError(f"{what}: {error}") from error
    if failed.exists():  # of an earlier failure
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
    words: Sequence[str], work: Path, adapted: Path, log: Path, timeout_s: float, what: str
) -> tuple[Path, str]:
    """Run atc in `work`: the om that it made, and the line to repeat that in a new shell."""
    folder, source, model = (shlex.quote(str(path)) for path in (work, adapted, work / MODEL))
    set_up = f"mkdir -p -m {FOLDER_MODE:o} {folder} && cp {source} {model}"
    try:
        done = run(words, cwd=work, timeout_s=timeout_s, log=log, set_up=set_up)
    except CommandTimeoutError as error:
        hint = "known of hosts with little memory (4 GB) and slow ones; look at `free -g` and `top` while it runs"
        raise AtcError(f"{what}: {error}\n  try:     {hint}", codes_of(error.done)) from error
    except CommandError as error:  # atc never started, so it left no log
        shutil.rmtree(log.parent, ignore_errors=True)
        raise AtcError(f"{what}: {error}") from error
    finally:
        if log.exists():
            log.chmod(FILE_MODE)
    return _om(done, what, work), done.typed


def _flag(word: str) -> str:
    return word.removeprefix("--").partition("=")[0]


def _om(done: Done, what: str, work: Path) -> Path:
    """The one new om of a conversion that succeeded."""
    oms = sorted(work.glob(f"{NAME}*.om"))  # newer versions append the platform to the name
    said = done.stdout + done.stderr
    if done.returncode == 0 and SUCCESS in said and len(oms) == 1 and oms[0].stat().st_size > 0:
        return oms[0]
    if done.returncode == 0:
        if SUCCESS not in said:
            what += f": atc ended with 0, but never said {SUCCESS!r}"
        elif not oms:
            what += f": atc reported success, but wrote no {NAME}*.om"
        else:
            what += f": atc should write one om, but wrote {', '.join(f'{om.name} ({om.stat().st_size} bytes)' for om in oms)}"
    raise AtcError("\n".join([explain(done, what), *advice_on(done)]), codes_of(done))
