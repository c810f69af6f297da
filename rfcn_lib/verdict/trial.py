"""What was on trial, and everything that took part: values for the verdict, its page and its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypedDict

CandidateOn = Literal["NPU", "dumps made elsewhere", "host stand-in", "REHEARSED", "SIMULATED"]

NPU: Final = "NPU"
ELSEWHERE: Final = "dumps made elsewhere"
HOST: Final = "host stand-in"  # ONNX Runtime on the CPU
REHEARSED: Final = "REHEARSED"  # the chip's arithmetic, computed on the CPU
SIMULATED: Final = "SIMULATED"  # test equipment in the place of the vendor's tools


class Exhibit(TypedDict):
    """A file or folder that was used: where it lies, sha256 (hex) of its content, its size."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that took part in a judgement, so that another person can judge the same files again.

    device        "host", "rehearsal" or "npu": which of the run's candidates this is
    exhibits      name -> every file that was used
    commands      external commands, ready to paste
    paired        both sides picture by picture, as `score.paired.Paired` has it; None where the reference is a mean alone
    protocol      of the candidate's numbers, field by field, and its `fingerprint`; `reference_protocol` of the reference's
    ties          "reference", "candidate" -> mean AP in the worst and best order of equal scores, as `score.ties.TieBracket`
    gate          what judges the drop on the whole set: the point comparison, or its interval
    loosened      limits that ask for less than the published ones
    unpublished   flags given to the compiler besides the published ones
    set_name      which set of the devkit
    tolerated     what of the set is not as VOC2007 has it and was read all the same -> how many annotations or pictures
    canvas        which canvases: the published port's own, or some that fit the pictures
    canvases      `<width>x<height>` -> pictures shown on it
    canvas_area   area of all pictures' canvases over that of as many published ones
    clip          what the graph clips proposals to: the canvas, nothing, or a size that was frozen in
    notes         what is unlike this suite's own graphs, a sentence each
    set_size      how many pictures the set has; where the set is shortened against what fixes it, how many it should have
    set_standing  how the set stands to what fixes it, in words
    set_missing   how many pictures of what fixes the set are not in it
    set_changed   judged pictures that are not as what fixes the set has them: other objects, or another id
    too_good      a number that is better than it can be, as a finding in words; "" where there is none
    explained     what --explained says about it
    chip, precision_mode  what the candidate was compiled for, or rehearsed; None where that is not known
    agreement     every figure of the agreement with its limit, and what the limits were measured with
    blame         stage, fault, sentence and evidence of a candidate that departs; None where nothing departs
    undecided     what the pictures are too few to tell, a sentence each; such a run is INCONCLUSIVE
    """

    port: str
    device: str
    candidate_on: CandidateOn
    candidate_device: str
    reference_device: str
    exhibits: Mapping[str, Exhibit]
    commands: Sequence[str]
    ids: Sequence[str]
    set_name: str
    set_size: int
    tolerated: Mapping[str, int]
    protocol: Mapping[str, str]
    reference_mean_ap: float
    reference_ap: Mapping[str, float]
    candidate_mean_ap: float
    candidate_ap: Mapping[str, float]
    paired: Mapping[str, float] | None
    cropped: Mapping[str, float]
    loosened: Sequence[str]
    unpublished: Sequence[str]
    published_port: bool
    voc2007_test: bool
    published_applies: bool
    throughput_applies: bool
    canvas: Literal["published", "fitted"]
    canvases: Mapping[str, int]
    canvas_area: float
    clip: Literal["canvas", "none", "frozen", "unknown"] = "unknown"
    notes: Sequence[str] = ()
    undecided: Sequence[str] = ()
    reference_protocol: Mapping[str, str] = field(default_factory=dict)
    ties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gate: Literal["point", "interval"] = "point"
    agreement: Mapping[str, Any] | None = None
    blame: Mapping[str, str] | None = None
    set_standing: str = ""
    set_missing: int = 0
    set_changed: int = 0
    too_good: str = ""
    explained: str | None = None
    chip: str | None = None
    precision_mode: str | None = None

    @property
    def by_interval(self) -> bool:
        """Whether the interval judges the drop in place of the point comparison.

        On the whole set the point comparison has no sampling error; a part stands for pictures that were not judged. What no
        device made accepts nothing on any number of pictures, so there the point stays.
        """
        part = self.partial and self.candidate_on not in (SIMULATED, REHEARSED)
        return self.paired is not None and (self.gate == "interval" or part)

    @property
    def partial(self) -> bool:
        """Whether pictures of the set were left out."""
        return len(self.ids) < self.set_size
