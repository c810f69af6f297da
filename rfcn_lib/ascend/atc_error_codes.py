"""Find the compiler's error codes in its output, and say what each code means and what to try. Also for an end without a code.

atc prints its own errors at the start of a line, after its failure line. Examples from public logs, with the CANN version:

    E19010: No parser is registered for Op [a, optype [b]].
    EZ9999  Inner Error!                                               oldest: no colon
    E60108: 2024-09-09-06:13:16.140.829 In op[a], [...]                7
    E20001: [PID: 200452] 2025-06-16-13:02:36.801.136 Failed to ...    8
    [PID: 123] 2026-01-02-03:04:05.678.901 Unsupported_Operator(EZ3003): No supported ...    9

A code elsewhere in a line belongs to other text, such as the traceback of an operator's build.
"""

import re
import signal

from rfcn_lib.command import CommandResult

_NO_PARSER = (
    "the toolkit has no ONNX parser for this operator at this opset",
    "is the operator in the default domain, and is the opset 11? (`pytest -m adapt` checks both); if so, this CANN lacks the "
    "operator's ONNX plugin: take a newer CANN",
)
_NO_KERNEL = (
    "CANN knows the operator, but has no kernel for it on this soc",
    "install the operators' package of this soc (Ascend-cann-kernels-*, from CANN 8.5 on *-ops-*), of the toolkit's "
    "version; is --soc right?",
)
_PYTHON = (
    "the compiler cannot import its Python part",
    "put the python3 that the toolkit was installed with first on PATH, with its requirements (numpy, decorator, "
    "sympy, cffi, attrs, psutil, protobuf, scipy), then source set_env.sh again",
)
_INNER = (
    "an internal error of the compiler",
    "read the first ERROR line of the newest ~/ascend/log/debug/plog/plog-*.log; it names the operator or the file",
)
_MISSING_FLAG = ("a flag that atc needs is missing or empty", "is a value in --atc-arg empty or not quoted?")
MEANINGS = {  # error_code.json of CANN 8.1.RC1: code -> (what it means, what to try)
    "E10001": (
        "this atc does not know a flag, or does not accept its value",
        "check --soc, --precision-mode and --atc-arg against `atc --help` of this toolkit",
    ),
    "E10002": ("atc does not accept the input's shape", "does the port's canvas_wh_px fit the exported graph?"),
    "E10007": _MISSING_FLAG,
    "E10016": ("a flag names an operator or input that is not in the graph", "check the names given with --atc-arg"),
    "E10054": _MISSING_FLAG,
    "E10501": ("the operator's prototype is not registered", _NO_KERNEL[1]),
    "E16002": _NO_PARSER,
    "E16005": ("the graph imports more than one opset", "export without custom domains; run `pytest -m adapt`"),
    "E19010": _NO_PARSER,
    "E19999": _INNER,
    "E20001": (
        "atc could not compile an operator; the vendor's guide names an invalid argument of the operator as a possible cause",
        "the text names the operator: compare its attributes and shapes with the adapted graph (`pytest -m adapt`); the "
        "lines under TraceBack in the log name the step; an operator of the vendor's own set may need another CANN",
    ),
    "E20007": (
        "a graph fusion of the compiler failed",
        "switch off the fusion that the text names: --atc-arg=--fusion_switch_file=FILE",
    ),
    "E40000": _PYTHON,
    "E40021": (
        "atc could not compile an operator",
        "the text names it: check its attributes and shapes (`pytest -m adapt`), and whether memory and /tmp are large enough",
    ),
    "EC0010": _PYTHON,
    "EE9999": _INNER,
    "EZ3002": (
        "the kernels of this soc do not support the operator with these shapes, types or attributes",
        "the text gives the reason, for example which limit",
    ),
    "EZ3003": _NO_KERNEL,
    "EZ9010": _NO_PARSER,
    "EZ9999": _INNER,
}
FAMILIES = (  # pattern of codes of one kind, from their texts in public logs; a code in MEANINGS is not looked up here
    (
        re.compile("E6[0-9]{4}"),
        (
            "the check of the operator refuses its shapes, types or attributes",
            "the text names the operator and the limit: compare them with the adapted graph (`pytest -m adapt`); the limits "
            "differ between CANN versions, so try another version if the graph is right",
        ),
    ),
    (
        re.compile("EB[0-9]{4}"),
        (
            "atc could not build the kernel of an operator (TBE, the compiler's operator builder)",
            "the first lines with `error:` in the log name the cause; if a header is missing, install the host's C++ compiler "
            "(g++ with its headers), because the build needs it",
        ),
    ),
)
TEXT_CHARACTERS = 1500  # a message quotes so much of an error's own text
LINE_CHARACTERS = 300  # and so much of a line with a cause, or with a code inside other text
MAX_MENTIONS = 3  # a message quotes so many lines with codes inside other text
_CODE = "E[0-9]{5}|E[A-Z][0-9]{4}"
_WHEN = r"(?:\[PID: *[0-9]+\] *)?(?:[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9:]{8}[0-9.]* *)?"
_OWN = re.compile(
    rf"^{_WHEN}(?:[\w-]+\((?P<named>{_CODE})\)|(?P<bare>{_CODE})\b):?[ \t]*{_WHEN}(?P<text>.*)$", re.MULTILINE
)
_ANY = re.compile(rf"\b(?:{_CODE})\b")
_ERROR_LINE = re.compile(r"^[ \t]*(\[ERROR\].*\S)", re.MULTILINE)


