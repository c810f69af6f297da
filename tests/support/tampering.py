"""Each member of a file of evidence changed once, and what judging it again says: the table of docs/evidence.md."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

Members = Mapping[str, bytes]


@dataclass(frozen=True)
class Change:
    """One value of one member, changed so that the verdict depends on it."""

    member: str
    words: str
    change: Callable[[Members], bytes]


def number(dtype, choose, become):
    """Change one number of an array: the one at the place that `choose` gives."""

    def change(members, member):
        values = np.frombuffer(members[member], dtype).copy()
        values[choose(values)] = become(values)
        return values.tobytes()

    return change


def text(old, new):
    return lambda members, member: re.sub(old, new, members[member], count=1)


def field(*keys, value):
    def change(members, member):
        content = json.loads(members[member])
        place = content
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        return (json.dumps(content, indent=1) + "\n").encode()

    return change


def shifted(values):
    return values[0] + 1


def largest(values):
    return int(np.nanargmax(np.abs(values)))


CHANGES = (
    ("agreement/each.f8", "one number of one picture", number("<f8", largest, lambda values: 1.0)),
    ("agreement/facts.json", "the words of the floor", field("floor", value="measured elsewhere")),
    ("agreement/floor_each.f8", "one number of the floor", number("<f8", lambda values: 1, lambda values: 0.5)),
    ("agreement/present.u1", "one measure of one picture", number("u1", lambda values: 0, lambda values: 0)),
    ("agreement/sums.f8", "one sum of one picture", number("<f8", lambda values: 0, shifted)),
    ("candidate/boxes_xyxy.f4", "one corner of the surest box", None),
    ("candidate/dumps.txt", "one digest of a dump", text(rb" [0-9a-f]", b" x")),
    ("candidate/facts.json", "the device's description", field("description", value="an NPU")),
    ("candidate/labels.u2", "the class of the surest detection", None),
    ("candidate/scores.f4", "the score of the surest detection", number("<f4", largest, lambda values: 0.001)),
    ("exhibits.json", "the digest of the weights", field("files", "weights", "sha256", value="0" * 64)),
    ("pictures.json", "one id of the set", field("all_ids", 0, value="000999")),
    ("port.toml", "one limit", text(rb"limit = 0\.01", b"limit = 0.02")),
    ("reference/boxes_xyxy.f4", "one corner of the surest box", None),
    ("reference/dumps.txt", "one digest of a dump", text(rb" [0-9a-f]", b" x")),
    ("reference/facts.json", "the digest of the outputs", field("outputs", "sha256", value="0" * 64)),
    ("reference/labels.u2", "the class of the surest detection", None),
    ("reference/scores.f4", "the score of the surest detection", number("<f4", largest, lambda values: 0.001)),
    ("run.json", "the sentence of --explained", field("explained", value="it is a better network")),
    ("set.txt", "one id of the set", text(rb"000001", b"000998")),
    ("statement.json", "the result", text(rb'"result": "[A-Z]+"', b'"result": "PASSED "')),
    ("truth/boxes_xyxy.f8", "one corner of one box", number("<f8", lambda values: 0, shifted)),
    ("truth/difficult.u1", "one object is difficult", number("u1", lambda values: 0, lambda values: 1 - values[0])),
    (
        "truth/labels.u2",
        "the class of one object",
        number("<u2", lambda values: 0, lambda values: (values[0] + 1) % 20),
    ),
    ("verdict.json", "one limit", field("criteria", 0, "limit", value=139.0)),
)


def changed(members, member, change):
    """The members with one of them changed."""
    if change is None:
        side, kind = member.split("/")
        surest = largest(np.frombuffer(members[f"{side}/scores.f4"], "<f4"))
        box = kind.startswith("boxes")
        make = number(
            "<f4" if box else "<u2", lambda _: 4 * surest + 2 if box else surest, lambda _: 1.0 if box else 19
        )
        change = make
    data = change(members, member)
    assert data != members[member], member
    return {**members, member: data}


NAMED = re.compile(
    r"(?:another thing than judging again: (?P<value>(?:trial|criteria|status|words|rates).*?) is "
    r"|members? (?P<member>[\w./*]+)|(?P<test>not asked in this run))"
)


def named(words):
    """What an error of judging again names: a member, or a value of the verdict."""
    found = NAMED.search(" ".join(words.split()))
    value = found and (found["member"] or found["value"] or found["test"])
    return value and re.sub(r"\[\d+\].*", "", value)  # which figure is the first depends on the processor's last digits


def table(rows):
    """The table of the page. Rows: member, what was changed, what is named where it alone is changed, and with a new manifest."""
    head = "| member | what was changed | changed alone: the error names | with a manifest made anew: the error names |"
    cells = [[f"`{cell}`" for cell in (member, alone, anew)] for member, _, alone, anew in rows]
    lines = [f"| {m} | {row[1]} | {a} | {n} |" for row, (m, a, n) in zip(rows, cells, strict=True)]
    lines = [line.replace("|difference|", r"\|difference\|") for line in lines]
    return "\n".join([head, "|---|---|---|---|", *lines])
