"""What may be wrong with the value of one option. Each function yields a sentence where the value is wrong, else nothing.

None stands for an option that the command line does not have.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rfcn_lib.errors import SuiteError

T = TypeVar("T")


def one_of(name: str, value: str | None, allowed: Sequence[str]) -> Iterator[str]:
    """One of a few words."""
    if value is not None and value not in allowed:
        words = ", ".join(allowed[:-1])
        yield f"--{name}={value} should be {words} or {allowed[-1]}"


def whole_number(name: str, value: str | None, below: int, of: str, example: str) -> Iterator[str]:
    """A whole number from 1 to `below` - 1, in plain digits."""
    if value is not None and not (value.isascii() and value.isdigit() and 0 < int(value[:12]) < below):
        yield f"--{name}={value} should be a whole number {of}, 1 or more, for example {example}"


def device_ids(name: str, value: str | None) -> Iterator[str]:
    """Whole numbers with commas between them."""
    if value is not None and not all(part.isascii() and part.isdigit() for part in value.split(",")):
        yield f"--{name}={value} should be device ids of `npu-smi info`, such as 0 or 0,1,2,3"


def a_sentence(name: str, value: str | None) -> Iterator[str]:
    """Some words in one line, as a person would give a reason."""
    if value is not None and (len(value.split()) < 3 or len(value) > 1000 or not value.isprintable()):
        yield f"--{name}={value!r:.200} should be a sentence in one line, of three words to 1000 characters"


def a_file(name: str, value: str | None, here: Path) -> Iterator[str]:
    """A file that is there."""
    if value == "":
        yield _empty(name)
    elif value is not None and not Path(value).is_file():
        words = " torch, published, or" if name == "reference" else ""
        made = "; make one with `pytest -m gpu` on a CUDA machine" if name in ("baseline", "reference") else ""
        yield f"--{name}={value} is not{words} a file (seen from {here}){made}; write --{name}=PATH, with '='"


def a_folder(name: str, value: str | None, here: Path) -> Iterator[str]:
    """A folder that is there."""
    if value == "":
        yield _empty(name)
    elif value is not None and not Path(value).is_dir():
        yield f"--{name}={value} is not a folder (seen from {here}); write --{name}=PATH, with '='"


def a_folder_to_write(name: str, value: str) -> Iterator[str]:
    """A folder, or the name of one to make."""
    if value == "":
        yield _empty(name)
    elif Path(value).exists() and not Path(value).is_dir():
        yield f"--{name}={value} is a file, but should be a folder, or the name of one to make"


def a_file_to_write(name: str, value: str | None) -> Iterator[str]:
    """The name of a file in a folder where one can be written; tried by writing one beside it."""
    if value is None:
        return
    target = Path(value)
    if value == "":
        yield _empty(name)
    elif not target.absolute().parent.is_dir():
        yield f"--{name}={value}: there is no folder {target.absolute().parent}; make it first"
    elif target.is_dir():
        yield f"--{name}={value} is a folder, but should be the name of a file to write"
    else:
        aside = target.with_name(f".{target.name}.new")
        try:
            aside.touch()
            aside.unlink()
        except OSError as error:
            yield f"--{name}={value} cannot be written: {error.strerror}; name another place"


def accepted_by(value: T | None, check: Callable[[T], object]) -> Iterator[str]:
    """A value that `check` takes without an error of this suite."""
    if value is not None:
        try:
            check(value)
        except SuiteError as error:
            yield str(error)


def _empty(name: str) -> str:
    return f"--{name}= is empty, but should name a path; is a variable unset?"
