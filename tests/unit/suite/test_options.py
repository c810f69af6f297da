"""Every option has one place where it is checked: a wrong value is a sentence, and all wrong values are named at once."""

import json
from pathlib import Path

import pytest

from rfcn_lib.port import PUBLISHED
from rfcn_lib.suite.options import DECLARED, SPECIMEN, SPECIMEN_WEIGHTS, OptionError, read
from tests.support.records import written

BY_DEFAULT = {name.removeprefix("--"): default for name, _, default, _ in DECLARED} | {
    "accept": False,
    "explain": False,
    "atc-arg": [],
}


def read_with(*words, marks="accuracy", **given):
    """As the command line's words give them: "--limit=3"."""
    named = dict(word.removeprefix("--").partition("=")[::2] for word in words)
    return read({**BY_DEFAULT, **named, **given}, marks=marks)


def test_the_specimen_is_judged_by_default():
    options = read_with()

    assert (options.weights, options.port) == (SPECIMEN_WEIGHTS, SPECIMEN / "port.toml")
    assert options.devkit == SPECIMEN / "VOCdevkit"
    assert options.store == Path.cwd() / ".artifacts"
    assert options.needs_jpegs
    assert not options.fitted


def test_weights_of_ones_own_are_of_the_published_port(tmp_path):
    weights = tmp_path / "w.pth"
    weights.touch()

    assert read_with(f"--weights={weights}").port == PUBLISHED
    assert read_with(f"--weights={weights}", f"--port={SPECIMEN / 'port.toml'}").port == SPECIMEN / "port.toml"


@pytest.mark.parametrize(
    ("dumps", "reference", "needed"),
    [
        (None, "torch", True),
        (None, "published", True),
        (".", "torch", True),
        (".", "README.md", True),
        (".", "published", False),
    ],
)
def test_jpegs_are_needed_where_a_network_or_a_packet_is_of_them(dumps, reference, needed):
    assert read_with(dumps=dumps, reference=reference).needs_jpegs is needed


def test_the_interval_is_the_gate_where_both_sides_are_known():
    assert read_with().gate == "point"
    assert read_with("--gate=interval").gate == "interval"
    with pytest.raises(OptionError, match="a mean alone: there is no pairing"):
        read_with("--gate=interval", "--reference=published")


def test_a_reference_is_a_word_or_a_packet():
    assert read_with().reference == "torch"
    assert read_with("--reference=published").reference_packet is None
    given = read_with("--reference=README.md")
    assert (given.reference, given.reference_packet) == ("packet", Path("README.md"))


@pytest.mark.parametrize("reference", ["published", "README.md"])
def test_a_reference_that_is_not_run_is_not_written(reference, tmp_path):
    with pytest.raises(OptionError, match=f"but --reference={reference} does not run it"):
        read_with(f"--reference={reference}", f"--write-reference={tmp_path / 'r.zip'}")
    assert read_with(f"--write-reference={tmp_path / 'r.zip'}").write_reference == tmp_path / "r.zip"


def test_numbers_are_read():
    options = read_with("--limit=12", "--tool-timeout=90")

    assert (options.limit, options.tool_timeout_s) == (12, 90.0)


def test_a_set_of_the_devkit_may_be_named(tmp_path):
    sets = tmp_path / "VOC2007" / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    (sets / "val.txt").touch()

    assert read_with().set_name == "test"
    assert read_with(f"--devkit={tmp_path}", "--set=val").set_name == "val"
    with pytest.raises(OptionError, match=r"there is no set file .*test\.txt; sets there: val; pass --set=NAME"):
        read_with(f"--devkit={tmp_path}")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "a/b", "..", "val\n"])
def test_a_set_never_leads_out_of_its_folder(name):
    """Where no file is looked for, the reason is the name; `..` is the name of a file, `...txt`, that is not there."""
    with pytest.raises(OptionError, match=r"the set's name is|there is no set file .*ImageSets/Main/\.\.\.txt"):
        read_with(f"--set={name}")


