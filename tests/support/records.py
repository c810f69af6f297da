"""The file of --verdict as a run writes it, small and made up."""

import json

from rfcn_lib.score.average_precision import VOC07
from rfcn_lib.score.fingerprint import fingerprint
from rfcn_lib.suite.verdict_file import as_json, write_json
from tests.support.trials import trial_of, verdict_of

SUITE = {"commit": "c0ffee", "sha256": "d1" * 32}


def protocol_of(**changes):
    """As a trial keeps it."""
    values = {"set": "2 pictures, ids 12, objects 34", "cropped": 0, "canvas": "1344x1344", "clip": "canvas"}
    found = fingerprint(VOC07, 0.5, **{**values, **changes})
    return {"name": VOC07.name, **found.fields(), "fingerprint": str(found)}


def judged_trial(**changes):
    return trial_of(**{"protocol": protocol_of(), **changes})


def record_of(*verdicts, options=None, **said):
    """What the file of --verdict holds; the first verdict is the main one."""
    found = list(verdicts) or [verdict_of(judged_trial())]
    said = {"suite": SUITE, "pytest": {"version": "9"}, **said}
    record = as_json(
        found[0], found[1:], ["-m", "accuracy"], {"limit": None, "clip": "canvas", **(options or {})}, said
    )
    return {**record, "versions": {"numpy": "2.0"}, **said}


def written(path, record=None):
    """The file, through JSON as a run writes it."""
    write_json(path, record_of() if record is None else record)
    return path


def changed(path, change):
    """The file, after `change(content)`."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path
