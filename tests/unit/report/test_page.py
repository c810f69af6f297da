"""The report: everything is in the one file, every word from outside stays text, every figure has its words."""

import dataclasses
import re

import numpy as np
import pytest

from rfcn_lib.report.drawn import Box, Drawn, Line
from rfcn_lib.report.page import Judgement, Run, page
from rfcn_lib.report.words import TONE, not_proved
from rfcn_lib.score.curves import POINTS
from rfcn_lib.score.matched import PER_AXIS
from rfcn_lib.suite.drawing import BOXES, LONGEST_PX, PICTURES
from rfcn_lib.verdict.status import EXIT_STATUS
from rfcn_lib.verdict.verdict import ELSEWHERE, HOST, NPU, REHEARSED, SIMULATED
from tests.support.html_pages import Page, faults_of
from tests.support.trials import cells_of, criterion_of, drawn_of, jpeg_base64, pace_of, trial_of, verdict_of

HOSTILE = "<script>alert(1)</script>"
NASTY = (HOSTILE, '"><img src=x onerror=alert(1)>', "a$b$c & 犬'", "x" * 300)
LATENCY = {
    "device": "device 1 (NPU 0 chip 1)", "device_id": 1, "pictures": 4952, "runs": 9, "mean_ms": 811.1,
    "lowest_ms": 799.0, "highest_ms": None, "medians_ms": (810.0, 812.0), "percentiles_99_ms": (820.0, 820.0),
}  # fmt: skip
SPEED = {"paces": [pace_of("Ascend310", 4.93, "interface x chips (extrapolated)").model_dump()], "latencies": [LATENCY]}
TIMES = {"onnx": "made in 7.3 s"}
RUN = Run("2026-11-27", "-m accuracy", {"suite": "commit"}, ["a note"], ["export A=1"])


def page_of(trial=None, drawn=None, **verdict):
    trial = trial or trial_of()
    judged = Judgement("host", verdict_of(trial, **verdict), trial, drawn, SPEED, TIMES, ["sha256sum -c"])
    return page([judged], RUN)


@pytest.fixture(scope="module")
def whole():
    rows = [criterion_of("mean AP drop", lower=0.0, upper=0.3, outcome="undecided"), *verdict_of(None).criteria]
    return page_of(drawn=drawn_of(), rows=rows)


def test_it_is_one_file_that_is_read_offline(whole):
    assert faults_of(whole) == []
    assert len(whole) < 500_000


def test_the_faults_of_a_page_are_found():
    wrong = '<p id="a"><svg><image href="http://x/y.png"></svg><b id="a"></p><script src="z"></script>'

    assert len(faults_of(wrong)) >= 6


def test_the_parts_come_in_the_order_in_which_they_are_asked(whole):
    shown = re.findall(r"<h[12][^>]*>([^<]+)</h", whole)

    assert shown == [
        "FAILED",
        "What was on trial",
        "What is not proved",
        "Criteria",
        "Average precision of the classes",
        "Pictures on which the candidate loses most",
        "The pipeline",
        "Agreement with the source model",
        "Matched boxes",
        "Kinds of errors",
        "Speed",
        "The same detections under other protocols",
        "Provenance",
        "The run",
    ]


LOOKED_FOR = (
    *("does not hold: mean AP drop", "2 of 3 pictures", "1 of 3 pictures were not judged", "undecided", "somebody"),
    *("000002: missed", "which the reference finds with score 0.91", "only deltas depart", "2 beyond", "lost rows"),
    *("not a finite number", "ab" * 32, "atc --framework=5", "export A=1", "-m accuracy", "a note"),
    *(
        "made in 7.3 s",
        "departs first",
        "1,011 pairs",
        "7 of the reference",
        "sha256sum -c",
        "all of it",
        "not asked in this run",
    ),
    *(
        "device 1 (NPU 0 chip 1)",
        "811.1",
        "810 .. 812",
        "820",
        "not given",
        "3.61",
        "4.93",
        "COCO AP of boxes",
        "-0.2000",
    ),
)


def test_what_a_reader_looks_for_is_there(whole):
    text = Page(whole).text

    assert [said for said in LOOKED_FOR if said not in text] == []


@pytest.mark.parametrize("nasty", NASTY)
def test_a_word_from_outside_stays_text(nasty):
    """As the name of a class, and wherever else a file or a person names something."""
    names = (nasty, "dog")
    trial = trial_of(
        names,
        port=nasty,
        candidate_device=nasty,
        commands=(nasty,),
        notes=(nasty,),
        undecided=(nasty,),
        exhibits={"weights": {"path": nasty, "sha256": "ab" * 32, "bytes": 1}},
        blame={"stage": nasty, "fault": "", "sentence": nasty, "evidence": nasty},
    )
    html = page_of(trial, drawn_of(names), words=nasty, rows=[criterion_of(nasty, source=nasty)])
    found = Page(html)

    assert faults_of(html) == []
    assert found.text.count(nasty) >= 10
    assert not found.named("img", "script")
    assert any(nasty in attrs["aria-label"] for attrs in found.named("svg"))


