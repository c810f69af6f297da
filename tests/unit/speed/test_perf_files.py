"""What the tools say of their speed is read in every known spelling, and never when it is cut, empty or something else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.speed.perf import PerfError, expect_pictures, read_text
from rfcn_lib.speed.perf_files import (
    perf_from_benchmark,
    perf_from_summary,
    perfs_from_log,
)

SHORT_TAGS = """\
[e2e] throughputRate: 243.034, latency: 205733
[data read] throughputRate: 258.963, moduleLatency: 3.86155
[preprocess] throughputRate: 258.404, moduleLatency: 3.86991
[infer] throughputRate: 244.435, Interface throughputRate: 382.328, moduleLatency: 3.35758
[post] throughputRate: 244.435, moduleLatency: 4.09107
"""
LONG_TAGS = """\
[e2e] throughputRate: 83.5628, latency: 598352
[data read] throughputRate: 86.2813, moduleLatency: 11.59
[preprocess] throughputRate: 86.0436, moduleLatency: 11.622
[inference] throughputRate: 83.7909, Interface throughputRate: 113.609, moduleLatency: 11.51
[postprocess] throughputRate: 83.7924, moduleLatency: 11.9343
"""
BATCH_OF_16 = """\
[e2e] throughputRate: 70.9337, latency: 704884
[data read] throughputRate: 72.9184, moduleLatency: 13.714
[preprocess] throughputRate: 72.5527, moduleLatency: 13.7831
[inference] throughputRate: 71.1929, Interface throughputRate: 143.496, moduleLatency: 11.3749
[postprocess] throughputRate: 4.4509, moduleLatency: 224.674
"""
SLOW = """\
[e2e] throughputRate: 0.31695, latency: 47326.1
[data read] throughputRate: 4.29009, moduleLatency: 233.095
[preprocess] throughputRate: 0.987048, moduleLatency: 1013.12
[infer] throughputRate: 0.329787, Interface throughputRate: 0.422335, moduleLatency: 2985.64
[post] throughputRate: 0.329426, moduleLatency: 3035.58
"""
INFER, POST = (f"{line}\n" for line in SLOW.splitlines()[-2:])
SAMPLES = {"short tags": SHORT_TAGS, "long tags": LONG_TAGS, "batch of 16": BATCH_OF_16, "slow": SLOW}


def summary(pictures=3, mean_ms=800.0, batch=1, **changed):
    calls = pictures // batch
    files = {str(k): {"infiles": [f"./bin/{k}.bin"], "outfiles": [f"./result/{k}_0.bin"]} for k in range(pictures)}
    times = {"min": mean_ms, "max": mean_ms, "mean": mean_ms, "median": mean_ms, "percentile(99%)": mean_ms}
    made = {
        "filesinfo": files,
        "NPU_compute_time": {**times, "count": calls},
        "throughput": 1000 * batch / mean_ms,
        "pid": 1,
        **changed,
    }
    return json.dumps(made)


# -- benchmark: known answers from public pages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "pictures", "interface", "pipeline", "seconds"),
    [
        ("short tags", 50_000, 382.328, 244.435, 205.733),  # ImageNet's validation set
        ("long tags", 50_000, 113.609, 83.7909, 598.352),
        ("batch of 16", 50_000, 143.496, 71.1929, 704.884),
        ("slow", 15, 0.422335, 0.329787, 47.3261),
    ],
)
def test_published_perf_files(sample, pictures, interface, pipeline, seconds):
    perf = perf_from_benchmark(SAMPLES[sample], 2)
    assert (perf.tool, perf.device_id, perf.pictures) == ("benchmark", 2, pictures)
    assert (perf.interface_fps, perf.pipeline_fps) == (interface, pipeline)
    assert perf.wall_seconds == pytest.approx(seconds)
    assert perf.text == SAMPLES[sample]


@pytest.mark.parametrize("sample", SAMPLES)
def test_all_records_on_one_line_say_the_same(sample):
    one_line = SAMPLES[sample].replace("\n", " ")
    got, want = perf_from_benchmark(one_line, 0), perf_from_benchmark(SAMPLES[sample], 0)
    assert (got.pictures, got.interface_fps, got.wall_seconds) == (want.pictures, want.interface_fps, want.wall_seconds)


def test_windows_line_ends_say_the_same():
    assert perf_from_benchmark(SLOW.replace("\n", "\r\n"), 0).pictures == 15


def test_scientific_notation_is_a_number():
    text = SHORT_TAGS.replace("latency: 205733", "latency: 1.72607e+06").replace("243.034", "28.9675")
    assert perf_from_benchmark(text, 0).pictures == 50_000


@given(
    count=st.integers(1, 20_000),
    seconds_each=st.floats(1e-4, 100),
    interface_share=st.floats(0.01, 1),
    tags=st.sampled_from([("infer", "post"), ("inference", "postprocess")]),
    between=st.sampled_from(["\n", " ", "\r\n"]),
)
def test_the_number_of_pictures_survives_printing_to_six_digits(count, seconds_each, interface_share, tags, between):
    rate, latency, interface = 1 / seconds_each, count * seconds_each * 1000, 1 / seconds_each / interface_share
    text = between.join(
        [
            f"[e2e] throughputRate: {rate:g}, latency: {latency:g}",
            f"[data read] throughputRate: {rate:g}, moduleLatency: {latency:g}",
            f"[preprocess] throughputRate: {rate:g}, moduleLatency: {latency:g}",
            f"[{tags[0]}] throughputRate: {rate:g}, Interface throughputRate: {interface:g}, moduleLatency: {latency:g}",
            f"[{tags[1]}] throughputRate: {rate:g}, moduleLatency: {latency:g}",
        ]
    )
    perf = perf_from_benchmark(text, 0)
    assert perf.pictures == count
    assert perf.interface_fps == pytest.approx(interface, rel=1e-5)


def test_spellings_of_pages_that_quote_a_perf_file():
    short = SHORT_TAGS.replace(", moduleLatency: 3.35758", "")
    one_line = ", ".join(SHORT_TAGS.splitlines())

    assert short != SHORT_TAGS
    assert perf_from_benchmark(short, 0).interface_fps == 382.328
    assert perf_from_benchmark(one_line, 0).pictures == 50_000
    with pytest.raises(PerfError, match="should have"):
        perf_from_benchmark(SHORT_TAGS.replace(", Interface throughputRate: 382.328", ""), 0)


@given(st.integers(0, len(SLOW) - 1))
def test_a_cut_file_is_an_error_or_lost_no_number_that_counts(at):
    """Only digits of the last record's last number can go unnoticed; no rate is made of it."""
    shown = SLOW[:at].rpartition("moduleLatency: ")
    if shown[0] != SLOW.rpartition("moduleLatency: ")[0] or not shown[2].strip() or shown[2].endswith("."):
        with pytest.raises(PerfError, match="run"):
            perf_from_benchmark(SLOW[:at], 0)
        return
    perf = perf_from_benchmark(SLOW[:at], 0)
    assert (perf.pictures, perf.interface_fps) == (15, 0.422335)