def error_codes(result: CommandResult) -> tuple[str, ...]:
    """The codes of the compiler's own errors, each once, in the order of its output. Example: ("E40021", "E19999")."""
    return tuple(_own_texts(result))


def advice_lines(result: CommandResult) -> list[str]:
    """The lines for a message: text, meaning and advice for each error, then the codes inside other text.

    For a run without an error code the first line explains the way it ended.
    """
    own = [_advice(code, text) for code, text in _own_texts(result).items()]
    return [*(own or [_without_a_code(result)]), *_mentions(result)]


def meaning_of(code: str) -> tuple[str, str] | None:
    """(what a code means, what to try); None for an unknown code."""
    of_family = (meaning for codes, meaning in FAMILIES if codes.fullmatch(code))
    return MEANINGS.get(code) or next(of_family, None)


def _own_texts(result: CommandResult) -> dict[str, str]:
    """Code -> its first text. The first text of an internal error is only "Inner Error!", so the second one is added."""
    texts: dict[str, list[str]] = {}
    for found in _OWN.finditer(_output(result)):
        texts.setdefault(found["named"] or found["bare"], []).append(found["text"].strip())
    return {code: " ".join(lines[: 2 if lines[0] == "Inner Error!" else 1]) for code, lines in texts.items()}


def _advice(code: str, text: str) -> str:
    means, try_this = meaning_of(code) or (
        "a code that this suite does not know",
        "look in the vendor's troubleshooting guide, then in the plog in ~/ascend/log",
    )
    return f"  {code + ':':<9}{_fit(text, TEXT_CHARACTERS)}\n    means: {means}\n    try:   {try_this}"


def _mentions(result: CommandResult) -> list[str]:
    """The lines that contain codes inside other text, each with the meanings of these codes."""
    known, mentions = set(error_codes(result)), []
    for line in _output(result).splitlines():
        found = [match for match in _ANY.finditer(line) if match[0] not in known]
        if not found:
            continue
        codes = list(dict.fromkeys(match[0] for match in found))
        known.update(codes)
        around = line[max(0, found[0].start() - LINE_CHARACTERS // 3) :].strip()
        meanings = dict.fromkeys(filter(None, map(meaning_of, codes)))
        lines = [f"  {', '.join(codes)}, inside other text, not an error of its own: {_fit(around, LINE_CHARACTERS)}"]
        lines += [f"    means: {means}\n    try:   {try_this}" for means, try_this in meanings]
        mentions.append("\n".join(lines))
    return mentions[:MAX_MENTIONS]


def _without_a_code(result: CommandResult) -> str:
    library = re.search(r"error while loading shared libraries: (\S+?):?\s", _output(result))
    if library:
        return (
            f"  try:     {library[1]} is part of the driver or the toolkit: source the toolkit's set_env.sh; on a host "
            "without a driver put the toolkit's <arch>-linux/devlib on LD_LIBRARY_PATH"
        )
    if result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return "  try:     the system may have killed it because memory was full: look at `dmesg` and `free -g`"
    cause = _ERROR_LINE.search(_output(result))
    if cause:
        return (
            f"  first error: {_fit(cause[1], LINE_CHARACTERS)}\n"
            "  try:     this first [ERROR] line names the cause, later ones are its consequences; the log has all of them"
        )
    if _crashed(result.returncode):
        return (
            "  try:     some versions crash without a message on graphs with an NMS that they cannot fuse: run "
            "`pytest -m adapt`, then try another CANN; the newest ~/ascend/log/debug/plog/plog-*.log shows the last step"
        )
    return "  try:     read the newest ~/ascend/log/debug/plog/plog-*.log; with ASCEND_SLOG_PRINT_TO_STDOUT=1 atc prints it"


def _crashed(returncode: int) -> bool:
    """Whether a signal ended atc. A script reports that as 128 + the signal's number. 255 is atc's own -1 (GE, main_impl.cc)."""
    return returncode < 0 or returncode - 128 in {known.value for known in signal.Signals}


def _output(result: CommandResult) -> str:
    return f"{result.stdout}\n{result.stderr}"


def _fit(text: str, characters: int) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:characters])
    return shown if len(text) <= characters else f"{shown} [...]"
