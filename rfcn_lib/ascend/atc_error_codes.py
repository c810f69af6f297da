"""The compiler's error codes: what each of them means, and what to try; also where it ends without one.

atc prints its own errors at the start of a line, after its failure line (public logs, by CANN version):

    E19010: No parser is registered for Op [a, optype [b]].
    EZ9999  Inner Error!                                               oldest: no colon
    E60108: 2024-09-09-06:13:16.140.829 In op[a], [...]                7
    E20001: [PID: 200452] 2025-06-16-13:02:36.801.136 Failed to ...    8
    [PID: 123] 2026-01-02-03:04:05.678.901 Unsupported_Operator(EZ3003): No supported ...    9

A code elsewhere in a line stands in the text of another error, such as the traceback of an operator's build.
"""

import re
import signal

from rfcn_lib.command import CommandResult

_NO_PARSER = (
    "the toolkit has no ONNX parser for this operator at this opset",
    "is it in the default domain, and the opset 11? (`pytest -m adapt` looks); if so this CANN lacks the operator's "
    "ONNX plugin: take a newer one",
)
_NO_KERNEL = (
    "the operator is known, but no kernel for it and this soc is installed",
    "install the operators' package of this soc (Ascend-cann-kernels-*, from CANN 8.5 on *-ops-*), of the toolkit's "
    "version; is --soc right?",
)
_PYTHON = (
    "the compiler's Python part cannot be imported",
    "put the python3 that the toolkit was installed with first on PATH, with its requirements (numpy, decorator, "
    "sympy, cffi, attrs, psutil, protobuf, scipy), then source set_env.sh again",
)
_INNER = (
    "an inner error of the compiler",
    "read the first ERROR line of the newest ~/ascend/log/debug/plog/plog-*.log; it names the operator or the file",
)
_MISSING_FLAG = ("a flag that atc needs is missing or empty", "is a value in --atc-arg empty or not quoted?")
MEANINGS = {  # error_code.json of CANN 8.1.RC1: code -> (what it means, what to try)
    "E10001": (
        "this atc does not know a flag, or does not accept its value",
        "check --soc, --precision-mode and --atc-arg against `atc --help` of this toolkit",
    ),
    "E10002": ("the input's shape is not accepted", "does the port's canvas_wh_px fit the exported graph?"),
    "E10007": _MISSING_FLAG,
    "E10016": ("a flag names an operator or input that is not in the graph", "check the names given with --atc-arg"),
    "E10054": _MISSING_FLAG,
    "E10501": ("the operator's prototype is not registered", _NO_KERNEL[1]),
    "E16002": _NO_PARSER,
    "E16005": ("the graph imports more than one opset", "export without custom domains; run `pytest -m adapt`"),
    "E19010": _NO_PARSER,
    "E19999": _INNER,
    "E20001": (
        "an operator could not be compiled; the vendor's own possible cause is an invalid argument of it",
        "the text names the operator: compare its attributes and shapes with the adapted graph (`pytest -m adapt`); the "
        "lines under TraceBack in the log name the step; an operator of the vendor's own set may need another CANN",
    ),
    "E20007": (
        "a graph fusion of the compiler failed",
        "switch the fusion it names off: --atc-arg=--fusion_switch_file=FILE",
    ),
    "E40000": _PYTHON,
    "E40021": (
        "an operator could not be compiled",
        "the text names it: check its attributes and shapes (`pytest -m adapt`), and that memory and /tmp suffice",
    ),
    "EC0010": _PYTHON,
    "EE9999": _INNER,
    "EZ3002": (
        "the kernels of this soc do not take the operator as it stands",
        "the reason in the text says which limit",
    ),
    "EZ3003": _NO_KERNEL,
    "EZ9010": _NO_PARSER,
    "EZ9999": _INNER,
}
FAMILIES = (  # codes of one kind, by what their texts say in public logs; MEANINGS comes first
    (
        re.compile("E6[0-9]{4}"),
        (
            "the operator's own check refuses its shapes, types or attributes",
            "the text names the operator and the limit: compare them with the adapted graph (`pytest -m adapt`); the limits "
            "differ by CANN version, so try another one if the graph is right",
        ),
    ),
    (
        re.compile("EB[0-9]{4}"),
        (
            "the kernel of an operator could not be built (TBE, the compiler's operator builder)",
            "the first lines with `error:` in the log name the cause; a header that is not found belongs to the host's C++ "
            "compiler (g++ with its headers), which the build needs",
        ),
    ),
)
SHOWN, QUOTED = 1500, 300  # characters of an error's own text, and of a line around a code or a cause
MENTIONS = 3  # so many lines with codes that are no errors of their own are told
_CODE = "E[0-9]{5}|E[A-Z][0-9]{4}"
_WHEN = r"(?:\[PID: *[0-9]+\] *)?(?:[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9:]{8}[0-9.]* *)?"
_OWN = re.compile(
    rf"^{_WHEN}(?:[\w-]+\((?P<named>{_CODE})\)|(?P<bare>{_CODE})\b):?[ \t]*{_WHEN}(?P<text>.*)$", re.MULTILINE
)
_ANY = re.compile(rf"\b(?:{_CODE})\b")
_ERROR_LINE = re.compile(r"^[ \t]*(\[ERROR\].*\S)", re.MULTILINE)