@given(st.text(max_size=300))
def test_any_other_text_is_an_error(text):
    with pytest.raises(PerfError):
        perf_from_benchmark(text, 0)
    with pytest.raises(PerfError):
        perf_from_summary(text, 0)
    with pytest.raises(PerfError):
        perfs_from_log(text, 0)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[e2e] throughputRate: 0.31695, latency: 47326.1\n", "", r"lacks \[e2e\]"),
        ("[infer]", "[data read]", r"\[data read\] throughputRate: 0.329787.* this record once"),
        (POST, "", r"lacks \[post\]"),
        (f"{INFER}{POST}", f"{POST}{INFER[:-28]}", r"these records in this order: \[e2e\], \[data read\]"),
        ("Interface throughputRate: 0.422335, ", "", "'Interface throughputRate: NUMBER'"),
        ("0.422335", "nan", r"says '\[infer\] .*nan"),
        ("0.422335", "-1", r"says '\[infer\] .*-1"),
        ("0.422335", "0", r"Interface throughputRate is '0', but should be a number above 0"),
        ("0.422335", "1e400", r"Interface throughputRate is '1e400'"),
        ("47326.1", "4732.61", "gives 1.5 pictures, but should give a whole number"),
        ("[e2e]", "SIMULATED\n[e2e]", r"says 'SIMULATED', but should have nothing before its first record, '\[e2e\]"),
        ("[post]", "[后处理]", r"says '\[后处理\] .* another language"),
        ("throughputRate: 0.31695", "吞吐率:0.31695", r"says '\[e2e\] 吞吐率:0.31695"),
        (
            "[e2e] throughputRate",
            "[总时延] 吞吐率",
            r"says '\[总时延\] 吞吐率: 0.31695.*', but should have one of the records \[e2e\]",
        ),
        ("0.31695", "0,31695", r"says '\[e2e\] throughputRate: 0,31695"),
    ],
)
def test_other_perf_files_are_quoted(old, new, said):
    assert old in SLOW
    with pytest.raises(PerfError, match=r"perf\.txt.*"):
        perf_from_benchmark(SLOW.replace(old, new), 0, "perf.txt")
    with pytest.raises(PerfError, match=said):
        perf_from_benchmark(SLOW.replace(old, new), 0)


def test_the_guide_s_single_record_is_not_enough():
    with pytest.raises(PerfError, match="'throughputRate: NUMBER' and 'Interface throughputRate: NUMBER'"):
        perf_from_benchmark("[inference] Interface throughputRate: 1.23284\n", 0)


# -- ais_bench: summary ------------------------------------------------------------------------------------------------


def test_a_summary_says_pictures_and_rate():
    perf = perf_from_summary(summary(pictures=7, mean_ms=79.872), 1)
    assert (perf.tool, perf.device_id, perf.pictures) == ("ais_bench", 1, 7)
    assert perf.interface_fps == pytest.approx(12.52, rel=1e-4)
    assert (perf.pipeline_fps, perf.wall_seconds) == (None, None)


def test_a_batch_of_four_counts_four_pictures_a_call():
    assert perf_from_summary(summary(pictures=8, batch=4), 0).pictures == 8


