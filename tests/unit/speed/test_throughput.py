"""A rate says what it is a rate of; only rates of one scope are compared, and only over the pictures judged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.speed.perf import Perf, PerfError
from rfcn_lib.speed.throughput import (
    Rate,
    ScopeError,
    by_agreement,
    end_to_end,
    expect_timed,
    interface_rate,
    per_card,
    reaches,
    together,
)
from rfcn_lib.speed.timings import Timing, chosen, read_timings, write_timing

OM = "5" * 64


def perf(pictures=10, fps=1.25, device=0, tool="benchmark"):
    return Perf(tool, device, pictures, fps, None, None, "said so")


def timing(ids="abc", device=0, tool_s=(10.0, 20.0), whole_s=None, fps=1.25, om=OM):
    return Timing(tuple(ids), om, perf(len(ids), fps, device), "cd w && t", tool_s, whole_s or tool_s)


def parsable(ids, device=1):
    """A timing whose perf was read from a real text, so that it can be kept."""
    seconds = len(ids) / 4
    text = (
        f"[e2e] throughputRate: 4, latency: {seconds * 1000:g}\n[data read] throughputRate: 9, moduleLatency: 3\n"
        "[preprocess] throughputRate: 9, moduleLatency: 3\n"
        "[infer] throughputRate: 5, Interface throughputRate: 6, moduleLatency: 3\n"
        "[post] throughputRate: 9, moduleLatency: 3\n"
    )
    return Timing(
        tuple(ids), OM, Perf("benchmark", device, len(ids), 6.0, 5.0, seconds, text), "cd w && t", (1.5, 2.5), (1, 3)
    )


# -- the published figures ---------------------------------------------------------------------------------------------


def test_the_published_310_figure_is_one_chip_times_four():
    chip = interface_rate([Perf("benchmark", 0, 4952, 1.23284, None, None, "")])
    card = per_card(chip, 4)
    assert card.fps == pytest.approx(4.93, abs=0.005)
    assert card.scope == "interface x chips (extrapolated)"
    assert "1.23284 x 4 chips" in str(card)
    assert "extrapolated" in str(card)
    t4 = Rate(4952 / 1370, "whole script", "published guide 7.2")
    with pytest.raises(ScopeError, match="they measure different things"):
        reaches(card, t4)
    agreed = by_agreement(t4, card.scope)
    assert card.fps / agreed.fps == pytest.approx(1.36, abs=0.01)
    assert reaches(card, agreed)
    assert "published guide 7.2; whole script, by agreement held against interface x chips" in str(agreed)
    assert by_agreement(agreed, card.scope) is agreed


# -- scopes ------------------------------------------------------------------------------------------------------------


def test_a_limit_is_reached_exactly():
    assert reaches(Rate(3.61, "end to end", "a"), Rate(3.61, "end to end", "b"))
    assert not reaches(Rate(3.6099999, "end to end", "a"), Rate(3.61, "end to end", "b"))


def test_rates_of_different_scope_are_not_compared():
    device, script = Rate(4.93, "interface x chips (extrapolated)", "om"), Rate(3.61, "end to end", "T4 script")
    with pytest.raises(ScopeError, match=r"4.93 fps, interface x chips .* cannot be held against 3.61 fps, end to end"):
        reaches(device, script)


def test_an_unknown_scope_is_refused():
    with pytest.raises(ScopeError, match="the scope is 'fps', but should be one of interface, one chip, "):
        Rate(3.61, "fps", "somebody")


def test_only_one_chip_s_rate_can_be_extrapolated_and_only_once():
    chip = interface_rate([perf()])
    for rate, chips in ((per_card(chip, 4), 4), (chip, 0), (Rate(1, "end to end", "x"), 4)):
        with pytest.raises(ScopeError, match="is no rate of a card"):
            per_card(rate, chips)


# -- combining ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0.01, 1000)), min_size=1, max_size=20))
def test_batches_combine_to_pictures_over_seconds(batches):
    seconds = 0.0
    for pictures, fps in batches:
        for _ in range(pictures):
            seconds += 1 / fps
    rate = interface_rate([perf(pictures, fps) for pictures, fps in batches])
    assert rate.fps == pytest.approx(sum(pictures for pictures, _ in batches) / seconds)


def test_a_slow_batch_is_not_averaged_away():
    assert interface_rate([perf(10, 10.0), perf(10, 1.0)]).fps == pytest.approx(20 / 11)  # not 5.5


def test_what_was_combined_is_said():
    assert "mean of devices 0, 2, 20 pictures" in interface_rate([perf(), perf(device=2)]).source


@pytest.mark.parametrize(
    ("perfs", "said"),
    [
        ([], "no run at all"),
        ([perf(), perf(tool="ais_bench")], "here are ais_bench, benchmark"),
        ([perf(), perf(pictures=None, device=3)], "device 3 does not say how many pictures it had"),
    ],
)
def test_what_cannot_be_combined(perfs, said):
    with pytest.raises(PerfError, match=said):
        interface_rate(perfs)


# -- chips running together --------------------------------------------------------------------------------------------


def test_the_rate_of_chips_together_is_the_sum_while_all_ran():
    rate = together([timing(device=0, fps=1.0), timing(device=1, fps=2.0), timing("xy", 1, (20, 30), fps=50.0)])
    assert rate.fps == pytest.approx(3.0)  # the last run was alone, and faster for it
    assert rate.scope == "interface, chips running together"


def test_half_of_the_time_is_enough_and_less_is_not():
    assert together([timing(device=0), timing(device=1, tool_s=(15, 25))]).fps == pytest.approx(2.5)
    with pytest.raises(ScopeError, match=r"device 0 never ran while devices 1 did"):
        together([timing(device=0), timing(device=1, tool_s=(15.1, 25.1))])


def test_three_chips_must_run_at_the_same_time_and_not_in_pairs():
    pairs = [timing(device=0, tool_s=(0, 20)), timing(device=1, tool_s=(0, 10)), timing(device=2, tool_s=(10, 20))]
    with pytest.raises(ScopeError, match="never ran while"):
        together(pairs)


def test_one_chip_is_not_together():
    with pytest.raises(ScopeError, match=r"1 chip cannot run together with others; use --devices=0,1"):
        together([timing()])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 15)), min_size=2, max_size=12))
def test_together_by_counting_every_second(runs):
    """Definition: a run counts when, of its seconds, at least half had every other chip running."""
    timings = [timing(device=device, tool_s=(start, start + long)) for device, start, long in runs]
    devices = {device for device, _, _ in runs}

    def running(device, second):
        return any(d == device and start <= second < start + long for d, start, long in runs)

    counted = set()
    for device, start, long in runs:
        others = devices - {device}
        shared = sum(all(running(other, second) for other in others) for second in range(start, start + long))
        if 2 * shared >= long:
            counted.add(device)
    if len(devices) < 2 or counted != devices:
        with pytest.raises(ScopeError):
            together(timings)
    else:
        assert together(timings).fps == pytest.approx(1.25 * len(devices))


# -- end to end --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=10))
def test_end_to_end_by_counting_every_second(runs):
    """Definition: pictures over the seconds in which anything was under way; pauses between runs do not count."""
    seconds = {second for start, long in runs for second in range(start, start + long)}
    timings = [timing("ab", k, (0, 1), (start, start + long)) for k, (start, long) in enumerate(runs)]
    rate = end_to_end(timings)
    assert rate.fps == pytest.approx(2 * len(runs) / len(seconds))
    assert rate.scope == "end to end"


def test_end_to_end_of_nothing_or_of_no_time():
    with pytest.raises(PerfError, match="nothing was timed"):
        end_to_end([])
    with pytest.raises(PerfError, match=r"3 pictures took 0 s by this host's clock"):
        end_to_end([timing(whole_s=(5.0, 5.0))])


# -- images run, images judged, om timed, om judged --------------------------------------------------------------------


def test_exactly_the_pictures_judged_were_timed():
    expect_timed([timing("abc"), timing("de", 1)], dict.fromkeys("eabcd", OM))


@pytest.mark.parametrize(
    ("timings", "said"),
    [
        ([timing("abc")], "say 3 pictures, the tools were given 3, but 4 are judged; for example d"),
        ([timing("abcd"), timing("e")], "say 5 pictures, .* but 4 are judged; for example e"),
        ([timing("abcd"), timing("a")], "for example a"),
        ([timing("abc"), timing("x")], "for example d, x"),
        ([], "say 0 pictures"),
        ([Timing(tuple("abcd"), OM, perf(3), "", (0, 1), (0, 1))], "say 3 pictures, the tools were given 4"),
        ([timing("abcd", om="6" * 64)], "the om timed on device 0 is 666666666666, but the om judged is 555555555555"),
    ],
)
def test_other_pictures_or_another_om(timings, said):
    with pytest.raises(PerfError, match=said):
        expect_timed(timings, dict.fromkeys("abcd", OM))


def test_each_picture_is_timed_on_the_om_of_its_own_canvas():
    """Two canvases, two oms: exchanged, every count is right and only the digests tell."""
    oms = {"a": OM, "b": OM, "c": "7" * 64}
    expect_timed([timing("ab"), timing("c", om="7" * 64)], oms)
    with pytest.raises(PerfError, match=r"is 777777777777, but the om judged is 555555555555 for picture a"):
        expect_timed([timing("ab", om="7" * 64), timing("c")], oms)
    with pytest.raises(PerfError, match=r"the om judged is 777777777777 for picture c"):
        expect_timed([timing("abc")], oms)


# -- kept timings ------------------------------------------------------------------------------------------------------


def test_a_timing_is_kept_whole(tmp_path):
    made = parsable(["000001", "000002"])
    write_timing(tmp_path, made)
    write_timing(tmp_path, parsable(["000001", "000003"]))
    kept = read_timings(tmp_path)
    assert made in kept.values()
    assert len(kept) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000001-000002-2-device1.json",
        "000001-000003-2-device1.json",
    ]


@pytest.mark.parametrize("spoil", ["cut", "key", "tool", "span", "list", "empty", "perf"])
def test_a_damaged_timing_is_an_error_that_says_to_remove_it(tmp_path, spoil):
    write_timing(tmp_path, parsable(["000001"]))
    (path,) = tmp_path.iterdir()
    kept = json.loads(path.read_text())
    spoilt = {
        "cut": path.read_text()[:-30],
        "key": json.dumps({k: v for k, v in kept.items() if k != "typed"}),
        "tool": json.dumps({**kept, "tool": "msame"}),
        "span": json.dumps({**kept, "tool_s": [1]}),
        "list": "[]",
        "empty": json.dumps({**kept, "ids": []}),
        "perf": json.dumps({**kept, "text": kept["text"][:80]}),
    }[spoil]
    path.write_text(spoilt)
    with pytest.raises(PerfError, match=r"is no kept timing: .*; remove it, and its pictures are timed again"):
        read_timings(tmp_path)


def test_timings_are_chosen_so_that_no_picture_counts_twice():
    whole, part, beyond = timing("abcd"), timing("ab"), timing("ef")
    assert chosen([part, whole, beyond], "abcd") == (whole,)
    assert chosen([part, whole, beyond], "ab") == (part,)  # --limit: a batch with others in it would not do
    assert chosen([whole], "abc") == ()


@given(
    st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1).map(sorted), max_size=8),
    st.sets(st.sampled_from("abcdefgh")),
)
def test_chosen_timings_never_overlap_and_never_leave_the_set(batches, ids):
    timed = [id for one in chosen([timing(batch) for batch in batches], ids) for id in one.ids]
    assert len(timed) == len(set(timed))
    assert set(timed) <= ids
