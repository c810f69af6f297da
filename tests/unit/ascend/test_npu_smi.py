"""The table of `npu-smi info`: every known form is read, any other is an error that quotes it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.ascend.npu_smi import (
    NoAnswerError,
    Npu,
    NpuSmiError,
    parse,
)
from tests.support.npu_tables import A3, A3_CONTAINER, DUO, FOUR_310, ONE_310, TABLES, TWO_910B4, TWO_950


def fails(text: str) -> str:
    with pytest.raises(NpuSmiError) as caught:
        parse(text)
    return str(caught.value)


# -- known answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "want"),
    {
        "310": [Npu(0, 0, 0, "310", "OK")],
        "310 x 4": [
            Npu(0, 2048, 0, "310", "OK"),
            Npu(1, 2048, 1, "310", "OK"),
            Npu(2, 2048, 2, "310", "Warning", ("AICore at 37 %",)),
            Npu(3, 2048, 3, "310", "OK"),
            Npu(4, 2049, 0, "310", "OK"),
        ],
        "300I Duo": [
            Npu(0, 2, 0, "310P3", "OK"),
            Npu(1, 2, 1, "310P3", "OK", ("process 12345 (python3), 1024 MB",)),
        ],
        "910B4": [
            Npu(0, 4, 0, "910B4", "OK", ("process 29570 (no name), 3806 MB", "process 18966 (no name), 2330 MB")),
            Npu(1, 5, 0, "910B4", "OK"),
        ],
        "A3": [
            Npu(0, 0, 0, "Ascend910", "OK"),
            Npu(1, 0, 1, "Ascend910", "OK"),
            Npu(2, 1, 0, "Ascend910", "OK"),
        ],
        "310B": [Npu(0, 0, 0, "310B4", "OK")],
    }.items(),
)
def test_every_known_form_is_read(form, want):
    assert list(parse(TABLES[form])) == want


def test_a_drivers_warning_before_the_table_is_no_table():
    assert parse("WARNING: driver is old\n\n" + ONE_310) == parse(ONE_310)


def test_a_chip_printed_once_for_each_of_its_dies_is_one_device():
    """Software sharing on A3: one die is mounted, two are printed (MindCluster user guide)."""
    shared = A3.replace("| 1     1                   | 0000:9F:00.0 ", "| 1     0                   | 0000:9D:00.0 ")

    assert [(npu.device_id, npu.npu_id) for npu in parse(shared)] == [(0, 0), (1, 1)]


@given(
    chips=st.lists(
        st.tuples(st.integers(0, 9999), st.sampled_from(["310", "310P3", "Ascend910"]), st.integers(0, 100)),
        min_size=1,
        max_size=12,
    ),
    width=st.integers(8, 40),
)
def test_what_is_printed_is_read_at_any_width(chips, width):
    """A table printed the way the vendor prints it, from numbers that are known."""
    border = "+" + "=" * width + "+" + "-" * 20 + "+"
    lines = [
        border,
        f"| {'NPU Name':<{width}} | Health | Power(W) |",
        f"| {'Chip   Device':<{width}} | Bus-Id | AICore(%) |",
    ]
    for place, (npu_id, name, load) in enumerate(chips):
        lines += [border, f"| {f'{npu_id}  {name}':<{width}} | OK | 1.0 |"]
        lines += [f"| {f'{place % 4}   {place + 7}':<{width}} | 0000:0{place:X}:00.0 | {load}  1 / 2 |"]
    found = parse("\n".join([*lines, border]))

    assert [(npu.npu_id, npu.name, npu.chip, npu.device_id) for npu in found] == [
        (npu_id, name, place % 4, place + 7) for place, (npu_id, name, _) in enumerate(chips)
    ]
    assert [bool(npu.busy) for npu in found] == [load > 0 for *_, load in chips]


# -- what is no table --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", TABLES)
def test_a_table_cut_inside_a_line_or_between_two_is_refused(form):
    text = TABLES[form].rstrip("\n")
    lines = text.splitlines()
    rows = [index for index, line in enumerate(lines) if line.startswith("|")]
    for index in rows:
        assert fails("\n".join(lines[: index + 1]))
        assert fails("\n".join([*lines[:index], lines[index][:20]]))


@pytest.mark.parametrize("form", TABLES)
def test_a_table_cut_at_a_border_never_shows_a_part_of_a_card(form):
    """Whole cards alone cannot be told from a host of fewer: older versions print the first table and no more."""
    lines, whole = TABLES[form].splitlines(), parse(TABLES[form])
    for end in range(len(lines)):
        with suppress(NpuSmiError):
            left = parse("\n".join(lines[:end]))
            assert left
            assert {npu.npu_id for npu in left}.isdisjoint(npu.npu_id for npu in whole[len(left) :])


@pytest.mark.parametrize(
    ("form", "end", "quoted"),
    [
        ("310", 6, "'| Chip    Device                | Bus-Id "),  # after the heading
        ("310 x 4", 9, "'+-------------------+-----------------+-"),  # after the first of four chips
        ("A3", 9, "'+-----------------------"),
        ("910B4", 13, "'+---------------------------+"),  # before the second table
        ("910B4", 15, "'| NPU     Chip "),  # after its heading
        ("910B4", 18, "'| 4       0                 | 18966 "),  # before its last NPU
    ],
)
def test_where_a_table_was_cut_is_quoted(form, end, quoted):
    said = fails("\n".join(TABLES[form].splitlines()[:end]))
    assert f"npu-smi info prints {quoted}" in said
    assert "is cut" in said


@given(st.text(st.sampled_from("|+-= 0aN\n"), max_size=200) | st.text(max_size=200))
def test_any_other_text_is_an_error_of_ours(text):
    with pytest.raises(NpuSmiError):
        parse(text)


@given(data=st.data())
def test_a_damaged_table_is_read_or_refused_never_a_traceback(data):
    text = list(data.draw(st.sampled_from(list(TABLES.values()))))
    for _ in range(data.draw(st.integers(1, 5))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from("|+- 0aé٣\n"))
    try:
        found = parse("".join(text))
    except NpuSmiError:
        return
    assert all(npu.device_id >= 0 and npu.name and npu.health for npu in found)


@pytest.mark.parametrize(
    ("old", "new", "quoted"),
    [
        ("| Chip    Device ", "| Chip    Logic-ID ", "'| Chip    Logic-ID"),
        ("| NPU     Name ", "| NPU ID | Name ", "'| NPU ID | Name"),
        ("Health ", "健康   ", "健康"),
        ("AICore(%)", "NPU Util(%)", "NPU Util(%)"),
        ("| 0       310 ", "| zero    310 ", "'| zero    310"),
        ("| OK  ", "| 42  ", "| 42  "),
        ("| 0       0  ", "| 0          ", "'| 0          "),
        ("0000:01:00.0", "somewhere   ", "somewhere"),
        ("| 0            577", "| ?            577", "| ?            577"),
    ],
)
def test_an_unknown_line_is_quoted(old, new, quoted):
    message = fails(ONE_310.replace(old, new))

    assert quoted in message
    assert "but this line should be" in message


def test_messages_say_what_is_wrong():
    assert fails("") == "npu-smi info should print a table, but its first line is ''"
    assert "prints no table of NPUs; its first row is '| hello |'" in fails("| hello |\n+==+\n")
    assert "the table is cut" in fails("\n".join([*ONE_310.splitlines()[:-2], "+==+"]))
    assert "the text is cut" in fails("\n".join(ONE_310.splitlines()[:-1]))
    assert "another device id than the one on bus 0000:81" in fails(FOUR_310.replace("| 1       1  ", "| 1       0  "))
    assert "followed by two lines for each chip" in fails("\n".join(ONE_310.splitlines()[:6]))
    many = ONE_310.splitlines()
    assert "a host has 1024 at most" in fails("\n".join([*many[:6], *(many[6:8] * 1025), many[8]]))


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            DUO.replace("| 2       1                     | 12345", "| 9       1                     | 12345"),
            "on NPU 9 chip 1",
        ),
        (TWO_910B4.replace("found in NPU 5", "found in NPU 9"), "NPU 9 is idle, but its first table has no such NPU"),
        (DUO.replace("| 12345 ", "| python "), "should be a process, or 'No running"),
        (DUO.replace("Process id ", "Prozess-Nr "), "should be the heading 'NPU Chip | Process id"),
        (DUO + "| NPU  Link |\n+==+\n", "a third table"),
        (FOUR_310.replace("| 1       1 ", "| 1       a "), "the suite does not count this chip"),
        (ONE_310 + "[WARNING]The driver package may not be completely installed.\n", "[WARNING]The driver package"),
        ("[ERROR] dcmi is old\n" + ONE_310, "[ERROR] dcmi is old"),
        (ONE_310 + "see the manual\n", "see the manual"),
    ],
)
def test_what_is_not_known_is_quoted_and_what_is_certain_is_read(text, warning):
    """The verdict says it, and --accept refuses it: see troubles."""
    found = parse(text)

    assert found
    assert all(any(warning in sentence for sentence in npu.warnings) for npu in found)


def test_a_chip_that_cannot_be_read_does_not_renumber_the_others():
    assert [npu.device_id for npu in parse(A3.replace("0000:9F:00.0", "somewhere   "))] == [0, 2]
    assert all(not npu.warnings for table in TABLES.values() for npu in parse(table))


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("dcmi module initialize failed. ret is -8005", "is /dev/davinci* mounted"),
        ("dcmi model initialized failed, because the device is used. ret is -8020", "another container or process"),
        ("There is no NPU card on this server.", ""),
    ],
)
def test_a_text_without_a_table_is_quoted_where_it_says_why(line, meaning):
    text = f"DrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)\n{line}\n"
    with pytest.raises(NoAnswerError) as caught:
        parse(text)

    assert line in str(caught.value)
    assert meaning in str(caught.value)


def test_the_line_with_the_code_is_the_reason_whatever_follows():
    assert "ret is -8005'; the driver shows no device" in fails(
        "x failed. ret is -8005\nPlease check for errors in the log\n"
    )


def test_a_row_that_lost_its_first_bar_is_no_word_beside_the_table():
    """The chips after it would get other numbers."""
    assert "the text is damaged" in fails(TWO_910B4.replace("| 4     910B4", "  4     910B4"))


def test_in_a_container_the_tools_count_what_it_sees_from_0():
    """Phy-ID is the host's number of a chip."""
    assert [(npu.device_id, npu.npu_id, npu.chip) for npu in parse(A3_CONTAINER)] == [(0, 4, 0), (1, 4, 1)]


def test_the_layout_of_the_950_is_read():
    first, second = parse(TWO_950)
    assert (first.npu_id, first.device_id, first.name, first.version) == (2, 0, "Ascend950DT", "25.6.rc1")
    assert first.busy == ("process 4321 (python3), 1024 MB",)
    assert (second.npu_id, second.device_id, second.health, second.busy) == (3, 1, "Warning", ("AICore at 7 %",))


@pytest.mark.parametrize(
    ("name", "whole", "part"), [("310P3-vir02", "310P3", "vir02"), ("310Pvir04_3c", "310P", "vir04_3c")]
)
def test_a_virtual_npu_is_a_part_of_its_chip(name, whole, part):
    (npu,) = parse(ONE_310.replace("310                   ", f"{name:<22}"))
    assert (npu.name, npu.slice) == (whole, part)


def test_a_very_long_line_is_quoted_in_part():
    assert len(fails("x" * 100_000)) < 400


# -- the real command --------------------------------------------------------------------------------------------------
