import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from rfcn_lib import spec
from rfcn_lib.port import LARGEST_FILE_BYTES, PUBLISHED, PictureRules, PortError, on_canvas, read_port

GOOD = PUBLISHED.read_text()


def refusal(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text)
    with pytest.raises(PortError) as caught:
        read_port(file)
    message = str(caught.value)
    assert str(file) in message
    assert f"{PUBLISHED} is a complete example" in message
    return message


def test_the_published_port_says_what_the_published_sources_say() -> None:
    port = read_port(PUBLISHED)
    assert port.classes == spec.VOC_CLASSES
    assert port.pictures.canvas_wh_px == (1344, 1344)
    assert port.proposals.anchor_scales == (8.0, 16.0, 32.0)
    assert port.detections.delta_stds == (0.1, 0.1, 0.2, 0.2)
    assert port.criteria["mean_ap"].limit == 0.6986
    assert port.criteria["mean_ap"].source.startswith("published guide 6.2")


def test_a_port_is_frozen_hashable_comparable_and_travels_to_other_processes() -> None:
    port = read_port(PUBLISHED)
    again = pickle.loads(pickle.dumps(port))  # as Dask sends it to a cluster's workers
    assert port == again
    assert hash(port) == hash(again)
    for table, key in ((port, "name"), (port.pictures, "short_side_px"), (port.criteria["mean_ap"], "limit")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(table, key, getattr(table, key))


def test_a_port_on_another_canvas_differs_in_that_alone() -> None:
    port = read_port(PUBLISHED)
    other = on_canvas(port, (688, 512))

    assert other.pictures.canvas_wh_px == (688, 512)
    assert on_canvas(other, (1344, 1344)) == port
    assert on_canvas(port, port.pictures.canvas_wh_px) == port


@pytest.mark.parametrize(
    ("canvas_wh", "said"), [((8208, 512), "canvas_wh_px.0 is 8208"), ((688, 496), "at least short_side_px = 512")]
)
def test_a_canvas_no_port_may_have_is_refused(canvas_wh: tuple[int, int], said: str) -> None:
    with pytest.raises(PortError, match=f"{said}.*use --canvas=published"):
        on_canvas(read_port(PUBLISHED), canvas_wh)


def test_figures_of_a_published_run_may_be_absent(tmp_path: Path) -> None:
    start, end = GOOD.index("[criteria.mean_ap]"), GOOD.index("[criteria.mean_ap_drop]")
    file = tmp_path / "mine.toml"
    file.write_text(GOOD[:start] + GOOD[end : GOOD.index("[criteria.throughput_fps]")])
    assert set(read_port(file).criteria) == {"mean_ap_drop", "class_ap_drop"}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "short_side_px = 512",
            "short_side_px = '512'",
            "pictures.short_side_px is '512', but should be a valid integer",
        ),
        (
            "short_side_px = 512",
            "short_side_px = 512.0",
            "pictures.short_side_px is 512.0, but should be a valid integer",
        ),
        (
            "short_side_px = 512",
            "short_side_px = true",
            "pictures.short_side_px is True, but should be a valid integer",
        ),
        (
            "short_side_px = 512",
            "short_side_px = 0",
            "pictures.short_side_px is 0, but should be greater than or equal to 16",
        ),
        (
            "short_side_px = 512",
            "short_side_px = 2000",
            "should have a canvas_wh_px of at least short_side_px = 2000 both ways",
        ),
        ("short_side_px = 512", "", "pictures.short_side_px is missing"),
        (
            "short_side_px = 512",
            "short_side_px = 512\nlong_side_px = 1",
            "pictures.long_side_px is not a key of a port",
        ),
        ("[1344, 1344]", "[1344]", "pictures.canvas_wh_px.1 is missing"),
        ("[1344, 1344]", "[1344, 1344, 3]", "pictures.canvas_wh_px is [1344, 1344, 3], but "),
        ("[1344, 1344]", "[1344, 1344.0]", "pictures.canvas_wh_px.1 is 1344.0, but should be a valid integer"),
        (
            "[1344, 1344]",
            "[1344, 100000]",
            "pictures.canvas_wh_px.1 is 100000, but should be less than or equal to 8192",
        ),
        ("[1344, 1344]", "1344", "pictures.canvas_wh_px is 1344, but should be a list"),
        ("means_bgr = [50.674869,", "means_bgr = [true,", "pictures.means_bgr.0 is True, but should be a valid number"),
        (
            "means_bgr = [50.674869,",
            "means_bgr = [256,",
            "pictures.means_bgr.0 is 256, but should be less than or equal to 255",
        ),
        ("score_above = 0.0", "score_above = nan", "detections.score_above is nan, but should be a finite number"),
        ("score_above = 0.0", "score_above = inf", "detections.score_above is inf, but should be a finite number"),
        ("score_above = 0.0", "score_above = 1979-05-27", "detections.score_above is datetime.date(1979, 5, 27), but "),
        ("anchor_ratios = [0.5, 1.0, 2.0]", "anchor_ratios = []", "proposals.anchor_ratios is [], but "),
        ("kept = 300", "kept = 1001", "proposals.kept is 1001, but should be less than or equal to 1000"),
        ('"cat"', '"dog"', "should be different names, but dog is there twice"),
        ('"cat"', '""', "classes.7 is '', but should be a name of printable characters: it is empty"),
        (
            '"cat"',
            '" cat"',
            "classes.7 is ' cat', but should be a name of printable characters: it begins or ends with a",
        ),
        ('"cat"', '"cat\\n"', "classes.7 is 'cat\\n', but "),
        ('"cat"', "7", "classes.7 is 7, but should be a valid string"),
        ("[criteria.mean_ap_drop]", "[criteria.map_drop]", "criteria.map_drop is 'map_drop', but should be 'mean_ap'"),
        ("[criteria.class_ap_drop]", "[criteria.mean_ap_drop]", "is not TOML"),
        ("limit = 0.01", "limit = 1.5", "mean_ap_drop.limit is 1.5"),
        ("limit = 0.01", "limit = -0.01", "criteria.mean_ap_drop.limit is -0.01, but "),
        ("limit = 0.01", "", "criteria.mean_ap_drop.limit is missing"),
        ('scope = "interface x chips (extrapolated)"', "", "a throughput_fps.scope: which rate was it agreed for"),
        ('scope = "interface x chips (extrapolated)"', 'scope = "fps"', "criteria.throughput_fps.scope is 'fps', but "),
        ("limit = 0.01", 'limit = 0.01\nscope = "end to end"', "should hold no mean_ap_drop.scope"),
        ('name = "R-FCN', 'name = " " # "', "name is ' ', but "),
        ("[pictures]", "[picture]", "pictures is missing\n  picture is not a key of a port"),
        ("[pictures]", "[pictures", "is not TOML"),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in GOOD
    assert sentence in refusal(tmp_path, GOOD.replace(old, new, 1))


