"""Who stands where: the candidate, and everything that took part, on record; reference.py has what it is held against.

The build graph of conftest.py ends in dumps; here they become evaluations, and one trial per candidate.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from rfcn_lib import spec
from rfcn_lib.ascend import toolkit
from rfcn_lib.errors import SuiteError
from rfcn_lib.pictures.canvases import IdsByCanvas, name_of, share_of
from rfcn_lib.pictures.devkit import Devkit
from rfcn_lib.pictures.loading import Pictures
from rfcn_lib.pictures.preprocess import cropped
from rfcn_lib.port import PUBLISHED, Port, read_port
from rfcn_lib.records import Picture
from rfcn_lib.runs.folder import RunFolder
from rfcn_lib.score.dumps import file_names
from rfcn_lib.score.evaluation import Judged, judge
from rfcn_lib.speed.baseline import Baseline
from rfcn_lib.store.store import Store
from rfcn_lib.suite.inputs import is_fitted
from rfcn_lib.verdict.verdict import ELSEWHERE, HOST, NPU, SIMULATED, CandidateOn, Reference, Trial


@pytest.fixture(
    scope="session",
    params=[pytest.param("host", marks=pytest.mark.accuracy), pytest.param("npu", marks=pytest.mark.npu)],
)
def device(request: pytest.FixtureRequest) -> str:
    """Whose outputs are judged: this host's (or --dumps), and the NPU's where there is one."""
    return str(request.param)


@pytest.fixture(scope="session")
def candidate(
    device: str,
    request: pytest.FixtureRequest,
    pictures: Mapping[str, Picture],
    devkit: Devkit,
    port: Port,
    aloud: Any,
    pytestconfig: pytest.Config,
) -> Judged:
    wanted = request.getfixturevalue
    folder = wanted("npu_run").dumps if device == "npu" else wanted("candidate_dumps")
    as_made = RunFolder(folder, port).digests() if device == "npu" or _own(folder, wanted("store")) else None
    if pytestconfig.getoption("--reference") != "published":  # the reference comes first, for its run may take hours
        wanted("torch_dumps")
    if as_made is not None:  # the other side's pass lies hours away: both should be of the same JPEGs
        shown = Pictures(devkit, port, wanted("canvases"), wanted("store").digests.of_each)
        RunFolder(folder, port).expect_unchanged(shown)
    return judged(folder, pictures, devkit, port, aloud, as_made)


@pytest.fixture(scope="session")
def trial(
    device: str,
    request: pytest.FixtureRequest,
    store: Store,
    port: Port,
    devkit: Devkit,
    candidate: Judged,
    reference: Reference,
    baseline: Baseline | None,
    canvases: IdsByCanvas,
    pytestconfig: pytest.Config,
) -> Trial:
    """Everything that took part in the judgement of accuracy."""
    wanted, fitted = request.getfixturevalue, is_fitted(pytestconfig)
    on, described, paths, commands = _judged_on(device, wanted)
    year = devkit.folder / spec.VOC_YEAR_FOLDER
    paths |= {
        "port": wanted("port_path"),
        "set": year / "ImageSets" / "Main" / f"{devkit.set_name}.txt",
        "annotations": year / "Annotations",
    }
    if baseline:
        paths["baseline"] = Path(pytestconfig.getoption("--baseline"))
    if reference.ap:
        paths |= {"weights": wanted("weights"), "pictures": devkit.jpegs_folder}
    exhibits = {name: _exhibit(store, path) for name, path in paths.items()}
    for name, sha256 in wanted("as_given").items():
        if name in exhibits and exhibits[name]["sha256"] != sha256:
            raise UnfairError(
                f"the {name} at {paths[name]} changed while they were judged, so candidate, reference and truth may be of "
                "different ones; leave the file alone and run again"
            )
    if device == "npu":
        tool = wanted("npu_run").tool
        exhibits["tool"] = {"path": str(tool.path), "sha256": tool.sha256, "bytes": tool.size_bytes}
    exhibits["candidate dumps"] = _dumps_exhibit(candidate)
    if reference.ap:
        source: Judged = wanted("source_model")
        exhibits["reference dumps"] = _dumps_exhibit(source)
        if source.sha256 == candidate.sha256:
            raise UnfairError(
                f"the dumps in {candidate.folder} are the source model's own, byte for byte, but should come from the "
                "port: no other device rounds alike; pass the folder the device wrote with --dumps=DIR"
            )
    return Trial(
        port=port.name,
        device=device,
        candidate_on=on,
        candidate_device=described,
        reference_device=reference.device,
        exhibits=exhibits,
        commands=commands,
        ids=devkit.ids,
        set_size=len(devkit.all_ids),
        protocol=asdict(candidate.evaluation.protocol),
        reference_mean_ap=reference.mean_ap,
        reference_ap=reference.ap,
        candidate_mean_ap=candidate.evaluation.mean_ap,
        candidate_ap=candidate.evaluation.ap,
        cropped=cropped(wanted("pictures").values()),
        loosened=(*_looser(port), *_looser_baseline(baseline)),
        unpublished=_unpublished(pytestconfig) if device == "npu" else (),
        published_port=port == read_port(PUBLISHED),
        voc2007_test=devkit.set_name == "test" and len(devkit.all_ids) == spec.VOC_TEST_COUNT,
        published_applies=not fitted
        and (bool(baseline) or ("mean_ap" in port.criteria and len(devkit.ids) == spec.VOC_TEST_COUNT)),
        throughput_applies=not fitted and device == "npu" and (bool(baseline) or "throughput_fps" in port.criteria),
        canvas="fitted" if fitted else "published",
        canvases={name_of(canvas): len(ids) for canvas, ids in canvases.items()},
        canvas_area=share_of(canvases, port.pictures.canvas_wh_px),
    )


class UnfairError(SuiteError):
    """The trial itself is wrong, so no number of it is worth judging."""


def _judged_on(device: str, wanted: Callable[[str], Any]) -> tuple[CandidateOn, str, dict[str, Path], tuple[str, ...]]:
    """What made the candidate's outputs: kind, description, files that took part, commands that were run."""
    if device == "npu":
        run, files = wanted("npu_run"), _graphs(wanted, "onnx", "adapted", "om")
        return SIMULATED if run.simulated else NPU, run.describe(), files, run.commands
    folder: Path = wanted("candidate_dumps")
    own = _own(folder, wanted("store"))
    _expect_canvases(RunFolder(folder, wanted("port")), wanted("canvases"))
    if own and wanted("pytestconfig").getoption("--dumps") and not toolkit.simulated([folder]):
        return HOST, f"this host's own store, {folder}, and no NPU", {}, ()
    if wanted("pytestconfig").getoption("--dumps"):
        if toolkit.simulated([folder]):
            return SIMULATED, f"SIMULATED: the dumps in {folder} were made by a stand-in for the vendor's tools", {}, ()
        return ELSEWHERE, f"unknown: the dumps in {folder} were made elsewhere", {}, ()
    from rfcn_lib.devices import onnx_runtime

    if toolkit.simulated_tools():
        said = f"{onnx_runtime.describe()}, beside SIMULATED vendor's tools on PATH"
        return SIMULATED, said, _graphs(wanted, "onnx", "adapted", "twin"), ()
    return HOST, onnx_runtime.describe(), _graphs(wanted, "onnx", "adapted", "twin"), ()