@given(pictures=st.integers(1, 300), mean_ms=st.floats(1e-3, 1e5))
def test_any_summary_that_agrees_with_itself_is_read(pictures, mean_ms):
    perf = perf_from_summary(summary(pictures, mean_ms), 0)
    assert perf.pictures == pictures
    assert perf.interface_fps == 1000 / mean_ms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (summary()[:-20], "is no JSON .* it ends in .* cut off"),
        ("", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "a JSON object with 'filesinfo'"),
        ('{"吞吐率": "3.6 张每秒"}', "says '.*吞吐率.* another language"),
        (summary(NPU_compute_time=None), "'NPU_compute_time' with min, max, mean"),
        (summary(NPU_compute_time={"mean": 800.0}), "NPU_compute_time.count is 'None'"),
        (summary(throughput="fast"), "throughput is 'fast', but should be a number above 0"),
        (summary(throughput=True), "throughput is 'True'"),
        (summary(throughput=float("nan")), "throughput is 'nan'"),
        (summary(throughput=0), "throughput is '0'"),
        (summary(throughput=10**400), "throughput is '1000"),
        (summary(throughput=2.0), "gives 4.8 pictures"),
        (summary(throughput=2.5), "'filesinfo' lists 3 pictures, but 3 calls at 2.5/s and 800 ms are 6"),
        (summary(filesinfo={}), "'filesinfo' lists 0 pictures, but 3 calls"),
    ],
    ids=range(15),
)
def test_other_summaries_are_quoted(text, said):
    with pytest.raises(PerfError, match=said):
        perf_from_summary(text, 0)


# -- ais_bench: log ----------------------------------------------------------------------------------------------------

NEWEST = "[INFO] throughput 1000*batchsize.mean(1)/NPU_compute_time.mean(2.4560000896453857): 407.16610891670894"
OLDER = "[INFO] throughput 1000*batchsize(1)/NPU_compute_time.mean(67.92810981750489): 14.7214459917491"
OLDEST = "[INFO] throughput (1000*batchsize/NPU_compute_time): 1281.4860983806905"
SEVERAL = """\
i:0 device_1 throughput:281.38 start_time:1676875630.8043 end_time:1676875631.9
i:1 device_3 throughput:276.55 start_time:1676875630.8043 end_time:1676875631.8
[INFO] summary throughput:557.93
"""


@pytest.mark.parametrize(
    ("line", "fps"), [(NEWEST, 407.16610891670894), (OLDER, 14.7214459917491), (OLDEST, 1281.4860983806905)]
)
def test_the_three_forms_of_the_last_line(line, fps):
    log = f"[INFO] -----Performance Summary-----\n[INFO] NPU_compute_time (ms): min = 2.4\n{line}\n[INFO] ------\n"
    (perf,) = perfs_from_log(log, 5)
    assert (perf.interface_fps, perf.device_id, perf.pictures) == (fps, 5, None)


def test_a_run_on_several_devices_is_read_by_device():
    assert {perf.device_id: perf.interface_fps for perf in perfs_from_log(SEVERAL, 0)} == {1: 281.38, 3: 276.55}


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("[INFO] acl init success\n[ERROR] acl open device 0 failed\n", "acl open device 0 failed"),
        (NEWEST + "\n" + OLDER, "should have one"),
        (NEWEST[:-5] + "x", "should have one"),
        (NEWEST.replace("407.1", "417.1"), "a quotient that is right"),
        (SEVERAL.replace("557.93", "9557.93"), "a line per device and their sum"),
        (SEVERAL.replace("[INFO] summary", "[INFO] 总"), "a line per device and their sum"),
        ("[INFO] 吞吐率: 407.1", "吞吐率"),
    ],
)
def test_other_logs_are_quoted(log, said):
    with pytest.raises(PerfError, match=said):
        perfs_from_log(log, 0)


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_mark_of_byte_order_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "perf.txt"
    path.write_text("\ufeff" + SLOW, encoding="utf-8")
    assert perf_from_benchmark(read_text(path), 0).pictures == 15


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no perf file at .*: No such file"),
        (b"", "is empty, but should hold what the tool measured"),
        (b" \n\n", "is empty"),
        ("[总时延] 3.6".encode("gb18030"), "is no text"),
    ],
)
def test_a_file_that_holds_something_else(tmp_path, content, said):
    path = tmp_path / "perf.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PerfError, match=said) as error:
        read_text(path)
    assert str(path) in str(error.value)


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "perf.txt"
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(PerfError, match=r"more than 64,000,000 bytes"):
        read_text(path)


def test_pictures_run_must_be_pictures_given():
    perf = perf_from_benchmark(SLOW, 3)
    expect_pictures(perf, 15)
    with pytest.raises(
        PerfError, match=r"benchmark on device 3 ran 15 pictures by its own perf file, but was given 16"
    ):
        expect_pictures(perf, 16)


def test_a_rate_without_a_number_of_pictures_is_not_of_those_that_were_given():
    (perf,) = perfs_from_log(NEWEST, 3)
    with pytest.raises(PerfError, match=r"does not say how many pictures it ran .* but was given 19"):
        expect_pictures(perf, 19)