def test_a_criterion_every_port_agrees_on_cannot_be_left_out(tmp_path: Path) -> None:
    without = GOOD[: GOOD.index("[criteria.mean_ap_drop]")]
    assert "should also hold class_ap_drop and mean_ap_drop" in refusal(tmp_path, without)


@pytest.mark.parametrize(("kept", "margin"), [(0.5, 0.1), (0.9, 0.1), (0.95, 0.05), (0.0, 0.1)])
def test_a_port_file_of_an_earlier_edition_is_read_and_says_what_changed(
    tmp_path: Path, kept: float, margin: float
) -> None:
    start, end = GOOD.index("[criteria.class_ap_drop]"), GOOD.index("[criteria.throughput_fps]")
    old = f'[criteria.class_ap_kept]\nlimit = {kept}\nsource = "half"\n\n'
    file = tmp_path / "old.toml"
    file.write_text(GOOD[:start] + old + GOOD[end:])
    criteria = read_port(file).criteria
    assert "class_ap_kept" not in criteria
    assert criteria["class_ap_drop"].limit == margin
    assert "class_ap_kept" in criteria["class_ap_drop"].source
    assert "no longer judged" in criteria["class_ap_drop"].source

    file.write_text(GOOD[:end] + old + GOOD[end:])
    with pytest.raises(PortError, match="class_ap_kept is there too; remove it"):
        read_port(file)


def test_many_faults_are_counted_not_poured_out(tmp_path: Path) -> None:
    message = refusal(tmp_path, "\n".join(f"key_{i} = {i}" for i in range(100)))
    assert message.endswith("and 101 more")
    assert message.count("\n") == 6  # 100 surplus and 6 missing, 5 shown


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = " + "9" * 5_000])
def test_hostile_toml_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    assert "is not TOML" in refusal(tmp_path, text)


def test_what_is_no_page_of_toml_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    large = tmp_path / "large.toml"
    large.write_text("#" * (LARGEST_FILE_BYTES + 1))
    with pytest.raises(PortError, match=r"large\.toml has more than 1,000,000 bytes, but should be a page of TOML"):
        read_port(large)
    bytes_ = tmp_path / "weights.pth"
    bytes_.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(PortError, match=r"weights\.pth is not TOML"):
        read_port(bytes_)
    for path in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(PortError, match=r"no port file at .*; pass --port=FILE, for example"):
            read_port(path)


def test_values_made_in_code_are_checked_too() -> None:
    with pytest.raises(ValidationError):
        PictureRules(short_side_px=512, canvas_wh_px=(400, 600), means_bgr=(0.0, 0.0, 0.0))
