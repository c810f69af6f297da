"""What is wrong with the command line: a sentence for each wrong value, and for values that cannot go together."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rfcn_lib.ascend import atc, toolkit
from rfcn_lib.pictures.set_file import expect_set
from rfcn_lib.runs.dask import members
from rfcn_lib.suite import option_values as values
from rfcn_lib.suite.evidence_faults import faults_of_evidence
from rfcn_lib.suite.marks import asks_for
from rfcn_lib.suite.summary_file import read_text

REHEARSED_CHIP: Final = "Ascend310P3"
WRITTEN: Final = ("verdict", "report", "summary", "evidence", "protocols", "write-reference")


def is_packet(given: Mapping[str, Any]) -> bool:
    """Whether --reference names a file. A file called `torch` is --reference=./torch."""
    return given["reference"] not in ("torch", "published")


def faults(given: Mapping[str, Any], marks: str, here: Path, devkit: Path) -> Iterator[str]:
    """A sentence for each wrong value.

    given   option name without dashes -> value as written on the command line, or None
    marks   the expression of -m
    here    the folder that relative paths count from
    devkit  the one that is judged without --devkit
    """
    for name, allowed in (
        ("overflow", ("crop", "error")),
        ("canvas", ("published", "fitted")),
        ("clip", ("canvas", "none")),
        ("gate", ("point", "interval")),
    ):
        yield from values.one_of(name, given.get(name), allowed)
    yield from values.one_of("runner", given.get("runner"), toolkit.RUNNERS)
    yield from values.one_of("precision-mode", given.get("precision-mode"), atc.PRECISION_MODES)
    yield from values.whole_number("limit", given.get("limit"), 10**8, "of pictures", "--limit=10")
    yield from values.whole_number("tool-timeout", given.get("tool-timeout"), 10**7, "of seconds", "--tool-timeout=600")
    packet = ("reference",) if is_packet(given) else ()
    yield from values.a_sentence("explained", given.get("explained"))
    for name in ("weights", "port", "baseline", "predicted", "compare", "onnx", "adapted", "om", *packet):
        yield from values.a_file(name, given.get(name), here)
    for name in ("devkit", "dumps"):
        yield from values.a_folder(name, given.get(name), here)
    yield from values.accepted_by(given["set"], lambda name: expect_set(Path(given.get("devkit") or devkit), name))
    for name in WRITTEN:
        yield from values.a_file_to_write(name, given.get(name))
    if given.get("summary") and not Path(given["summary"]).is_dir():
        yield from values.accepted_by(Path(given["summary"]), read_text)
    yield from _faults_of_written_files(given)
    yield from faults_of_evidence(given, marks, here)
    yield from values.a_folder_to_write("store", given["store"])
    if asks_for(marks, "rehearsal"):
        yield from _faults_of_a_rehearsal(given)
    elif given["explain"]:
        yield "--explain is about the arithmetic that -m rehearsal predicts; use -m rehearsal --explain, or leave it out"
    if given["accept"] and given["canvas"] == "fitted":
        yield (
            "--accept judges the published criteria, which are of the published canvas; leave out --canvas=fitted, or "
            "leave out --accept for a look at what fitted canvases cost"
        )
    if given.get("write-reference") and given["reference"] != "torch":
        yield (
            f"--write-reference writes what the source model finds here, but --reference={given['reference']} does not run it; "
            "leave one of both out"
        )
    if given["gate"] == "interval" and given["reference"] == "published":
        yield (
            "--gate=interval compares the detections of both sides picture by picture, but --reference=published is a mean "
            "alone: there is no pairing; use --reference=torch or a packet, or leave out --gate"
        )
    yield from _faults_of_given_files(given, marks)
    if marks == "npu" and given.get("dumps"):
        yield (
            f"-m npu judges what this host's NPU makes, but --dumps={given['dumps']} were made elsewhere: judge them with "
            "-m accuracy, or leave out --dumps"
        )
    device = bool(given.get("dumps")) or not marks or asks_for(marks, "npu")
    if given.get("predicted") and not device:
        yield (
            f"--predicted={given['predicted']} stands beside what a device gave, but -m {marks} asks none; use -m npu, or "
            "--dumps=DIR with a device's outputs, or leave it out"
        )
    yield from values.device_ids("devices", given.get("devices"))
    yield from values.accepted_by(given.get("dask"), members.checked)
    yield from values.accepted_by(given["atc-arg"], lambda words: atc.atc_arguments(words, here))
    yield from values.accepted_by(given.get("soc"), _expect_known_soc)


def _faults_of_written_files(given: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each file to write that another option reads or writes: it would be lost."""
    packet = ("reference",) if is_packet(given) else ()
    read = ("weights", "port", "baseline", "predicted", "compare", "onnx", "adapted", "om", "evidence-from", *packet)
    others = {name: Path(given[name]).resolve() for name in read if given.get(name)}
    for name in WRITTEN:
        if not given.get(name):
            continue
        path = Path(given[name]).resolve()
        for other, theirs in others.items():
            if path == theirs or (path.exists() and theirs.exists() and path.samefile(theirs)):
                kept = f" (it now lies in {path.name}.earlier)" if (name, other) == ("verdict", "compare") else ""
                yield f"--{name}={given[name]} would overwrite the file of --{other}{kept}; name another file"
        if given.get("dumps") and path.parent == Path(given["dumps"]).resolve():
            yield f"--{name}={given[name]} lies in the folder of --dumps, which holds dumps alone; name another place"
        others[name] = path


def _faults_of_given_files(given: Mapping[str, Any], marks: str) -> Iterator[str]:
    """A sentence for each option that cannot go with a graph or a compiled model that the user gave."""
    files = [f"--{name}={given[name]}" for name in ("onnx", "adapted", "om") if given.get(name)]
    if not files:
        return
    together = " and ".join(files)
    if given["canvas"] == "fitted":
        yield f"{together}: such a file has one canvas, so there are no others to fit; leave out --canvas=fitted"
    if given["clip"] == "none":
        yield f"{together}: --clip=none is about the suite's own export, but this file clips as it does; leave out --clip"
    if given.get("dumps"):
        yield f"{together}: dumps that were made elsewhere are judged without it; leave it out, or leave out --dumps"
    if given.get("om") and not asks_for(marks, "npu"):
        yield f"--om={given['om']}: only an NPU runs a compiled model; use -m npu, or leave out --om"


def _faults_of_a_rehearsal(given: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each option that cannot go with a prediction."""
    if given["accept"]:
        yield "--accept accepts an NPU, but -m rehearsal only predicts one; leave out --accept"
    yield from values.accepted_by(given.get("soc") or REHEARSED_CHIP, lambda soc: _expect_facts(soc, given))
    for name in ("dumps", "om"):
        if given.get(name):
            yield (
                f"--{name}={given[name]}: -m rehearsal computes the chip's arithmetic on a graph, but this is the work of "
                f"another device; leave out --{name}"
            )


def _expect_facts(soc: str, given: Mapping[str, Any]) -> None:
    from rfcn_lib.graph.rehearsal.rehearsed import assumptions  # here: onnx is slow to import

    assumptions(soc, given.get("precision-mode"))


def _expect_known_soc(soc: str) -> None:
    found = toolkit.atc()
    toolkit.checked_soc(soc, found.home if isinstance(found, toolkit.Atc) else None)
