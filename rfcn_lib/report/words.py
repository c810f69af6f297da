"""What the report says in sentences: what was on trial, and what is not proved by it. Values in, text out."""

from typing import Final

from rfcn_lib.verdict.status import Status
from rfcn_lib.verdict.verdict import ELSEWHERE, HOST, REHEARSED, SIMULATED, Trial

TONE: Final[dict[Status, str]] = {  # of the page's colours; the word itself is always written
    "ACCEPTED": "good",
    "PASSED": "good",
    "PARTIAL": "open",
    "REHEARSED": "open",
    "SIMULATED": "open",
    "LOOSENED": "open",
    "INCONCLUSIVE": "open",
    "NOT JUDGED": "open",
    "FAILED": "bad",
}
OF_DEVICE: Final = {
    HOST: "No NPU was judged. The candidate ran in ONNX Runtime on this computer's CPU: this tests the graph, not the chip.",
    ELSEWHERE: "The dumps were made elsewhere. They do not say which device made them.",
    REHEARSED: "No NPU was judged. The chip's arithmetic was computed on this computer's CPU: this is a prediction.",
    SIMULATED: "No device was judged. A stand-in ran in place of the vendor's tools: this says nothing about an NPU.",
}


def on_trial(trial: Trial) -> list[tuple[str, str]]:
    """What was on trial, in four lines of (name, words)."""
    canvases = ", ".join(f"{name} ({count})" for name, count in trial.canvases.items())
    part = f"{len(trial.ids):,} of {trial.set_size:,} pictures of set {trial.set_name}"
    return [
        ("candidate", trial.candidate_device),
        ("reference", f"{trial.reference_device}: mean AP {trial.reference_mean_ap:.4f}"),
        ("pictures", f"{part}; {trial.set_standing}; canvas {trial.canvas}: {canvases}"),
        ("port", f"{trial.port}; {trial.protocol['name']}; the candidate's mean AP {trial.candidate_mean_ap:.4f}"),
    ]


def not_proved(trial: Trial, status: Status) -> list[str]:
    """What nobody may conclude from this verdict, a sentence each."""
    said = [OF_DEVICE[trial.candidate_on]] if trial.candidate_on in OF_DEVICE else []
    if trial.partial:
        left = trial.set_size - len(trial.ids)
        said.append(f"{left:,} of {trial.set_size:,} pictures were not judged.")
    said += [f"Not enough pictures to tell: {sentence}." for sentence in trial.undecided]
    if trial.reference_mean_ap and not trial.reference_ap:
        said.append("The reference is a published mean alone. Its classes, outputs and pictures were not compared.")
    if trial.loosened:
        said.append(f"The limits ask for less than the published ones: {'; '.join(trial.loosened)}.")
    if trial.unpublished:
        said.append(f"The compiler got more than the published flags: {' '.join(trial.unpublished)}.")
    if trial.canvas == "fitted":
        said.append("The candidate saw fitted canvases. Published figures are of the published canvas.")
    if not trial.voc2007_test or not trial.published_port:
        said.append("This is not the published port on the whole of VOC2007 test, so no published figure was reached.")
    if trial.too_good:
        said.append(f"{trial.too_good}. {trial.explained or 'Nobody has explained it.'}")
    if not trial.throughput_applies:
        said.append("Throughput on an NPU was not judged.")
    if status != "ACCEPTED":
        said.append("Nothing is accepted: only ACCEPTED accepts a port.")
    return said