def error_codes(done: CommandResult) -> tuple[str, ...]:
    """The codes of the errors that the compiler printed, each once, in the order they came."""
    return tuple(_own_texts(done))


def advice_lines(done: CommandResult) -> list[str]:
    """Text, meaning and advice of each error of a failed run, or what its end tells; then the codes inside other text."""
    own = [_advice(code, text) for code, text in _own_texts(done).items()]
    return [*(own or [_without_a_code(done)]), *_mentions(done)]


def meaning_of(code: str) -> tuple[str, str] | None:
    """What a code means and what to try; None for one that is unknown here."""
    of_its_kind = (meaning for codes, meaning in FAMILIES if codes.fullmatch(code))
    return MEANINGS.get(code) or next(of_its_kind, None)


def _own_texts(done: CommandResult) -> dict[str, str]:
    """The first text of each code; of an inner error, whose first line says no more than that, the second one too."""
    texts: dict[str, list[str]] = {}
    for found in _OWN.finditer(_said(done)):
        texts.setdefault(found["named"] or found["bare"], []).append(found["text"].strip())
    return {code: " ".join(said[: 2 if said[0] == "Inner Error!" else 1]) for code, said in texts.items()}


def _advice(code: str, text: str) -> str:
    means, try_this = meaning_of(code) or (
        "a code unknown here",
        "the vendor's troubleshooting guide lists it; else the plog in ~/ascend/log",
    )
    return f"  {code + ':':<9}{_fit(text, SHOWN)}\n    means: {means}\n    try:   {try_this}"


def _mentions(done: CommandResult) -> list[str]:
    """Lines of other text that hold codes which are no errors of their own, each with the meanings known here."""
    known, told = set(error_codes(done)), []
    for line in _said(done).splitlines():
        found = [match for match in _ANY.finditer(line) if match[0] not in known]
        if not found:
            continue
        codes = list(dict.fromkeys(match[0] for match in found))
        known.update(codes)
        around = line[max(0, found[0].start() - QUOTED // 3) :].strip()
        meanings = dict.fromkeys(filter(None, map(meaning_of, codes)))
        lines = [f"  {', '.join(codes)}, inside other text and no error of its own: {_fit(around, QUOTED)}"]
        lines += [f"    means: {means}\n    try:   {try_this}" for means, try_this in meanings]
        told.append("\n".join(lines))
    return told[:MENTIONS]


def _without_a_code(done: CommandResult) -> str:
    library = re.search(r"error while loading shared libraries: (\S+?):?\s", _said(done))
    if library:
        return (
            f"  try:     {library[1]} comes with the driver or the toolkit: source the toolkit's set_env.sh; on a host "
            "without driver put the toolkit's <arch>-linux/devlib on LD_LIBRARY_PATH"
        )
    if done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "  try:     the system may have killed it for want of memory: look at `dmesg` and `free -g`"
    cause = _ERROR_LINE.search(_said(done))
    if cause:
        return (
            f"  first error: {_fit(cause[1], QUOTED)}\n"
            "  try:     this first [ERROR] line names the cause, those after it follow from it; all of them are in the log"
        )
    if _crashed(done.returncode):
        return (
            "  try:     a crash without a word is known of graphs with an NMS that some versions cannot fuse: run "
            "`pytest -m adapt`, then try another CANN; the newest ~/ascend/log/debug/plog/plog-*.log shows how far it came"
        )
    return "  try:     the newest ~/ascend/log/debug/plog/plog-*.log; ASCEND_SLOG_PRINT_TO_STDOUT=1 prints it"


def _crashed(returncode: int) -> bool:
    """Whether a signal ended it, or a script passed that on as 128 + its number; 255 is atc's own -1 (GE, main_impl.cc)."""
    return returncode < 0 or returncode - 128 in {known.value for known in signal.Signals}


def _said(done: CommandResult) -> str:
    return f"{done.stdout}\n{done.stderr}"


def _fit(text: str, characters: int) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:characters])
    return shown if len(text) <= characters else f"{shown} [...]"
