"""What a run says: its plan before the work, its hours as soon as there is a pace, and how to go on when it is stopped."""

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from rfcn_lib.runs import filling, plans
from rfcn_lib.runs.filling import fill
from tests.support.fake_device import IDS, PORT, Bench

LONG_S = 30  # of waiting for what happens at once


@pytest.fixture
def folder(tmp_path):
    """The folder of dumps; the ledger lies beside it."""
    (tmp_path / "dumps").mkdir()
    return tmp_path / "dumps"


def test_the_plan_is_said_before_the_work(folder, capsys):
    Bench().fill(folder, IDS[:1])
    capsys.readouterr()
    bench, heard = Bench(), []

    def run(im_data, picture):
        heard.append(capsys.readouterr().err)
        return bench.run(im_data, picture)

    fill(folder, IDS, PORT, bench.prepare, lambda: run, "dumps/torch")
    plan = r"dumps/torch: 3 pictures to do, 1 already there; canvas 112 x 80 px; 0\.0 MB of dumps, [\d.]+ [GM]B free;"
    assert re.match(plan, heard[0])
    assert heard[1:] == ["", ""]


@pytest.mark.parametrize(("shares", "after"), [((4,), 2), ((3, 1), 2), ((1, 3), 3)])
def test_how_long_it_will_take_is_said_after_the_second_picture_of_a_canvas(folder, capsys, monkeypatch, shares, after):
    """By this clock a picture takes one second, half of one on a canvas of half the area, ten more the first on each."""
    now, heard, bench = [0.0], [], Bench()
    monkeypatch.setattr(filling.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(plans, "WORTH_SAYING_S", 0.1)
    monkeypatch.setattr(filling, "progress", lambda items, *_, **__: items)
    canvases = {(16, 16): IDS[: shares[0]], (16, 8): IDS[shares[0] :]}
    on = {id: canvas for canvas, ids in canvases.items() for id in ids}
    takes_s = {id: on[id][1] / 16 for id in IDS}

    def prepare(id):
        im_data, picture = bench.prepare(id)
        return im_data, replace(picture, canvas_wh=on[id])

    def run(im_data, picture):
        heard.append(capsys.readouterr().err)
        now[0] += takes_s[picture.id] + 10 * (picture.id in (ids[0] for ids in canvases.values() if ids))
        return bench.run(im_data, picture)

    fill(folder, IDS, PORT, prepare, lambda: run, "dumps/torch", canvases=canvases)
    heard.append(capsys.readouterr().err)
    left = IDS[after:]
    said = (
        f"{len(left)} pictures are left, about {sum(takes_s[id] for id in left):.0f} s at the pace of {IDS[after - 1]}"
    )
    assert [bool(err) for err in heard] == [at in (0, after) for at in range(len(IDS) + 1)]
    assert "2 canvases;" in heard[0]
    assert heard[after] == f"dumps/torch: {said}\n"


def test_a_first_look_ends_when_the_plan_and_the_hours_are_said_and_the_plan_is_said_once(folder, capsys, monkeypatch):
    monkeypatch.setattr(plans, "WORTH_SAYING_S", 0)
    bench = Bench()
    assert bench.fill(folder, first_look=True) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in said[:1]] == ["dumps: 4 pictures to do, 0 already there"]
    assert said[1:] == [f"dumps: 2 pictures are left, about 0 s at the pace of {IDS[1]}"]
    assert bench.fill(folder, planned=True) == 2
    assert capsys.readouterr().err == f"dumps: 0 pictures are left, about 0 s at the pace of {IDS[3]}\n"
    assert bench.ran == list(IDS)


def test_nothing_is_said_when_nothing_is_missing(folder, capsys):
    Bench().fill(folder)
    capsys.readouterr()
    Bench().fill(folder)
    assert capsys.readouterr().err == ""


INTERRUPTED = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell has it ignored
sys.path[:0] = {path!r}
from tests.support.fake_device import IDS, Bench

class Slow(Bench):
    def run(self, im_data, picture):
        outputs = super().run(im_data, picture)
        if picture.id == IDS[2]:
            print("third", flush=True)
            time.sleep(60)
        return outputs

Slow().fill(Path({folder!r}))
"""


def test_ctrl_c_stops_and_says_how_to_go_on(folder):
    program = INTERRUPTED.format(path=[entry for entry in sys.path if entry], folder=str(folder))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "third\n"
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONG_S)

    assert time.monotonic() - started < LONG_S, "it did not sleep on"
    assert f"dumps: stopped with 2 of 4 pictures finished; they are kept in {folder}, and the same command goes" in said
    assert process.returncode in (130, -signal.SIGINT)
    again = Bench()
    assert again.fill(folder) == 2
    assert again.ran == list(IDS[2:])
