"""From a folder of dumps to its evaluation over the pictures of the run."""

from collections.abc import Mapping
from pathlib import Path

from rfcn_lib.ascend import toolkit
from rfcn_lib.ascend.outputs import SUMMARY_FILES
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.progress import progress
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.dump_audit import read_dumps
from rfcn_lib.score.dump_forms import OWN, Form
from rfcn_lib.score.evaluation import Judged, judge


def expect_sound(folder: Path, pictures: Pictures, form: Form = OWN) -> None:
    """Read every dump of the run: what is wrong with dumps is said before the source model runs for hours.

    Raises:
        DumpError: a dump is missing, surplus or damaged.
    """
    allowed = (*pictures.devkit.all_ids, toolkit.MARK)
    dumps = read_dumps(
        folder, pictures.ids, pictures.port, form=form, surplus_allowed=allowed, surplus_names=SUMMARY_FILES
    )
    for _ in progress(dumps, len(pictures.ids), "dumps read, to find what is wrong with them"):
        pass


def judge_dumps(folder: Path, pictures: Pictures, digests: Mapping[str, str] | None = None, form: Form = OWN) -> Judged:
    """Evaluate the dumps in a folder over exactly the pictures of the run.

    digests  id -> sha256 of each dump as the device made it; None for dumps made elsewhere
    form     in which the files are there; this suite's own are `OWN`

    Raises:
        DumpError: a dump is missing, surplus, damaged, or not the one that the device made.
    """
    devkit = pictures.devkit
    return judge(
        folder,
        pictures.records,
        devkit.truth,
        pictures.port,
        whole_set=devkit.ids == devkit.all_ids,
        form=form,
        surplus_allowed=(*devkit.all_ids, *(digests or ()), toolkit.MARK),
        surplus_names=SUMMARY_FILES if digests is None else None,
        made=digests,
    )


def judge_own_dumps(folder: Path, pictures: Pictures) -> Judged:
    """Evaluate dumps that this suite made. The other run may have taken hours: each dump must still be of today's JPEG.

    Raises:
        PictureError: a JPEG changed since its dump was made.
        DumpError: see `judge_dumps`.
    """
    run_folder = RunFolder(folder, pictures.port)
    run_folder.expect_unchanged(pictures)
    return judge_dumps(folder, pictures, run_folder.digests())
