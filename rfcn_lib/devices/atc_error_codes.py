"""The compiler's error codes: what each of them means, and what to try; also where it ends without one."""

import re

from rfcn_lib.command import Done

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
_CODED = re.compile(r"^.*?\b(E[0-9]{5}|E[A-Z][0-9]{4})\b:?[ \t]*(.*)$", re.MULTILINE)


def codes_of(done: Done) -> tuple[str, ...]:
    """The compiler's error codes in what it printed, each once, in the order they came."""
    return tuple(dict.fromkeys(code for code, _ in _CODED.findall(done.stdout + done.stderr)))


def advice_on(done: Done) -> list[str]:
    """Text, meaning and advice of each code that a failed run printed; of one that printed none, what its end tells."""
    codes = dict(reversed(_CODED.findall(done.stdout + done.stderr)))  # the first text of each code
    return [_advice(code, codes[code]) for code in codes_of(done)] or [_without_a_code(done)]


def _advice(code: str, text: str) -> str:
    means, try_this = MEANINGS.get(
        code, ("a code unknown here", "the vendor's troubleshooting guide lists it; else the plog in ~/ascend/log")
    )
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
    return f"  {code + ':':<9}{shown}\n    means: {means}\n    try:   {try_this}"


def _without_a_code(done: Done) -> str:
    library = re.search(r"error while loading shared libraries: (\S+?):?\s", done.stdout + done.stderr)
    if library:
        return (
            f"  try:     {library[1]} comes with the driver or the toolkit: source the toolkit's set_env.sh; on a host "
            "without driver put the toolkit's <arch>-linux/devlib on LD_LIBRARY_PATH"
        )
    if done.returncode in (-9, 137):
        return "  try:     the system may have killed it for want of memory: look at `dmesg` and `free -g`"
    if done.returncode < 0 or done.returncode > 128:
        return (
            "  try:     a crash without a word is known of graphs with an NMS that some versions cannot fuse: run "
            "`pytest -m adapt`, then try another CANN; the newest ~/ascend/log/debug/plog/plog-*.log shows how far it came"
        )
    return "  try:     the newest ~/ascend/log/debug/plog/plog-*.log; ASCEND_SLOG_PRINT_TO_STDOUT=1 prints it"
