"""Two runs of some pictures -> what each picture gives to every figure."""

from collections.abc import Callable, Collection, Mapping, Sequence

from rfcn_lib.agreement.detections import detection_sums
from rfcn_lib.agreement.figures import Sums
from rfcn_lib.agreement.heads import head_sums
from rfcn_lib.agreement.proposals import pairs_of, proposal_sums
from rfcn_lib.agreement.rows import row_sums
from rfcn_lib.port import Port
from rfcn_lib.records import Outputs, Picture
from rfcn_lib.score.postprocess import detections_from_outputs

OutputsOf = Callable[[str], Outputs]  # of a picture, by its id


def sums_of(
    pictures: Mapping[str, Picture],
    got: OutputsOf,
    want: OutputsOf,
    heads: OutputsOf,
    with_heads: Collection[str],
    port: Port,
) -> list[Sums]:
    """What each picture gives to the figures of `got` against `want`.

    heads       the source model's heads on the proposals of `got`
    with_heads  the ids that `heads` has

    Raises:
        ValueError: a number that is not finite. Whatever the three functions raise.
    """
    return [
        _of_picture(picture, got, want, heads if id in with_heads else None, port) for id, picture in pictures.items()
    ]


def _of_picture(picture: Picture, got: OutputsOf, want: OutputsOf, heads: OutputsOf | None, port: Port) -> Sums:
    mine, theirs = got(picture.id), want(picture.id)
    pairs = pairs_of(mine, theirs)
    found, wanted = (detections_from_outputs(outputs, picture, port) for outputs in (mine, theirs))
    sums = {
        **proposal_sums(pairs),
        **row_sums(mine, pairs),
        **detection_sums(found, wanted, picture.size_wh, port.classes),
    }
    return {**sums, **head_sums(mine, heads(picture.id), port.classes)} if heads else sums


def outside_canvas(outputs: Sequence[Outputs], canvas_wh: tuple[int, int]) -> bool:
    """Whether a proposal reaches outside the canvas: then the graph did not clip."""
    return any(
        (one.rois[:, 1:] < 0).any() or (one.rois[:, 3] > canvas_wh[0]).any() or (one.rois[:, 4] > canvas_wh[1]).any()
        for one in outputs
    )