WRONG = [
    ("--weights=/nowhere.pth", "--weights=/nowhere.pth is not a file"),
    ("--port=/nowhere.toml", "--port=/nowhere.toml is not a file"),
    ("--devkit=/nowhere", "--devkit=/nowhere is not a folder"),
    ("--dumps=/nowhere", "--dumps=/nowhere is not a folder"),
    ("--baseline=/nowhere.json", "make one with `pytest -m gpu`"),
    ("--set=none", "specimen/VOCdevkit/VOC2007/ImageSets/Main/none.txt; sets there: test"),
    ("--set=test.txt", "the set's name is 'test.txt', but it ends in .txt"),
    ("--store=Makefile", "--store=Makefile is a file, but should be a folder"),
    ("--limit=0", "--limit=0 should be a whole number of pictures, 1 or more"),
    ("--gate=class", "--gate=class should be point or interval"),
    ("--limit=many", "--limit=many should be a whole number"),
    ("--limit=\u0663", "should be a whole number"),
    ("--limit=99999999999999999999", "should be a whole number"),
    ("--tool-timeout=1.5", "--tool-timeout=1.5 should be a whole number of seconds"),
    ("--reference=gpu", "--reference=gpu is not torch, published, or a file"),
    ("--reference=", "--reference= is empty"),
    ("--write-reference=/nowhere/r.zip", "there is no folder /nowhere"),
    ("--overflow=warn", "--overflow=warn should be crop or error"),
    ("--canvas=square", "--canvas=square should be published or fitted"),
    ("--reference=/nowhere.zip", "--reference=/nowhere.zip is not torch, published, or a file"),
    ("--clip=picture", "--clip=picture should be canvas or none"),
    ("--onnx=/nowhere.onnx", "--onnx=/nowhere.onnx is not a file"),
    ("--adapted=/nowhere.onnx", "--adapted=/nowhere.onnx is not a file"),
    ("--runner=msame", "--runner=msame should be benchmark or ais_bench"),
    ("--precision-mode=fp8", "--precision-mode=fp8 should be"),
    ("--devices=all", "--devices=all should be device ids"),
    ("--devices=0,,1", "should be device ids"),
    ("--soc=Ascend999", "--soc=Ascend999 should be one of"),
    ("--dask=head:8786", "--dask=head:8786 should be a scheduler's address, --dask=tcp://HOST:8786, or"),
    ("--verdict=/nowhere/v.json", "there is no folder /nowhere"),
    ("--protocols=/nowhere/p.txt", "there is no folder /nowhere"),
    ("--verdict=.", "is a folder, but should be the name of a file"),
    ("--verdict=/proc/v.json", "cannot be written"),
    *((f"--{name}=", f"--{name}= is empty, but should name a path") for name in ("weights", "port", "devkit", "dumps")),
    *((f"--{name}=", f"--{name}= is empty, but should name a path") for name in ("store", "verdict", "baseline")),
]


@pytest.mark.parametrize(("word", "answer"), WRONG, ids=[word for word, _ in WRONG])
def test_a_wrong_value_is_a_sentence(word, answer):
    with pytest.raises(OptionError) as error:
        read_with(word)
    assert answer in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["verdict", "report", "protocols", "write-reference"])
@pytest.mark.parametrize("other", ["weights", "port", "onnx", "reference"])
def test_a_file_that_is_read_is_not_written_over(tmp_path, name, other):
    """A checkpoint takes days to train, and one wrong word would replace it by a table."""
    (tmp_path / "precious").write_text("days of work")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    for path in (tmp_path / "precious", tmp_path / "link", f"{tmp_path}/../{tmp_path.name}/precious"):
        with pytest.raises(OptionError, match=f"would overwrite the file of --{other}"):
            read_with(f"--{other}={tmp_path / 'precious'}", f"--{name}={path}")
    assert (tmp_path / "precious").read_text() == "days of work"


def test_two_files_are_not_written_over_each_other(tmp_path):
    earlier = written(tmp_path / "old.json")
    assert read_with(f"--compare={earlier}").compare == earlier
    with pytest.raises(OptionError, match=r"file of --compare \(it now lies in old.json.earlier\); name another"):
        read_with(f"--verdict={earlier}", f"--compare={earlier}")
    with pytest.raises(OptionError, match=r"--protocols=.* would overwrite the file of --verdict"):
        read_with(f"--verdict={tmp_path / 'v'}", f"--protocols={tmp_path / 'v'}")
    assert read_with(f"--verdict={tmp_path / 'v'}", f"--protocols={tmp_path / 'p'}").verdict


