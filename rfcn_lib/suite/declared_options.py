"""The options that take one value each: name, example, default, help. `options` adds those of another kind."""

from collections.abc import Sequence

DECLARED: Sequence[tuple[str, str, str | None, str]] = (  # name, example of a value, default, help
    ("--weights", "PATH", None, "source checkpoint, upstream format; default: the specimen's"),
    (
        "--port",
        "FILE",
        None,
        "the port's numbers, TOML; default: the specimen's, the published once --weights is given",
    ),
    ("--devkit", "PATH", None, "VOCdevkit folder, the one that holds VOC2007/; default: the specimen's"),
    ("--set", "NAME", "test", "which set of the devkit, ImageSets/Main/NAME.txt; default: %(default)s"),
    ("--store", "DIR", ".artifacts", "where artifacts are kept; default: %(default)s"),
    ("--onnx", "FILE", None, "judge this exported graph instead of the suite's own export"),
    ("--adapted", "FILE", None, "judge this graph, the one that atc was given, instead of adapting the exported one"),
    ("--om", "FILE", None, "judge this compiled model; atc is not needed"),
    (
        "--clip",
        "canvas|none",
        "canvas",
        "the suite's own export clips the proposals to the canvas, or not, as published",
    ),
    ("--dumps", "DIR", None, "judge these dumps, made elsewhere, instead of making any"),
    ("--limit", "N", None, "first N ids of the set; the verdict says PARTIAL"),
    ("--reference", "torch|published|FILE", "torch", "source model run here, published figure, or a reference packet"),
    (
        "--overflow",
        "crop|error",
        "crop",
        "a picture larger than the canvas: crop it as published, or end with an error",
    ),
    (
        "--canvas",
        "published|fitted",
        "published",
        "all pictures on the port's canvas, or each on the smallest of a few",
    ),
    (
        "--gate",
        "point|interval",
        "point",
        "what judges the drop on a whole set: the point comparison, or its interval, for pictures like these",
    ),
    ("--dask", "ADDRESS", None, "share the pictures over a Dask cluster, tcp://HOST:8786, or local:N processes here"),
    ("--explained", "SENTENCE", None, "why a number is better than it can be; --accept needs it then"),
    ("--verdict", "FILE", None, "write the verdict as JSON: what was judged, every criterion, its number, its outcome"),
    (
        "--report",
        "FILE",
        None,
        "write a page for people, HTML: the verdict, curves, pictures that lost, where it departs",
    ),
    ("--protocols", "FILE", None, "write a table of the same detections under each evaluation protocol"),
    ("--write-reference", "FILE", None, "write what the source model finds as a packet, for other hosts"),
    ("--baseline", "FILE", None, "a packet of `pytest -m gpu`: its figures replace the published ones in the criteria"),
    ("--predicted", "FILE", None, "prediction-CHIP-MODE.json of -m rehearsal: print beside it what was measured"),
    ("--soc", "NAME", None, "chip, such as Ascend310; default: to compile for, the device's; to rehearse, Ascend310P3"),
    ("--runner", "benchmark|ais_bench", None, "the vendor's inference tool; default: the one that is there"),
    ("--devices", "0,1,...", None, "device ids that share the pictures; default: the first"),
    ("--precision-mode", "MODE", None, "handed to atc; default: atc's own, force_fp16"),
    (
        "--tool-timeout",
        "SECONDS",
        None,
        "longest run of a vendor's tool; default: 1 h for atc, 300 s and 30 s per picture for a batch",
    ),
)