def _graphs(wanted: Callable[[str], Any], *kinds: str) -> dict[str, Path]:
    """The files of each kind; where there are several canvases, with the canvas in the name."""
    alone = not is_fitted(wanted("pytestconfig"))
    return {
        kind if alone else f"{kind} {name_of(canvas)}": path
        for kind in kinds
        for canvas, path in wanted(f"{kind}_paths").items()
    }


def _expect_canvases(folder: RunFolder, canvases: IdsByCanvas) -> None:
    """Dumps say nothing of the canvas they were made on; where this suite noted it, the verdict must not say another."""
    noted, said = folder.noted_canvases(), {name_of(canvas) for canvas in canvases}
    if noted and noted != said:
        raise UnfairError(
            f"the dumps in {folder.path} were made on the canvases {', '.join(sorted(noted))}, "
            f"but would be judged as made on {', '.join(sorted(said))}; pass the --canvas, --port and --limit of that run"
        )


def _own(folder: Path, store: Store) -> bool:
    """Whether these are dumps that this suite's host devices made in this store."""
    real = folder.resolve()
    return real.is_relative_to(store.root.resolve()) and real.name in ("torch", "onnxruntime")


def _looser(port: Port) -> tuple[str, ...]:
    """Limits that ask for less than the published port's: they are agreed by nobody else."""
    published = read_port(PUBLISHED).criteria
    at_most = {"mean_ap_drop"}
    return tuple(
        f"{name} {mine.limit:g}, published {published[name].limit:g}"
        for name, mine in port.criteria.items()
        if (mine.limit > published[name].limit if name in at_most else mine.limit < published[name].limit)
    )


def _looser_baseline(baseline: Baseline | None) -> tuple[str, ...]:
    """Figures of --baseline that ask for less than the published ones."""
    published = read_port(PUBLISHED).criteria
    mine = {"mean_ap": baseline.mean_ap, "throughput_fps": baseline.script_fps} if baseline else {}
    return tuple(
        f"{name} {figure:.4g} of --baseline, published {published[name].limit:g}"  # type: ignore[index]
        for name, figure in mine.items()
        if figure < published[name].limit  # type: ignore[index]
    )


def _unpublished(config: pytest.Config) -> tuple[str, ...]:
    """Flags given to the compiler besides the published ones."""
    mode = config.getoption("--precision-mode")
    return (*([f"--precision_mode={mode}"] if mode else []), *config.getoption("--atc-arg"))


def _exhibit(store: Store, path: Path) -> dict[str, Any]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {"path": str(path), "sha256": store.digests.of(path), "bytes": sum(file.stat().st_size for file in files)}


def _dumps_exhibit(judged: Judged) -> dict[str, Any]:
    names = (name for id in judged.evaluation.ids for name in file_names(id))  # others may lie there, unread
    size = sum((judged.folder / name).stat().st_size for name in names)
    return {"path": str(judged.folder), "sha256": judged.sha256, "bytes": size}


def judged(
    folder: Path,
    pictures: Mapping[str, Picture],
    devkit: Devkit,
    port: Port,
    aloud: Any,
    as_made: Mapping[str, str] | None,
) -> Judged:
    """The dumps in `folder`, judged over the whole set or the part of it that is on trial; `as_made`: id -> sha256."""
    whole_set = devkit.ids == devkit.all_ids
    with aloud():
        return judge(
            folder,
            pictures,
            devkit.truth,
            port,
            whole_set=whole_set,
            surplus_allowed=(*devkit.all_ids, *(as_made or ()), toolkit.MARK),
            made=as_made,
        )
