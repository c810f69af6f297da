"""The noise floor: how far the detections of two runs of the same pictures are apart when only the arithmetic differs.

Predicted, it compares a rehearsal with the twin; measured, an NPU's dumps with the twin. Both are written as one kind of file.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from rfcn_lib.records import Detections, Floats, Ints
from rfcn_lib.score import resampling
from rfcn_lib.score.noise_floor_file import (
    Distribution,
    Figure,
    MatchedShare,
    NoiseFloor,
    NoiseFloorError,
    PictureFigures,
)
from rfcn_lib.score.partners import CONFIDENT, PARTNER_IOU, Partners, partners

WORST: Final = 5  # pictures that the file names
BY_PICTURE: Final = ("share", "score_apart", "iou")


def ids_sha256(ids: Iterable[str]) -> str:
    """sha256 (hex) of the sorted ids, one a line: which pictures a noise floor is of."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def noise_floor(
    got: Mapping[str, Detections],
    want: Mapping[str, Detections],
    classes: Sequence[str],
    *,
    chip: str,
    precision_mode: str,
    compared: str,
    fingerprint: Mapping[str, str] | None = None,
) -> NoiseFloor:
    """Compare two runs picture by picture; both by id. The order of the pictures does not matter.

    Raises:
        NoiseFloorError: no picture, or the runs have other pictures; a number that is not finite, with the picture's id.
    """
    ids = sorted(want)
    if not ids or got.keys() != want.keys():
        other = sorted(got.keys() ^ want.keys())
        raise NoiseFloorError(
            f"the two runs have {len(got)} and {len(want)} pictures, {len(other)} of them in one run only "
            f"({', '.join(other[:3]) or 'there is none'}), but should have the same ones; run both over the same pictures"
        )
    found = [_partners_of(id, got[id], want[id]) for id in ids]
    drawn = resampling.drawn_pictures(len(ids))
    counts = np.stack([_counts(one, len(classes)) for one in found])  # (pictures, classes, 4)
    of_picture = [picture_figures(id, one) for id, one in zip(ids, found, strict=True)]
    by_picture = {name: np.array([getattr(one, name) for one in of_picture], np.float64) for name in BY_PICTURE}
    judged = int((~np.isnan(by_picture["share"])).sum())  # None became NaN
    # lexsort sorts by its last key first, and puts NaN to the end
    worst = np.lexsort((np.nan_to_num(by_picture["iou"]), by_picture["share"]))[: min(WORST, judged)]
    centre, centre_share, scale = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("centre_px", "centre_share", "scale")
    )
    scores, ious = (np.concatenate([getattr(one, name) for one in found]) for name in ("scores", "ious"))
    owner = np.repeat(np.arange(len(ids)), [len(one.ious) for one in found])
    series = {
        "score_apart": np.abs(scores),
        "score_difference": scores,
        "iou": ious,
        **{f"offset_{axis}_px": centre[:, k] for k, axis in enumerate("xy")},
        **{f"offset_{axis}_share": centre_share[:, k] for k, axis in enumerate("xy")},
        **{f"scale_{axis}": scale[:, k] for k, axis in enumerate("xy")},
    }
    return NoiseFloor(
        format="rfcn noise floor 1",
        chip=chip,
        precision_mode=precision_mode,
        compared=compared,
        pictures=len(ids),
        ids_sha256=ids_sha256(ids),
        partner_iou=PARTNER_IOU,
        confident=CONFIDENT,
        fingerprint=dict(fingerprint) if fingerprint else None,
        matched=_matched_share(counts.sum(axis=1), drawn),
        classes={name: _matched_share(counts[:, label], drawn) for label, name in enumerate(classes)},
        empty_pictures=len(ids) - judged,
        worst_pictures=[of_picture[at] for at in worst],
        **{
            f"{name}_by_picture": _distribution(values[~np.isnan(values)], np.flatnonzero(~np.isnan(values)), drawn)
            for name, values in by_picture.items()
        },
        **{name: _distribution(values, owner, drawn) for name, values in series.items()},
    )


def picture_figures(id: str, one: Partners) -> PictureFigures:
    """The figures of one picture, from its partners."""
    got, want = one.got_has_partner, one.want_has_partner
    some = len(one.ious) > 0
    return PictureFigures(
        id=id,
        got=len(got),
        want=len(want),
        got_matched=int(got.sum()),
        want_matched=int(want.sum()),
        score_apart=resampling.rounded(np.abs(one.scores).mean()) if some else None,
        iou=resampling.rounded(one.ious.mean()) if some else None,
    )


def _partners_of(id: str, got: Detections, want: Detections) -> Partners:
    try:
        return partners(got, want)
    except ValueError as error:
        raise NoiseFloorError(f"picture {id}: {error}") from error


def _counts(one: Partners, classes: int) -> Ints:
    """(classes, 4): got, want, got matched, want matched, in the order of the fields of Matched."""
    sides = (
        one.got_labels,
        one.want_labels,
        one.got_labels[one.got_has_partner],
        one.want_labels[one.want_has_partner],
    )
    return np.stack([np.bincount(labels, minlength=classes) for labels in sides], axis=1)


def _matched_share(counts: Ints, drawn: Ints) -> MatchedShare:
    """Of counts by picture, (pictures, 4)."""
    got, want, got_matched, want_matched = counts.sum(axis=0).tolist()
    figure = None
    if got + want:
        value, (low, high) = resampling.share(counts[:, 2:].sum(axis=1), counts[:, :2].sum(axis=1), drawn)
        figure = Figure(value=value, low=low, high=high)
    return MatchedShare(got=got, want=want, got_matched=got_matched, want_matched=want_matched, matched_share=figure)


def _distribution(values: Floats, picture_of: Ints, drawn: Ints) -> Distribution:
    found = resampling.distribution(values, picture_of, drawn)
    figures = {name: Figure(value=value, low=low, high=high) for name, (value, low, high) in found.items()}
    return Distribution(count=len(values), figures=figures)
