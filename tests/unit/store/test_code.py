"""The digest of code is the same on every Python that the suite supports: a reference packet is read on another machine."""

import importlib.util
from pathlib import Path

from rfcn_lib.store.code import code_behind

TEXT = '''
"""A docstring."""
from collections.abc import Sequence


class Empty:
    """Nothing in it."""


def join(words: Sequence[str] = (), *, sep=None) -> str:  # a comment
    """Another docstring."""
    found = []
    match words:
        case [str(first), *_] if first:
            found += [f"{first!r:>{len(words)}}", *words]
        case None:
            return ""
    return (sep or ", ").join(found) + str(1.5e-7) + str(b"x" != ...)
'''
ON_EVERY_PYTHON = "9d91ef4bd9f761d0608094b1907cfab2aa668abeeff054483028b7219d9d6206"


def digest_of(tmp_path: Path, text: str) -> str:
    path = tmp_path / "some_code.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("some_code", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return code_behind(module)[0]["some_code.py"]


def test_the_version_of_python_is_not_in_the_digest(tmp_path: Path) -> None:
    """Python 3.12 gave functions and classes one more field, 3.13 hides the empty ones."""
    assert digest_of(tmp_path, TEXT) == ON_EVERY_PYTHON


def test_words_and_layout_are_not_in_it_and_every_constant_is(tmp_path: Path) -> None:
    same = (
        TEXT.replace("# a comment", "").replace("Another docstring.", "Reworded.").replace("found = []", "found =  []")
    )
    assert digest_of(tmp_path, same) == ON_EVERY_PYTHON
    for old, new in (
        ("sep=None", "sep=0"),
        ("1.5e-7", "1.6e-7"),
        ("()", "[]"),
        ("case None", "case False"),
        ("!r", "!s"),
    ):
        assert digest_of(tmp_path, TEXT.replace(old, new)) != ON_EVERY_PYTHON, old