def test_a_run_that_got_nowhere_has_a_page_too():
    html = page([Judgement("npu", verdict_of(None, status="NOT JUDGED", words="an error"), None, None)], RUN)

    assert faults_of(html) == []
    assert "NOT JUDGED" in html and "Provenance" not in html


def test_a_published_mean_has_no_classes_no_pictures_and_no_agreement():
    trial = trial_of(reference_ap={}, paired=None, agreement=None, blame=None)
    html = page_of(trial, drawn_of(reference=False))

    assert faults_of(html) == []
    assert "Pictures on which" not in html and "Agreement with" not in html
    assert "a published mean alone" in html
    assert "reference: how many" not in html and "Matched boxes" not in html
    assert "under other protocols" in html


def test_every_figure_has_words_of_its_own(whole):
    """Those of a reader who sees no figure: what it shows, and no other figure's."""
    said = [attrs["aria-label"] for attrs in Page(whole).named("svg")]

    assert len(said) >= 12
    assert len(set(said)) == len(said)


def test_where_no_npu_ran_the_gpu_s_rate_stands_alone():
    trial = trial_of()
    text = Page(page([Judgement("host", verdict_of(trial), trial, drawn_of())], RUN)).text

    assert "No NPU ran" in text and "3.61" in text and "Latency of a picture" not in text


def test_a_limit_of_throughput_is_drawn_where_it_was_judged(whole):
    row = criterion_of("throughput, interface x chips", 4.93, "passed", relation=">=", limit=3.61)

    assert "the limit is 3.61" in page_of(drawn=drawn_of(), rows=[row])
    assert "the limit is" not in whole


def test_the_largest_page_of_a_candidate_has_half_of_what_a_page_may_have():
    """20 classes, every curve and every cell full, and twelve pictures of noise; so host and NPU share a page of 5 MB."""
    names, many = [f"class {at}" for at in range(20)], np.linspace(0, 1, POINTS)
    line = Line(recall=tuple(many), precision=tuple(many[::-1]))
    random = np.random.default_rng(0)
    full = cells_of(*random.uniform(0, 1, (2, PER_AXIS**2)), np.arange(PER_AXIS**2) + 1)
    jpeg = jpeg_base64(random.integers(0, 256, (LONGEST_PX, LONGEST_PX, 3), np.uint8))
    boxes = tuple(Box(xyxy=(0, 0, 300, 300), name="a class", score=0.5, mark="wrong") for _ in range(BOXES))
    drawn = drawn_of(names)
    (one,) = drawn.pictures
    worst = one.model_copy(update={"jpeg_base64": jpeg, "panels": dict.fromkeys(one.panels, boxes)})
    curves = tuple(one.model_copy(update={"reference": line, "candidate": line}) for one in drawn.curves)
    pairs = drawn.pairs.model_copy(update={"scores": full, "centres": full, "sizes": full})
    drawn = drawn.model_copy(update={"curves": curves, "pictures": (worst,) * PICTURES, "pairs": pairs})

    assert len(page_of(trial_of(names), drawn).encode()) < 2_500_000


def test_two_candidates_of_a_run_share_a_page():
    trial = trial_of()
    html = page([Judgement(device, verdict_of(trial), trial, drawn_of()) for device in ("npu", "host")], RUN)

    assert faults_of(html) == []
    assert html.index('id="npu"') < html.index('id="host"')


def test_a_picture_that_lost_nothing_is_said():
    drawn = drawn_of().model_copy(update={"pictures": (), "losing": 0})

    assert "on no picture does the candidate lose" in page_of(drawn=drawn)


def test_every_status_has_a_colour_and_only_two_are_good():
    assert TONE.keys() == EXIT_STATUS.keys()
    assert {status for status, tone in TONE.items() if tone == "good"} == {"ACCEPTED", "PASSED"}


@pytest.mark.parametrize(("on", "word"), [
    (HOST, "No NPU was judged"), (ELSEWHERE, "made elsewhere"), (REHEARSED, "prediction"), (SIMULATED, "stand-in"),
])  # fmt: skip
def test_what_was_judged_elsewhere_than_on_an_npu_proves_less(on, word):
    assert any(word in sentence for sentence in not_proved(trial_of(candidate_on=on), "PASSED"))


def test_an_acceptance_leaves_nothing_open():
    trial = trial_of(candidate_on=NPU, set_size=2, throughput_applies=True)

    assert not_proved(trial, "ACCEPTED") == []
    lesser = {"loosened": ("a limit",), "unpublished": ("--x",), "canvas": "fitted", "published_port": False}
    for name, value in {**lesser, "set_size": 9, "too_good": "better than can be", "throughput_applies": False}.items():
        assert len(not_proved(dataclasses.replace(trial, **{name: value}), "ACCEPTED")) == 1, name


def test_the_drawings_survive_the_way_to_another_process():
    assert Drawn.model_validate_json(drawn_of().model_dump_json()) == drawn_of()
