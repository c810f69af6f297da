import re
import time
from collections.abc import Iterator

import pytest

from rfcn_lib.progress import progress


def slowly(count: int, seconds: float = 0.01) -> Iterator[int]:
    for number in range(count):
        time.sleep(seconds)
        yield number


def test_items_pass_through_and_a_short_step_is_silent_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(slowly(3), 3, "torch dumps")) == [0, 1, 2]
    assert list(progress([], 0, "torch dumps")) == []
    assert capsys.readouterr().err == ""


def test_a_long_step_says_now_and_then_how_far_it_is_and_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(list(progress(slowly(30), 30, "torch dumps", first_s=0.05, every_s=0.1))) == 30
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 6  # 0.3 s of work: the first after 0.05 s, then every 0.1 s, and the end
    counts = []
    for line in lines[:-1]:
        said = re.fullmatch(r"torch dumps: (\d+)/30 pictures, [\d.e+]+/s, \d+ s left", line)
        assert said, line
        counts.append(int(said[1]))
    assert counts == sorted(set(counts))
    assert 3 <= counts[0] < 30
    assert re.fullmatch(r"torch dumps: 30/30 pictures, [\d.e+]+/s, took \d+ s", lines[-1])


def test_time_left_counts_the_work_done_between_items(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress(range(5000), 5000, "bins", unit="file", first_s=0.1, every_s=1e9):
        time.sleep(0.06)
        if err := capsys.readouterr().err:
            break
    # two or three items of 0.06 s: 5,000 of them take about 300 s
    assert re.fullmatch(r"bins: [23]/5000 files, 1[0-9]/s, [4-7] min left\n", err)


def test_items_of_many_units_count_as_many(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress([(1, 2, 3), (4,)], 4, "batches", first_s=0, every_s=1e9, size=len):
        pass
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("batches: 3/4 pictures, ")
    assert last.startswith("batches: 4/4 pictures, ")


def test_a_step_that_is_abandoned_does_not_say_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    for number in progress(slowly(10), 10, "dumps", first_s=0, every_s=1e9):
        if number == 5:
            break
    assert "took" not in capsys.readouterr().err


def test_what_was_there_before_counts_as_done_and_not_for_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in progress(range(1000), 1000, "dumps", first_s=0.1, every_s=1e9, before=3000):
        time.sleep(0.06)
        if err := capsys.readouterr().err:
            break
    assert re.fullmatch(r"dumps: 300[23]/4000 pictures \(3000 were there\), 1[0-9]/s, [567]\d s left\n", err)
