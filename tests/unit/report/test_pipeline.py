"""Where the numbers stay equal and where they first depart, in the order of the pipeline."""

from dataclasses import replace

from rfcn_lib.report.pipeline import lines, steps
from tests.support.trials import criterion_of, figure_of, trial_of, verdict_of

EXPORT = "tests/test_export.py::TestPort::test_x"
ADAPT = "tests/test_adapt.py::TestPort::test_adapted_and_exported_graph_are_bit_identical[1]"
OTHER = "tests/test_adapt.py::TestPort::test_another"


def steps_of(figures=(), tests=(), outcome="passed"):
    trial = trial_of(agreement={"floor": "x", "pictures": [], "figures": list(figures), "alone": []})
    found = verdict_of(trial, rows=[criterion_of("mean AP drop, relative", outcome=outcome)])
    return {step.name: step for step in steps(trial, replace(found, tests=dict(tests)))}


def first_of(found):
    return [name for name, step in found.items() if step.first]


def test_what_was_not_asked_is_said_and_departs_from_nothing():
    found = steps_of()

    assert list(found) == ["onnx", "adapted", "mean AP"]
    assert "not asked" in found["onnx"].words and "pytest -m adapt" in found["adapted"].words
    assert first_of(found) == []


def test_graphs_that_are_equal_say_how_equal():
    found = steps_of(tests={EXPORT: "passed", ADAPT: "passed", OTHER: "failed"}.items())

    assert (found["onnx"].tone, found["adapted"].tone) == ("good", "good")
    assert "bit for bit" in found["adapted"].words


def test_the_first_place_that_departs_is_marked_and_no_later_one():
    figures = [
        figure_of("proposals", 0.5),
        figure_of("heads", 3.0),
        figure_of("heads", 0.5),
        figure_of("detections", 9.0),
    ]
    found = steps_of(figures, outcome="failed")

    assert first_of(found) == ["heads"]
    assert [found[name].tone for name in ("proposals", "heads", "detections", "mean AP")] == [
        "good",
        "bad",
        "bad",
        "bad",
    ]
    assert found["heads"].words == "1 of 2 figures beyond"


def test_a_graph_that_departs_comes_before_the_figures():
    assert first_of(steps_of([figure_of("heads", 3.0)], {EXPORT: "passed", ADAPT: "failed"}.items())) == ["adapted"]
    assert first_of(steps_of(tests={EXPORT: "error"}.items())) == ["onnx"]


def test_figures_where_nothing_differs_are_counted():
    found = steps_of([{**figure_of("rows", 0.0), "got": 0.0}, figure_of("rows", 0.9)])

    assert "all 2 figures hold, 1 are equal" in found["rows"].words


def test_a_drop_that_the_pictures_cannot_tell_departs_from_nothing():
    found = steps_of(outcome="undecided")

    assert found["mean AP"].tone == "open" and first_of(found) == []


def test_each_artifact_of_a_side_is_in_its_line():
    exhibit = {"path": "p", "sha256": "ab" * 32, "bytes": 1}
    names = ("weights", "onnx 688x512", "onnx 512x688", "twin", "pictures", "port", "candidate dumps")
    ((side, found),) = lines(trial_of(exhibits=dict.fromkeys(names, exhibit)))

    assert side == "candidate"
    assert [name for _, name, _ in found] == [
        "weights",
        "onnx 688x512",
        "onnx 512x688",
        "twin",
        "pictures",
        "candidate dumps",
    ]


def test_dumps_that_were_made_elsewhere_stand_alone():
    exhibit = {"path": "p", "sha256": "ab" * 32, "bytes": 1}
    ((_, found),) = lines(trial_of(exhibits=dict.fromkeys(("weights", "pictures", "candidate dumps"), exhibit)))

    assert [name for _, name, _ in found] == ["candidate dumps"]
