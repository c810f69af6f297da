"""The protocol of this run's numbers, see `rfcn_lib.score.fingerprint`."""

from collections.abc import Sequence

from rfcn_lib import spec
from rfcn_lib.pictures.canvases import name_of
from rfcn_lib.pictures.fixed_set import digests_of
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import cropped
from rfcn_lib.score.average_precision import VOC07, Protocol
from rfcn_lib.score.fingerprint import SOURCE_MODEL, Fingerprint, fingerprint


def of_candidate(
    pictures: Pictures, clip: str, *, fitted: bool, ids: Sequence[str] | None = None, protocol: Protocol = VOC07
) -> Fingerprint:
    """Of the port's numbers over `ids`, all pictures of the run unless given. `clip`: what its graph clips proposals to."""
    canvas = "fitted" if fitted else name_of(pictures.port.pictures.canvas_wh_px)
    return _of(pictures, canvas, clip, pictures.ids if ids is None else ids, protocol)


def of_reference(pictures: Pictures, *, ids: Sequence[str] | None = None, protocol: Protocol = VOC07) -> Fingerprint:
    """Of the source model's numbers, which are always of the port's own canvas."""
    own = pictures.on_published_canvas()
    return _of(own, name_of(own.port.pictures.canvas_wh_px), SOURCE_MODEL, own.ids if ids is None else ids, protocol)


def _of(pictures: Pictures, canvas: str, clip: str, ids: Sequence[str], protocol: Protocol) -> Fingerprint:
    devkit = pictures.devkit
    found = digests_of(devkit.set_name, {id: devkit.truth[id] for id in ids}, pictures.port.classes)
    words = f"{len(ids)} pictures, ids {found.ids_sha256[:12]}, objects {found.objects_sha256[:12]}"
    lost = len(cropped(pictures.records[id] for id in ids))
    return fingerprint(protocol, spec.MATCH_IOU, set=words, cropped=lost, canvas=canvas, clip=clip)