def test_nothing_is_written_among_the_dumps_that_are_judged(tmp_path):
    with pytest.raises(OptionError, match="lies in the folder of --dumps"):
        read_with(f"--dumps={tmp_path}", f"--verdict={tmp_path / 'v.json'}")


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(OptionError) as error:
        read_with("--limit=0", "--canvas=square", "--devices=all")
    assert [line.partition("=")[0] for line in str(error.value).splitlines()] == ["--canvas", "--limit", "--devices"]


def test_fitted_canvases_are_never_accepted():
    with pytest.raises(OptionError, match="published criteria, which are of the published canvas"):
        read_with("--canvas=fitted", accept=True)


def test_dumps_made_elsewhere_are_no_npu_run():
    """All would be skipped, with exit status 0, and somebody would read that as an answer."""
    with pytest.raises(OptionError, match="-m npu judges what this host's NPU makes"):
        read_with("--dumps=.", marks="npu")


@pytest.mark.parametrize(
    ("words", "marks", "answer"),
    [
        (("--onnx=Makefile", "--canvas=fitted"), "accuracy", "such a file has one canvas"),
        (("--adapted=Makefile", "--canvas=fitted"), "adapt", "such a file has one canvas"),
        (("--om=Makefile", "--canvas=fitted"), "npu", "such a file has one canvas"),
        (("--onnx=Makefile", "--clip=none"), "export", "leave out --clip"),
        (("--onnx=Makefile", "--dumps=."), "accuracy", "leave it out, or leave out --dumps"),
        (("--om=Makefile",), "accuracy", "only an NPU runs a compiled model; use -m npu"),
    ],
)
def test_what_cannot_go_with_a_given_file_is_refused(words, marks, answer):
    with pytest.raises(OptionError, match=answer):
        read_with(*words, marks=marks)


@pytest.mark.parametrize(
    ("words", "more", "answer"),
    [
        ((), {"accept": True}, "leave out --accept"),
        (("--dumps=.",), {}, "this is the work of another device; leave out --dumps"),
        (("--om=Makefile",), {}, "leave out --om"),
        (("--precision-mode=allow_fp32_to_bf16",), {}, "cannot be rehearsed"),
        (("--soc=Ascend610",), {}, "knows no facts about Ascend610"),
    ],
)
def test_what_cannot_go_with_a_rehearsal_is_refused(words, more, answer):
    with pytest.raises(OptionError, match=answer):
        read_with(*words, marks="rehearsal", **more)


def test_an_explanation_is_of_a_rehearsal():
    with pytest.raises(OptionError, match="use -m rehearsal --explain"):
        read_with(explain=True)
    assert read_with(marks="rehearsal", explain=True).explain


def test_a_prediction_stands_beside_what_a_device_gave():
    """The twin's own figures beside those of a rehearsal would be taken for a calibration."""
    for marks in ("accuracy", "rehearsal"):
        with pytest.raises(OptionError, match="--predicted=Makefile stands beside what a device gave"):
            read_with("--predicted=Makefile", marks=marks)
    assert read_with("--predicted=Makefile", marks="npu").predicted
    assert read_with("--predicted=Makefile", "--dumps=.").predicted


def test_a_sample_is_rehearsed_unless_a_limit_says_otherwise():
    assert read_with(marks="rehearsal").sample == 250
    assert read_with("--limit=9", marks="rehearsal").sample is None
    assert read_with().sample is None
    assert read_with(marks="rehearsal and not slow").sample == 250
    assert read_with(marks="accuracy or rehearsal").sample is None, "the twin's verdict is of the whole set"


def test_a_compiled_model_that_is_not_there_is_said():
    with pytest.raises(OptionError, match=r"^--om=/nowhere\.om is not a file"):
        read_with("--om=/nowhere.om", marks="npu")


def test_given_files_may_come_together():
    options = read_with("--onnx=Makefile", "--adapted=Makefile", "--om=Makefile", marks="npu")

    assert options.onnx == options.adapted == options.om == Path("Makefile")


@pytest.mark.parametrize("word", ["--output=other", "--soc_version=Ascend310", "no-flag"])
def test_flags_that_the_suite_sets_itself_are_refused(word):
    with pytest.raises(OptionError):
        read_with(**{"atc-arg": [word]})


def test_options_are_what_caches_may_be_keyed_by():
    assert hash(read_with()) == hash(read_with())
    assert json.dumps(dict(read_with().given))
